"""What the page of one rollback says: sentence, chart, phases, diff, suspects, guards. By journal, git and metrics.

Source: product.md section 8, Rollback.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from gitops_rollback.app.board import Picture
from gitops_rollback.app.diffing import diff_of_changes
from gitops_rollback.app.observation import variables
from gitops_rollback.app.queries import Question, Span, tick_of
from gitops_rollback.app.showing import Document, brief, elsewhere
from gitops_rollback.app.subject import Watched
from gitops_rollback.core.commit import REGULAR_MODE, Commit, FileChange
from gitops_rollback.core.errors import RollbackError
from gitops_rollback.core.headline import headline, is_ratio, mappings, spans
from gitops_rollback.core.journal import format_time
from gitops_rollback.core.message import for_people
from gitops_rollback.core.policy import Policy, Trigger
from gitops_rollback.core.postmortem import postmortem
from gitops_rollback.core.rollback import RollbackRecord, StepRecord
from gitops_rollback.ports import DecisionEntry

PATIENCE = timedelta(seconds=3)  # a page waits no longer for a metric store
BEFORE, AFTER = timedelta(minutes=10), timedelta(minutes=5)
LONGEST_CHART = timedelta(hours=6)
MOST_POINTS = 240
MOST_KEPT = 128
MOST_DECISIONS = 100
_PUT_ON = re.compile(
    r"^\+[ -]*(?:image: *[\"']?[^\s\"'#:@]+(?::\d+/[^\s\"'#:@]+)?:|newTag: *[\"']?|tag: *[\"']?)([\w.-]+)", re.MULTILINE
)
MARKERS = (("deployed", "sync"), ("fired", "fired"), ("pushed", "revert"), ("verified", "recovered"))
MOST_STEPS = 12  # that a chart has markers for


def rollback_document(picture: Picture, record: RollbackRecord, chart: Document) -> Document:
    """The whole page."""
    decisions = about(picture, record)[-MOST_DECISIONS:]
    diff = _diff(picture, record)
    return {
        **brief(record),
        "headline": headline(record, version_back(diff)),
        "applicationLinks": list(record.applications)[:20],
        "repository": record.repository,
        "head": picture.view.heads.branch,
        "engine": record.engine,
        "policy": for_people(record.policy),
        "badRevision": record.bad_revision,
        "restores": record.restores,
        "restoredCommit": _commit(picture, record.restores),
        "reverts": [_commit(picture, sha) for sha in record.reverts],
        "commit": _commit(picture, record.commit) if record.commit else None,
        "pullRequest": record.offer.url if record.offer and record.offer.url.startswith("https://") else None,
        "message": for_people(record.message, 1000),
        "phase": record.phase.value,
        "open": record.open,
        "elsewhere": elsewhere(picture),
        # Several commits went through states between: taking back the last one alone would end in one of those.
        "undoes": record.commit if not record.open and len(record.steps) == 1 else "",
        "phases": _phases(record),
        "chart": chart,
        "steps": [_step(picture, one) for one in record.steps] if len(record.steps) > 1 else [],
        "diff": diff,
        "suspects": [for_people(str(one), 600).split("; ") for one in _list(record.evidence.get("suspects"))],
        "certainty": record.evidence.get("certainty"),
        "guards": [{key: for_people(text, 400) for key, text in one.items()} for one in record.guards],
        "decisions": [_decision(one) for one in decisions],
        "postmortem": "\n".join(postmortem(record, decisions)),
    }


def version_back(diff: str) -> str:
    """The one version that a change puts on images; "" where it puts on none, or several."""
    found = {match[1] for match in _PUT_ON.finditer(diff)}
    return found.pop() if len(found) == 1 else ""


def about(picture: Picture, record: RollbackRecord) -> list[DecisionEntry]:
    """The journal's decisions about this rollback and what led to it."""
    return [
        entry
        for entry in picture.view.journal.decisions
        if entry.details.get("rollback") == record.id
        or (entry.application in record.applications and entry.revision in (record.bad_revision, record.commit))
    ]


def _decision(entry: DecisionEntry) -> Document:
    message = for_people(entry.message, 400)
    return {"at": format_time(entry.at), "action": entry.action, "reason": entry.reason, "message": message}


