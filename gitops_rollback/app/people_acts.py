"""What a person may have done about a rollback from any door that shows it: yes, no, stop, and a rollback of their own.

Whether the person may is asked before. What was shown is compared with what is there, since nobody approves unseen.
Source: reliability.md, A16; product.md, section 2.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256

from gitops_rollback.app.comment_acts import Looked
from gitops_rollback.app.requesting import Prepared, Requests, Wish
from gitops_rollback.core.action import Finish
from gitops_rollback.core.commit import is_sha
from gitops_rollback.core.errors import Reason, RepositoryUnavailable, StalledError
from gitops_rollback.core.plan import Plan, PlanOutcome
from gitops_rollback.core.policy import GuardResult, Policy
from gitops_rollback.core.rollback import Phase, RollbackOutcome, RollbackRecord, advance, offered
from gitops_rollback.core.strategies.gate import left_half
from gitops_rollback.ports import ConfigRepo, PushOutcome

OPEN = (Phase.PENDING, Phase.AWAITING_APPROVAL, Phase.PUSHING, Phase.SYNCING, Phase.VERIFYING)


@dataclass(frozen=True)
class Words:
    """Whose, why, and at which head of the branch it was shown; `seen` is the digest of the plan, if that was shown."""

    by: str
    reason: str
    head: str = ""
    seen: str = ""


def waiting(record: RollbackRecord, words: Words) -> Wish:
    """The wish that is the word which a plan waits for. Raises: StalledError where it waits for none."""
    if record.phase is not Phase.AWAITING_APPROVAL:
        raise StalledError(record.id, f"it does not wait for a word: it is {record.phase.value}", Reason.REJECTED)
    return Wish(record.applications[0], words.by, words.reason, waiting=record.id)


def approve(repo: ConfigRepo, record: RollbackRecord, words: Words, looked: Looked, requests: Requests) -> str:
    """Push the plan, or let its pull request be merged; in words for people. Raises: StalledError."""
    wish = waiting(record, words)
    _require_seen(repo, record, words.head, looked)
    if record.offer is not None and record.offer.newest is not None:
        given = replace(record.offer, approved=record.offer.newest.commit)
        by = record.requested_by if record.request else words.by
        if not looked.executor.keep(offered(replace(record, requested_by=by), given)):
            raise RepositoryUnavailable(repo.name, "the journal could not be written")
        return "Approved; its pull request is merged once the rules of the branch let it."
    prepared = requests.planned(wish, looked.view, looked.listing, looked.now)
    if prepared.plan is None or prepared.plan.rollback_id != record.id:
        raise StalledError(record.id, "something else is deployed now: look again", Reason.SUPERSEDED)
    if words.seen not in ("", digest_of(prepared.plan)):
        raise StalledError(record.id, "it would be another change by now: look at it again")
    land(prepared, record.id, requests)
    return "Approved, and pushed."


def land(prepared: Prepared, subject: str, requests: Requests) -> None:
    """Push a plan on a person's word, which answers the guards that ask. Raises: StalledError if it does not land."""
    plan = require_landable(prepared, subject)
    landing = requests.carry_out(prepared)
    if landing.outcome is PushOutcome.PROTECTED:
        raise StalledError(plan.rollback_id, f"the branch refuses it: {landing.message}", Reason.BRANCH_PROTECTED)
    if landing.outcome is not PushOutcome.LANDED:
        raise StalledError(subject, f"the push did not land: {landing.message or landing.outcome.value}")


def require_landable(prepared: Prepared, subject: str) -> Plan:
    """The plan, where nothing but a person's word is missing. Raises: StalledError with what is."""
    plan = prepared.plan
    if plan is None:
        raise StalledError(subject, prepared.proposal.attribution.message, Reason.NO_SUSPECT)
    if prepared.stopped:
        raise StalledError(subject, prepared.stopped, Reason.PAUSED)
    denied = next((one for one in plan.guards if one.result is GuardResult.DENY), None)
    if denied is not None or plan.reversal.outcome is not PlanOutcome.CLEAN:
        why = denied.words if denied else f"the plan is {plan.reversal.outcome.value}"
        raise StalledError(subject, why, Reason.GUARD_FAILED)
    return plan


def digest_of(plan: Plan) -> str:
    """The same for plans that make the same change for the same deployment, and for no others."""
    changes = [[one.path, one.old_blob, one.new_blob] for one in plan.reversal.changes]
    return sha256(json.dumps([plan.bad_revision, plan.restores, changes]).encode()).hexdigest()[:32]


def reject(record: RollbackRecord, words: Words, looked: Looked) -> str:
    """End a plan that waits; the controller closes its pull request. Raises: StalledError."""
    waiting(record, words)
    # What a person asked for, a person takes back; it is no word on what the controller may do by itself.
    outcome = RollbackOutcome.SUPERSEDED if record.request else RollbackOutcome.REFUSED
    message = f"{words.by} rejected it: {words.reason}"
    looked.executor.finish(Finish(record, outcome, Reason.REJECTED, message), policy_of(record, looked))
    return "Rejected."


def stop(record: RollbackRecord, words: Words, looked: Looked) -> str:
    """Stop following an open rollback. Raises: StalledError where it is over."""
    if record.phase not in OPEN:
        raise StalledError(record.id, "it is over: there is nothing to stop", Reason.ABORTED)
    message = aborted_words(record, words.by, words.reason)
    finish = Finish(record, RollbackOutcome.FAILED, Reason.ABORTED, message)
    looked.executor.finish(finish, policy_of(record, looked))
    return f"Stopped; {left_as(record)}."


def aborted(record: RollbackRecord, at: datetime, by: str, reason: str) -> RollbackRecord:
    """The record after a person's stop."""
    words = aborted_words(record, by, reason)
    return advance(record, Phase.DONE, at, outcome=RollbackOutcome.FAILED, reason=Reason.ABORTED.value, message=words)


def aborted_words(record: RollbackRecord, by: str, reason: str) -> str:
    """Who stopped it where, and how things were left."""
    return f"{by} aborted it in phase {record.phase.value} ({left_as(record)}): {reason}"


def left_as(record: RollbackRecord) -> str:
    """What of an open rollback stands on the branch."""
    half = left_half(record)
    if half:
        return half
    return f"commit {record.commit[:12]} is on the branch" if record.commit else "nothing was pushed"


def policy_of(record: RollbackRecord, looked: Looked) -> Policy:
    """The policy that says who is told; an empty one where the application is watched no more."""
    watched = looked.watched(record)
    return watched.policy if watched else Policy(record.policy, "", record.restores, (), ())


def _require_seen(repo: ConfigRepo, record: RollbackRecord, head: str, looked: Looked) -> None:
    """The files of the plan are what they were when it was shown. Raises: StalledError."""
    plan, now = record.evidence.get("plan"), looked.view.heads.branch
    paths = plan.get("paths") if isinstance(plan, Mapping) else None
    known = is_sha(head) and repo.has(head) and isinstance(paths, list)
    if not known or any(repo.entry_id(head, str(path)) != repo.entry_id(now, str(path)) for path in paths or ()):
        raise StalledError(record.id, "the branch is not what was shown: look at it again")
