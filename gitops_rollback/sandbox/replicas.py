"""The controllers of a demo: `run` as a user would start it, once or several times, each with its own state and log."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gitops_rollback.sandbox.world import run_command

STOP_SECONDS = 30.0


@dataclass(frozen=True)
class Replica:
    """One process that was started."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def identity(self) -> str:
        """By which it takes Leases, as its log says; "" while it has not looked for one."""
        for line in self.log.read_text("utf-8", "replace").splitlines():
            entry = json.loads(line) if line.startswith("{") and line.endswith("}") else {}
            if entry.get("msg") == "lease":
                return str(entry["identity"])
        return ""


class Replicas:
    """Those of one demo, in `out`: the first with `controller.log` and `state`, the next with `controller-2.log`."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._running: list[Replica] = []

    def log(self, number: int) -> Path:
        """Where the replica of this number, counted from 1, writes its log."""
        return self._out / f"{_numbered('controller', number)}.log"

    def state(self, number: int) -> Path:
        """Where it keeps its clones."""
        return self._out / _numbered("state", number)

    def start(self, number: int, environment: Mapping[str, str]) -> None:
        """Start it in `out`, where its settings file lies."""
        with self.log(number).open("ab") as log:
            process = subprocess.Popen(run_command(), env=dict(environment), stdout=log, stderr=log, cwd=self._out)
        self._running.append(Replica(process, self.log(number)))

    def ended(self) -> int | None:
        """How one of them ended of its own accord; None while all run."""
        codes = (one.process.poll() for one in self._running)
        return next((code for code in codes if code is not None), None)

    def kill(self, identity: str | None = None) -> bool:
        """As a node that dies would: the one of this identity, or all. True if there was one."""
        found = [one for one in self._running if identity is None or one.identity == identity]
        for one in found:
            one.process.kill()
            one.process.wait(STOP_SECONDS)
            self._running.remove(one)
        return bool(found)

    def stop(self) -> int | None:
        """The worst exit code of those that ran; None if none did."""
        running, self._running = self._running, []
        for one in running:
            one.process.terminate()
        return max((_code(one.process) for one in running), key=abs, default=None)


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name}-{number}"


def _code(process: subprocess.Popen[bytes]) -> int:
    try:
        return process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait(STOP_SECONDS)
