"""What the pull request of a plan says: title, body, the one comment that is edited in place, the commit status.

All foreign text is made harmless first: no mention fires, no table breaks, no block of code ends early.
Source: contracts/forges.md, section 8; reliability.md, A18 and A19.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from gitops_rollback.core.delivery import OPENED_AT
from gitops_rollback.core.message import for_people
from gitops_rollback.core.offer import Offer
from gitops_rollback.core.plan import Plan
from gitops_rollback.core.pull_request import StatusState
from gitops_rollback.core.rollback import Phase, RollbackOutcome, RollbackRecord

MAX_BODY = 60_000  # characters; the forges take 65,536
MAX_DIFF = 40_000
MAX_TITLE = 250
MAX_STATUS = 140
MAX_LISTED = 20
STATUS = "gitops-rollback/plan"
PARAGRAPH = 2000
ENGINES = {"argocd": "Argo CD", "flux": "Flux"}
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|~])")
_REFERENCE = re.compile(r"(?<![\w&])([#!])(?=\d)")


def marker(record: RollbackRecord) -> str:
    """Of the one comment."""
    return f"gitops-rollback:{record.id}"


def title(plan: Plan) -> str:
    """The commit's own subject."""
    return plan.message.split("\n", 1)[0][:MAX_TITLE]


def body(record: RollbackRecord, plan: Plan, diff: str, by_itself: bool) -> str:
    """What happened, what would change, what the guards say, who is suspected, and what comes next."""
    parts = [
        f"**{_safe(record.message, PARAGRAPH)}** (`{record.reason}`)",
        _list("Applications", record.applications),
        f"Undoes {', '.join(f'`{sha[:12]}`' for sha in plan.reversal.reverts[:MAX_LISTED])}, and goes back to what "
        f"`{plan.comes_back[:12]}` had.",
        _list("Suspects", plan.evidence),
        _list("Guards", [f"{one.guard}: {one.result.value}: {one.words}" for one in plan.guards]),
        "### What comes next",
        next_words(record, by_itself),
        "### Change",
        _fenced(diff[:MAX_DIFF] + ("\n..." if len(diff) > MAX_DIFF else "")),
        f"Policy `{_code(record.policy)}` · `{record.id}`",
    ]
    return "\n\n".join(part for part in parts if part)[:MAX_BODY]


def next_words(record: RollbackRecord, by_itself: bool) -> str:
    """What happens from here on, for who may merge it."""
    engine = ENGINES.get(record.engine, record.engine)
    merge = (
        "It is merged by itself once the rules of the branch let it."
        if by_itself
        else f"Merge it to carry it out, or close it to say no; `gitops-rollback approve {record.id}` does the same."
    )
    return (
        f"{merge} {engine} is then made to apply the branch, and the result is verified; this pull request shows how "
        "it went. Closed without a merge it is not opened again for this deployment."
    )


@dataclass(frozen=True)
class Shown:
    """How a pull request is to look now."""

    comment: str
    state: StatusState
    status: str


def shown(record: RollbackRecord, trouble: str = "") -> Shown:
    """The comment and the status of the head. `trouble`: why the plan is not as it should be, or nobody may act."""
    comment = "\n".join(_comment(record, trouble))[:MAX_BODY]
    if trouble:
        return Shown(comment, StatusState.FAILURE, for_people(trouble, MAX_STATUS))
    if record.phase is Phase.AWAITING_APPROVAL:
        return Shown(comment, StatusState.SUCCESS, f"planned: undoes {_short(record.reverts)}"[:MAX_STATUS])
    if record.open:
        return Shown(comment, StatusState.PENDING, f"landed: {record.phase.value}")
    good = record.outcome is RollbackOutcome.VERIFIED
    state = StatusState.SUCCESS if good else StatusState.FAILURE
    outcome = record.outcome.value if record.outcome else ""
    return Shown(comment, state, for_people(f"{outcome}: {record.message}", MAX_STATUS))


def _comment(record: RollbackRecord, trouble: str) -> Iterator[str]:
    yield f"**Rollback `{record.id}`**"
    yield ""
    yield "| | UTC | |"
    yield "|---|---|---|"
    for name, at, words in _steps(record):
        yield f"| {name} | {at:%Y-%m-%d %H:%M:%S} | {words} |"
    yield ""
    offer = record.offer or Offer()
    if record.phase is Phase.AWAITING_APPROVAL and len(offer.heads) > 1:
        newest = offer.heads[-1]
        yield f"The branch moved to `{newest.base[:12]}`, and the plan was made anew on it: `{newest.commit[:12]}`."
        yield ""
    if trouble:
        yield f"⚠ {_safe(trouble, PARAGRAPH)}"
    elif not record.open:
        outcome = record.outcome.value if record.outcome else ""
        yield f"**{outcome}** (`{record.reason}`): {_safe(record.message, PARAGRAPH)}"
    elif record.phase is not Phase.AWAITING_APPROVAL:
        yield f"Now: {_safe(record.message, PARAGRAPH)}"


def _steps(record: RollbackRecord) -> Iterator[tuple[str, datetime, str]]:
    times: Mapping[str, datetime] = record.times
    words = {
        "deployed": f"`{record.bad_revision[:12]}` was deployed to {_safe(', '.join(record.applications))}",
        "fired": _safe(", ".join(record.triggers)),
        "decided": f"undo {_short(record.reverts)}",
        OPENED_AT: "this pull request",
        "pushed": f"on the branch as `{(record.commit or '')[:12]}`",
        "synced": "every application that it changes has applied it",
        "verified": "every check held",
    }
    names = {"pushed": "landed", "decided": "planned"}
    for key, text in words.items():
        if key in times:
            yield names.get(key, key), times[key], text


def _short(reverts: Sequence[str]) -> str:
    more = f" and {len(reverts) - 3} more" if len(reverts) > 3 else ""
    return ", ".join(sha[:12] for sha in reverts[:3]) + more


def _list(name: str, items: Sequence[str]) -> str:
    if not items:
        return ""
    lines = [f"- {_safe(item, PARAGRAPH)}" for item in items[:MAX_LISTED]]
    more = [f"- and {len(items) - MAX_LISTED} more"] if len(items) > MAX_LISTED else []
    return "\n".join((f"### {name}", *lines, *more))


def _safe(foreign: str, limit: int = 200) -> str:
    """One line of Markdown that means nothing but itself, and refers to nobody and nothing."""
    return _REFERENCE.sub("\\1\N{ZERO WIDTH SPACE}", _SPECIAL.sub(r"\\\1", for_people(foreign, limit)))


def _code(foreign: str) -> str:
    return for_people(foreign).replace("`", "'")


def _fenced(text: str) -> str:
    """A block of code that nothing in it ends."""
    longest = max((len(run) for run in re.findall(r"`{3,}", text)), default=2)
    fence = "`" * max(3, longest + 1)
    kept = "".join(char if char.isprintable() or char in "\n\t" else "\N{REPLACEMENT CHARACTER}" for char in text)
    return f"{fence}diff\n{kept}\n{fence}"
