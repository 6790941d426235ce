"""What a request's pull request is told in its one comment, and by its commit status.

Source: product.md, section 10, Manual request; contracts/forges.md, section 8.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gitops_rollback.core.comment_commands import Verb
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.faults import Fault
from gitops_rollback.core.markdown import PARAGRAPH, code, explaining, fenced, listed, safe
from gitops_rollback.core.message import for_people
from gitops_rollback.core.plan import GuardAnswer, Plan
from gitops_rollback.core.policy import GuardResult
from gitops_rollback.core.pull_request import StatusState
from gitops_rollback.core.pull_request_text import PLANNED, status

MAX_BODY = 60_000  # characters; the forges take 65,536
MAX_DIFF = 40_000
MAX_STATUS = 140
ENGINES = {"argocd": "Argo CD", "flux": "Flux"}


@dataclass(frozen=True)
class RequestAnswer:
    """What a request has come to, at one look.

    `why`: in words why it is not carried out as it stands; "" where it waits for its approval alone. `moved`: the
    followed branch has moved since an earlier plan, which was made anew. `head`: what an approval must name.
    """

    path: str
    why: str = ""
    faults: tuple[Fault, ...] = ()
    plan: Plan | None = None
    engine: str = ""
    diff: str = ""
    acknowledged: tuple[str, ...] = ()
    head: str = ""
    moved: bool = False
    after_merge: bool = False
    pending: bool = False  # nobody has said no: it goes on by itself later

    @property
    def verbs(self) -> tuple[Verb, ...]:
        """What is offered as buttons: what is carried out after its merge alone cannot be approved here."""
        if self.state is not StatusState.SUCCESS:
            return (Verb.RETRY,)
        return (Verb.PLAN,) if self.after_merge else PLANNED

    @property
    def state(self) -> StatusState:
        """Of the commit status."""
        if self.faults or (self.why and not self.pending):
            return StatusState.FAILURE
        return StatusState.PENDING if self.pending else StatusState.SUCCESS

    @property
    def status(self) -> str:
        """The words of the commit status."""
        if self.faults:
            first = self.faults[0]
            more = f" and {len(self.faults) - 1} more" if len(self.faults) > 1 else ""
            return for_people(f"{first.line}:{first.col}: {first.message}{more}", MAX_STATUS)
        if self.why:
            return for_people(self.why, MAX_STATUS)
        reverts = ", ".join(sha[:12] for sha in self.plan.reversal.reverts[:3]) if self.plan else ""
        words = f"planned: undoes {reverts}"
        return status(words, self.plan.rollback_id) if self.plan and not self.after_merge else words


def marker(path: str) -> str:
    """Of the one comment of the request at `path`."""
    return f"gitops-rollback:{path}"


def unacknowledged(guards: Sequence[GuardAnswer], acknowledged: Sequence[str]) -> tuple[GuardAnswer, ...]:
    """The guards that ask, and that the request does not name.

    Whether the state that it ends in is known ground is asked before we act by ourselves: here a person names it.
    """
    asking = (one for one in guards if one.result is GuardResult.ASK and one.reason is not Reason.UNKNOWN_GROUND)
    return tuple(one for one in asking if one.guard not in acknowledged)


def comment(answer: RequestAnswer) -> str:
    """Plan, guards, suspects, change, and what comes next; or what is wrong, and where."""
    parts = (part for part in _parts(answer) if part)
    return "\n\n".join(parts)[:MAX_BODY]


def _parts(answer: RequestAnswer) -> Iterator[str]:
    plan = answer.plan
    if answer.faults:
        yield "**The request cannot be understood**"
        yield "\n".join(f"- `{code(f'{one.path}:{one.line}:{one.col}')}`: {_fault(one)}" for one in answer.faults)
        yield "Push a commit that mends it, and it is looked at again."
        return
    yield f"**Rollback `{plan.rollback_id}`**" if plan else "**Rollback**"
    if answer.why:
        yield f"⚠ {safe(answer.why, PARAGRAPH)}"
    if plan is None:
        return
    if answer.moved:
        yield f"The branch moved to `{plan.reversal.base[:12]}`, and the plan was made anew on it."
    yield listed("Applications", plan.applications)
    undone = ", ".join(f"`{sha[:12]}`" for sha in plan.reversal.reverts[:20])
    if undone:
        yield f"Undoes {undone}, and goes back to what `{plan.comes_back[:12]}` had."
    yield listed("Suspects", plan.evidence)
    strictest_first = sorted(plan.guards, key=lambda one: -one.result.rank)
    yield listed("Guards", [_guard(one, answer.acknowledged) for one in strictest_first])
    if not answer.why:
        yield f"### What comes next\n\n{_next(answer)}"
    if answer.diff:
        cut = "\n..." if len(answer.diff) > MAX_DIFF else ""
        yield f"### Change\n\n{fenced(answer.diff[:MAX_DIFF] + cut)}"
    # What is carried out after its merge alone has no record before.
    known = f" · All of it: {explaining(plan.rollback_id)}" if not (answer.why or answer.after_merge) else ""
    yield f"Policy `{code(plan.policy_label)}`{known}"


def _fault(fault: Fault) -> str:
    fix = f" ({safe(fault.fix, PARAGRAPH)})" if fault.fix else ""
    return f"{'' if fault.is_error else 'warning: '}{safe(fault.message, PARAGRAPH)}{fix}"


def _guard(one: GuardAnswer, acknowledged: Sequence[str]) -> str:
    noted = ", acknowledged" if one.result is GuardResult.ASK and one.guard in acknowledged else ""
    return f"{one.guard}: {one.result.value}{noted}: {one.words}"


def _next(answer: RequestAnswer) -> str:
    engine = ENGINES.get(answer.engine, answer.engine)
    if answer.after_merge:
        land = "Once this is merged, the revert is made anew and pushed"
    else:
        land = f"Merge it to carry it out (or write `/rollback approve {answer.head}`), close it to take it back"
    return (
        f"{land}. {engine} is then made to apply the branch, and the result is verified; this comment shows how it "
        "went. What may be written here: `/rollback help`."
    )
