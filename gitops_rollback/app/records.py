"""From a decision and its plan to what is kept and told: journal record, decision entry, message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from gitops_rollback.app.notices import Notice
from gitops_rollback.app.plan_evidence import plan_evidence
from gitops_rollback.app.subject import Look
from gitops_rollback.app.verdict_evidence import verdict_evidence
from gitops_rollback.core.action import Advance, Note, Release
from gitops_rollback.core.decision import Act, Decision
from gitops_rollback.core.delivery import lands_by_itself
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.image_holds import holds_of
from gitops_rollback.core.journal import format_time
from gitops_rollback.core.next_plans import PLANS, TRIED, page_lines
from gitops_rollback.core.offer import Offer
from gitops_rollback.core.plan import GuardAnswer, Plan
from gitops_rollback.core.policy import Policy
from gitops_rollback.core.rollback import (
    OBJECTS,
    RELEASE,
    STEP_HELD_AT,
    Phase,
    RollbackOutcome,
    RollbackRecord,
    advance,
    offered,
)
from gitops_rollback.core.runbook import page_guide
from gitops_rollback.core.strategies.gate import BETWEEN
from gitops_rollback.core.watches import as_evidence
from gitops_rollback.ports import DecisionEntry, Message

EVENTS = {
    Act.ASK: "suggested",
    Act.REFUSE: "refused",
    Act.HOLD: "held",
    Act.PAGE: "blind",
    Act.ROLL_BACK: "started",
}
NOTICES = {**dict.fromkeys(("paused", "resumed", "silenced"), "stopped"), "handover": "handover"}
ENDED_BY = {
    Act.REFUSE: RollbackOutcome.REFUSED,
    Act.HOLD: RollbackOutcome.HELD,
}
MAX_NAMED = 20  # in one message
TERMINAL_HOLDS = frozenset({Reason.CAME_BACK, Reason.QUARANTINE})
TITLES = {
    Act.ASK: "A rollback is ready and waits for a word",
    Act.REFUSE: "A rollback was refused",
    Act.HOLD: "A rollback is held",
    Act.PAGE: "A person is needed",
    Act.ROLL_BACK: "A rollback goes by pull request",
}


def open_record(plan: Plan, look: Look, decision: Decision, now: datetime, phase: Phase) -> RollbackRecord:
    """The record of a plan as decided now; `times` has deployed, fired and decided."""
    waiting = plan.staged.stages.waiting if plan.staged else {}
    return RollbackRecord(
        id=plan.rollback_id,
        applications=plan.applications,
        engine=look.target.engine,
        repository=plan.repository,
        bad_revision=plan.bad_revision,
        restores=plan.restores,
        policy=plan.policy_label,
        triggers=plan.triggers,
        reverts=plan.reversal.reverts,
        superseded=plan.reversal.superseded,
        rung=plan.reversal.rung,
        phase=phase,
        reason=decision.reason.value,
        message=decision.message,
        requested_by=plan.requested_by,
        guards=tuple(_guard(answer) for answer in plan.guards),
        times=_times(look, decision, now),
        evidence={**evidence_of(look, decision, plan), **_objects(look), **waiting},
    )


def joined_record(record: RollbackRecord, look: Look) -> RollbackRecord:
    """The record with one more application of its incident."""
    evidence = dict(record.evidence)
    for name, more in {**_objects(look), **as_evidence(look.name, look.watches)}.items():
        known = evidence.get(name)
        evidence[name] = {**(known if isinstance(known, Mapping) else {}), **more}
    return replace(record, applications=(*record.applications, look.name), evidence=evidence)


def _objects(look: Look) -> dict[str, Mapping[str, object]]:
    return {OBJECTS: {look.name: look.state.uid}} if look.state.uid else {}


def record_of_note(note: Note, look: Look, now: datetime) -> RollbackRecord | None:
    """A finished plan gets a record, so that a person can approve it; a terminal no gets one, so that it stays."""
    if note.plan is None:
        return None
    act = note.decision.act
    record = open_record(note.plan, look, note.decision, now, Phase.PENDING)
    if note.offers and not note.plan.coordinated:  # as a pull request that would be one commit
        offer = Offer(automatic=act is Act.ROLL_BACK)
        return offered(advance(record, Phase.AWAITING_APPROVAL), offer)
    if act is Act.ASK and note.decision.reason is not Reason.SUSPENDED:
        return advance(record, Phase.AWAITING_APPROVAL)
    outcome = ENDED_BY.get(act)
    if outcome is None or (act is Act.HOLD and note.decision.reason not in TERMINAL_HOLDS):
        return None
    return advance(record, Phase.DONE, outcome=outcome)


def released_record(release: Release, commit: str, now: datetime) -> RollbackRecord:
    """The record of a rollback whose holds `commit` ends."""
    blobs = {change.path: change.new_blob for change in release.changes}
    ended = {"commit": commit, "blobs": blobs, "by": release.by, "at": format_time(now), "message": release.message}
    return replace(release.record, evidence={**release.record.evidence, RELEASE: ended})


def incident_time(decision: Decision, now: datetime) -> datetime:
    """When the alarm came to be: the same for each try, so that a retry on the same head makes the same commit."""
    fired = [verdict.state.fired_at for verdict in decision.verdicts if verdict.state.fired_at]
    return max(fired).replace(microsecond=0) if fired else now.replace(microsecond=0)


def evidence_of(look: Look, decision: Decision, plan: Plan | None) -> dict[str, object]:
    """What the decision stands on: sync, measured values with their queries, suspects, the plan's tree."""
    evidence: dict[str, object] = {"verdicts": [verdict_evidence(verdict) for verdict in look.case.verdicts]}
    if look.event is not None:
        evidence["sync"] = {
            "revisions": list(look.event.record.revisions),
            "startedAt": format_time(look.event.record.started_at),
            "initiatedBy": look.event.record.initiated_by,
        }
        evidence.update(as_evidence(look.name, look.watches))
    if plan is not None:
        evidence.update(plan_evidence(plan))
    if decision.weighed is not None:
        evidence["costs"] = decision.weighed.document
    if decision.onset is not None:
        evidence["onset"] = format_time(decision.onset)
    return evidence


