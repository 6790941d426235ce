"""A server that takes traces by OTLP over HTTP, as an OpenTelemetry collector does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans


@dataclass
class Collected:
    """Its address, and the bodies that came."""

    url: str
    bodies: list[bytes] = field(default_factory=list)

    def resources(self) -> list[ResourceSpans]:
        """What came, by who sent it."""
        requests = (ExportTraceServiceRequest.FromString(body) for body in self.bodies)
        return [one for request in requests for one in request.resource_spans]


@contextmanager
def collector() -> Iterator[Collected]:
    """Listens on loopback until it is left."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            collected.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200 if self.path == "/v1/traces" else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Silent."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    collected = Collected(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield collected
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
