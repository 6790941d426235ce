"""What can a person try after a rollback that did not help, and what has been tried?

Three ways, each a plan that waits for a person's word: undo the next suspect, undo the whole range, or land again what
was taken back in vain. Nothing here happens by itself. All of it stands in the journal's records, in `evidence`, which
everybody with the right to push may have written: what is read back is checked, and git says which commits count.
Source: design.md, promise 8; product.md, Undoing a rollback.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from gitops_rollback.core.commit import is_sha
from gitops_rollback.core.journal import format_time
from gitops_rollback.core.message import for_people
from gitops_rollback.core.plan import REAPPLY
from gitops_rollback.core.rollback import Phase, RollbackOutcome, RollbackRecord

FOLLOWS = "follows"  # keys of a record's evidence
RANKED = "ranked"
CHECKS = "checks"
TRIED = "tried"
PLANS = "plans"
MAX_TRIED = 20
NO_PLANS, WHOLE_FIRST = "none", "restore"  # words of `verification.onFailure.suggest`


class Way(StrEnum):
    """What is done about a rollback that did not help."""

    NEXT_SUSPECT = "next-suspect"
    WHOLE_RANGE = "whole-range"
    REAPPLY = REAPPLY

    @property
    def words(self) -> str:
        return self.value.replace("-", " ")


@dataclass(frozen=True)
class Option:
    """One way on, with the commits that it would undo, newest first; or `why` there is nothing to undo."""

    way: Way
    reverts: tuple[str, ...] = ()
    why: str = ""


def ways(suggest: str) -> tuple[Way, ...]:
    """The ways in the order in which the policy's `onFailure.suggest` wants them told."""
    if suggest == NO_PLANS:
        return ()
    return tuple(sorted(Way, key=lambda way: suggest == WHOLE_FIRST and way is not Way.WHOLE_RANGE))


def follows(record: RollbackRecord) -> tuple[str, Way] | None:
    """The Rollback-Id that did not help before this plan was made, and the way that it goes; None for all others."""
    said = record.evidence.get(FOLLOWS)
    if not isinstance(said, Mapping) or said.get("way") not in list(Way):
        return None
    return str(said.get("rollback", "")), Way(str(said["way"]))


def attempts(record: RollbackRecord, records: Mapping[str, RollbackRecord]) -> tuple[RollbackRecord, ...]:
    """All that was pushed for one deployment, one after the other since none helped: the newest first."""
    found = [record]
    while len(found) < MAX_TRIED and (after := follows(found[-1])) is not None:
        before = records.get(after[0])
        if before is None or before in found or before.applications[:1] != record.applications[:1]:
            break
        found.append(before)
    return tuple(found)


def options(tried: Sequence[RollbackRecord], line: Sequence[str]) -> tuple[Option, ...]:
    """Each way on after `tried`, newest first. `line` are the commits of the deployed range that still count.

    Those are the commits that change the application's inputs and that nobody has taken back, newest first.
    """
    undone = {sha for one in tried for sha in one.reverts}
    left = tuple(sha for sha in line if sha not in undone)
    ranked = _ranked(tried[-1])
    following = next((sha for sha in ranked if sha in left), None)
    if following is not None:
        suspect = Option(Way.NEXT_SUSPECT, (following,))
    else:
        unknown = "who else was under suspicion is not known"
        suspect = Option(Way.NEXT_SUSPECT, why="nobody else was under suspicion" if ranked else unknown)
    whole = Option(Way.WHOLE_RANGE, left)
    if not left:
        whole = Option(Way.WHOLE_RANGE, why="all of the range that changes its inputs is undone already")
    elif left == suspect.reverts:
        whole = Option(Way.WHOLE_RANGE, why="nothing is left of the range but the next suspect")
    ours = tuple(step.commit for one in tried for step in reversed(one.steps) if step.commit)
    return suspect, whole, Option(Way.REAPPLY, ours)


def rival(record: RollbackRecord, records: Iterable[RollbackRecord]) -> RollbackRecord | None:
    """The plan for the same failed rollback that a person has approved instead of `record`."""
    after = follows(record)
    if after is None:
        return None
    for other in records:
        same = follows(other)
        if other.id != record.id and same is not None and same[0] == after[0] and other.commit is not None:
            return other
    return None


def outdone(records: Iterable[RollbackRecord]) -> Iterator[tuple[RollbackRecord, RollbackRecord]]:
    """Each plan that still waits though another one was approved instead, with that one."""
    known = tuple(records)
    for record in known:
        if record.phase is Phase.AWAITING_APPROVAL and (other := rival(record, known)) is not None:
            yield record, other


def row(record: RollbackRecord, outcome: RollbackOutcome | None) -> dict[str, object]:
    """One line of the table of what was tried; `outcome` is how it ended."""
    pushed = [step.pushed_at for step in record.steps if step.pushed_at]
    return {
        "commit": record.commit,
        "reverts": list(record.reverts),
        "pushedAt": format_time(min(pushed)) if pushed else "",
        "outcome": outcome.value if outcome else "",
        "before": [
            {"name": one.get("trigger"), "value": one.get("value")}
            for one in _mappings(record.evidence.get("verdicts"))
            if one.get("trigger") in record.triggers
        ],
        "after": [
            {"name": one.get("name"), "value": one.get("value"), "message": one.get("message")}
            for one in _mappings(record.evidence.get(CHECKS))
        ],
    }


def page_lines(record: RollbackRecord) -> Iterator[str]:
    """The table of what was tried, and each plan with the command that carries it out."""
    tried, plans = _mappings(record.evidence.get(TRIED)), _mappings(record.evidence.get(PLANS))
    if tried:
        yield "tried so far, newest first:"
    for one in tried:
        yield f"- {_row_words(one)}"
    if plans:
        yield "nothing more is done by itself; a person can approve one of these, which ends the others:"
    for one in plans:
        way, says = for_people(str(one.get("way"))).replace("-", " "), for_people(str(one.get("says", "")))
        identity, why = for_people(str(one.get("rollback") or "")), for_people(str(one.get("why", "")))
        yield f"- {way}: {says}: gitops-rollback approve {identity}" if identity else f"- {way}: not possible: {why}"


def _row_words(one: Mapping[str, object]) -> str:
    reverts = one.get("reverts")
    shas = [str(sha)[:12] for sha in reverts] if isinstance(reverts, list | tuple) else []
    more = f" and {len(shas) - 3} more" if len(shas) > 3 else ""
    words = f"{str(one.get('commit') or '-')[:12]} undid {', '.join(shas[:3])}{more}, pushed {one.get('pushedAt')}"
    before, after = (_measured(one.get(side)) for side in ("before", "after"))
    return for_people(f"{words}, {one.get('outcome')}; before: {before}; after: {after}", 400)


def _measured(values: object) -> str:
    found = []
    for one in _mappings(values):
        value = one.get("value")
        said = f"{value:.4g}" if isinstance(value, int | float) else str(one.get("message") or "not measured")
        found.append(f"{one.get('name')} {said}")
    return ", ".join(found[:4]) or "not measured"


def _ranked(record: RollbackRecord) -> tuple[str, ...]:
    commits = [str(one.get("commit")) for one in _mappings(record.evidence.get(RANKED))]
    return tuple(sha for sha in commits if is_sha(sha))


def _mappings(value: object) -> tuple[Mapping[str, object], ...]:
    items = value if isinstance(value, list | tuple) else ()
    return tuple(one for one in items if isinstance(one, Mapping))
