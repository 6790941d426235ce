"""Was the rollback of what runs practised where the policy says? Asked where the policy makes that a condition.

Source: interfaces.md, `rehearse` and `requireRehearsal`.
"""

from __future__ import annotations

from gitops_rollback.core.errors import Reason
from gitops_rollback.core.guards.facts import GuardFacts, allow, ask
from gitops_rollback.core.paths import is_bystander
from gitops_rollback.core.plan import GuardAnswer
from gitops_rollback.core.rehearsal import Version, rehearsal_of
from gitops_rollback.core.stop import names_of

GUARD = "rehearsed"
PRACTISE = "deploy these contents there, then `gitops-rollback drill` or roll back there; or approve the plan"


def judge_rehearsal(facts: GuardFacts) -> GuardAnswer:
    """Ask where the policy requires a rehearsal and none is known; without that it is only said."""
    stage, required = facts.stage, facts.policy.require_rehearsal
    if not facts.target.rehearse:
        if not required:
            return allow(GUARD, "the policy asks for no rehearsal")
        if _rehearses_others(facts):
            return allow(GUARD, "it is where the policy has others rehearsed")
        message = "the policy requires a rehearsal, and its target does not say where"
        return ask(GUARD, Reason.NOT_REHEARSED, message, "name the application in `rehearse` of the target")
    if stage is None:
        message = f"what was practised on {facts.target.rehearse} cannot be told"
        return _lacking(required, message, "look whether exactly one application has that name, then approve the plan")
    short = stage.application.rpartition("/")[2]
    versions = _versions(facts)
    if versions is None:
        return _lacking(required, "the files that the plan changes cannot be read", PRACTISE)
    found, path = rehearsal_of(versions, stage.rehearsals)
    if found is not None and facts.skipped and not any(one.skips for one in stage.rehearsals):
        return _lacking(
            required, f"on {short} it was practised with Flagger's analysis, which the plan skips", PRACTISE
        )
    if found is not None:
        return allow(GUARD, f"practised on {short} at {found.at:%F %H:%M}Z, {found.by}")
    why = f"{path} was not, by its contents" if stage.rehearsals else "nothing was yet"
    return _lacking(required, f"not practised on {short}: {why}", PRACTISE)


def _lacking(required: bool, message: str, remedy: str) -> GuardAnswer:
    return ask(GUARD, Reason.NOT_REHEARSED, message, remedy) if required else allow(GUARD, message)


def _rehearses_others(facts: GuardFacts) -> bool:
    named = {target.rehearse for target in facts.policy.targets if target.rehearse}
    own = facts.target.application.full
    return any(one in names_of(own) or own in names_of(one) for one in named)


def _versions(facts: GuardFacts) -> tuple[Version, ...] | None:
    """What runs of each file that the plan changes; None if one cannot be read."""
    if facts.files is None or any(one.unread for one in facts.files):
        return None
    blobs = {change.path: change.old_blob for change in facts.reversal.changes}
    changed = (one for one in facts.files if not is_bystander(one.path))
    return tuple(Version(one.path, blobs.get(one.path), one.before, one.after) for one in changed)
