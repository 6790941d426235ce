"""The guards that a policy writes down: paths, blast radius, budget, schedule, trailer, conflict, floor.

What this version cannot evaluate says so, and is never a yes. Source: product.md section 10; cronsim 2.x.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from gitops_rollback.core.errors import Reason
from gitops_rollback.core.guards.budget import judge_budget_rule
from gitops_rollback.core.guards.facts import GuardFacts, allow, answer, ask
from gitops_rollback.core.guards.migrations import says
from gitops_rollback.core.how_many import how_many
from gitops_rollback.core.images import UNKNOWN_NAME, images_of, parse_image, satisfies
from gitops_rollback.core.paths import Paths
from gitops_rollback.core.plan import GuardAnswer, PlanOutcome
from gitops_rollback.core.policy import GuardResult, GuardRule, ScheduleWindow

FLOOR = "floor"
WITH = "rollback-with"
DEPENDANTS = "dependants"
CONSEQUENCE = "consequence"


def judge_rule(facts: GuardFacts, rule: GuardRule) -> GuardAnswer:
    """The answer of one rule of the policy; an unknown type asks."""
    judge = RULES.get(rule.type)
    if judge is None:
        return ask(rule.name, Reason.FEATURE_NOT_BUILT, f"`type: {rule.type}` is not carried out", "approve the plan")
    return judge(facts, rule)


def judge_floor(facts: GuardFacts) -> GuardAnswer:
    """Ask before a commit goes back that says `Rollback-Floor: true`: nothing before it comes back by itself."""
    for commit in facts.suspects:
        if says(commit, "Rollback-Floor", "true"):
            message = f"{commit.sha[:12]} says `Rollback-Floor: true`"
            return ask(FLOOR, Reason.FLOOR, message, "read why nothing before it may come back, then decide")
    return allow(FLOOR, "no commit that goes back is a floor")


def judge_companions(facts: GuardFacts) -> GuardAnswer:
    """Ask when a suspect names, by `Rollback-With`, a commit that is not in the plan."""
    undone = (*facts.reversal.reverts, *(commit.sha for commit in facts.suspects))
    for commit in facts.suspects:
        for named in commit.trailers.get("Rollback-With", ()):
            if not any(sha.startswith(named.strip()) for sha in undone) or len(named.strip()) < 7:
                message = f"{commit.sha[:12]} must go back together with {named[:40]}, which the plan does not undo"
                return ask(WITH, Reason.TRAILER, message, "undo both: `gitops-rollback rollback APP --revert SHA`")
    return allow(WITH, "no commit names a companion that is missing")


def judge_dependants(facts: GuardFacts) -> GuardAnswer:
    """Ask when something that a policy says depends on this application moved on since: it may need what goes back."""
    if facts.dependants is None:
        message = "whether a dependant changed since cannot be told"
        return ask(DEPENDANTS, Reason.GOES_TOGETHER, message, "look at the dependants, then approve the plan")
    if not facts.dependants:
        return allow(DEPENDANTS, "no dependant that a policy names changed since")
    name, commit = facts.dependants[0]
    more = f" (and {len(facts.dependants) - 1} more)" if len(facts.dependants) > 1 else ""
    message = f"{name} depends on it, and {commit[:12]} changed that since{more}"
    remedy = "read whether it needs what goes back; if so, undo that first: `gitops-rollback rollback APP --revert SHA`"
    return ask(DEPENDANTS, Reason.GOES_TOGETHER, message, remedy)


def judge_consequence(facts: GuardFacts) -> GuardAnswer:
    """Ask when it went bad by a rollback of what it needs: that is not put right by one more rollback by itself."""
    record = facts.broken_by
    if record is None:
        return allow(CONSEQUENCE, "nothing that it needs was rolled back before it went bad")
    taken = record.applications[0].rpartition("/")[2]
    message = f"it went bad after {record.id} took {taken} back, which it needs"
    again = f"`gitops-rollback rollback {taken} --revert {record.commit}`"
    remedy = f"approve this plan, or land again what was taken back: {again}"
    return ask(CONSEQUENCE, Reason.DEPENDENCY_ROLLED_BACK, message, remedy)


def in_window(window: ScheduleWindow, now: datetime) -> bool:
    """True from the cron instant on (included) for `duration` (its end excluded), in the window's time zone.

    Raises: CronSimError, ZoneInfoNotFoundError for a window that the policy reader should have refused.
    """
    return opened_at(window, now) is not None


def opened_at(window: ScheduleWindow, now: datetime) -> datetime | None:
    """The cron instant at which a window opened that is open now; None outside of it. Raises as `in_window` does."""
    local = (now.replace(microsecond=0) + timedelta(seconds=1)).astimezone(ZoneInfo(window.timezone))
    start = next(CronSim(window.cron, local, reverse=True), None)
    opened = start.astimezone(UTC) if start is not None else None
    return opened if opened is not None and now - opened < window.duration else None


def is_cron(text: str) -> bool:
    """True if it has the five fields of crontab, and they can be read."""
    if len(text) > 100 or len(text.split()) != 5:
        return False
    try:
        CronSim(text, datetime(2026, 1, 1, tzinfo=UTC))
    except CronSimError:
        return False
    return True


def _paths(facts: GuardFacts, rule: GuardRule) -> GuardAnswer:
    touched = Paths(rule.paths).of(facts.reversal.paths)
    if not touched:
        return allow(rule.name, "no protected path changes")
    message = f"{touched[0]} is protected by the policy"
    return answer(
        rule.name, rule.result, Reason.PROTECTED_PATH, message, "approve the plan, if these paths may go back"
    )


def _blast_radius(facts: GuardFacts, rule: GuardRule) -> GuardAnswer:
    remedy = "approve the plan, or undo a smaller commit"
    files = len(facts.reversal.paths)
    if rule.max_files is not None and files > rule.max_files:
        message = f"{how_many(files, 'file')} would change (limit {rule.max_files})"
        return answer(rule.name, rule.result, Reason.BLAST_RADIUS, message, remedy)
    if rule.max_targets is not None and facts.applications is None:
        message = "which applications the plan changes cannot be seen"
        return answer(rule.name, rule.result, Reason.BLAST_RADIUS, message, remedy)
    targets = len(facts.applications or ())
    if rule.max_targets is not None and targets > rule.max_targets:
        message = f"{how_many(targets, 'application')} would change (limit {rule.max_targets})"
        return answer(rule.name, rule.result, Reason.BLAST_RADIUS, message, remedy)
    return allow(rule.name, f"{how_many(files, 'file')}, {how_many(targets, 'application')}")


def _schedule(facts: GuardFacts, rule: GuardRule) -> GuardAnswer:
    for window in rule.during:
        if in_window(window, facts.now):
            message = f"now lies in the window `{window.cron}` for {window.duration} ({window.timezone})"
            return answer(
                rule.name, rule.result, Reason.SCHEDULE, message, "approve the plan, or wait for the window's end"
            )
    return allow(rule.name, "outside of the policy's windows")


def _trailer(facts: GuardFacts, rule: GuardRule) -> GuardAnswer:
    key, _, value = rule.trailer.partition(":")
    found = next((commit for commit in facts.suspects if says(commit, key.strip(), value.strip())), None)
    if found is None:
        return allow(rule.name, f"no commit says `{rule.trailer}`")
    message = f"{found.sha[:12]} says `{rule.trailer}`"
    return answer(rule.name, rule.result, Reason.TRAILER, message, "ask its author, then approve the plan")


def _conflict(facts: GuardFacts, rule: GuardRule) -> GuardAnswer:
    if facts.reversal.outcome in (PlanOutcome.CLEAN, PlanOutcome.EMPTY):
        return allow(rule.name, "the inverse applies cleanly")
    message = facts.reversal.message or "the inverse does not apply cleanly"
    return answer(rule.name, rule.result, Reason.REVERT_CONFLICT, message, "revert by hand, or fix forward")


def _floor(facts: GuardFacts, rule: GuardRule) -> GuardAnswer:
    remedy = f"fix forward; {rule.because or 'nothing below the floor comes back by itself'}"
    undone = (*facts.reversal.reverts, *facts.reversal.superseded, *(commit.sha for commit in facts.suspects))
    if rule.commit and any(sha.startswith(rule.commit) for sha in undone):
        message = f"the plan takes back {rule.commit[:12]}, which is a floor"
        return answer(rule.name, rule.result, Reason.FLOOR, message, remedy)
    if not rule.images:
        return allow(rule.name, "the floor's commit stays")
    if facts.files is None:
        return answer(rule.name, rule.result, Reason.FLOOR, "which images come back cannot be seen", remedy)
    for changed in facts.files:
        below = _below_floor(changed.after, rule)
        if below:
            return answer(rule.name, rule.result, Reason.FLOOR, f"{changed.path}: {below}", remedy)
    return allow(rule.name, "no image falls below the floor")


def _below_floor(content: bytes | None, rule: GuardRule) -> str:
    images = images_of(content) if content is not None else ()
    if images is None:
        return "which images come back cannot be seen"
    for reference, constraint in rule.images:
        name = parse_image(reference).name
        for image in images:
            if image.name not in (name, UNKNOWN_NAME):
                continue
            if satisfies(image.version, constraint) is not True:
                return f"{image} is not known to be {constraint} of {reference}"
    return ""


def _not_evaluated(_facts: GuardFacts, rule: GuardRule) -> GuardAnswer:
    message = f"`type: {rule.type}` is not evaluated by this version"
    return GuardAnswer(rule.name, GuardResult.NOT_EVALUATED, None, message)


def _in_built_in(facts: GuardFacts, rule: GuardRule) -> GuardAnswer:
    del facts
    return allow(rule.name, f"judged by the guard `{rule.type}`, with this rule's result")


def _image(facts: GuardFacts, rule: GuardRule) -> GuardAnswer:
    """Never a yes of its own where nothing was looked up."""
    if facts.asks_registries:
        return _in_built_in(facts, rule)
    message = "`type: image` is not evaluated: the settings name no registry"
    return GuardAnswer(rule.name, GuardResult.NOT_EVALUATED, None, message)


RULES: Mapping[str, Callable[[GuardFacts, GuardRule], GuardAnswer]] = {
    "paths": _paths,
    "blastRadius": _blast_radius,
    "budget": judge_budget_rule,
    "schedule": _schedule,
    "trailer": _trailer,
    "conflict": _conflict,
    "floor": _floor,
    "capacity": _in_built_in,
    "image": _image,
    "revisionHistoryLimit": _not_evaluated,
}
