"""`/healthz`, `/readyz?verbose`, `/metrics` and `/version` on one port. Reads only; knows nothing about rollbacks.

Source: Kubernetes' health endpoints for the form of `/readyz?verbose`; the Prometheus text format for `/metrics`.
"""

from __future__ import annotations

import json
from urllib.parse import urlsplit

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from gitops_rollback import __version__
from gitops_rollback.app.health import Health, Metrics
from gitops_rollback.web.hooks import Hooks, HooksHandler
from gitops_rollback.web.server import TEXT, Server


class ProbeServer(Server):
    """The probes, and the webhooks where they have no port of their own."""

    def __init__(self, bind: tuple[str, int], health: Health, metrics: Metrics, hooks: Hooks | None = None) -> None:
        bound = {"health": health, "metrics": metrics, "hooks": hooks}
        super().__init__(bind, type("BoundHandler", (_Handler,), bound), "probes")


class _Handler(HooksHandler):
    health: Health
    metrics: Metrics

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
            self.answer(404, TEXT, b"not found\n")
            return
        page()

    def _healthz(self) -> None:
        alive = self.health.alive()
        self.answer(200 if alive else 503, TEXT, b"ok\n" if alive else b"a loop hangs\n")

    def _readyz(self, verbose: bool) -> None:
        ready = self.health.ready()
        lines = ["ok" if ready else "not ready"]
        if verbose:
            lines = [
                f"[{'+' if part.ready else '-'}]{part.name} {part.message}" for part in self.health.parts()
            ] + lines
        self.answer(200 if ready else 503, TEXT, ("\n".join(lines) + "\n").encode())

    def _metrics(self) -> None:
        self.answer(200, CONTENT_TYPE_LATEST, generate_latest(self.metrics.registry))

    def _version(self) -> None:
        self.answer(200, "application/json", json.dumps({"version": __version__}).encode())
