"""Runs the doctor for the setup page: one at a time, in a thread of its own, and not more often than each minute."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field

import structlog

from gitops_rollback.app.checkup import Finding
from gitops_rollback.core.errors import RollbackError
from gitops_rollback.core.journal import format_time
from gitops_rollback.ports import Clock

REST_SECONDS = 60.0
log = structlog.get_logger()


@dataclass
class Setup:
    """`examine` yields the findings in their order; it may take minutes."""

    examine: Callable[[], Iterable[Finding]]
    clock: Callable[[], Clock]
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _found: tuple[Finding, ...] = ()
    _at: str | None = None
    _running: bool = False
    _ended: float | None = None  # monotonic seconds

    def document(self) -> dict[str, object]:
        """What was found last; begins anew where that is old."""
        with self._lock:
            if not self._running and (self._ended is None or time.monotonic() - self._ended > REST_SECONDS):
                self._running = True
                threading.Thread(target=self._run, name="doctor", daemon=True).start()
            state = "looking" if self._running else "done"
            return {"state": state, "at": self._at, "findings": [asdict(one) for one in self._found]}

    def _run(self) -> None:
        found: list[Finding] = []
        try:
            for finding in self.examine():
                found.append(finding)
                if self._at is None:
                    self._found = tuple(found)
        except RollbackError as error:
            found.append(Finding(error.subject, False, error.message))
        except Exception:
            log.exception("the checks of the setup page failed")
            found.append(Finding("doctor", False, "failed by itself", "run gitops-rollback doctor"))
        with self._lock:
            self._found, self._at = tuple(found), format_time(self.clock().now())
            self._running, self._ended = False, time.monotonic()
