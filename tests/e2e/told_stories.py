"""Stories told side by side: a story mostly waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import pytest

from gitops_rollback.sandbox.demo import Demo
from gitops_rollback.sandbox.telling import Story

SPEED = 30.0  # a tick each 0.5 s; a controller that gets no CPU for a second of them begins its `for` anew
AT_ONCE = 3
TAIL_LINES = 40
Ended = TypeVar("Ended")


@dataclass
class Told:
    """How a telling ended."""

    true: bool
    lines: list[str]
    out: Path

    def explain(self) -> str:
        """What a person needs to find the cause: the narration and the end of the controller's log."""
        log = (self.out / "controller.log").read_text("utf-8", "replace").splitlines()
        return "\n".join(["", *self.lines, "", f"{self.out}/controller.log:", *log[-TAIL_LINES:]])


def tell(story: Story, out: Path, speed: float = SPEED, engine: str = "argocd") -> Told:
    """One story, as the demo tells it."""
    lines: list[str] = []
    demo = Demo(story, speed, out, lines.append, engine=engine)
    try:
        return Told(demo.run(), lines, out)
    finally:
        demo.close()


class SideBySide(Generic[Ended]):
    """Tells several at once, in the order of the tests."""

    def __init__(self, jobs: Mapping[str, Callable[[], Ended]], at_once: int = AT_ONCE) -> None:
        self._pool = ThreadPoolExecutor(at_once, thread_name_prefix="story")
        self._futures: dict[str, Future[Ended]] = {name: self._pool.submit(job) for name, job in jobs.items()}

    def told(self, name: str) -> Ended:
        """Wait for this one. Raises what its telling raised."""
        return self._futures[name].result()

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


@contextmanager
def side_by_side(
    request: pytest.FixtureRequest, jobs: Mapping[str, Callable[[], Ended]], at_once: int = AT_ONCE
) -> Iterator[SideBySide[Ended]]:
    """Those of the jobs that the selected tests ask for by their parameter `name`, begun in their order."""
    wanted = {item.callspec.params.get("name") for item in request.session.items if hasattr(item, "callspec")}
    told = SideBySide({name: job for name, job in jobs.items() if name in wanted}, at_once)
    try:
        yield told
    finally:
        told.close()
