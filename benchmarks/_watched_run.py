"""One `run` as a process, and what it takes of the machine, as the system counts it."""

from __future__ import annotations

import os
import re
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path

from gitops_rollback.sandbox.world import run_command

LONGEST_SECONDS = 400.0
LOOK_SECONDS = 0.1
STILL_SECONDS = 0.5  # nothing is done between two ticks
JIFFY = os.sysconf("SC_CLK_TCK")


class WatchedRun:
    """A controller. Its metrics are read seldom: to make them for 5,000 applications is work, too."""

    def __init__(self, log: Path, environment: Mapping[str, str]) -> None:
        self._log = log
        with log.open("wb") as out:
            self._process = subprocess.Popen(run_command(), env=dict(environment), stdout=out, stderr=out)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def cpu(self) -> float:
        """CPU seconds so far, of the process and of the git that it has run."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / JIFFY

    def resident(self) -> float:
        """MiB now."""
        return self._memory("VmRSS")

    def peak(self) -> float:
        """MiB at the most, so far."""
        return self._memory("VmHWM")

    def ticks(self) -> float:
        """Ticks so far, over all repositories."""
        return sum(self._metric("gitops_rollback_ticks_total").values())

    def has_looked(self, times: int) -> bool:
        """So often at each repository that it acts for."""
        ticks = self._metric("gitops_rollback_ticks_total")
        return all(ticks.get(name, 0) >= times for name in self.leads())

    def leads(self) -> set[str]:
        """The repositories that it acts for."""
        return {name for name, value in self._metric("gitops_rollback_leader").items() if value == 1}

    def until(self, condition: Callable[[], bool], what: str, look_seconds: float = LOOK_SECONDS) -> None:
        """Wait for it. Raises: RuntimeError with the end of the log."""
        end, idle = time.monotonic() + LONGEST_SECONDS, threading.Event()
        while not condition():
            if time.monotonic() > end or not self.alive:
                raise RuntimeError(f"never: {what}\n{self._log.read_text('utf-8', 'replace')[-3000:]}")
            idle.wait(look_seconds)

    def until_still(self, longest_seconds: float) -> None:
        """Until it does nothing, between two ticks; on a busy machine there may be no such moment."""
        before, since, end = self.cpu(), time.monotonic(), time.monotonic() + longest_seconds
        idle = threading.Event()
        while time.monotonic() < min(end, since + STILL_SECONDS):
            idle.wait(LOOK_SECONDS)
            now = self.cpu()
            if now > before:
                before, since = now, time.monotonic()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(30)

    def _memory(self, name: str) -> float:
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.split(f"{name}:")[1].split()[0]) / 1024

    def _metric(self, name: str) -> dict[str, float]:
        """A metric's values by repository; {} before it has started."""
        started = re.search(r'"probes": "([^"]+)"', self._log.read_text("utf-8", "replace"))
        if started is None:
            return {}
        with urllib.request.urlopen(f"{started[1]}/metrics", timeout=60) as answer:
            shown = answer.read().decode()
        found = re.findall(rf'^{name}\{{[^}}]*repository="([^"]+)"[^}}]*\}} (\S+)$', shown, re.MULTILINE)
        return {repository: float(value) for repository, value in found}
