"""When an application was under watch because of earlier deployments."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gitops_rollback.core.regression.past import Watch
from gitops_rollback.core.rollback import Phase, RollbackRecord, StepRecord
from gitops_rollback.core.sync import DeploymentRecord
from gitops_rollback.core.watches import WATCHES, as_evidence, earlier_watches, in_evidence

T0 = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
WINDOW = 30 * MINUTE
WEB = "default/Application/argocd/web"


def deployed(revision: str, minutes_ago: float, took: float | None = 1) -> DeploymentRecord:
    at = T0 - minutes_ago * MINUTE
    return DeploymentRecord((revision,), (), at, None if took is None else at + took * MINUTE)


def rolled_back(bad: str, since: float, until: float, application: str = WEB, pushed: bool = True) -> RollbackRecord:
    times = {"deployed": T0 - since * MINUTE, "decided": T0 - until * MINUTE, "synced": T0 - until * MINUTE}
    steps = (StepRecord(1, 1, "c" * 40),) if pushed else ()
    return RollbackRecord(
        "rb-1", (application,), "argocd", "r", bad, "good", "p", (), (bad,), Phase.SYNCING, steps=steps, times=times
    )


def minutes(watches: tuple[Watch, ...]) -> list[tuple[float, float, bool]]:
    """Since and until, in minutes before T0."""
    end = T0.timestamp()
    return [((end - one.since_seconds) / 60, (end - one.until_seconds) / 60, one.taken_back) for one in watches]


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        pytest.param([deployed("a", 100)], [(100, 69, False)], id="the window after it was deployed"),
        pytest.param([deployed("a", 300, None)], [(300, 180, False)], id="never ended: two hours at most"),
        pytest.param([deployed("a", 100), deployed("b", 90)], [(100, 90, False), (90, 59, False)], id="replaced"),
        pytest.param([deployed("a", 10)], [(10, 0, False)], id="none goes beyond the deployment"),
        pytest.param([deployed("a", 40), deployed("a", 20)], [(40, 9, False)], id="a re-sync begins no watch anew"),
        pytest.param([deployed("a", 0), deployed("b", -5)], [], id="itself and later ones are not earlier"),
        pytest.param([deployed("a", 1500)], [], id="more than a day before"),
    ],
)
def test_a_watch_is_as_long_as_the_policy_says(
    records: list[DeploymentRecord], expected: list[tuple[float, float, bool]]
) -> None:
    assert minutes(earlier_watches(WEB, T0, WINDOW, records, ())) == expected


def test_what_a_rollback_undid_is_known_as_that() -> None:
    records = [deployed("bad", 100), deployed("revert", 90)]
    found = minutes(earlier_watches(WEB, T0, WINDOW, records, [rolled_back("bad", 100, 88)]))
    assert found == [(100, 90, True), (100, 88, True), (90, 59, False)]


def test_the_journal_knows_what_the_engine_forgot() -> None:
    assert minutes(earlier_watches(WEB, T0, WINDOW, (), [rolled_back("bad", 100, 88)])) == [(100, 88, True)]
    others = [rolled_back("bad", 100, 88, "cart"), rolled_back("bad", 100, 88, pushed=False)]
    assert earlier_watches(WEB, T0, WINDOW, (), others) == ()


def test_the_watches_of_a_decision_are_read_back_from_the_journal() -> None:
    watches = earlier_watches(WEB, T0, WINDOW, [deployed("bad", 100)], [rolled_back("bad", 100, 88)])
    evidence = as_evidence(WEB, watches)
    assert in_evidence(WEB, evidence) == watches
    assert (in_evidence("cart", evidence), as_evidence(WEB, ())) == ((), {})


@pytest.mark.parametrize("odd", ["no", [1], [["x", "y", True]], {}, [["2026-11-28T12:00:00", "z"]]])
def test_what_is_no_watch_in_the_journal_is_passed_over(odd: object) -> None:
    assert in_evidence(WEB, {WATCHES: {WEB: odd}}) == ()
