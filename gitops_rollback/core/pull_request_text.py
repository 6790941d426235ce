"""What the pull request of a plan says: title, body, the one comment that is edited in place, the commit status.

All foreign text is made harmless first: no mention fires, no table breaks, no block of code ends early.
Source: contracts/forges.md, section 8; reliability.md, A18 and A19.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from gitops_rollback.core.comment_commands import BUTTONS, Verb
from gitops_rollback.core.delivery import OPENED_AT
from gitops_rollback.core.markdown import MAX_LISTED, PARAGRAPH, code, explaining, fenced, listed, safe
from gitops_rollback.core.message import for_people
from gitops_rollback.core.offer import Offer
from gitops_rollback.core.plan import Plan
from gitops_rollback.core.pull_request import StatusButtons, StatusState
from gitops_rollback.core.reasons import meaning_of
from gitops_rollback.core.rollback import Phase, RollbackOutcome, RollbackRecord

MAX_BODY = 60_000  # characters; the forges take 65,536
MAX_DIFF = 40_000
MAX_TITLE = 250
MAX_STATUS = 140
STATUS = "gitops-rollback/plan"
ENGINES = {"argocd": "Argo CD", "flux": "Flux"}


def marker(record: RollbackRecord) -> str:
    """Of the one comment."""
    return f"gitops-rollback:{record.id}"


def title(plan: Plan) -> str:
    """The commit's own subject."""
    return plan.message.split("\n", 1)[0][:MAX_TITLE]


def body(record: RollbackRecord, plan: Plan, diff: str, by_itself: bool) -> str:
    """What happened, what would change, what the guards say, who is suspected, and what comes next."""
    parts = [
        f"**{safe(record.message, PARAGRAPH)}** (`{record.reason}`)",
        listed("Applications", record.applications),
        f"Undoes {', '.join(f'`{sha[:12]}`' for sha in plan.reversal.reverts[:MAX_LISTED])}, and goes back to what "
        f"`{plan.comes_back[:12]}` had.",
        listed("Suspects", plan.evidence),
        listed("Infrastructure", plan.provision.words if plan.provision else ()),
        listed("Guards", [f"{one.guard}: {one.result.value}: {one.words}" for one in plan.guards]),
        "### What comes next",
        next_words(record, by_itself),
        "### Change",
        fenced(diff[:MAX_DIFF] + ("\n..." if len(diff) > MAX_DIFF else "")),
        f"Policy `{code(record.policy)}` · {_explained(record)}",
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


PLANNED, TROUBLED = (Verb.APPROVE, Verb.REJECT, Verb.PLAN), (Verb.RETRY, Verb.REJECT)


@dataclass(frozen=True)
class Shown:
    """How a pull request is to look now."""

    comment: str
    state: StatusState
    status: str
    verbs: tuple[Verb, ...] = ()  # that are offered as buttons

    def buttons(self, number: int) -> StatusButtons:
        """The buttons below the status of this pull request's head."""
        return StatusButtons(number, tuple(BUTTONS[verb] for verb in self.verbs))


def shown(record: RollbackRecord, trouble: str = "") -> Shown:
    """The comment and the status of the head. `trouble`: why the plan is not as it should be, or nobody may act."""
    comment = "\n".join(_comment(record, trouble))[:MAX_BODY]
    waits = record.phase is Phase.AWAITING_APPROVAL
    if trouble:
        return Shown(comment, StatusState.FAILURE, status(trouble, record.id), TROUBLED if waits else ())
    if waits:
        words = status(f"planned: undoes {_short(record.reverts)}", record.id)
        return Shown(comment, StatusState.SUCCESS, words, PLANNED)
    if record.open:
        return Shown(comment, StatusState.PENDING, status(f"landed: {record.phase.value}", record.id))
    good = record.outcome is RollbackOutcome.VERIFIED
    state = StatusState.SUCCESS if good else StatusState.FAILURE
    outcome = record.outcome.value if record.outcome else ""
    return Shown(comment, state, status(f"{outcome}: {record.message}", record.id))


def status(words: str, rollback_id: str) -> str:
    """The words of a commit status, with the rollback that they are about: its page is a click away there."""
    about = f" ({rollback_id})"
    return for_people(words, MAX_STATUS - len(about)) + about


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
        yield f"⚠ {safe(trouble, PARAGRAPH)}"
    elif not record.open:
        outcome = record.outcome.value if record.outcome else ""
        yield f"**{outcome}** (`{record.reason}`): {safe(record.message, PARAGRAPH)}"
    elif record.phase is not Phase.AWAITING_APPROVAL:
        yield f"Now: {safe(record.message, PARAGRAPH)}"
    yield ""
    yield _explained(record)


def _explained(record: RollbackRecord) -> str:
    words = f"All of it: {explaining(record.id)}"
    if meaning_of(record.reason) is None:
        return words
    return f"{words} · what `{record.reason}` means: {explaining(record.reason)}"


def _steps(record: RollbackRecord) -> Iterator[tuple[str, datetime, str]]:
    times: Mapping[str, datetime] = record.times
    words = {
        "deployed": f"`{record.bad_revision[:12]}` was deployed to {safe(', '.join(record.applications))}",
        "fired": safe(", ".join(record.triggers)),
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
