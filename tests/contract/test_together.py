"""Many that ask at once: each gets what was found after it asked, and few acts are made for all."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from gitops_rollback.adapters.engines import together
from gitops_rollback.adapters.engines.together import Together
from gitops_rollback.core.errors import EngineUnavailable

ASKERS = 20
PATIENCE_SECONDS = 30.0


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> threading.Semaphore:
    """Released by each that begins to wait for what another one's act will find."""
    found = threading.Semaphore(0)

    class Turn(Future):
        def result(self, timeout: float | None = None) -> object:
            if not self.done():
                found.release()
            return super().result(timeout)

    monkeypatch.setattr(together, "Future", Turn)
    return found


class Slow:
    """An act that ends when it is let; it finds how often it was begun."""

    def __init__(self) -> None:
        self.begun = 0
        self.began = threading.Event()
        self.let = threading.Event()
        self.error: Exception | None = None

    def __call__(self) -> int:
        self.begun += 1
        self.began.set()
        assert self.let.wait(PATIENCE_SECONDS)
        if self.error is not None:
            raise self.error
        return self.begun


def test_one_after_the_other_each_has_an_act_of_its_own() -> None:
    slow = Slow()
    slow.let.set()
    asked = Together(slow)
    assert [asked() for _ in range(3)] == [1, 2, 3]


def test_all_that_ask_while_one_is_under_way_share_the_next(waiting: threading.Semaphore) -> None:
    slow = Slow()
    asked = Together(slow)
    with ThreadPoolExecutor(ASKERS) as pool:
        first = pool.submit(asked)
        assert slow.began.wait(PATIENCE_SECONDS)
        others = [pool.submit(asked) for _ in range(ASKERS - 1)]
        for _ in range(ASKERS - 2):  # all of them but the one that waits for its turn to act
            assert waiting.acquire(timeout=PATIENCE_SECONDS)
        slow.let.set()
        assert first.result(PATIENCE_SECONDS) == 1
        assert {one.result(PATIENCE_SECONDS) for one in others} == {2}
    assert asked() == 3


def test_what_goes_wrong_is_told_to_all_and_the_next_is_tried_anew() -> None:
    slow = Slow()
    slow.error = EngineUnavailable("Argo CD", "no answer")
    asked = Together(slow)
    with ThreadPoolExecutor(ASKERS) as pool:
        tries = [pool.submit(asked) for _ in range(ASKERS)]
        slow.let.set()
        assert all(isinstance(one.exception(PATIENCE_SECONDS), EngineUnavailable) for one in tries)
    slow.error = None
    assert asked() == slow.begun


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_any_error_leaves_the_way_free(error: type[BaseException]) -> None:
    raised = [error()]

    def act() -> int:
        if raised:
            raise raised.pop()
        return 7

    asked = Together(act)
    with pytest.raises(error):
        asked()
    assert asked() == 7
