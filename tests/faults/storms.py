"""A storm of changes on a Kubernetes API: does whoever watches it keep its head, its memory and its manners?"""

from __future__ import annotations

import itertools
import resource
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scene import Scene

from gitops_rollback.sandbox.kubernetes import By, KubernetesSandbox
from gitops_rollback.sandbox.kubernetes.kinds import Kind

AT_ONCE = 50  # changes between two breaths, so that the rest of the machine gets on
BREATH_SECONDS = 0.02
LEAST = 2_000  # changes, else it was no storm
LARGEST_MEMORY = 400 << 20
MARK = "example.org/storm"


class Storm:
    """Changes `objects` of one kind (name, namespace) without end. They mean nothing."""

    def __init__(self, kubernetes: KubernetesSandbox, kind: Kind, objects: Sequence[tuple[str, str]]) -> None:
        self.changes = 0
        self._kubernetes, self._kind, self._objects = kubernetes, kind, objects
        self._asked = len(kubernetes.requests)

    @contextmanager
    def blowing(self, again: Callable[[], object]) -> Iterator[None]:
        """`again` now and then: the watches tell old changes once more, in between the new ones."""
        over = threading.Event()
        thread = threading.Thread(target=self._blow, args=(over, again), daemon=True)
        self._asked = self._reads()
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            self._asked = self._reads() - self._asked

    def judge(self, it: Scene) -> None:
        """It was one, and the controller bore it."""
        process = it.live.controller
        assert process is not None
        resident = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * resource.getpagesize()
        it.check(self.changes >= LEAST, f"{self.changes} changes are no storm")
        it.check(resident <= LARGEST_MEMORY, f"{resident >> 20} MiB resident after a storm")
        it.check(self._asked <= self.changes / 10, f"{self._asked} requests for {self.changes} changes")

    def _reads(self) -> int:
        return len(self._kubernetes.requests)

    def _blow(self, over: threading.Event, again: Callable[[], object]) -> None:
        for number in itertools.count(1):
            for _ in range(AT_ONCE):
                self._change(number)
            if number % 20 == 0:
                again()
            if over.wait(BREATH_SECONDS):
                return

    def _change(self, number: int) -> None:
        name, namespace = self._objects[self.changes % len(self._objects)]

        def mark(body: Any) -> None:
            body["metadata"].setdefault("annotations", {})[MARK] = f"{number}-{self.changes}"

        self._kubernetes.store.change(self._kind, name, namespace, mark, By("storm"))
        self.changes += 1