def entry_of(decision: Decision, look: Look, plan: Plan | None, now: datetime) -> DecisionEntry:
    """The journal's line about this decision."""
    details = evidence_of(look, decision, plan)
    if plan is not None:
        details["rollback"] = plan.rollback_id
        details["tree"] = plan.reversal.tree or ""
        details["guards"] = [_guard(answer) for answer in plan.guards]
    return DecisionEntry(
        at=now,
        application=look.name,
        action=decision.act.value,
        reason=decision.reason.value,
        revision=look.bad_revision,
        message=decision.message,
        details=details,
    )


def entry_about(notice: Notice, now: datetime) -> DecisionEntry:
    """The journal's line about a whole repository; its state stands where an application's revision does."""
    return DecisionEntry(now, notice.subject, notice.action, notice.reason.value, notice.state, notice.message)


def entry_about_record(record: RollbackRecord, now: datetime) -> DecisionEntry:
    """The journal's line about how far a rollback is."""
    action = record.outcome.value if record.outcome else record.phase.value
    return DecisionEntry(
        now, record.applications[0], action, record.reason, record.bad_revision, record.message,
        {"rollback": record.id, **_what_next(record)},
    )  # fmt: skip


def _what_next(record: RollbackRecord) -> dict[str, object]:
    """What was tried and what a person may approve, of a rollback that did not help."""
    return {key: record.evidence[key] for key in (TRIED, PLANS) if key in record.evidence}


