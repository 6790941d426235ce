"""Does exactly the right replica take a lease, never by comparing clocks, and does it stop believing in time?"""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from gitops_rollback.core.lease import (
    MAX_TRANSITIONS,
    LeaseRecord,
    LeaseTimes,
    Sighting,
    Step,
    Tenure,
    current_epoch,
    lease_name,
    next_step,
    released_record,
    sight,
    wanted_record,
)

TIMES = LeaseTimes()
OURS, THEIRS = "replica-a", "replica-b"
HELD = LeaseRecord(THEIRS, 15.0, "then", "then", transitions=4)
WALL = "2026-11-26T04:00:00.000000Z"


@pytest.mark.parametrize(
    ("sighting", "now", "step"),
    [
        pytest.param(Sighting(None, 100.0), 100.0, Step.CREATE, id="none-at-all"),
        pytest.param(Sighting(HELD, 100.0), 100.0, Step.WAIT, id="theirs-just-seen"),
        pytest.param(Sighting(HELD, 100.0), 115.0, Step.WAIT, id="theirs-at-its-last-instant"),
        pytest.param(Sighting(HELD, 100.0), 115.001, Step.TAKE, id="theirs-and-unchanged-for-longer"),
        pytest.param(Sighting(replace(HELD, duration=60.0), 100.0), 150.0, Step.WAIT, id="their-duration-counts"),
        pytest.param(Sighting(replace(HELD, duration=None), 100.0), 114.0, Step.WAIT, id="no-duration-means-ours"),
        pytest.param(Sighting(replace(HELD, duration=None), 100.0), 116.0, Step.TAKE, id="no-duration-is-not-for-ever"),
        pytest.param(Sighting(replace(HELD, holder=""), 100.0), 100.0, Step.TAKE, id="given-back"),
        pytest.param(Sighting(replace(HELD, holder=OURS), 100.0), 100.0, Step.RENEW, id="ours"),
        pytest.param(Sighting(replace(HELD, holder=OURS), 100.0), 900.0, Step.RENEW, id="ours-though-run-out"),
        pytest.param(Sighting(None, 100.0, before=HELD), 115.0, Step.WAIT, id="deleted-under-a-holder"),
        pytest.param(Sighting(None, 100.0, before=HELD), 115.1, Step.CREATE, id="deleted-long-ago"),
        pytest.param(Sighting(None, 100.0, before=replace(HELD, holder=OURS)), 100.0, Step.CREATE, id="ours-deleted"),
    ],
)
def test_a_lease_is_taken_only_when_its_holder_was_seen_silent_for_its_whole_duration(
    sighting: Sighting, now: float, step: Step
) -> None:
    assert next_step(OURS, sighting, TIMES, now) is step


@pytest.mark.parametrize(
    ("sighting", "free_since", "step"),
    [
        pytest.param(Sighting(None, 100.0), 100.0, Step.CREATE, id="none-at-all"),
        pytest.param(Sighting(replace(HELD, holder=""), 100.0), 100.0, Step.TAKE, id="given-back"),
        pytest.param(Sighting(HELD, 100.0), 115.0, Step.TAKE, id="run-out"),
    ],
)
def test_a_free_lease_is_left_for_a_while_to_those_who_are_to_have_it(
    sighting: Sighting, free_since: float, step: Step
) -> None:
    assert next_step(OURS, sighting, TIMES, free_since + 4.4, stand_back=4.4) is Step.WAIT
    assert next_step(OURS, sighting, TIMES, free_since + 4.5, stand_back=4.4) is step


def test_who_holds_it_renews_though_another_is_to_have_it() -> None:
    assert next_step(OURS, Sighting(replace(HELD, holder=OURS), 100.0), TIMES, 100.0, stand_back=99.0) is Step.RENEW


def test_another_clock_changes_nothing() -> None:
    """A renewTime far in the past or future is text: only that it changed counts."""
    first = sight(None, replace(HELD, renewed="1970-01-01T00:00:00.000000Z"), 100.0)
    assert next_step(OURS, first, TIMES, 100.0) is Step.WAIT
    renewed = sight(first, replace(HELD, renewed="1970-01-01T00:00:02.000000Z"), 114.0)
    assert next_step(OURS, renewed, TIMES, 128.0) is Step.WAIT
    silent = sight(renewed, replace(HELD, renewed="1970-01-01T00:00:02.000000Z"), 128.0)
    assert silent is renewed
    assert next_step(OURS, silent, TIMES, 129.1) is Step.TAKE


def test_the_epoch_grows_with_each_holder_and_stays_while_one_renews() -> None:
    taken = wanted_record(OURS, Sighting(HELD, 0.0), TIMES, WALL)
    assert taken == LeaseRecord(OURS, 15.0, WALL, WALL, transitions=5)
    renewed = wanted_record(OURS, Sighting(taken, 2.0), TIMES, "later")
    assert renewed == replace(taken, renewed="later")
    given_back = released_record(renewed, "at last")
    assert (given_back.holder, given_back.duration, given_back.transitions) == ("", 1.0, 5)
    assert wanted_record(OURS, Sighting(given_back, 4.0), TIMES, WALL).transitions == 6


def test_a_deleted_lease_takes_no_epoch_away() -> None:
    deleted = sight(Sighting(HELD, 0.0), None, 20.0)
    assert wanted_record(OURS, deleted, TIMES, WALL).transitions == 5
    assert sight(deleted, None, 21.0) is deleted
    assert wanted_record(OURS, Sighting(None, 0.0), TIMES, WALL).transitions == 0


@pytest.mark.parametrize(("written", "next_one"), [(-7, 1), (MAX_TRANSITIONS + 5, MAX_TRANSITIONS + 1)])
def test_an_absurd_epoch_stays_in_its_field(written: int, next_one: int) -> None:
    found = Sighting(replace(HELD, transitions=written), 0.0)
    assert wanted_record(OURS, found, TIMES, WALL).transitions == next_one


@pytest.mark.parametrize(
    ("now", "epoch"),
    [
        pytest.param(100.0, 7, id="just-confirmed"),
        pytest.param(109.999, 7, id="before-the-renew-deadline"),
        pytest.param(110.0, None, id="at-the-renew-deadline"),
    ],
)
def test_nothing_starts_from_the_renew_deadline_on(now: float, epoch: int | None) -> None:
    assert current_epoch(Tenure(7, confirmed_at=100.0), TIMES, now) == epoch
    assert current_epoch(None, TIMES, now) is None


def test_a_holder_stops_before_another_can_take_over() -> None:
    """The follower sees the write after it was sent, so its wait ends at least 5 s after our deadline."""
    sent, seen = 100.0, 100.0
    follower = Sighting(replace(HELD, holder=THEIRS), seen)
    ends = next(t for t in range(100, 200) if current_epoch(Tenure(1, sent), TIMES, float(t)) is None)
    takes = next(t for t in range(100, 200) if next_step(OURS, follower, TIMES, float(t)) is Step.TAKE)
    assert takes - ends > 5


@pytest.mark.parametrize("times", [(10.0, 10.0, 2.0), (15.0, 2.4, 2.0), (15.0, 10.0, 0.0)])
def test_times_that_cannot_work_are_refused(times: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="renew deadline"):
        LeaseTimes(*times)


@pytest.mark.parametrize("repository", ["acme/shop-config", "acme/shop_config", "Ünicode/x" * 40, "---", ""])
def test_the_lease_of_a_repository_has_a_valid_name_of_its_own(repository: str) -> None:
    name = lease_name(repository)
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", name)
    assert len(name) <= 63
    assert name == lease_name(repository) != lease_name(repository + "x")
