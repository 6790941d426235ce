"""The guards that a policy writes down, and all guards together."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from plan_facts import APPLICATION, CULPRIT, DEPLOYMENT, FILE, NOW, a_commit, a_file, a_policy, a_reversal, facts
from test_rollback import a_record

from gitops_rollback.core.errors import Reason
from gitops_rollback.core.guards import GUARDS, GuardFacts, ask_guards
from gitops_rollback.core.guards.facts import CountedRollback
from gitops_rollback.core.guards.rules import (
    in_window,
    judge_companions,
    judge_consequence,
    judge_dependants,
    judge_floor,
    judge_rule,
)
from gitops_rollback.core.plan import GuardAnswer, PlanOutcome
from gitops_rollback.core.policy import GuardResult, GuardRule, ScheduleWindow
from gitops_rollback.core.rollback import Phase, StepRecord

DENY = GuardResult.DENY
FRIDAY = ScheduleWindow("0 18 * * 5", timedelta(hours=12), "Europe/London")


def a_rule(kind: str, **fields: Any) -> GuardRule:
    return GuardRule("the-rule", kind, DENY, **fields)


def floor(**fields: Any) -> GuardRule:
    return a_rule("floor", because="CVE-2026-1234", **fields)


IMAGE_FLOOR = (("registry.example/checkout", ">=1.41.1"),)
TAG_GOES_BACK = (a_file("image: {tag: 1.42.0}", "image: {tag: main}", "values.yaml"),)
ROLLED = (CountedRollback(NOW - timedelta(hours=23), (APPLICATION,), "shop/config"),)
THREE = tuple(f"default/Application/argocd/app-{index}" for index in range(3))
RULES: dict[str, tuple[GuardRule, dict[str, Any], Reason | None]] = {
    "paths-inside": (a_rule("paths", paths=("apps/payments/**",)), {}, Reason.PROTECTED_PATH),
    "paths-outside": (a_rule("paths", paths=("**/*.sql",)), {}, None),
    "files-at-the-limit": (a_rule("blastRadius", max_files=1), {}, None),
    "files-over-it": (a_rule("blastRadius", max_files=1), {"reversal": a_reversal("a", "b")}, Reason.BLAST_RADIUS),
    "targets-at-the-limit": (a_rule("blastRadius", max_targets=3), {"applications": THREE}, None),
    "targets-over-it": (a_rule("blastRadius", max_targets=2), {"applications": THREE}, Reason.BLAST_RADIUS),
    "targets-unseen": (a_rule("blastRadius", max_targets=2), {"applications": None}, Reason.BLAST_RADIUS),
    "budget-left": (a_rule("budget", max_rollbacks=2), {"rollbacks": ROLLED}, None),
    "budget-spent": (a_rule("budget", max_rollbacks=1), {"rollbacks": ROLLED}, Reason.BUDGET_SPENT),
    "budget-of-an-hour": (a_rule("budget", max_rollbacks=1, per=timedelta(hours=1)), {"rollbacks": ROLLED}, None),
    "budget-unseen": (a_rule("budget", max_rollbacks=2), {"rollbacks": None}, Reason.BUDGET_SPENT),
    "budget-without-a-number": (a_rule("budget"), {}, Reason.BUDGET_SPENT),
    "schedule-inside": (a_rule("schedule", during=(FRIDAY,)), {}, Reason.SCHEDULE),
    "schedule-outside": (a_rule("schedule", during=(FRIDAY,)), {"now": NOW - timedelta(days=1)}, None),
    "trailer-said": (
        a_rule("trailer", trailer="Rollback-Safe: false"),
        {"suspects": (a_commit(message="x\n\nRollback-Safe: false"),)},
        Reason.TRAILER,
    ),
    "trailer-not-said": (a_rule("trailer", trailer="Rollback-Safe: false"), {}, None),
    "conflict": (a_rule("conflict"), {"reversal": a_reversal(outcome=PlanOutcome.CONFLICT)}, Reason.REVERT_CONFLICT),
    "no-conflict": (a_rule("conflict"), {}, None),
    "floor-commit-taken-back": (floor(commit=CULPRIT[:12]), {}, Reason.FLOOR),
    "floor-commit-superseded": (floor(commit="9" * 40), {"reversal": a_reversal(superseded=("9" * 40,))}, Reason.FLOOR),
    "floor-commit-stays": (floor(commit="9" * 40), {}, None),
    "floor-image-above": (floor(images=IMAGE_FLOOR), {}, None),
    "floor-image-below": (floor(images=(("registry.example/checkout", ">=1.41.3"),)), {}, Reason.FLOOR),
    "floor-image-without-a-version": (
        floor(images=IMAGE_FLOOR),
        {"files": (a_file(DEPLOYMENT, DEPLOYMENT.replace("1.42.0", "latest")),)},
        Reason.FLOOR,
    ),
    "floor-image-unnamed": (floor(images=IMAGE_FLOOR), {"files": TAG_GOES_BACK}, Reason.FLOOR),
    "floor-image-of-another": (floor(images=(("registry.example/api", ">=9"),)), {}, None),
    "floor-file-unseen": (floor(images=IMAGE_FLOOR), {"files": (a_file("a", "{{ x }}"),)}, Reason.FLOOR),
    "floor-files-unseen": (floor(images=IMAGE_FLOOR), {"files": None}, Reason.FLOOR),
}


@pytest.mark.parametrize(("rule", "given", "reason"), RULES.values(), ids=RULES)
def test_a_rule_of_the_policy_answers_with_its_own_result(
    rule: GuardRule, given: dict[str, Any], reason: Reason | None
) -> None:
    found = judge_rule(facts(**given), rule)
    assert (found.guard, found.reason) == ("the-rule", reason)
    assert found.result is (DENY if reason else GuardResult.ALLOW)
    assert bool(found.remedy) == (reason is not None)


def test_a_rule_without_its_adapter_is_not_evaluated_and_never_a_yes() -> None:
    assert judge_rule(facts(), a_rule("revisionHistoryLimit")).result is GuardResult.NOT_EVALUATED


def test_an_unknown_kind_of_rule_asks() -> None:
    found = judge_rule(facts(), a_rule("weather"))
    assert (found.result, found.reason) == (GuardResult.ASK, Reason.FEATURE_NOT_BUILT)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


WINDOWS = {
    "one-second-early": (FRIDAY, "2026-11-20T17:59:59", False),
    "at-its-start": (FRIDAY, "2026-11-20T18:00:00", True),
    "over-midnight": (FRIDAY, "2026-11-21T05:59:59", True),
    "at-its-end": (FRIDAY, "2026-11-21T06:00:00", False),
    "summer-time-starts-an-hour-earlier": (FRIDAY, "2026-07-17T17:00:00", True),
    "summer-time-one-second-early": (FRIDAY, "2026-07-17T16:59:59", False),
    "inside-a-second": (FRIDAY, "2026-11-20T18:00:00.5", True),
    "each-minute": (ScheduleWindow("* * * * *", timedelta(seconds=30)), "2026-11-20T18:00:29", True),
    "each-minute-after-its-end": (ScheduleWindow("* * * * *", timedelta(seconds=30)), "2026-11-20T18:00:30", False),
    "longer-than-its-period": (ScheduleWindow("0 * * * *", timedelta(hours=3)), "2026-11-20T18:59:59", True),
}


@pytest.mark.parametrize(("window", "now", "expected"), WINDOWS.values(), ids=WINDOWS)
def test_a_window_lasts_from_its_instant_for_its_duration(window: ScheduleWindow, now: str, expected: bool) -> None:
    assert in_window(window, at(now)) is expected


@pytest.mark.parametrize(
    "window",
    [ScheduleWindow("0 18 * *", timedelta(hours=1)), ScheduleWindow("0 18 * * 5", timedelta(hours=1), "Mars/Olympus")],
    ids=["broken-cron", "unknown-zone"],
)
def test_a_window_that_cannot_be_told_asks(window: ScheduleWindow) -> None:
    rule = GuardRule("night", "schedule", GuardResult.ASK, during=(window,))
    found = ask_guards(facts(policy=a_policy(rule)))[-1]
    assert (found.guard, found.result, found.reason) == ("night", GuardResult.ASK, Reason.GUARD_FAILED)


def test_a_floor_in_the_fixing_commit_itself_asks() -> None:
    assert judge_floor(facts()).result is GuardResult.ALLOW
    said = facts(suspects=(a_commit(message="Fix CVE\n\nRollback-Floor: true\n"),))
    assert judge_floor(said).reason is Reason.FLOOR


@pytest.mark.parametrize(
    ("named", "reason"),
    [
        pytest.param("9" * 40, Reason.TRAILER, id="missing"),
        pytest.param(CULPRIT[:12], None, id="in-the-plan"),
        pytest.param(CULPRIT[:3], Reason.TRAILER, id="too-short-to-tell"),
    ],
)
def test_a_commit_that_goes_back_only_together_with_another_asks(named: str, reason: Reason | None) -> None:
    suspects = (a_commit(message=f"x\n\nRollback-With: {named}\n"),)
    assert judge_companions(facts(suspects=suspects)).reason is reason


TILL = ("till", "3" * 40)


@pytest.mark.parametrize(
    ("dependants", "words"),
    [((), ""), ((TILL,), "till depends on it"), ((TILL,) * 3, "and 2 more"), (None, "told")],
    ids=["none changed", "one", "several", "nobody can tell"],
)
def test_a_dependant_that_moved_on_since_asks(dependants: tuple[tuple[str, str], ...] | None, words: str) -> None:
    found = judge_dependants(facts(dependants=dependants))
    assert found.reason is (Reason.GOES_TOGETHER if words else None)
    assert words in found.message


@pytest.mark.parametrize("broken", [False, True], ids=["nothing it needs", "by a rollback"])
def test_what_went_bad_by_a_rollback_of_what_it_needs_asks_with_both_ways(broken: bool) -> None:
    record = replace(a_record(Phase.VERIFYING), steps=(StepRecord(1, 1, "c" * 40),)) if broken else None
    found = judge_consequence(facts(broken_by=record))
    assert found.reason is (Reason.DEPENDENCY_ROLLED_BACK if broken else None)
    assert (f"`gitops-rollback rollback shop --revert {'c' * 40}`" in found.remedy) is broken


def answers(given: GuardFacts) -> dict[str, GuardAnswer]:
    return {found.guard: found for found in ask_guards(given)}


def test_a_plain_image_bump_is_allowed_by_every_guard() -> None:
    found = ask_guards(facts())
    assert {one.result for one in found} == {GuardResult.ALLOW}
    assert [one.guard for one in found] == [name for name, _ in GUARDS]


def test_all_guards_are_asked_and_recorded_even_after_one_denies() -> None:
    rules = (a_rule("paths", paths=("**",)), GuardRule("image-exists", "image", DENY))
    found = ask_guards(facts(policy=a_policy(*rules), ground=None, writer=None))
    assert len(found) == len(GUARDS) + len(rules)
    assert max(found, key=lambda one: one.result.rank).guard == "the-rule"
    assert {one.guard for one in found if one.result is GuardResult.ASK} == {"known-ground", "another-writer"}


def test_without_any_facts_nothing_is_automatic_and_nothing_raises() -> None:
    plain = facts()
    blind = GuardFacts(plain.now, plain.policy, plain.target, plain.reversal, plain.suspects)
    asking = {name for name, found in answers(blind).items() if found.result is GuardResult.ASK}
    assert asking == {
        "irreversible",
        "migrations",
        "known-ground",
        "quarantine",
        "branch-is-lever",
        "another-writer",
        "capacity",
        "infrastructure",
        "budgets",
        "cooldown",
    }


class Broken(tuple[Any, ...]):
    """Facts that break whoever reads them, with a secret in what they say."""

    def __iter__(self) -> Any:
        raise RuntimeError("token=abc")


def test_a_guard_that_fails_asks_and_the_others_still_answer() -> None:
    found = answers(facts(files=Broken((1,)), rollbacks=Broken()))
    assert found["irreversible"].reason is Reason.GUARD_FAILED
    assert found["budgets"].reason is Reason.GUARD_FAILED
    assert found["known-ground"].result is GuardResult.ALLOW
    assert not any("abc" in one.message for one in found.values())


def test_guards_judge_the_tree_that_will_be_pushed() -> None:
    """After a rejected push the same guards see the new reversal: what was clean may ask now."""
    first = facts()
    again = replace(first, reversal=a_reversal(FILE, outcome=PlanOutcome.CONFLICT, base="2" * 40))
    assert answers(first)["clean-merge"].result is GuardResult.ALLOW
    assert answers(again)["clean-merge"].result is GuardResult.ASK
