"""The policy in force: the head only restricts, a suspect's change counts for nothing, budgets have a bound."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import pytest

from gitops_rollback.core.certainty import Certainty
from gitops_rollback.core.guards.facts import Limit
from gitops_rollback.core.in_force import restrict, within_bounds
from gitops_rollback.core.policy import (
    AlertRule,
    ApplicationRef,
    Baseline,
    BurnRate,
    Cascade,
    Comparison,
    Counting,
    Delivery,
    GuardResult,
    GuardRule,
    Policy,
    PullRequestRules,
    ScheduleWindow,
    Severity,
    Target,
    Timing,
    Trigger,
)
from gitops_rollback.core.strategy import FileField

MINUTE = timedelta(minutes=1)
TARGET = Target("api", "argocd", ApplicationRef("argocd", "api-prod"))
ERRORS = Trigger(
    "errors", "query", Severity.PAGE_AND_SUGGEST, query="x", threshold=5.0, hold_for=2 * MINUTE,
    minimum_per_second=1.0, baseline=Baseline(must_exceed_factor=2.0),
)  # fmt: skip
DRAIN = Trigger("drain", "query", query="y", comparison=Comparison.LESS_THAN, threshold=5.0, hold_for=2 * MINUTE)
WAITS = AlertRule((("alertname", "Slow"),), 2 * MINUTE)
ALERT = Trigger("alert", "alert", alert=WAITS)
HEALTH = Trigger("health", "health", states=("Degraded", "Missing"))
BUDGET = GuardRule("budget", "budget", GuardResult.ASK, max_rollbacks=2)
PATHS = GuardRule("paths", "paths", GuardResult.ASK, paths=("**/*.sql",))
HISTORY = GuardRule("history", "revisionHistoryLimit", minimum=2)
CASCADE = Cascade(3)
BASE = Policy(
    "shop",
    ".gitops-rollback/policies/shop.yaml",
    "a" * 40,
    (TARGET,),
    (ERRORS, DRAIN, HEALTH, ALERT),
    guards=(BUDGET, PATHS, HISTORY),
    cascade=CASCADE,
)


def with_trigger(trigger: Trigger, **changes: Any) -> Policy:
    triggers = tuple(replace(other, **changes) if other is trigger else other for other in BASE.triggers)
    return replace(BASE, triggers=triggers)


def with_guard(guard: GuardRule, **changes: Any) -> Policy:
    return replace(BASE, guards=tuple(replace(other, **changes) if other is guard else other for other in BASE.guards))


RESTRICTING = {
    "suspend": replace(BASE, suspend=True),
    "severity": with_trigger(ERRORS, severity=Severity.LOG_ONLY),
    "higher-threshold": with_trigger(ERRORS, threshold=9.0),
    "lower-threshold-of-less-than": with_trigger(DRAIN, threshold=1.0),
    "longer-for": with_trigger(ERRORS, hold_for=9 * MINUTE),
    "more-traffic": with_trigger(ERRORS, minimum_per_second=9.0),
    "higher-factor": with_trigger(ERRORS, baseline=Baseline(must_exceed_factor=9.0)),
    "fewer-states": with_trigger(HEALTH, states=("Missing",)),
    "trigger-removed": replace(BASE, triggers=(ERRORS, DRAIN)),
    "alert-pending-for-longer": with_trigger(ALERT, alert=replace(WAITS, pending_for=9 * MINUTE)),
    "alert-pending-for-nobody-knows": with_trigger(ALERT, alert=replace(WAITS, pending_for=None)),
    "target-removed": replace(BASE, targets=()),
    "data-asks": replace(BASE, targets=(replace(TARGET, data_rollback="ask", data_because="orders"),)),
    "longer-initial-delay": replace(BASE, timing=Timing(initial_delay=9 * MINUTE)),
    "longer-cooldown": replace(BASE, timing=Timing(cooldown=90 * MINUTE)),
    "shorter-window": replace(BASE, timing=Timing(window=9 * MINUTE)),
    "suggest-only": replace(BASE, delivery=Delivery(mode="suggest")),
    "pull-request": replace(BASE, delivery=Delivery(mode="pull-request")),
    "no-pull-request-where-refused": replace(BASE, delivery=Delivery(on_rejected="suggest")),
    "a-person-merges": replace(BASE, delivery=Delivery(pull_request=PullRequestRules(auto_merge=False))),
    "told-sooner": replace(BASE, delivery=Delivery(pull_request=PullRequestRules(land_within=MINUTE))),
    "smaller-budget": with_guard(BUDGET, max_rollbacks=1),
    "budget-over-longer-time": with_guard(BUDGET, per=timedelta(hours=48)),
    "stricter-result": with_guard(PATHS, result=GuardResult.DENY),
    "more-guarded-paths": with_guard(PATHS, paths=("**/*.sql", "**/db/**")),
    "longer-history": with_guard(HISTORY, minimum=5),
    "added-guard": replace(BASE, guards=(*BASE.guards, GuardRule("blast", "blastRadius", max_files=3))),
    "shorter-cascade": replace(BASE, cascade=Cascade(1)),
    "no-cascade": replace(BASE, cascade=None),
    "cascade-denies": replace(BASE, cascade=replace(CASCADE, result=GuardResult.DENY)),
    "unbuilt-feature": replace(BASE, unbuilt=("costs",)),
}
WIDENING = {
    "severity": with_trigger(ERRORS, severity=Severity.AUTO_ROLLBACK),
    "lower-threshold": with_trigger(ERRORS, threshold=1.0),
    "higher-threshold-of-less-than": with_trigger(DRAIN, threshold=9.0),
    "shorter-for": with_trigger(ERRORS, hold_for=timedelta(0), immediate=True),
    "less-traffic": with_trigger(ERRORS, minimum_per_second=0.0),
    "lower-factor": with_trigger(ERRORS, baseline=Baseline()),
    "more-states": with_trigger(HEALTH, states=("Degraded", "Missing", "Unknown")),
    "alert-pending-for-less": with_trigger(ALERT, alert=replace(WAITS, pending_for=timedelta(0))),
    "another-alert": with_trigger(ALERT, alert=AlertRule((("alertname", "Any"),), 9 * MINUTE)),
    "another-query": with_trigger(ERRORS, query="z", threshold=9.0),
    "another-comparison": with_trigger(ERRORS, comparison=Comparison.LESS_THAN, threshold=9.0),
    "trigger-added": replace(BASE, triggers=(*BASE.triggers, Trigger("more", "query", Severity.AUTO_ROLLBACK))),
    "target-added": replace(BASE, targets=(TARGET, Target("b", "argocd", ApplicationRef("argocd", "b")))),
    "data-safe": replace(BASE, targets=(replace(TARGET, data_rollback="safe"),)),
    "shorter-initial-delay": replace(BASE, timing=Timing(initial_delay=timedelta(0))),
    "longer-cascade": replace(BASE, cascade=Cascade(9)),
    "no-cooldown": replace(BASE, timing=Timing(cooldown=timedelta(0))),
    "longer-window": replace(BASE, timing=Timing(window=90 * MINUTE)),
    "larger-budget": with_guard(BUDGET, max_rollbacks=99),
    "unlimited-budget": with_guard(BUDGET, max_rollbacks=None),
    "budget-over-shorter-time": with_guard(BUDGET, per=MINUTE),
    "fewer-guarded-paths": with_guard(PATHS, paths=()),
    "shorter-history": with_guard(HISTORY, minimum=1),
    "guard-removed": replace(BASE, guards=()),
    "other-metrics": replace(BASE, metrics=replace(BASE.metrics, url="https://elsewhere.example")),
    "told-later": replace(BASE, delivery=Delivery(pull_request=PullRequestRules(land_within=90 * MINUTE))),
    "other-labels": replace(BASE, delivery=Delivery(pull_request=PullRequestRules(("a",), merge_method="squash"))),
    "other-branch": replace(BASE, branch="release"),
    "other-target-name": replace(BASE, targets=(replace(TARGET, name="other"),)),
}


@pytest.mark.parametrize("head", RESTRICTING.values(), ids=RESTRICTING)
def test_what_only_restricts_counts_from_the_head_at_once(head: Policy) -> None:
    assert restrict(BASE, head, head_brought_by_suspect=False) == head


@pytest.mark.parametrize("head", WIDENING.values(), ids=WIDENING)
def test_what_widens_waits_for_the_next_good_revision(head: Policy) -> None:
    assert restrict(BASE, head, head_brought_by_suspect=False) == BASE


@pytest.mark.parametrize("stricter", RESTRICTING.values(), ids=RESTRICTING)
def test_a_restriction_in_force_is_not_lifted_by_a_looser_head(stricter: Policy) -> None:
    assert restrict(stricter, BASE, head_brought_by_suspect=False) == stricter


@pytest.mark.parametrize("head", [*RESTRICTING.values(), None], ids=[*RESTRICTING, "policy-removed"])
def test_a_change_cannot_weaken_the_policy_that_judges_it(head: Policy | None) -> None:
    judged = restrict(BASE, head, head_brought_by_suspect=True)
    assert judged == BASE
    assert "under suspicion" in judged.warnings[-1]


def test_a_policy_that_is_gone_from_the_head_watches_nobody() -> None:
    judged = restrict(BASE, None, head_brought_by_suspect=False)
    assert judged.suspend
    assert judged.targets == ()


def test_the_longer_of_two_holds_counts_even_if_both_sides_restrict() -> None:
    head = replace(with_trigger(ERRORS, hold_for=9 * MINUTE, severity=Severity.AUTO_ROLLBACK), suspend=True)
    judged = restrict(BASE, head, head_brought_by_suspect=False)
    assert judged == replace(with_trigger(ERRORS, hold_for=9 * MINUTE), suspend=True)


def test_a_guard_that_is_stricter_in_one_way_and_looser_in_another_stands_beside_the_old_one() -> None:
    head = with_guard(PATHS, result=GuardResult.DENY, paths=("only/this",))
    judged = restrict(BASE, head, head_brought_by_suspect=False)
    assert set(judged.guards) == {BUDGET, PATHS, HISTORY, head.guards[1]}


def test_immediate_at_the_head_does_not_make_a_held_trigger_immediate() -> None:
    judged = restrict(BASE, with_trigger(ERRORS, immediate=True), head_brought_by_suspect=False)
    assert not judged.triggers[0].immediate


def test_a_health_trigger_without_a_common_state_is_gone() -> None:
    judged = restrict(BASE, with_trigger(HEALTH, states=("Unknown",)), head_brought_by_suspect=False)
    assert [trigger.name for trigger in judged.triggers] == ["errors", "drain", "alert"]


def test_symptoms_of_pods_count_only_where_both_sides_name_them() -> None:
    def looking_at(*symptoms: str) -> Policy:
        return replace(BASE, triggers=(replace(ERRORS, type="crashLoop", symptoms=symptoms),))

    judged = restrict(looking_at("crashLoop", "imagePull"), looking_at("imagePull"), head_brought_by_suspect=False)
    assert [trigger.symptoms for trigger in judged.triggers] == [("imagePull",)]
    assert not restrict(looking_at("crashLoop"), looking_at("imagePull"), head_brought_by_suspect=False).triggers


@pytest.mark.parametrize(("before", "head"), [("hold", "ask"), ("ask", "hold"), ("hold", "hold")])
def test_an_image_automation_is_held_only_if_both_sides_say_so(before: str, head: str) -> None:
    judged = restrict(
        replace(BASE, image_automation=before), replace(BASE, image_automation=head), head_brought_by_suspect=False
    )
    assert judged.image_automation == ("hold" if before == head == "hold" else "ask")


def test_no_change_names_another_field_that_keeps_an_updater_off() -> None:
    before, head = FileField("argocd/updaters.yaml", "spec.a"), FileField("apps/web/web.yaml", "spec.replicas")
    own = replace(BASE, updater=before)
    assert restrict(own, own, head_brought_by_suspect=False).updater == before
    assert restrict(own, replace(BASE, updater=head), head_brought_by_suspect=False).updater is None
    assert restrict(BASE, replace(BASE, updater=head), head_brought_by_suspect=False).updater is None


@pytest.mark.parametrize(
    ("before", "head", "judged"),
    [
        pytest.param(Certainty(), Certainty(0.8, "ask"), Certainty(0.8, "ask"), id="asks more"),
        pytest.param(Certainty(0.9, "ask"), Certainty(0.8, "ask"), Certainty(0.9, "ask"), id="asks less"),
        pytest.param(Certainty(0.9, "ask"), Certainty(), Certainty(0.9, "ask"), id="asks nothing"),
        pytest.param(Certainty(0.9, "ask"), Certainty(0.9, "range"), Certainty(0.9, "ask"), id="undoes instead"),
        pytest.param(Certainty(0.9, "range"), Certainty(0.9, "ask"), Certainty(0.9, "ask"), id="asks instead"),
        pytest.param(Certainty(), Certainty(0.9, "range"), Certainty(), id="undoes more"),
    ],
)
def test_only_asking_counts_at_once_where_a_suspect_is_uncertain(
    before: Certainty, head: Certainty, judged: Certainty
) -> None:
    one, other = replace(BASE, certainty=before), replace(BASE, certainty=head)
    assert restrict(one, other, head_brought_by_suspect=False).certainty == judged


@pytest.mark.parametrize(
    ("before", "head", "judged"),
    [
        pytest.param((), ("a", "b", "c"), ("a", "b", "c"), id="new ones hold back"),
        pytest.param(("a", "b", "c"), (), ("a", "b", "c"), id="none would widen"),
        pytest.param(("a", "b", "c"), ("d", "e", "f"), ("a", "b", "c"), id="others wait"),
    ],
)
def test_peers_that_hold_back_count_at_once(
    before: tuple[str, ...], head: tuple[str, ...], judged: tuple[str, ...]
) -> None:
    one, other = (Trigger("rise", "regression", bad="b", total="t", counting=Counting(peers=p)) for p in (before, head))
    found = restrict(replace(BASE, triggers=(one,)), replace(BASE, triggers=(other,)), head_brought_by_suspect=False)
    assert found.triggers[0].counting.peers == judged


CHEAP, DEAR = (("fix_minutes", 9.0), ("rollback_risk", 0.1)), (("fix_minutes", 1.0), ("rollback_risk", 5.0))
DEARER = (("fix_minutes", 9.0), ("rollback_risk", 5.0))


@pytest.mark.parametrize(
    ("before", "head", "judged"),
    [
        pytest.param((False, ()), (True, DEAR), (True, DEAR), id="to weigh it at all only holds back"),
        pytest.param((True, CHEAP), (False, DEAR), (True, CHEAP), id="to weigh it no more waits"),
        pytest.param((True, CHEAP), (True, DEAR), (True, DEARER), id="a dearer rollback counts, and nothing else"),
        pytest.param((True, DEAR), (True, CHEAP), (True, DEAR), id="a cheaper one waits"),
    ],
)
def test_of_costs_only_what_holds_back_counts_at_once(
    before: tuple[bool, tuple[tuple[str, float], ...]],
    head: tuple[bool, tuple[tuple[str, float], ...]],
    judged: tuple[bool, tuple[tuple[str, float], ...]],
) -> None:
    one, other = (replace(BASE, by_cost=by_cost, costs=costs) for by_cost, costs in (before, head))
    found = restrict(one, other, head_brought_by_suspect=False)
    assert (found.by_cost, found.costs) == judged


@pytest.mark.parametrize(("objective", "judged"), [(0.999, 20.0), (0.9, 14.4)])
def test_a_higher_factor_counts_only_for_the_same_objective(objective: float, judged: float) -> None:
    windows = BurnRate(0.999, 60 * MINUTE, 5 * MINUTE)
    burn = Trigger("burn", "burnRate", bad="b", total="t", threshold=14.4, burn_rate=windows)
    other = replace(burn, threshold=20.0, burn_rate=replace(windows, objective=objective))
    before, head = replace(BASE, triggers=(burn,)), replace(BASE, triggers=(other,))
    found = restrict(before, head, head_brought_by_suspect=False).triggers[0]
    assert (found.threshold, found.burn_rate) == (judged, windows)


def test_the_label_names_the_policy_that_judged() -> None:
    head = replace(BASE, revision="b" * 40, suspend=True)
    assert restrict(BASE, head, head_brought_by_suspect=False).label == "policies/shop.yaml@aaaaaaaaaaaa"


def test_every_field_of_a_policy_has_a_direction_that_was_thought_about() -> None:
    known = {
        Policy: "name path revision targets triggers suspend branch timing metrics sources delivery strategies guards "
        "verification notifications certainty superseding chart_versions by_cost costs image_automation cascade "
        "updater promotion require_rehearsal unbuilt warnings",
        Target: "name engine application workload paths depends_on data_rollback data_because drill rehearse selector",
        Trigger: "name type severity query bad total comparison threshold hold_for immediate keep_firing_for reduce "
        "no_data_for minimum_per_second baseline states symptoms beside burn_rate alert counting built",
        Timing: "interval window initial_delay cooldown",
        Delivery: "mode on_rejected pull_request refresh sync_timeout",
        PullRequestRules: "labels auto_merge merge_method land_within",
        GuardRule: "name type result paths minimum max_targets max_files max_rollbacks per during trailer commit "
        "images because",
    }
    for kind, names in known.items():
        assert {field.name for field in fields(kind)} == set(names.split()), kind


APPLICATION = (Limit(1, timedelta(minutes=30)), Limit(2, timedelta(hours=24)))


@pytest.mark.parametrize(
    ("asked", "per", "allowed"),
    [
        (2, timedelta(hours=24), 2),
        (5, timedelta(hours=24), 2),
        (1, timedelta(hours=1), 1),
        (2, timedelta(minutes=30), 1),
        (9, timedelta(hours=48), 4),
        (0, timedelta(hours=24), 0),
    ],
)
def test_p27_a_budget_above_the_controllers_bound_is_cut(asked: int, per: timedelta, allowed: int) -> None:
    policy = replace(BASE, guards=(replace(BUDGET, max_rollbacks=asked, per=per), PATHS))
    bounded = within_bounds(policy, APPLICATION)
    assert bounded.guards == (replace(BUDGET, max_rollbacks=allowed, per=per), PATHS)
    assert len(bounded.warnings) == (asked > allowed)


def test_a_schedule_with_more_windows_replaces_the_one_with_fewer() -> None:
    friday, saturday = ScheduleWindow("0 18 * * 5", 12 * MINUTE), ScheduleWindow("0 0 * * 6", 12 * MINUTE)
    few, many = (
        GuardRule("freeze", "schedule", during=(friday,)),
        GuardRule("freeze", "schedule", during=(friday, saturday)),
    )
    judged = restrict(replace(BASE, guards=(few,)), replace(BASE, guards=(many,)), head_brought_by_suspect=False)
    assert judged.guards == (many,)