def _list(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else []


def _commit(picture: Picture, sha: str) -> Document:
    try:
        commit = picture.place.repo.commit(sha)
    except RollbackError:
        return {"sha": sha, "subject": "", "author": ""}
    author = commit.author.split("<")[0].strip()
    return {"sha": sha, "subject": for_people(commit.subject), "author": for_people(author)}


def _step(picture: Picture, step: StepRecord) -> Document:
    """One commit of several; without a SHA it is still ahead."""
    subject = _commit(picture, step.commit)["subject"] if step.commit else ""
    pushed = format_time(step.pushed_at) if step.pushed_at else None
    return {"n": step.n, "of": step.of, "commit": step.commit, "subject": subject, "pushed": pushed}


def _phases(record: RollbackRecord) -> list[Document]:
    found: list[Document] = []
    for one in spans(record):
        state = "done" if one.end else "now" if one.begin and record.open else "ahead"
        seconds = one.lasted.total_seconds() if one.lasted is not None else None
        end = format_time(one.end) if one.end else None
        found.append({"name": one.name, "state": state, "seconds": seconds, "end": end})
    return found


def _diff(picture: Picture, record: RollbackRecord) -> str:
    """What its commits changed together, or would change on the head."""
    repo = picture.place.repo
    try:
        if record.commit:
            pushed = [one.commit for one in record.steps if one.commit] or [record.commit]
            return diff_of_changes(_together([repo.commit(sha) for sha in pushed]), repo)
        head, steps = picture.view.heads.branch, record.planned
        blobs = steps[-1].blobs if steps else {}
        changes = [
            FileChange(path, REGULAR_MODE, REGULAR_MODE, repo.entry_id(head, path), blob)
            for path, blob in blobs.items()
        ]
        return diff_of_changes(changes, repo)
    except RollbackError:
        return ""


def _together(commits: Sequence[Commit]) -> list[FileChange]:
    """From before the first commit to after the last one, by file; what came back on the way is no change."""
    found: dict[str, FileChange] = {}
    for change in (one for commit in commits for one in commit.changes):
        before = found.get(change.path, change)
        found[change.path] = replace(change, old_blob=before.old_blob, old_mode=before.old_mode)
    return [one for one in found.values() if (one.old_blob, one.old_mode) != (one.new_blob, one.new_mode)]


class Charts:
    """Reads the curve of a rollback's trigger from the metric store; what is over is read once. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, str], Document] = OrderedDict()

    def of(self, picture: Picture, record: RollbackRecord, now: datetime) -> Document:
        """Points, threshold and markers. `fault` says why there are no points: that never reads as zero."""
        key = record.id, f"{record.phase} {tick_of(now, timedelta(seconds=10)) if _goes_on(record, now) else ''}"
        with self._lock:
            known = self._kept.get(key)
        if known is None:
            known = _chart(picture, record, now)
            with self._lock:
                self._kept[key] = known
                while len(self._kept) > MOST_KEPT:
                    self._kept.popitem(last=False)
        return known


def _goes_on(record: RollbackRecord, now: datetime) -> bool:
    newest = max(record.times.values(), default=now)
    return record.open or now < newest + AFTER


def _chart(picture: Picture, record: RollbackRecord, now: datetime) -> Document:
    times = record.times
    begin = times.get("deployed") or times.get("decided") or now
    last = now if record.open else max(times.values(), default=now)
    start, end = begin - BEFORE, min(last + AFTER, now, begin + LONGEST_CHART)
    evidence = next(
        (one for one in mappings(record.evidence.get("verdicts")) if one.get("trigger") in record.triggers), {}
    )
    document: Document = {
        "trigger": for_people(str(evidence.get("trigger", ""))),
        "threshold": evidence.get("threshold"),
        "ratio": is_ratio(evidence),
        "markers": [{"name": name, "at": format_time(at)} for name, at in _markers(record)],
        "points": [],
        "fault": "",
        "delayUntil": None,
    }
    return {**document, **_points(picture, record, evidence, start, end)}


def _markers(record: RollbackRecord) -> list[tuple[str, datetime]]:
    """What happened when, in that order. Of several commits each has its own, since none alone is the revert."""
    staged = [one for one in record.steps if one.pushed_at is not None] if len(record.steps) > 1 else []
    names = [one for one in MARKERS if not (staged and one[0] == "pushed")]
    found = [(name, record.times[key]) for key, name in names if key in record.times]
    found += [(f"step {one.n}", one.pushed_at) for one in staged[:MOST_STEPS] if one.pushed_at is not None]
    return sorted(found, key=lambda one: one[1])


def _points(
    picture: Picture, record: RollbackRecord, evidence: Mapping[str, object], start: datetime, end: datetime
) -> Document:
    found = _asked(picture, record, str(evidence.get("trigger", "")))
    if found is None:
        return {"fault": "no metric trigger of a watched application stands behind it"}
    watched, policy, trigger = found
    interval = policy.timing.interval
    step = interval * max(1, -(-((end - start) // interval) // MOST_POINTS))
    question = Question.of(trigger, variables(watched, watched.target, record.bad_revision))
    try:
        asker = picture.place.reconciler.follower.measuring.asker(policy, watched.state.destination, PATIENCE, start)
        history = asker.histories((question,), Span(tick_of(start, step), end, step))[0]
    except RollbackError as error:
        return {"fault": for_people(error.message)}
    if history.fault is not None:
        return {"fault": for_people(history.fault.detail) or "the metric store did not answer"}
    delay = record.times.get("deployed")
    return {
        "points": [[tick.at.timestamp(), tick.value] for tick in history.ticks],
        "delayUntil": format_time(delay + policy.timing.initial_delay) if delay else None,
        "fault": "" if history.had_data else "the metric store has no data of that time any more",
    }


def _asked(picture: Picture, record: RollbackRecord, name: str) -> tuple[Watched, Policy, Trigger] | None:
    listing = picture.tick.listing.watched if picture.tick else ()
    watched = next((one for one in listing if one.name in record.applications), None)
    if watched is None:
        return None
    revisions = (record.restores, record.bad_revision)
    policy = picture.place.reconciler.directory.policy_at(watched.name, revisions) or watched.policy
    trigger = next((one for one in policy.triggers if one.name == name and one.type in ("query", "ratio")), None)
    return (watched, policy, trigger) if trigger else None
