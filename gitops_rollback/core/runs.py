"""How went the run of infrastructure that a rollback caused? Pure, from one look at an object or a commit status.

Nothing is done before what ran holds the revert; what cannot be seen is not done. A plan that nobody has approved waits
for a person, and so does a tool that somebody has stopped.
Source: flux-iac/tofu-controller api/v1alpha2 (TerraformStatus, SetTerraformReadiness); crossplane-runtime
apis/common/condition.go; upjet pkg/resource/conditions.go; kstatus; Atlantis docs, Checkout and statuses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gitops_rollback.core.errors import Reason
from gitops_rollback.core.fields import Object, Unclear, condition, number, part, text
from gitops_rollback.core.infrastructure import TERRAFORM_GROUP, RunObject
from gitops_rollback.core.pull_request import CommitStatus, StatusState
from gitops_rollback.core.rollback import RollbackRecord, held_up
from gitops_rollback.core.verification import CheckResult

RUN_HELD_AT = "runHeldAt"  # in `times` of the record: then it was told why a run does not go on
PATIENCE = timedelta(minutes=1)  # what passes within it is not worth a page
AUTO = "auto"
SHOWN = 200  # characters of a tool's message that are passed on
_COMMIT = re.compile(r"(?:^|sha1:|/)([0-9a-f]{40})$")
_DESTROYS = re.compile(r"\b[1-9]\d* to destroy\b")
_NOT_YET = frozenset({"DriftDetected", "DependencyNotReady", "ArtifactFailed", "Progressing"})
_STOPPED = frozenset({"ReconcilePaused", "ReconcileForbidden"})


@dataclass(frozen=True)
class RunSeen:
    """One run at one look: done, failed for now, or not yet. `asks`: it waits for a person.

    `unseen`: nothing ever shows how it goes, so nobody waits for it, and nobody calls it done.
    """

    check: CheckResult
    asks: bool = False
    unseen: bool = False

    @property
    def words(self) -> str:
        return f"{self.check.name}: {self.check.message}"


@dataclass(frozen=True)
class Revert:
    """What a run must hold: `contains` tells whether our commit is in a revision's history; else its object says all.

    `by_revision`: files outside of the object changed, so its own generation says nothing.
    """

    contains: Callable[[str], bool]
    by_revision: bool = False


def run_of(named: RunObject, found: Object | None, revert: Revert) -> RunSeen:
    """The run of one object, as the cluster has it; None for one that is not there."""
    if found is None:
        return _seen(named, True if named.gone else None, "is gone" if named.gone else "is not seen")
    if named.gone:
        return _seen(named, None, "is still there")
    try:
        if named.api_version.startswith(f"{TERRAFORM_GROUP}/"):
            return _terraform(named, found, revert)
        return _by_conditions(named, found)
    except Unclear as error:
        return _seen(named, None, f"{error} cannot be read")


def run_by_status(context: str, found: CommitStatus | None) -> RunSeen:
    """The run that a commit status tells of."""
    name = f"commit status {context}"
    if found is None:
        return RunSeen(CheckResult(name, None, "has not come yet"))
    said = _cut(found.description) or found.state.value
    if found.state is StatusState.SUCCESS:
        return RunSeen(CheckResult(name, True, said))
    if found.state is StatusState.PENDING:
        return RunSeen(CheckResult(name, None, said), asks=bool(_DESTROYS.search(found.description)))
    return RunSeen(CheckResult(name, False, f"failed: {said}"))


def unseen_run(words: str) -> RunSeen:
    """One that neither an object nor a commit status tells of."""
    return RunSeen(CheckResult(words, None, "nothing shows whether its run is over"), unseen=True)


def run_held(record: RollbackRecord, runs: Sequence[RunSeen], now: datetime) -> RollbackRecord | None:
    """The record with why a run does not go on, for people; None where it does, or where they have been told."""
    if RUN_HELD_AT in record.times or now < record.pushed_at + PATIENCE:
        return None
    stuck = [one for one in runs if one.asks or one.check.ok is False]
    if not stuck:
        return None
    reason = Reason.RUN_WAITS if any(one.asks for one in stuck) else Reason.RUN_FAILED
    message = f"the revert is applied, and its run does not go on: {'; '.join(one.words for one in stuck)}"
    return held_up(record, RUN_HELD_AT, now, reason.value, message)


def _terraform(named: RunObject, found: Object, revert: Revert) -> RunSeen:
    """Its status speaks of the newest specification, and of a revision: `main@sha1:...`, or `main/...` before 0.14."""
    spec, status = part(found, "spec"), part(found, "status")
    plan, ready = part(status, "plan"), condition(status, "Ready")
    pending, reason = text(plan, "pending"), text(ready, "reason")
    if spec.get("suspend") is True:
        return _seen(named, None, "is suspended, and runs nothing", asks=True)
    if pending and not _approved(text(spec, "approvePlan"), pending):
        destroys = ", and destroys all that it manages" if plan.get("isDestroyPlan") is True else ""
        return _seen(named, None, f"{pending} waits for approval{destroys}", asks=True)
    if not _observed(found, status):
        return _seen(named, None, "has not looked at its newest specification yet")
    attempted = _holds(text(status, "lastAttemptedRevision"), revert)
    if ready.get("status") == "False" and reason not in _NOT_YET and attempted:
        return _seen(named, False, f"failed: {reason}: {_cut(text(ready, 'message'))}")
    ran = [text(status, key) for key in ("lastAppliedRevision", "lastPlannedRevision")]
    if not any(_holds(one, revert) for one in ran):
        return _seen(named, None, f"has run {ran[-1] or ran[0] or 'nothing'}, which is without the revert")
    if ready.get("status") != "True" or pending:
        return _seen(named, None, f"runs: {_cut(text(ready, 'message')) or reason or 'nothing said yet'}")
    return _seen(named, True, reason or "Ready")


def _approved(said: str, pending: str) -> bool:
    """Somebody approved this very plan, by its whole name or its short one, or all of them."""
    return said == AUTO or (said.startswith("plan-") and pending.startswith(said))


def _holds(revision: str, revert: Revert) -> bool:
    found = _COMMIT.search(revision)
    return not revert.by_revision or (found is not None and revert.contains(found[1]))


def _by_conditions(named: RunObject, found: Object) -> RunSeen:
    """Crossplane: Synced and Ready. Of others: Ready, by kstatus."""
    status = part(found, "status")
    synced, ready = condition(status, "Synced"), condition(status, "Ready")
    reason = text(synced, "reason")
    if not _observed(found, status) or not all(_observed(found, one) for one in (synced, ready)):
        return _seen(named, None, "has not looked at its newest specification yet")
    if reason in _STOPPED:
        return _seen(named, None, f"{reason}: {_cut(text(synced, 'message')) or 'nothing is changed'}", asks=True)
    failed = _failed(status, synced)
    if failed is not None:
        return _seen(named, False, f"failed: {_cut(text(failed, 'message')) or text(failed, 'reason')}")
    if text(condition(status, "AsyncOperation"), "reason") == "Ongoing":
        return _seen(named, None, "an operation of its provider is under way")
    if ready.get("status") != "True" or (synced and synced.get("status") != "True"):
        return _seen(named, None, _cut(text(ready, "message")) or text(ready, "reason") or "is not Ready yet")
    return _seen(named, True, "Synced and Ready" if synced else "Ready")


def _failed(status: Object, synced: Object) -> Object | None:
    last, stalled = condition(status, "LastAsyncOperation"), condition(status, "Stalled")
    if synced.get("status") == "False":
        return synced
    if last.get("status") == "False":
        return last
    return stalled if stalled.get("status") == "True" else None


def _observed(found: Object, says: Object) -> bool:
    """What is said is about the newest specification; who names no generation cannot be old by it."""
    generation, seen = number(part(found, "metadata"), "generation"), number(says, "observedGeneration")
    return generation is None or not seen or seen >= generation


def _seen(named: RunObject, ok: bool | None, message: str, asks: bool = False) -> RunSeen:
    return RunSeen(CheckResult(named.words, ok, message), asks)


def _cut(message: str) -> str:
    return " ".join(message.split())[:SHOWN]
