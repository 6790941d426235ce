"""A service's /metrics as a process of its own: `exporter.py FILE` serves on a free port and writes it to FILE.port.

FILE is JSON: `share` is the part of fifty requests a second that fails. Each sample carries the process's own wall
clock, so that a wrong one is seen by whoever scrapes it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

REQUESTS_PER_SECOND = 50.0


class Counters:
    """Steady requests, counted since this process began."""

    def __init__(self, told: Path) -> None:
        self._told = told
        self._at = time.monotonic()
        self._counted = {"200": 0.0, "503": 0.0}

    def text(self) -> str:
        share = float(json.loads(self._told.read_text())["share"])
        now = time.monotonic()
        requests = (now - self._at) * REQUESTS_PER_SECOND
        self._at = now
        self._counted["503"] += requests * share
        self._counted["200"] += requests * (1 - share)
        stamp = int(time.time() * 1000)
        lines = [f'http_requests_total{{status="{name}"}} {count} {stamp}' for name, count in self._counted.items()]
        return "\n".join(["# TYPE http_requests_total counter", *lines, ""])


def serve(told: Path) -> None:
    counters = Counters(told)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text = counters.text().encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_about: Any) -> None:
            """It is asked every second."""

    port = told.with_suffix(".port")
    server = HTTPServer(("127.0.0.1", int(port.read_text()) if port.exists() else 0), Handler)
    fresh = port.with_suffix(".new")
    fresh.write_text(str(server.server_address[1]))
    os.replace(fresh, port)
    server.serve_forever()


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