def message_about_notice(notice: Notice, repository: str, at: datetime) -> Message:
    """What people are told about a whole repository. The same again later is something new."""
    return Message(
        event=NOTICES.get(notice.action, "blind"),
        application=repository,
        title=f"{notice.title}: {repository}",
        text=notice.message,
        key=f"{repository}/{notice.subject}/{notice.state}/{format_time(at)}",
        reason=notice.reason.value,
        page=notice.page,
        topic=f"{repository}/{notice.subject}",
        over=not notice.state,
        routes=notice.routes,
    )


def message_about_unwritable(repository: str, why: str) -> Message:
    """What people are told while the controller cannot keep what it decides."""
    return Message(
        "failed", repository, "Journal not writable", f"the journal could not be written: {why}",
        f"journal/{repository}", Reason.JOURNAL_UNWRITABLE.value, page=True, topic=f"journal/{repository}",
    )  # fmt: skip


def message_about_entry(entry: DecisionEntry, record: RollbackRecord | None, policy: Policy) -> Message:
    """What people are told of a decision that does not write to the branch; a finished plan comes with it.

    It is made from what the journal holds, so that a later process can say the same.
    """
    act, details = Act(entry.action), entry.details
    lines = [entry.message, *(f"suspect: {line}" for line in _items(details, "suspects"))]
    for guard in _items(details, "guards"):
        if isinstance(guard, Mapping):
            lines.append(f"guard {guard.get('guard', '')}: {guard.get('result', '')}: {guard.get('message', '')}")
    if record is not None and len(record.applications) > 1:
        names = ["/".join(name.split("/")[-2:]) for name in record.applications[:MAX_NAMED]]
        more = len(record.applications) - len(names)
        lines.append(f"it is about {', '.join(names)}{f' and {more} more' if more else ''}")
    if record is not None and record.open:
        lines += ["a pull request is opened for it"] if record.offer is not None else []
        lines.append(f"to do it: gitops-rollback approve {record.id}; to leave it: gitops-rollback reject {record.id}")
    event = EVENTS.get(act, "failed")
    return Message(
        event=event,
        application=entry.application,
        title=f"{TITLES.get(act, 'Decided')}: {'/'.join(entry.application.split('/')[-2:])}",
        text="\n".join(line for line in lines if line),
        key=f"{entry.application}/{entry.revision}/{entry.action}/{entry.reason}",
        reason=entry.reason,
        rollback_id=str(details.get("rollback", "")),
        page=record is None or not lands_by_itself(record, policy.delivery.pull_request),
        details=details,
        routes=policy.notifications,
        head=_head(details),
        guide=_guide(event, entry.reason, entry.application, record, policy),
    )


def _head(evidence: Mapping[str, object]) -> str:
    """The branch's head on which the plan stands; "" where there is no plan."""
    plan = evidence.get("plan")
    return str(plan.get("base", "")) if isinstance(plan, Mapping) else ""


def _items(details: Mapping[str, object], name: str) -> Sequence[object]:
    """A list of the journal, where everybody with the right to push may have written anything."""
    found = details.get(name)
    return found if isinstance(found, list | tuple) else ()


def event_of(outcome: RollbackOutcome) -> str:
    """The event under which people are told of this end."""
    return "refused" if outcome is RollbackOutcome.SUPERSEDED else outcome.value


def message_about_record(event: str, record: RollbackRecord, policy: Policy) -> Message:
    """What people are told of a rollback that began or ended."""
    verb = {"started": "Rolling back", "verified": "Rolled back and verified"}.get(event, f"Rollback {event}")
    lines = [f"{record.reason}: {record.message}"]
    lines += [
        f"held: {hold.words()} is not written back, until something newer is selected" for hold in holds_of(record)
    ]
    lines += page_lines(record) if not record.open else ()
    return Message(
        event=event,
        application=record.applications[0],
        title=f"{verb}: {', '.join(record.applications)}",
        text="\n".join(lines),
        key=f"{record.id}/{record.outcome.value if record.outcome else record.phase.value}",
        reason=record.reason,
        rollback_id=record.id,
        page=_ended_badly(record),
        details={
            "commit": record.commit,
            "reverts": list(record.reverts),
            "restores": record.restores,
            "applications": list(record.applications),
            "times": {name: format_time(at) for name, at in record.times.items()},
            **_what_next(record),
        },
        routes=policy.notifications,
        head=_head(record.evidence),
        guide=_guide(event, record.reason, record.applications[0], record, policy),
    )


