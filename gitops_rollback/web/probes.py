"""`/healthz`, `/readyz?verbose`, `/metrics` and `/version` on one port. Reads only; knows nothing about rollbacks.

Source: Kubernetes' health endpoints for the form of `/readyz?verbose`; the Prometheus text format for `/metrics`.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from gitops_rollback import __version__
from gitops_rollback.app.health import Health, Metrics

REQUEST_SECONDS = 10.0


class ProbeServer:
    """Serves the probes from daemon threads until `stop`. `address` holds the port that was really bound."""

    def __init__(self, bind: tuple[str, int], health: Health, metrics: Metrics) -> None:
        handler = type("BoundHandler", (_Handler,), {"health": health, "metrics": metrics})
        self._server = ThreadingHTTPServer(bind, handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="probes", daemon=True)

    @property
    def address(self) -> tuple[str, int]:
        host, port = self._server.server_address[:2]
        return str(host), int(port)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=REQUEST_SECONDS)


class _Handler(BaseHTTPRequestHandler):
    health: Health
    metrics: Metrics
    timeout = REQUEST_SECONDS
    server_version = "gitops-rollback"
    sys_version = ""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        pages = {
            "/healthz": self._healthz,
            "/readyz": lambda: self._readyz(verbose="verbose" in url.query),
            "/metrics": self._metrics,
            "/version": self._version,
        }
        page = pages.get(url.path)
        if page is None:
            self._answer(404, "text/plain; charset=utf-8", b"not found\n")
            return
        page()

    def _healthz(self) -> None:
        alive = self.health.alive()
        self._answer(200 if alive else 503, "text/plain; charset=utf-8", b"ok\n" if alive else b"a loop hangs\n")

    def _readyz(self, verbose: bool) -> None:
        ready = self.health.ready()
        lines = ["ok" if ready else "not ready"]
        if verbose:
            lines = [
                f"[{'+' if part.ready else '-'}]{part.name} {part.message}" for part in self.health.parts()
            ] + lines
        self._answer(200 if ready else 503, "text/plain; charset=utf-8", ("\n".join(lines) + "\n").encode())

    def _metrics(self) -> None:
        self._answer(200, CONTENT_TYPE_LATEST, generate_latest(self.metrics.registry))

    def _version(self) -> None:
        self._answer(200, "application/json", json.dumps({"version": __version__}).encode())

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Probes come every few seconds: they are not worth a log line."""
