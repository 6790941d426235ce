"""Does a commit bring back what a rollback took back, and what follows from that?

People land a change again once they have mended it, or think so: it has failed here before. So it is likelier to blame
than another commit, and it is waited for less long. What acts by itself acts at the limit that people wrote, only
sooner; what only tells people does so at a part of it. A state that comes back unchanged is held, see `came back`.
Source: git's own words in revert and cherry-pick messages.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from gitops_rollback.core.commit import Commit
from gitops_rollback.core.drill import is_drill
from gitops_rollback.core.policy import Comparison, Policy, Severity, Trigger
from gitops_rollback.core.rollback import RollbackRecord

REMEMBERED = timedelta(days=30)  # so long a change that comes back is watched more closely
SOONER = 2  # `for` is divided by it
NEARER = 0.75  # of the limit, for what only tells people
LEAST_TICKS = 2  # of `for`: one look alone proves nothing

_REVERTS = re.compile(r"[Tt]his reverts commit ([0-9a-f]{7,64})")
_PICKED = re.compile(r"\(cherry picked from commit ([0-9a-f]{7,64})\)")
_REAPPLY = re.compile(r'(?:Reapply|Revert "Revert) "(?P<subject>.*?)"+')
_NUMBER = re.compile(r"\s*\(?[#!]\d+\)?\s*$")  # of a pull request, another one the second time


@dataclass(frozen=True)
class TakenBack:
    """What a rollback of this application took back: its commits as they were, and the files as they were by blob."""

    record: RollbackRecord
    culprits: tuple[Commit, ...]
    blobs: Mapping[str, str]


def worth_watching(record: RollbackRecord, application: str, now: datetime) -> bool:
    """It pushed a revert for this application within the last 30 days, and was no drill."""
    at = record.times.get("pushed")
    young = at is not None and now - at <= REMEMBERED
    return young and record.commit is not None and application in record.applications and not is_drill(record)


def relanded(line: Sequence[Commit], taken: Sequence[TakenBack]) -> dict[str, str]:
    """By commit of `line` (newest first) that brings something back: the Rollback-Id that had taken it back."""
    return {sha: one.record.id for one in taken for sha in _bring_back(line, one)}


def _bring_back(line: Sequence[Commit], one: TakenBack) -> Iterator[str]:
    ours = {step.commit for step in one.record.planned}
    for commit in line:
        if commit.sha in ours:
            return  # what is older than the rollback is what it took back, or was before that
        if commit.sha not in one.record.reverts and _brings_back(commit, one, ours):
            yield commit.sha


def _brings_back(commit: Commit, one: TakenBack, ours: Collection[str | None]) -> bool:
    if any(one.blobs.get(change.path) == change.new_blob for change in commit.changes if change.new_blob):
        return True
    undone = (found for found in _REVERTS.findall(commit.message))
    if any(sha and sha.startswith(found) for found in undone for sha in ours):
        return True
    if any(sha.startswith(found) for found in _PICKED.findall(commit.message) for sha in one.record.reverts):
        return True
    again = _REAPPLY.match(commit.subject)
    said = _title(again["subject"] if again else commit.subject)
    return any(said == _title(culprit.subject) for culprit in one.culprits)


def _title(subject: str) -> str:
    return _NUMBER.sub("", subject).strip().casefold()


def sharpened(policy: Policy) -> Policy:
    """The policy as it judges such a change."""
    least = LEAST_TICKS * policy.timing.interval
    return replace(policy, triggers=tuple(_sharpened(trigger, least) for trigger in policy.triggers))


def _sharpened(trigger: Trigger, least: timedelta) -> Trigger:
    sooner = min(trigger.hold_for, max(trigger.hold_for / SOONER, least))
    nearer = trigger.threshold
    if trigger.severity is not Severity.AUTO_ROLLBACK and trigger.is_asked and nearer > 0:
        nearer = nearer * NEARER if trigger.comparison is Comparison.GREATER_THAN else nearer / NEARER
    return replace(trigger, hold_for=sooner, threshold=nearer)