def _guide(event: str, reason: str, application: str, record: RollbackRecord | None, policy: Policy) -> tuple[str, ...]:
    """What a person does with it; a rollback that nobody can approve any more is named by its application."""
    return page_guide(event, reason, application, record.id if record else "", policy.timing.interval)


def _ended_badly(record: RollbackRecord) -> bool:
    """In a way that somebody must hear of at once; who said no knows it already."""
    fine = (None, RollbackOutcome.VERIFIED, RollbackOutcome.SUPERSEDED)
    return record.outcome not in fine and record.reason != Reason.REJECTED.value


def next_phase(action: Advance, now: datetime) -> tuple[tuple[RollbackRecord], tuple[DecisionEntry, ...]]:
    """The record in its next phase, and a line where something had held it up until now, since that is over."""
    record = advance(action.record, action.phase, now, message=action.message)
    over = record.reason != action.record.reason
    return (record,), (entry_about_record(record, now),) if over else ()


def entry_about_release(release: Release, now: datetime) -> DecisionEntry:
    """The journal's line about the end of a hold."""
    record = release.record
    return DecisionEntry(
        now, record.applications[0], "released", Reason.IMAGE_AUTOMATION.value, record.bad_revision, release.message,
        {"rollback": record.id, "by": release.by},
    )  # fmt: skip


def message_about_release(release: Release, policy: Policy) -> Message:
    """What people are told when an image automation may write again."""
    return replace(
        message_about_record("held", release.record, policy),
        title=f"The hold of an image has ended: {', '.join(release.record.applications)}",
        text=release.message,
        key=f"{release.record.id}/released",
        reason=Reason.IMAGE_AUTOMATION.value,
        page=False,
    )


def message_about_waiting(record: RollbackRecord, policy: Policy) -> Message:
    """What people are told when the engine does not look at what is pushed, or no more is pushed for now: a page."""
    between, held = record.reason in BETWEEN, record.times.get(STEP_HELD_AT)
    again = f"/{held:%FT%TZ}" if held is not None else ""
    what = "The rollback waits between two steps" if between else "The engine does not look at the rollback yet"
    return replace(
        message_about_record("held", record, policy),
        title=f"{what}: {', '.join(record.applications)}",
        key=f"{record.id}/{record.reason}{again}",
        page=True,
    )


def message_about_joining(record: RollbackRecord, entry: DecisionEntry, policy: Policy) -> Message:
    """What people are told of an application that turned red by what a waiting plan undoes."""
    return Message(
        event="suggested",
        application=entry.application,
        title=f"One more for {record.id}: {'/'.join(entry.application.split('/')[-2:])}",
        text=f"{entry.message}; it would be undone for this application, too",
        key=f"{record.id}/joined/{entry.application}",
        reason=entry.reason,
        rollback_id=record.id,
        details=entry.details,
        routes=policy.notifications,
    )


def _times(look: Look, decision: Decision, now: datetime) -> dict[str, datetime]:
    times = {"decided": now}
    if look.event is not None:
        times["deployed"] = look.event.record.started_at
    if decision.fired_at is not None:
        times["fired"] = decision.fired_at
    return times


def _guard(answer: GuardAnswer) -> dict[str, str]:
    return {
        "guard": answer.guard,
        "result": answer.result.value,
        "reason": answer.reason.value if answer.reason else "",
        "message": answer.message,
        "remedy": answer.remedy,
    }
