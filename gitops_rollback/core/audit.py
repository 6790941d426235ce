"""What was decided, by whom and under which rule, a line each; and whether journal and branch tell the same story.

The lines have a stable form: a field is added, never renamed or dropped, and `schema` counts what breaks.
Source: safety.md, Audit; Which commits are ours; The journal.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from gitops_rollback.core.commit import Commit, FileChange
from gitops_rollback.core.decision import Act
from gitops_rollback.core.journal import DECISIONS, RECORDS, DecisionEntry, encode_entry, format_time
from gitops_rollback.core.policy import GuardResult
from gitops_rollback.core.rollback import Phase, RollbackRecord

SCHEMA = 1
COLUMNS = (
    *("schema", "at", "repository", "application", "action", "reason", "rule", "revision"),
    *("rollback", "by", "policy", "commit", "evidence", "message"),
)
LEFT_ALONE = frozenset({Act.LEAVE.value, Act.WAIT.value, "started"})
ID_TRAILER = "Rollback-Id"


def audit_line(entry: DecisionEntry, record: RollbackRecord | None, repository: str) -> dict[str, object]:
    """One decision as its line; all keys of `COLUMNS`, in their order. `evidence` is the hash of the journal's line."""
    return {
        "schema": SCHEMA,
        "at": format_time(entry.at),
        "repository": repository,
        "application": entry.application,
        "action": entry.action,
        "reason": entry.reason,
        "rule": _rule(entry),
        "revision": entry.revision,
        "rollback": str(entry.details.get("rollback", "")),
        "by": str(entry.details.get("by") or (record.requested_by if record else "controller")),
        "policy": record.policy if record else "",
        "commit": (record.commit or "") if record else "",
        "evidence": hashlib.sha256(encode_entry(entry)).hexdigest(),
        "message": entry.message,
    }


def audited(entries: Iterable[DecisionEntry]) -> tuple[DecisionEntry, ...]:
    """Those that acted, asked, were refused, held, overridden or told to people, oldest first."""
    return tuple(sorted((one for one in entries if one.action not in LEFT_ALONE), key=lambda one: one.at))


def _rule(entry: DecisionEntry) -> str:
    """The guards that did not simply allow it, or the rules that were bypassed; else the reason is the rule."""
    guards = entry.details.get("guards")
    found = [guard for guard in guards if isinstance(guard, Mapping)] if isinstance(guards, list | tuple) else []
    names = [str(one.get("guard", "")) for one in found if one.get("result") in (GuardResult.ASK, GuardResult.DENY)]
    rules = entry.details.get("rules")  # of the server, that a push went past
    names += [str(one) for one in rules] if isinstance(rules, list | tuple) else []
    return " ".join(names) or entry.reason


@dataclass(frozen=True)
class JournalStep:
    """One commit of the journal: how a file was before and after; None where it is absent or cannot be read."""

    commit: str
    change: FileChange
    before: bytes | None
    after: bytes | None
    records: tuple[RollbackRecord, RollbackRecord] | None = None  # before and after, where it is a record's file


def chain_faults(commits: Sequence[Commit], committer: str) -> Iterator[str]:
    """What is wrong with the journal's commits (newest first) as a chain that one writer made."""
    for commit, older in zip(commits, [*commits[1:], None], strict=True):
        name = commit.sha[:12]
        if len(commit.parents) > 1:
            yield f"journal {name} is a merge: the journal only ever grows by one commit"
        if older is not None and commit.parents[:1] != (older.sha,):
            yield f"journal {name} does not stand on {older.sha[:12]}"
        if committer not in commit.committer:
            yield f"journal {name} is by {commit.committer}, and not by {committer}"
        for change in commit.changes:
            if change.new_blob is None:
                yield f"journal {name} deletes {change.path}"
            elif not change.path.startswith((f"{RECORDS}/", f"{DECISIONS}/")):
                yield f"journal {name} holds {change.path}, which is neither a record nor a decision"


def step_faults(step: JournalStep) -> Iterator[str]:
    """What one commit of the journal did to a file that may only grow, or go forward."""
    name, path = step.commit[:12], step.change.path
    if step.after is None:
        yield f"journal {name}: {path} cannot be read"
    elif path.startswith(f"{DECISIONS}/") and not step.after.startswith(step.before or b""):
        yield f"journal {name} changes what {path} said before"
    elif step.records is not None:
        before, after = step.records
        order = list(Phase)
        if order.index(after.phase) < order.index(before.phase):
            yield f"journal {name} takes {after.id} back from {before.phase} to {after.phase}"
        lost = {one.commit for one in before.steps if one.commit and one.pushed_at} - {
            one.commit for one in after.steps
        }
        for commit in sorted(sha for sha in lost if sha):
            yield f"journal {name} forgets the commit {commit[:12]} of {after.id}"


def unrecorded(commits: Iterable[Commit], records: Iterable[RollbackRecord]) -> Iterator[str]:
    """Commits of the branch that bear our trailer, and that no record names: ours without a record, or a forgery."""
    named = set()
    for record in records:
        named |= {step.commit for step in record.steps}
        named |= {record.release.commit} if record.release is not None else set()
    for commit in commits:
        ids = commit.trailers.get(ID_TRAILER, ())
        if ids and commit.sha not in named:
            yield f"commit {commit.sha[:12]} by {commit.committer} says {ID_TRAILER}: {ids[0]}, and no record names it"


def pushed(record: RollbackRecord) -> tuple[tuple[str, Mapping[str, str | None]], ...]:
    """The commits that a record says are on the branch, each with the blobs that it put there."""
    if record.phase in (Phase.PENDING, Phase.AWAITING_APPROVAL, Phase.PUSHING):
        return ()
    steps = [*record.steps, *([record.release] if record.release is not None else [])]
    return tuple(
        (step.commit, step.blobs) for step in steps if step.commit and (step.pushed_at or step is record.release)
    )


def within(entry: DecisionEntry, first: datetime | None, last: datetime | None) -> bool:
    """At or after `first`, and before `last`."""
    return (first is None or entry.at >= first) and (last is None or entry.at < last)
