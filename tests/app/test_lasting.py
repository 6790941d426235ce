"""Since when is a rollback as it is, where clocks jump and nothing may grow?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from app_world import SetClock

from gitops_rollback.app import bounded
from gitops_rollback.app.lasting import Lasting
from gitops_rollback.app.ledger import Ledger
from gitops_rollback.app.steady import MAX_JUMPS, Steady
from gitops_rollback.core.rollback import Phase, RollbackRecord, StepRecord

NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def a_record(phase: Phase = Phase.SYNCING, identity: str = "rb-0123456789abcdef", **times: datetime) -> RollbackRecord:
    return RollbackRecord(
        identity, ("default/Application/argocd/web",), "argocd", "shop/config", "b" * 40, "a" * 40, "p@a", (),
        ("b" * 40,), phase, times={"decided": NOW, **times}, steps=(StepRecord(1, 1, "c" * 40),),
    )  # fmt: skip


@pytest.fixture
def clock() -> SetClock:
    return SetClock(NOW)


@pytest.fixture
def one(clock: SetClock) -> Lasting:
    return Lasting(Steady(clock))


def times(one: Lasting, clock: SetClock, record: RollbackRecord, at: datetime) -> tuple[datetime, datetime]:
    """(When it was pushed, when its phase began), looked at when it really is `at`."""
    clock.at = at
    since = one.times(record, clock.now())
    return since.pushed, since.began


def test_the_records_own_time_counts_where_it_can_be_believed(one: Lasting, clock: SetClock) -> None:
    assert times(one, clock, a_record(pushed=NOW), NOW + 3 * MINUTE) == (NOW, NOW)
    record = a_record(Phase.VERIFYING, pushed=NOW, synced=NOW + MINUTE)
    assert times(one, clock, record, NOW + 3 * MINUTE) == (NOW, NOW + MINUTE)


def test_a_time_ahead_of_the_clock_counts_from_the_first_look(one: Lasting, clock: SetClock) -> None:
    ahead = a_record(pushed=NOW + HOUR)
    assert [times(one, clock, ahead, NOW + n * MINUTE) for n in range(3)] == [(NOW, NOW)] * 3


def test_a_clock_that_goes_back_takes_the_first_look_with_it(one: Lasting, clock: SetClock) -> None:
    ahead = a_record(pushed=NOW + HOUR)
    clock.ahead = HOUR
    times(one, clock, ahead, NOW)
    clock.ahead = timedelta(0)
    assert times(one, clock, ahead, NOW) == (NOW, NOW)


def test_each_phase_counts_from_its_own_first_look(one: Lasting, clock: SetClock) -> None:
    times(one, clock, a_record(pushed=NOW + HOUR), NOW)
    later = a_record(Phase.VERIFYING, pushed=NOW + HOUR, synced=NOW + HOUR)
    assert times(one, clock, later, NOW + 2 * MINUTE) == (NOW, NOW + 2 * MINUTE)


@pytest.mark.parametrize("jump", [-HOUR, -MINUTE, MINUTE, HOUR])
def test_a_phase_is_as_old_as_it_is_whatever_the_clock_does(one: Lasting, clock: SetClock, jump: timedelta) -> None:
    record = a_record(pushed=NOW)
    times(one, clock, record, NOW)
    clock.ahead = jump
    _, began = times(one, clock, record, NOW + 3 * MINUTE)
    assert clock.now() - began == 3 * MINUTE
    clock.ahead = timedelta(0)
    _, began = times(one, clock, record, NOW + 4 * MINUTE)
    assert clock.now() - began == 4 * MINUTE


@pytest.mark.parametrize("jump", [MINUTE, HOUR])
def test_what_was_written_before_a_jump_is_no_older_though_it_is_first_seen_after_it(
    one: Lasting, clock: SetClock, jump: timedelta
) -> None:
    clock.at, clock.ahead = NOW + MINUTE / 4, jump
    _, began = times(one, clock, a_record(pushed=NOW), NOW + MINUTE)
    assert clock.now() - began == MINUTE


def test_it_watches_since_it_has_looked_without_a_long_pause(one: Lasting, clock: SetClock) -> None:
    watching: list[datetime] = []
    for passed in (0, 2, 4, 7, 9):
        clock.at = NOW + passed * MINUTE
        watching.append(one.times(a_record(pushed=NOW), clock.now()).watching)
    assert watching == [NOW, NOW, NOW, NOW + 7 * MINUTE, NOW + 7 * MINUTE]


@pytest.mark.parametrize(
    ("passed", "jump", "goes_on"),
    [
        pytest.param(timedelta(0), timedelta(0), True, id="the-same-tick-again"),
        pytest.param(MINUTE, timedelta(0), True, id="at-the-longest-gap"),
        pytest.param(MINUTE + timedelta(seconds=1), timedelta(0), False, id="later"),
        pytest.param(MINUTE, HOUR, True, id="the-clock-jumped-ahead"),
        pytest.param(MINUTE, -HOUR, True, id="the-clock-jumped-back"),
        pytest.param(2 * MINUTE, -MINUTE, False, id="later-though-the-clock-went-back"),
        pytest.param(timedelta(0), timedelta(seconds=-1), False, id="a-look-before-the-last"),
    ],
)
def test_a_run_goes_on_over_short_gaps_only(
    one: Lasting, clock: SetClock, passed: timedelta, jump: timedelta, goes_on: bool
) -> None:
    one.good("rb", NOW, None)
    clock.at, clock.ahead = NOW + passed, jump
    run = one.run("rb", clock.now(), MINUTE)
    assert (run is not None) == goes_on
    assert run is None or clock.now() - run.since == passed


def test_a_bad_look_ends_the_run(one: Lasting) -> None:
    one.good("rb", NOW, None)
    one.bad("rb")
    assert one.run("rb", NOW, MINUTE) is None


def test_no_more_is_kept_than_a_fixed_number(one: Lasting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "MAX_KEPT", 3)
    for number in range(9):
        one.times(a_record(identity=f"rb-{number}"), NOW)
        one.good(f"rb-{number}", NOW, None)
        one.ask(f"rb-{number}", "web", NOW)
    assert (len(one._seen), len(one._runs), len(one._asked)) == (3, 3, 3)
    assert one.run("rb-8", NOW, MINUTE) is not None


def test_an_older_word_takes_a_newer_one_not_away(one: Lasting, clock: SetClock) -> None:
    """An engine that was asked shows for a moment what it was before."""
    now = clock.now()
    one.ask("rb", "web", now)
    one.ask("rb", "web", now - MINUTE)
    assert one.asked("rb", "web") == now


def test_when_it_asked_moves_with_the_clock(one: Lasting, clock: SetClock) -> None:
    one.ask("rb", "web", NOW)
    clock.at, clock.ahead = NOW + MINUTE, HOUR
    asked = one.asked("rb", "web")
    assert asked is not None
    assert clock.now() - asked == MINUTE
    assert one.asked("rb", "other") is None


@pytest.mark.parametrize(
    ("jump", "age"),
    [
        pytest.param(HOUR, 5 * MINUTE, id="the-clock-makes-it-too-old"),
        pytest.param(-HOUR, 5 * MINUTE - HOUR, id="the-clock-makes-it-younger"),
        pytest.param(timedelta(0), 5 * MINUTE, id="as-it-is"),
    ],
)
def test_a_rollback_counts_as_young_as_anybody_knows(clock: SetClock, jump: timedelta, age: timedelta) -> None:
    ledger = Ledger(Steady(clock))
    ledger.see("shop/config", [a_record(pushed=NOW)])
    clock.at, clock.ahead = NOW + 5 * MINUTE, jump
    assert [clock.now() - rollback.at for rollback in ledger.counted()] == [age]


def test_after_a_restart_the_wall_clock_is_all_that_is_known(clock: SetClock) -> None:
    clock.at, clock.ahead = NOW + 5 * MINUTE, HOUR
    ledger = Ledger(Steady(clock))
    ledger.see("shop/config", [a_record(pushed=NOW)])
    assert [clock.now() - rollback.at for rollback in ledger.counted()] == [HOUR + 5 * MINUTE]


def test_a_clock_that_jumps_for_ever_fills_no_memory(clock: SetClock) -> None:
    steady = Steady(clock)
    for number in range(3 * MAX_JUMPS):
        clock.at, clock.ahead = NOW + number * MINUTE, number % 3 * HOUR
        steady.look()
    assert len(steady._jumps) == MAX_JUMPS
    assert clock.now() - steady.wall(steady.of(clock.now() - MINUTE / 60)) == MINUTE / 60


def test_a_clock_that_is_slewed_does_not_jump(clock: SetClock) -> None:
    steady = Steady(clock)
    clock.at, clock.ahead = NOW + MINUTE, timedelta(seconds=1)
    assert steady.look() == timedelta(0)
