"""Would the run that follows the plan destroy something? Then a person reads the finished plan first.

Also where only the tool's own plan can tell: code and templates, in which a changed value may replace a resource.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gitops_rollback.core.destroys import destroyed
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.fields import Unclear, part, text
from gitops_rollback.core.guards.facts import GuardFacts, allow, ask
from gitops_rollback.core.infrastructure import TERRAFORM_GROUP, Sides, pieces
from gitops_rollback.core.plan import GuardAnswer
from gitops_rollback.core.provision import UNWATCHED

GUARD = "infrastructure"
REMEDY = "let its tool show the plan of the revert, keep what must stay, then approve"
WATCH = "the rule for it names `objects` or a `status`"
SHOWN = 4


def judge_infrastructure(facts: GuardFacts) -> GuardAnswer:
    """Ask where something would be destroyed, or where only the tool's own plan shows whether."""
    if facts.files is None:
        return ask(GUARD, Reason.DESTROYS, "the plan's files could not be read", REMEDY)
    files = tuple(Sides(one.path, one.before, one.after) for one in facts.files)
    found = pieces(files)
    unwatched = facts.provision.unwatched if facts.provision else ()
    if not found and not unwatched:
        return allow(GUARD, "the plan changes no infrastructure")
    gone = (*destroyed(files), *(_pending(facts) if any(one.object for one in found) else ()))
    if gone:
        more = f" and {len(gone) - SHOWN} more" if len(gone) > SHOWN else ""
        return ask(GUARD, Reason.DESTROYS, f"the run would destroy {'; '.join(gone[:SHOWN])}{more}", REMEDY)
    unseen = next((one for one in found if one.object is None), None)
    if unseen is not None:
        message = f"{unseen.words}: only a plan of the tool shows what it would replace{_unwatched(unwatched)}"
        return ask(GUARD, Reason.IRREVERSIBLE, message, REMEDY)
    if unwatched:
        return ask(GUARD, Reason.RUN_UNSEEN, f"{unwatched[0]}: {UNWATCHED}", WATCH)
    return allow(GUARD, f"{found[0].words}: nothing is destroyed")


def _unwatched(unwatched: Sequence[str]) -> str:
    return f"; {UNWATCHED}, unless {WATCH}" if unwatched else ""


def _pending(facts: GuardFacts) -> Iterator[str]:
    """What a plan destroys that waits for its approval now."""
    for one in facts.live or ():
        api_version = one.live.get("apiVersion")
        if not isinstance(api_version, str) or not api_version.startswith(f"{TERRAFORM_GROUP}/"):
            continue
        try:
            plan, name = part(one.live, "status", "plan"), text(part(one.live, "metadata"), "name")
            if text(plan, "pending") and plan.get("isDestroyPlan") is True:
                yield f"all that {one.live.get('kind')} {name} manages, by {text(plan, 'pending')}, which waits"
        except Unclear as error:
            yield f"what nobody can tell: {error} of {one.live.get('kind')} cannot be read"
