"""Whether the engine carried out our commit, what is in its way, and when waiting is pointless."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gitops_rollback.core.convergence import blocked_by, converged, failed_fast
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.sync import (
    MALFORMED,
    ApplicationId,
    ApplicationState,
    Health,
    Operation,
    OperationPhase,
    ResourceResult,
    Source,
    SyncStatus,
)

T0 = datetime(2026, 8, 20, 10, 0, 0, tzinfo=UTC)
SINCE = T0 + timedelta(seconds=30, milliseconds=700)
GOOD, BAD, OURS, LATER = "a" * 40, "b" * 40, "c" * 40, "d" * 40
SOURCE = Source("https://git.example/config.git", "apps/shop", "main")
APPLIED = ResourceResult("apps", "Deployment", "shop", "web", "Synced")


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def contains(revision: str) -> bool:
    return revision in (OURS, LATER)


def ended(revision: str = OURS, phase: str = "Succeeded", finished: float = 40, **more: object) -> Operation:
    kind = OperationPhase(phase)
    return replace(Operation(kind, (revision,), (SOURCE,), at(finished - 5), at(finished), results=(APPLIED,)), **more)


def running(revision: str = BAD, **more: object) -> Operation:
    plain = Operation(OperationPhase.RUNNING, (revision,), (SOURCE,), at(20), in_progress=True)
    return replace(plain, **{"message": "waiting for completion of hook batch/Job/migrate", **more})


DONE = ApplicationState(
    id=ApplicationId("default", "Application", "argocd", "shop"),
    uid="u",
    project="web",
    destination="in-cluster",
    namespace="shop",
    sources=(SOURCE,),
    sync=SyncStatus.SYNCED,
    sync_revisions=(OURS,),
    health=Health.HEALTHY,
    observed_at=at(60),
    health_changed_at=at(45),
    reconciled_at=at(41),
    operation=ended(),
)
NOT_NEEDED = replace(DONE, operation=ended(GOOD, finished=5), health_changed_at=at(1))


@pytest.mark.parametrize(
    "state",
    [
        pytest.param(DONE, id="our commit was synced"),
        pytest.param(replace(DONE, sync_revisions=(LATER,), operation=ended(LATER)), id="a later commit was synced"),
        pytest.param(replace(DONE, sync_revisions=(LATER,)), id="a foreign commit came after our sync"),
        pytest.param(replace(DONE, reconciled_at=at(40)), id="compared in the second in which it ended"),
        pytest.param(
            replace(DONE, operation=ended(finished=30), reconciled_at=at(30)), id="all in the second we asked"
        ),
        pytest.param(NOT_NEEDED, id="no operation was needed"),
        pytest.param(replace(NOT_NEEDED, operation=None), id="never deployed"),
        pytest.param(
            replace(NOT_NEEDED, operation=ended(BAD, "Failed", finished=5, results=())), id="the bad one never applied"
        ),
        pytest.param(replace(DONE, conditions=(("OrphanedResourceWarning", "x"),)), id="a mere warning"),
    ],
)
def test_converged_means_applied_compared_since_and_healthy(state: ApplicationState) -> None:
    assert converged(state, contains, SINCE) == (True, "")


@pytest.mark.parametrize(
    ("state", "why"),
    [
        pytest.param(replace(DONE, sync_revisions=(BAD,)), "does not contain our commit", id="an older revision"),
        pytest.param(replace(DONE, sync_revisions=("main",)), "does not contain our commit", id="an unresolved one"),
        pytest.param(replace(DONE, sync_revisions=("",)), "names no revision", id="none"),
        pytest.param(replace(DONE, sync_revisions=()), "names no revision", id="none at all"),
        pytest.param(replace(DONE, sync_revisions=(OURS, OURS)), "names no revision", id="several, none chosen"),
        pytest.param(replace(DONE, sync=SyncStatus.OUT_OF_SYNC), "OutOfSync", id="out of sync"),
        pytest.param(replace(DONE, sync=SyncStatus.UNKNOWN), "Unknown", id="sync unknown"),
        pytest.param(replace(DONE, health=Health.PROGRESSING), "health is Progressing", id="progressing"),
        pytest.param(replace(DONE, health=Health.UNKNOWN), "health is Unknown", id="health unknown"),
        pytest.param(replace(DONE, health=Health.SUSPENDED), "health is Suspended", id="suspended"),
        pytest.param(replace(DONE, operation=running(OURS)), "still running", id="our operation runs"),
        pytest.param(replace(DONE, operation=running(BAD)), f"on {BAD[:12]} is still running", id="the bad one runs"),
        pytest.param(replace(DONE, operation_requested=True), "still running", id="an operation is requested"),
        pytest.param(
            replace(DONE, operation=ended(phase="Unknown", in_progress=True)), "still running", id="unknown phase"
        ),
        pytest.param(replace(DONE, reconciled_at=at(39)), "not compared", id="compared before it ended"),
        pytest.param(replace(DONE, reconciled_at=None), "not compared", id="never compared"),
        pytest.param(replace(NOT_NEEDED, reconciled_at=at(29)), "not compared since we asked", id="an old look"),
        pytest.param(replace(NOT_NEEDED, operation=None, reconciled_at=at(29)), "not compared", id="old, no operation"),
        pytest.param(replace(DONE, operation=ended(phase="Failed")), "ended Failed", id="our sync failed"),
        pytest.param(replace(DONE, operation=ended(BAD, "Failed")), "ended Failed", id="the bad one was terminated"),
        pytest.param(
            replace(NOT_NEEDED, operation=ended(BAD, "Failed", finished=5)), "had changed objects", id="failed half way"
        ),
        pytest.param(replace(DONE, operation=ended(BAD)), f"applied {BAD[:12]}", id="another revision was applied"),
        pytest.param(
            replace(DONE, operation=ended(BAD, finished=30)), f"applied {BAD[:12]}", id="the bad one in that second"
        ),
        pytest.param(replace(DONE, operation=ended("")), "unknown revision", id="an operation without revision"),
        pytest.param(replace(DONE, operation=ended(dry_run=True)), "dry run", id="a dry run"),
        pytest.param(replace(DONE, operation=ended(finished=9e6)), "not compared", id="E6 it ends in the future"),
        pytest.param(replace(DONE, conditions=(("ComparisonError", "no repo"),)), "ComparisonError: no repo", id="CE"),
        pytest.param(replace(DONE, conditions=(("InvalidSpecError", "x"),)), "InvalidSpecError", id="InvalidSpecError"),
        pytest.param(replace(DONE, conditions=(("SyncError", "x"),)), "SyncError", id="SyncError"),
        pytest.param(replace(DONE, conditions=((MALFORMED, "status is not an object"),)), "unclear", id="malformed"),
        pytest.param(replace(DONE, deleting=True), "being deleted", id="deleting"),
    ],
)
def test_not_converged_says_why(state: ApplicationState, why: str) -> None:
    done, said = converged(state, contains, SINCE)
    assert not done
    assert why in said


def test_synced_is_not_enough_while_the_bad_revision_was_applied_last() -> None:
    state = replace(NOT_NEEDED, operation=ended(BAD, finished=5))
    assert converged(state, contains, SINCE, bad_revisions=(BAD,)) == (
        False,
        "the bad revision is still the last one that was applied",
    )
    assert converged(NOT_NEEDED, contains, SINCE, bad_revisions=(BAD,))[0]


def test_of_several_sources_only_ours_is_asked() -> None:
    both = replace(DONE, sync_revisions=("1.2.3", OURS), operation=replace(ended(), revisions=("1.2.3", OURS)))
    assert converged(both, contains, SINCE, index=1) == (True, "")
    assert not converged(both, contains, SINCE, index=0)[0]
    assert not converged(both, contains, SINCE, index=2)[0]


def test_nothing_blocks_where_nothing_runs() -> None:
    assert blocked_by(DONE, (OURS, BAD)) is None
    assert blocked_by(replace(DONE, operation=None), (BAD,)) is None


RETRYING = running(message="one or more tasks failed. Retrying attempt #1", finished_at=at(25), retry_count=1)
HELD = running(message="Sync operation blocked by sync window")


@pytest.mark.parametrize(
    ("operation", "terminate", "reason", "words"),
    [
        pytest.param(running(), True, Reason.OPERATION_RUNNING, "still works on the bad revision", id="a stuck hook"),
        pytest.param(RETRYING, True, Reason.OPERATION_RUNNING, "Retrying attempt", id="a retry has finishedAt set"),
        pytest.param(running(OTHER := "e" * 40), False, Reason.OPERATION_RUNNING, f"on {OTHER[:12]}", id="another"),
        pytest.param(running(""), False, Reason.OPERATION_RUNNING, "the operation is running", id="unresolved"),
        pytest.param(running(OURS), False, Reason.OPERATION_RUNNING, "is running", id="ours"),
        pytest.param(
            running(phase=OperationPhase.TERMINATING), False, Reason.OPERATION_RUNNING, "being terminated", id="ending"
        ),
        pytest.param(HELD, False, Reason.WINDOW_CLOSED, "held by a sync window", id="held by a window"),
        pytest.param(
            replace(HELD, phase=OperationPhase.TERMINATING),
            False,
            Reason.WINDOW_CLOSED,
            "window",
            id="held while ending",
        ),
        pytest.param(
            running(phase=OperationPhase.UNKNOWN), True, Reason.OPERATION_RUNNING, "bad revision", id="unknown phase"
        ),
    ],
)
def test_only_an_operation_on_the_bad_revision_is_terminated(
    operation: Operation, terminate: bool, reason: Reason, words: str
) -> None:
    found = blocked_by(replace(DONE, operation=operation), {BAD})
    assert found is not None
    assert (found.terminate, found.reason) == (terminate, reason)
    assert words in found.message


def test_a_requested_operation_cannot_be_terminated_before_it_starts() -> None:
    waiting = replace(DONE, operation=None, operation_requested=True, requested_revisions=(BAD,))
    for state in (waiting, replace(waiting, operation=ended(BAD, "Failed"))):
        found = blocked_by(state, {BAD})
        assert found is not None
        assert not found.terminate
        assert f"on {BAD[:12]}" in found.message


DEGRADED = replace(DONE, health=Health.DEGRADED)


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        pytest.param(DONE, None, id="all is well"),
        pytest.param(replace(DONE, operation=ended(phase="Failed")), Reason.SYNC_FAILED, id="our sync failed"),
        pytest.param(replace(DONE, operation=ended(phase="Error")), Reason.SYNC_FAILED, id="our sync had an error"),
        pytest.param(replace(DONE, operation=ended(BAD, "Failed")), None, id="the bad one failed"),
        pytest.param(replace(DONE, operation=ended(phase="Failed", finished=5)), None, id="failed before we asked"),
        pytest.param(replace(DONE, operation=running(OURS)), None, id="still running"),
        pytest.param(DEGRADED, Reason.STILL_BAD, id="Degraded after our sync"),
        pytest.param(replace(DEGRADED, health_changed_at=at(40)), None, id="Degraded in the same second"),
        pytest.param(replace(DEGRADED, health_changed_at=at(1)), None, id="Degraded from before"),
        pytest.param(replace(DEGRADED, health_changed_at=None), None, id="Degraded, no time"),
        pytest.param(replace(DEGRADED, operation=None), None, id="Degraded, nothing applied"),
        pytest.param(
            replace(DONE, conditions=(("SyncError", "wipe out"),)), Reason.SYNC_FAILED, id="sync error at ours"
        ),
        pytest.param(
            replace(DONE, sync_revisions=(BAD,), conditions=(("SyncError", "x"),)), None, id="sync error at the bad one"
        ),
        pytest.param(
            replace(
                DONE,
                sync=SyncStatus.OUT_OF_SYNC,
                operation=ended(BAD, "Failed"),
                conditions=(("SyncError", f"Failed last sync attempt to [{BAD}]: Operation terminated"),),
            ),
            None,
            id="auto-sync gave up since the bad one failed, and compares to ours",
        ),
        pytest.param(replace(DEGRADED, conditions=((MALFORMED, "x"),)), None, id="malformed"),
    ],
)
def test_failing_fast_is_only_for_what_our_commit_brought(state: ApplicationState, reason: Reason | None) -> None:
    found = failed_fast(state, contains, SINCE)
    assert (found[0] if found else None) == reason


def test_an_engines_long_message_is_cut() -> None:
    state = replace(DONE, operation=ended(phase="Failed", message="x\n" * 5000))
    found = failed_fast(state, contains, SINCE)
    assert found is not None
    assert len(found[1]) < 300
    assert "\n" not in found[1]
