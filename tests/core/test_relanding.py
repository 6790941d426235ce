"""Which commit brings back what a rollback took back, and how closely is it watched?"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gitops_rollback.core.commit import Commit, FileChange
from gitops_rollback.core.policy import Comparison, Policy, Severity, Trigger
from gitops_rollback.core.relanding import TakenBack, relanded, sharpened, worth_watching
from gitops_rollback.core.rollback import Phase, RollbackRecord, StepRecord

NOW = datetime(2026, 11, 20, tzinfo=UTC)
BAD, OURS, AGAIN = "b" * 40, "c" * 40, "d" * 40
RECORD = RollbackRecord(
    "rb-1", ("default/Application/argocd/web",), "argocd", "shop", BAD, "a" * 40, "", (), (BAD,), Phase.DONE,
    steps=(StepRecord(1, 1, OURS, {"web.yaml": "old"}, NOW),), times={"pushed": NOW},
)  # fmt: skip


def commit(sha: str, message: str, blob: str = "other") -> Commit:
    change = FileChange("web.yaml", "100644", "100644", "old", blob)
    return Commit(sha, ("e" * 40,), "", "a", "a", NOW, message, (change,))


TAKEN = TakenBack(RECORD, (commit(BAD, "feat: faster checkout (#12)", "bad"),), {"web.yaml": "bad"})


@pytest.mark.parametrize(
    ("message", "blob", "again"),
    [
        pytest.param("Mend it", "bad", True, id="the same content"),
        pytest.param('Reapply "feat: faster checkout (#12)"', "other", True, id="git's own word"),
        pytest.param(
            f'Revert "Revert"\n\nThis reverts commit {OURS[:12]}.', "other", True, id="a revert of our revert"
        ),
        pytest.param(f"Faster\n\n(cherry picked from commit {BAD})", "other", True, id="picked"),
        pytest.param("feat: faster checkout (#14)", "other", True, id="the same title, another pull request"),
        pytest.param("feat: slower checkout", "other", False, id="something else"),
    ],
)
def test_what_is_brought_back_is_seen(message: str, blob: str, again: bool) -> None:
    line = (commit(AGAIN, message, blob), commit(OURS, "Revert"), TAKEN.culprits[0])
    assert relanded(line, [TAKEN]) == ({AGAIN: "rb-1"} if again else {})


def test_only_real_rollbacks_of_the_application_of_the_last_month_count() -> None:
    name = RECORD.applications[0]
    assert worth_watching(RECORD, name, NOW + timedelta(days=30))
    assert not worth_watching(RECORD, name, NOW + timedelta(days=30, seconds=1))
    assert not worth_watching(RECORD, "default/Application/argocd/db", NOW)
    assert not worth_watching(replace(RECORD, evidence={"drill": "dr-1"}), name, NOW)
    assert not worth_watching(replace(RECORD, steps=(), times={}), name, NOW)


@pytest.mark.parametrize(
    ("severity", "comparison", "hold_for", "expected"),
    [
        (Severity.AUTO_ROLLBACK, Comparison.GREATER_THAN, 120, (60, 0.4)),
        (Severity.AUTO_ROLLBACK, Comparison.GREATER_THAN, 40, (30, 0.4)),
        (Severity.AUTO_ROLLBACK, Comparison.GREATER_THAN, 20, (20, 0.4)),
        (Severity.PAGE_AND_SUGGEST, Comparison.GREATER_THAN, 120, (60, 0.3)),
        (Severity.LOG_ONLY, Comparison.LESS_THAN, 120, (60, 0.4 / 0.75)),
    ],
)
def test_it_is_waited_for_less_long_and_people_are_told_nearer(
    severity: Severity, comparison: Comparison, hold_for: int, expected: tuple[float, float]
) -> None:
    trigger = Trigger("t", "query", severity, "q", "", "", comparison, 0.4, timedelta(seconds=hold_for))
    (found,) = sharpened(Policy("p", "", "", (), (trigger,))).triggers
    assert (found.hold_for.total_seconds(), found.threshold) == pytest.approx(expected)
