"""Since when is a rollback as it is, where clocks jump and nothing may grow?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gitops_rollback.app import lasting
from gitops_rollback.app.lasting import Lasting
from gitops_rollback.core.rollback import Phase, RollbackRecord

NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def a_record(phase: Phase = Phase.SYNCING, identity: str = "rb-0123456789abcdef", **times: datetime) -> RollbackRecord:
    return RollbackRecord(
        identity, ("default/Application/argocd/web",), "argocd", "shop/config", "b" * 40, "a" * 40, "p@a", (),
        ("b" * 40,), phase, times={"decided": NOW, **times},
    )  # fmt: skip


def test_the_records_own_time_counts_where_it_can_be_believed() -> None:
    after_a_restart = Lasting()
    assert after_a_restart.times(a_record(pushed=NOW), NOW + 3 * MINUTE) == (NOW, NOW)
    record = a_record(Phase.VERIFYING, pushed=NOW, synced=NOW + MINUTE)
    assert after_a_restart.times(record, NOW + 3 * MINUTE) == (NOW, NOW + MINUTE)


def test_a_time_ahead_of_the_clock_counts_from_the_first_look() -> None:
    one = Lasting()
    ahead = a_record(pushed=NOW + 60 * MINUTE)
    assert [one.times(ahead, NOW + n * MINUTE) for n in range(3)] == [(NOW, NOW)] * 3


def test_a_clock_that_goes_back_takes_the_first_look_with_it() -> None:
    one = Lasting()
    ahead = a_record(pushed=NOW + 60 * MINUTE)
    one.times(ahead, NOW + 60 * MINUTE)
    assert one.times(ahead, NOW) == (NOW, NOW)


def test_each_phase_counts_from_its_own_first_look() -> None:
    one = Lasting()
    one.times(a_record(pushed=NOW + 60 * MINUTE), NOW)
    later = a_record(Phase.VERIFYING, pushed=NOW + 60 * MINUTE, synced=NOW + 60 * MINUTE)
    assert one.times(later, NOW + 2 * MINUTE) == (NOW, NOW + 2 * MINUTE)


@pytest.mark.parametrize(
    ("now", "goes_on"),
    [
        pytest.param(NOW, True, id="the-same-tick-again"),
        pytest.param(NOW + MINUTE, True, id="at-the-longest-gap"),
        pytest.param(NOW + MINUTE + timedelta(seconds=1), False, id="later"),
        pytest.param(NOW - timedelta(seconds=1), False, id="the-clock-went-back"),
    ],
)
def test_a_run_goes_on_over_short_gaps_only(now: datetime, goes_on: bool) -> None:
    one = Lasting()
    one.good("rb", NOW, None)
    assert (one.run("rb", now, MINUTE) is not None) == goes_on


def test_a_bad_look_ends_the_run() -> None:
    one = Lasting()
    one.good("rb", NOW, None)
    one.bad("rb")
    assert one.run("rb", NOW, MINUTE) is None


def test_no_more_is_kept_than_a_fixed_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lasting, "MAX_KEPT", 3)
    one = Lasting()
    for number in range(9):
        one.times(a_record(identity=f"rb-{number}"), NOW)
        one.good(f"rb-{number}", NOW, None)
    assert (len(one._seen), len(one._runs)) == (3, 3)
    assert one.run("rb-8", NOW, MINUTE) is not None
