"""Can a commit on this branch reach this application?

Asked before a plan is offered as automatic, each with its own reason. Source: safety.md, Is the branch the lever.
"""

from __future__ import annotations

from gitops_rollback.core.errors import Reason
from gitops_rollback.core.guards.facts import BranchFacts, ChangedFile, GuardFacts, allow, ask
from gitops_rollback.core.how_many import how_many
from gitops_rollback.core.image_holds import HOLD
from gitops_rollback.core.image_marks import is_marked, written_again
from gitops_rollback.core.plan import GuardAnswer

LEVER = "branch-is-lever"
CLAIMS = "one-application"


def judge_branch(facts: GuardFacts) -> GuardAnswer:
    """Ask unless a commit on our branch reaches the application, nothing undeployed rides along, and we may sync."""
    branch = facts.branch
    if branch is None:
        message = "what the application follows cannot be seen"
        return ask(LEVER, Reason.NOT_ON_THIS_BRANCH, message, "look at the application's sources in the engine")
    met = _met(branch, facts)
    found = _nothing_in_the_way(branch, met, facts.reversal.unheld)
    if found is not None:
        return found
    for check in (_follows, _same_spec, _nothing_pending):
        found = check(branch)
        if found is not None:
            return found
    held = "".join(f"; {hold.words()} is held" for hold in facts.reversal.holds)
    return allow(LEVER, f"the application follows this branch{held}")


def judge_claims(facts: GuardFacts) -> GuardAnswer:
    """Ask where another application applies the same files to the same place: which of both has its way is open."""
    if not facts.claimed_by:
        return allow(CLAIMS, "no other application applies these files to the same place")
    message = f"{', '.join(facts.claimed_by[:3])} applies the same directory to the same namespace"
    return ask(CLAIMS, Reason.CLAIMED_TWICE, message, "let one application alone apply it, then approve the plan")


def _met(branch: BranchFacts, facts: GuardFacts) -> set[Reason]:
    """Obstacles of these reasons are none for this plan: we sign, and an automation writes marked values alone."""
    met = {Reason.SIGNED_COMMITS_ONLY} if branch.signs else set()
    if facts.files is not None and all(_stays(one, facts.policy.image_automation) for one in facts.files):
        met.add(Reason.IMAGE_AUTOMATION)
    return met


def _stays(file: ChangedFile, word: str) -> bool:
    """No automation writes back what the plan changes in this file. A policy that asks wants a look at any mark."""
    if file.unread:
        return False
    if word == HOLD:
        return written_again(file.before, file.after) == ()
    return not is_marked(file.before) and not is_marked(file.after)


def _nothing_in_the_way(branch: BranchFacts, met: set[Reason], unheld: str) -> GuardAnswer | None:
    if branch.obstacles is None:
        message = "whether the engine would apply a commit now cannot be seen"
        return ask(LEVER, Reason.WINDOW_CLOSED, message, "look at the application in the engine, then approve the plan")
    found = [one for one in branch.obstacles if one.reason not in met]
    if not found:
        return None
    remedies = dict.fromkeys(one.remedy for one in found)
    message, remedy = "; ".join(one.message for one in found), "; ".join(remedies)
    if unheld and any(one.reason is Reason.IMAGE_AUTOMATION for one in found):
        message = f"{message}; it is not held: {unheld}"
    return ask(LEVER, found[0].reason, message, f"{remedy}; then approve the plan")


def _follows(branch: BranchFacts) -> GuardAnswer | None:
    if branch.follows:
        return None
    decides = branch.decided_by or "something that cannot be seen"
    message = f"the application does not follow this branch; {decides} decides"
    return ask(LEVER, Reason.NOT_ON_THIS_BRANCH, message, f"change it there: {decides}")


def _same_spec(branch: BranchFacts) -> GuardAnswer | None:
    if branch.spec_changed is False:
        return None
    if branch.spec_changed is None:
        message = "whether the deployment changed the application's spec cannot be seen"
    else:
        message = (
            "the deployment changed the application's own spec (parameters, images, path); the plan undoes that only "
            "where the spec stands in a file that it changes"
        )
    return ask(LEVER, Reason.NO_COMMIT, message, "compare the application's spec with that of the last good deployment")


def _nothing_pending(branch: BranchFacts) -> GuardAnswer | None:
    if branch.auto_sync:
        return None
    remedy = "sync or revert the waiting commits first, then approve the plan"
    if branch.auto_sync is None or branch.pending is None:
        return ask(LEVER, Reason.PENDING_CHANGES, "whether commits wait to be deployed cannot be seen", remedy)
    if not branch.pending:
        return None
    waiting = ", ".join(sha[:12] for sha in branch.pending[:3])
    many = how_many(len(branch.pending), "commit")
    message = f"auto-sync is off, with {many} never deployed ({waiting}): we never sync what waits"
    return ask(LEVER, Reason.PENDING_CHANGES, message, remedy)
