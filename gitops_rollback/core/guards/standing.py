"""What the plan itself, the delivery and the policy's unbuilt keys say, before anybody looks at objects.

Source: design.md, promise 5; reliability.md, A1; safety.md, Guards.
"""

from __future__ import annotations

from gitops_rollback.core.commit import REGULAR_MODE, FileChange
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.guards.facts import GuardFacts, allow, ask
from gitops_rollback.core.plan import GuardAnswer, PlanOutcome
from gitops_rollback.core.policy import PUSH_MODE, SUGGEST_MODE
from gitops_rollback.core.version_bumps import only_versions

GATE = "gate"
CONFLICT = "clean-merge"
SUPERSEDED = "superseded"
ALLOW_BUMPS = "allow-version-bumps"
UNBUILT = "built"
DELIVERY = "delivery"
POLICIES = ".gitops-rollback/policies/"


def judge_gate(facts: GuardFacts) -> GuardAnswer:
    """Ask for what git can do and a person must see: CI, policies, modes, links.

    A policy that the culprit brought goes back with it: it is the one before it that judges, so nothing is weakened.
    """
    reversal = facts.reversal
    if reversal.gate_reason is None:
        return allow(GATE, "only ordinary files change")
    named = [one.path for one in reversal.explained if one.path]
    if named and all(_policy_goes_back(path, facts) for path in named):
        return allow(GATE, f"the culprit changed {named[0]} too; the policy before it judges, and comes back with it")
    why = "; ".join(f"{one.path}: {one.why}" for one in reversal.explained if one.path) or reversal.message
    return ask(GATE, reversal.gate_reason, why or "a person must see what changes", "look at the diff, then approve it")


def judge_conflict(facts: GuardFacts) -> GuardAnswer:
    """Ask where the inverse could not be built; what is already undone is fine."""
    reversal = facts.reversal
    if reversal.outcome is PlanOutcome.CLEAN:
        return allow(CONFLICT, f"the inverse applies cleanly (rung {reversal.rung})")
    if reversal.outcome is PlanOutcome.EMPTY:
        return allow(CONFLICT, "it is undone already")
    first = reversal.explained[0] if reversal.explained else None
    message = f"{first.path}: {first.why}" if first else reversal.message or f"the plan is {reversal.outcome.value}"
    todo = first.todo if first else "revert by hand"
    return ask(CONFLICT, Reason.REVERT_CONFLICT, message, todo)


def judge_superseded(facts: GuardFacts) -> GuardAnswer:
    """Ask where the plan takes back what later commits set, unless the policy lets it and they only moved versions.

    A file that goes back as a whole takes everybody's values along, so it must be an input of one application alone.
    """
    superseded = facts.reversal.superseded
    if not superseded:
        return allow(SUPERSEDED, "no later commit is taken back")
    message = f"the plan also takes back what {', '.join(sha[:12] for sha in superseded[:4])} set since"
    todo = "read those commits, then approve the plan, or fix forward"
    if facts.policy.superseding != ALLOW_BUMPS:
        return ask(SUPERSEDED, Reason.SUPERSEDES, message, f"{todo} (onSuperseded: {ALLOW_BUMPS} allows version bumps)")
    if facts.reversal.whole and len(facts.applications or ()) != 1:
        files = ", ".join(facts.reversal.whole[:4])
        return ask(SUPERSEDED, Reason.SUPERSEDES, f"{message}; {files} goes back as a whole, others' values too", todo)
    superseding = facts.superseded_files
    if superseding is None or any(one.unread or not only_versions(one.before, one.after) for one in superseding):
        return ask(SUPERSEDED, Reason.SUPERSEDES, f"{message}, which is more than versions", todo)
    return allow(SUPERSEDED, f"{message}; they only moved versions, which the policy allows")


def judge_unbuilt(facts: GuardFacts) -> GuardAnswer:
    """Ask when the policy counts on something that this version cannot do."""
    if not facts.policy.unbuilt:
        return allow(UNBUILT, "all keys of the policy are carried out")
    message = f"the policy uses {', '.join(facts.policy.unbuilt[:4])}, which this version does not carry out"
    return ask(UNBUILT, Reason.FEATURE_NOT_BUILT, message, "take these keys out of the policy, or approve the plan")


def judge_delivery(facts: GuardFacts) -> GuardAnswer:
    """Ask unless the policy lets us push, or open a pull request where there is a forge for it."""
    mode = facts.policy.delivery.mode
    if mode == PUSH_MODE:
        return allow(DELIVERY, "the policy lets us push")
    if mode == SUGGEST_MODE:
        return ask(DELIVERY, Reason.SUGGEST_ONLY, "the policy says `delivery.mode: suggest`", "approve the plan")
    if facts.forge:
        return allow(DELIVERY, "the policy wants a pull request")
    remedy = "name the repository's forge in the settings, or approve the plan"
    return ask(DELIVERY, Reason.NO_FORGE, f"the policy says `delivery.mode: {mode}`, and no forge is known", remedy)


def _policy_goes_back(path: str, facts: GuardFacts) -> bool:
    """True if the plan puts this policy back to exactly what stood there before one of the suspects."""
    change = next((one for one in facts.reversal.changes if one.path == path), None)
    if change is None or not path.startswith(POLICIES) or not _ordinary(change):
        return False
    undone = [one for commit in facts.suspects for one in commit.changes if one.path == path]
    # Newest first: the newest left what stands there now, the oldest found what comes back.
    return bool(undone) and undone[0].new_blob == change.old_blob and undone[-1].old_blob == change.new_blob


def _ordinary(change: FileChange) -> bool:
    modes = ((change.old_blob, change.old_mode), (change.new_blob, change.new_mode))
    return all(mode == REGULAR_MODE for blob, mode in modes if blob is not None)
