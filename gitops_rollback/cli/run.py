"""`gitops-rollback run`: the controller, until SIGTERM. Settings are watched and reloaded without a restart."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import click
import structlog
from click.core import ParameterSource

from gitops_rollback import __version__, crash_points
from gitops_rollback.adapters.files import watch_files
from gitops_rollback.adapters.large_blocks import give_back_large_blocks
from gitops_rollback.adapters.log import configure_logging
from gitops_rollback.adapters.tracing import traces_of
from gitops_rollback.app.checkup_all import findings_of
from gitops_rollback.app.controller import Controller
from gitops_rollback.app.garbage import collect_seldom
from gitops_rollback.app.runtime import PauseNow, Runtime
from gitops_rollback.app.settings import Settings, changed
from gitops_rollback.app.settings_engines import NAME_ONE, NO_ENGINE
from gitops_rollback.app.settings_input import is_all_loopback, load_settings, read_settings_pause
from gitops_rollback.app.wiring import wire
from gitops_rollback.core.errors import SettingsInvalid
from gitops_rollback.core.press import PagePress
from gitops_rollback.ports import Clock
from gitops_rollback.web.hooks import Door, Hooks, HookServer
from gitops_rollback.web.probes import ProbeServer
from gitops_rollback.web.server import Server

if TYPE_CHECKING:
    from gitops_rollback.web.actions import Actions
    from gitops_rollback.web.dashboard_server import DashboardServer

GRACE_SECONDS = 25.0
log = structlog.get_logger()


class Stopping(Protocol):
    """What is served, and ends with the process."""

    def stop(self) -> None: ...


def carry_out(ctx: click.Context, /, cluster: Mapping[str, object], **flags: object) -> None:
    # The settings read the environment themselves, each variable in its own spelling and by its own name.
    own = {name: flags[name] for name in flags if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE}
    given = {**own, **cluster}
    settings = load_settings(os.environ, given)
    if not settings.repositories:
        raise SettingsInvalid("settings", "no config repository: give --repo URL or GITOPS_ROLLBACK_REPO")
    crash_points.arm(os.environ.get(crash_points.VARIABLE, ""), is_all_loopback(settings))
    configure_logging(None, settings.secret_values)
    give_back_large_blocks()
    ctx.exit(_Service(settings, given).run())


@dataclass
class _Service:
    """One process: the controller of the settings in force, and the probes that outlive a reload."""

    settings: Settings
    flags: Mapping[str, object]

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._reload = threading.Event()
        self._pause = PauseNow(self.settings.pause)
        self._traces = traces_of(os.environ)
        send = self._traces.send if self._traces is not None else None
        self._runtime = Runtime(wire(self.settings), self._pause, send)
        self._controller: Controller | None = None
        self._hooks = Hooks(self._runtime.parts.clock.now, self._runtime.metrics.deliveries)

    def run(self) -> int:
        """0 after SIGTERM or Ctrl-C, once what was under way has ended or is known."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stop.set())
        servers = self._serve()
        self._watch_files()
        controller = self._started()
        collect_seldom()
        while not self._stop.wait(0.2):
            if self._reload.is_set():
                self._reload.clear()
                controller = self._replace(controller)
        self._hooks.close()
        ended = controller.join(GRACE_SECONDS)
        self._runtime.close()
        if self._traces is not None:
            self._traces.close()
        for server in servers:
            server.stop()
        log.info("stopped", clean=ended)
        return 0

    def _serve(self) -> list[Stopping]:
        """The probes, and the webhooks beside them or on a port of their own."""
        apart = _address(self.settings.hooks_bind) if self.settings.hooks_bind else None
        health, metrics = self._runtime.health, self._runtime.metrics
        probes = ProbeServer(_address(self.settings.bind), health, metrics, None if apart else self._hooks)
        servers: list[Server] = [probes, *([HookServer(apart, self._hooks)] if apart else [])]
        for server in servers:
            server.start()
        board = self._dashboard()
        self._announce(probes.url, servers[-1].url, board.url if board is not None else "")
        return [*servers, *([board] if board is not None else [])]

    def _dashboard(self) -> DashboardServer | None:
        """Its libraries are loaded only where it is wanted."""
        place = self.settings.dashboard
        if place.bind is None:
            return None
        from gitops_rollback.web.dashboard import Dashboard
        from gitops_rollback.web.dashboard_server import DashboardServer
        from gitops_rollback.web.setup import Setup

        def clock() -> Clock:
            return self._runtime.parts.clock

        setup = Setup(lambda: findings_of(self.settings, push=False), clock)
        actions = self._actions(clock)
        board = Dashboard(self._runtime.board, clock, setup, place.names, actions)
        server = DashboardServer(_address(place.bind), board)
        server.start()
        return server

    def _actions(self, clock: Callable[[], Clock]) -> Actions | None:
        """What may be pressed on the dashboard; a press goes to the controller of the settings in force."""
        from gitops_rollback.web.actions import Actions
        from gitops_rollback.web.login import Login

        place = self.settings.dashboard
        if place.login is None:
            return None

        def press(pressed: PagePress) -> None:
            if self._controller is not None:
                self._controller.pressed(pressed)

        board = self._runtime.board
        return Actions(Login(place.login), self._runtime.receipts, press, board.pictures, clock, place.names)

    def _started(self) -> Controller:
        """The controller of the settings in force, and the doors of its webhooks."""
        controller = self._controller = self._runtime.controller()
        controller.start()
        doors = [Door(hook.kind, hook.name, hook.keys) for hook in self.settings.hooks]
        self._hooks.open(doors, lambda hint: controller.look(hint.repositories), controller.pressed)
        return controller

    def _announce(self, probes: str, hooks: str, dashboard: str) -> None:
        if not self._runtime.parts.engines:
            log.warning(f"{NO_ENGINE}; {NAME_ONE}")
        if self.settings.clock is not None:
            log.warning("time is scaled: this is a demo", speed=self.settings.clock.speed)
        log.info(
            "started",
            version=__version__,
            observe=self.settings.observes,
            repositories=[repository.label for repository in self.settings.repositories],
            probes=probes,
            **({"dashboard": dashboard} if dashboard else {}),
            hooks=[f"{hooks}/hooks/{hook.kind}/{hook.name}" for hook in self.settings.hooks],
        )

    def _watch_files(self) -> None:
        if self.settings.watched:
            arguments = (self.settings.watched, self._reload.set, self._stop)
            threading.Thread(target=watch_files, args=arguments, name="files", daemon=True).start()

    def _replace(self, controller: Controller) -> Controller:
        """The new settings' controller; a broken new file is told, and only its stop comes into force."""
        self._pause.replace(read_settings_pause(self.settings, os.environ))
        try:
            settings = load_settings(os.environ, self.flags)
            live, waiting = changed(self.settings, settings)
            parts = wire(settings.model_copy(update={name: getattr(self.settings, name) for name in waiting}))
        except SettingsInvalid as error:
            log.error("refused the new settings; the old ones stay in force", error=error.message)
            return controller
        if waiting:
            log.warning("these settings wait for a restart", settings=sorted(waiting))
        self._pause.replace(settings.pause)
        if not live - {"paused", "paused_until"}:
            self.settings = settings
            return controller
        self._hooks.close()
        controller.join(GRACE_SECONDS)
        self._runtime.close()
        self.settings = settings
        self._runtime = replace(self._runtime, parts=parts)
        configure_logging(None, settings.secret_values)
        log.info("reloaded the settings", changed=sorted(live))
        return self._started()


def _address(bind: str) -> tuple[str, int]:
    host, _, port = bind.rpartition(":")
    return host.strip("[]"), int(port)
