"""Serves the dashboard from one thread of its own, so that no page can slow the probes, the webhooks or a rollback.

Bounded: connections, threads that make pages, header sizes and silence. What cannot be served is refused.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio.to_thread
import structlog
import uvicorn
from starlette.applications import Starlette

from gitops_rollback.core.errors import SettingsInvalid
from gitops_rollback.web.dashboard import Dashboard

MOST_CONNECTIONS = 96
PAGE_THREADS = 4
WAITING = 64
IDLE_SECONDS = 5
CLOSE_SECONDS = 2
log = structlog.get_logger()


class DashboardServer:
    """Serves until `stop`; `url` holds the port that was really bound."""

    def __init__(self, bind: tuple[str, int], dashboard: Dashboard) -> None:
        """Raises: SettingsInvalid for an address that cannot be had."""
        host, port = bind
        try:
            self._socket = socket.create_server(
                bind, family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=WAITING
            )
        except OSError as exc:
            raise SettingsInvalid(f"{host}:{port} for the dashboard", exc.strerror or str(exc)) from exc
        # Connections inherit it: a page's last piece must not wait until the browser has confirmed the one before.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._host, self._port = host, int(self._socket.getsockname()[1])
        self._dashboard = dashboard
        app = dashboard.app
        app.router.lifespan_context = _bounded
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # who is trusted to say for whom it calls is a setting: see `web.login`
            lifespan="on",
            ws="none",
            http="h11",
            limit_concurrency=MOST_CONNECTIONS,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=CLOSE_SECONDS,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="dashboard", daemon=True)

    @property
    def url(self) -> str:
        return f"http://{f'[{self._host}]' if ':' in self._host else self._host}:{self._port}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._dashboard.closing = True
        self._server.should_exit = True
        self._thread.join(timeout=2 * CLOSE_SECONDS)

    def _run(self) -> None:
        try:
            self._server.run(sockets=[self._socket])
        except Exception:
            log.exception("the dashboard ended")


@asynccontextmanager
async def _bounded(_app: Starlette) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = PAGE_THREADS
    yield
