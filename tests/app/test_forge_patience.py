"""How often a forge that is in trouble is asked."""

from __future__ import annotations

from dataclasses import dataclass

from gitops_rollback.app.forge_patience import LONGEST_SECONDS, REFUSED_SECONDS, SHARE_SECONDS, ForgePatience
from gitops_rollback.core.errors import ForgeRefused, ForgeUnavailable, LeaseLost


@dataclass
class Seconds:
    at: float = 1000.0

    def __call__(self) -> float:
        return self.at


def test_one_that_does_not_answer_is_left_alone_ever_longer_and_not_for_ever() -> None:
    now = Seconds()
    one, pauses = ForgePatience(now), []
    for _ in range(9):
        one.begin()
        one.failed("rb-1", ForgeUnavailable("forge", "connection refused"))
        start = now.at
        while one.waits("rb-2"):
            assert one.waits("rb-2") == "connection refused"
            now.at += 1
            one.begin()
        pauses.append(now.at - start)
    assert pauses[:4] == [15, 30, 60, 120]
    assert pauses[-1] == LONGEST_SECONDS
    one.answered()
    one.failed("rb-1", ForgeUnavailable("forge", "connection refused"))
    now.at += 15
    one.begin()
    assert one.waits("rb-1") == ""


def test_it_waits_as_long_as_it_is_told_to() -> None:
    now = Seconds()
    one = ForgePatience(now)
    one.failed("rb-1", ForgeUnavailable("forge", "secondary rate limit", wait_seconds=90))
    now.at += 89
    one.begin()
    assert one.waits("rb-1") == "secondary rate limit"
    now.at += 1
    assert one.waits("rb-1") == ""


def test_what_it_refuses_for_one_pull_request_does_not_hold_for_another() -> None:
    now = Seconds()
    one = ForgePatience(now)
    one.begin()
    one.failed("rb-1", ForgeRefused("forge", "Validation Failed", 422))
    assert (one.waits("rb-1"), one.waits("rb-2")) == ("Validation Failed", "")
    now.at += REFUSED_SECONDS
    one.begin()
    assert one.waits("rb-1") == ""


def test_a_tick_spends_a_bounded_time_on_it() -> None:
    now = Seconds()
    one = ForgePatience(now)
    one.begin()
    now.at += SHARE_SECONDS + 1
    assert "slow" in one.waits("rb-1")
    one.begin()
    assert one.waits("rb-1") == ""


def test_a_lost_lease_is_no_trouble_of_the_forge() -> None:
    one = ForgePatience(Seconds())
    one.begin()
    one.failed("rb-1", LeaseLost("shop/config", "taken"))
    assert one.waits("rb-1") == ""
