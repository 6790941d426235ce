"""A proxy before an Argo CD: it spoils the objects of one application, or stays silent for a while."""

from __future__ import annotations

import http.client
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

LONGEST_SILENCE_SECONDS = 60.0


class ArgoCdProxy:
    """Stands before `target` until `stop`. `spoiled` is an application's name; the event stream is not passed on."""

    def __init__(self, target: str) -> None:
        self.target = urlsplit(target).netloc
        self.spoiled = ""
        self._speaking = threading.Event()
        self._speaking.set()
        handler = type("BoundHandler", (_Handler,), {"proxy": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def silent(self, silent: bool) -> None:
        """While silent, requests are taken and not answered."""
        if silent:
            self._speaking.clear()
        else:
            self._speaking.set()

    def stop(self) -> None:
        self._speaking.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def wait(self) -> None:
        self._speaking.wait(LONGEST_SILENCE_SECONDS)

    def spoil(self, text: bytes) -> bytes:
        """The answer, with the one application's objects made senseless."""
        if not self.spoiled or b"metadata" not in text:
            return text
        document = json.loads(text)
        for one in document.get("items") or [document]:
            if isinstance(one, dict) and one.get("metadata", {}).get("name") == self.spoiled:
                one["spec"] = {"source": 7, "sources": "many", "project": ["default"]}
                one["status"] = {"history": {"id": "x"}, "operationState": "done", "sync": [], "health": 3}
        return json.dumps(document).encode()


class _Handler(BaseHTTPRequestHandler):
    proxy: ArgoCdProxy
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._pass_on(b"")

    def do_POST(self) -> None:
        self._pass_on(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    do_DELETE = do_GET

    def log_message(self, *_about: Any) -> None:
        """Not worth a line."""

    def _pass_on(self, body: bytes) -> None:
        self.proxy.wait()
        status, kind, text = self._answer_of(body)
        try:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)
        except OSError:
            self.close_connection = True  # the client stopped waiting

    def _answer_of(self, body: bytes) -> tuple[int, str, bytes]:
        if "/stream/" in self.path:
            return 503, "text/plain", b"no stream here\n"
        connection = http.client.HTTPConnection(self.proxy.target, timeout=30)
        try:
            headers = {name: value for name, value in self.headers.items() if name != "Host"}
            headers["Accept-Encoding"] = "identity"
            connection.request(self.command, self.path, body or None, headers)
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, answer.headers.get("Content-Type", ""), self.proxy.spoil(text)
        finally:
            connection.close()
