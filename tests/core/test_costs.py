"""Costs in full-outage-minutes: the worked example of the specification, its severities, and its decision table."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gitops_rollback.core.costs import Inputs, costs, told
from gitops_rollback.core.decision import Act, Decision
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.measurement import Measurement
from gitops_rollback.core.policy import Policy, Severity, Trigger
from gitops_rollback.core.trigger import Baseline, BaselineLevel, TriggerState, Verdict

NOW = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)

CHECKOUT = Inputs(harm=0.049)  # 0.1 % -> 5 %


def test_a_probability_of_the_worked_example() -> None:
    found = costs(CHECKOUT)
    assert (round(found.probability, 3), round(found.pays_from, 2)) == (0.981, 0.50)


@pytest.mark.parametrize(
    ("given", "way", "cost"),
    [
        pytest.param(CHECKOUT, "rollback", 0.34, id="rollback"),
        pytest.param(CHECKOUT, "page", 1.11, id="page"),
        pytest.param(replace(CHECKOUT, fix_minutes=3, fix_succeeds=0.9), "forward", 0.65, id="a fix in 3 minutes"),
        pytest.param(
            replace(CHECKOUT, fix_minutes=3, deploy_minutes=0.5, fix_succeeds=0.9), "forward", 0.29, id="by a flag"
        ),
        pytest.param(CHECKOUT, "forward", 2.74, id="a fix that is not known"),
        pytest.param(replace(CHECKOUT, rollback_risk=5), "rollback", 5.2, id="a risky rollback"),
    ],
)
def test_the_worked_example_row_by_row(given: Inputs, way: str, cost: float) -> None:
    assert getattr(costs(given), way) == pytest.approx(cost, abs=0.04 if cost > 5 else 0.006)


@pytest.mark.parametrize(("rise", "pays_from"), [(0.5, 0.08), (0.049, 0.50), (0.009, 0.96), (0.002, 1.0)])
def test_from_which_probability_on_a_rollback_pays_by_severity(rise: float, pays_from: float) -> None:
    found = costs(Inputs(harm=rise)).pays_from
    assert found > 1 if rise < 0.005 else found == pytest.approx(pays_from, abs=0.006)


KNOWN = replace(CHECKOUT, fix_succeeds=0.9)


@pytest.mark.parametrize(
    ("given", "least"),
    [
        pytest.param(CHECKOUT, "rollback", id="the cause is not known"),
        pytest.param(replace(KNOWN, fix_minutes=3, deploy_minutes=0.5), "forward", id="known, and under 4 minutes"),
        pytest.param(replace(KNOWN, fix_minutes=15), "rollback", id="known, and over 15 minutes"),
        pytest.param(replace(KNOWN, fix_minutes=15, rollback_risk=5), "page", id="unless a rollback is risky"),
        pytest.param(replace(KNOWN, fix_minutes=3, rollback_risk=5), "forward", id="risky, and quickly fixed"),
        pytest.param(replace(CHECKOUT, harm=0.5), "rollback", id="all wait for it"),
    ],
)
def test_the_decision_table_row_by_row(given: Inputs, least: str) -> None:
    assert costs(given).least == least


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(Inputs(harm=0.0001), id="nobody is harmed"),
        pytest.param(replace(CHECKOUT, shared=0.9999), id="others outside of the commit are red"),
    ],
)
def test_what_harms_nobody_or_is_everybodys_is_no_rollback(given: Inputs) -> None:
    found = costs(given)
    assert found.probability < found.pays_from


def alarm(kind: str, value: float | None, before: float | None) -> tuple[Decision, Policy]:
    trigger = Trigger("errors", kind)
    measured = None if value is None else Measurement.of(value, NOW)
    verdict = Verdict("errors", Severity.AUTO_ROLLBACK, TriggerState(), measured, Baseline(BaselineLevel.QUIET, before))
    policy = Policy("p", "p.yaml", "a" * 40, (), (trigger,))
    return Decision(Act.ROLL_BACK, Reason.TRIGGER_FIRED, "fires", (verdict,)), policy


def test_an_alarm_tells_its_costs_with_each_input_and_where_it_comes_from() -> None:
    found = told(*alarm("ratio", 0.05, 0.001))
    assert found is not None
    assert (found["rollback"], found["page"], found["fixForward"], found["least"]) == (0.34, 1.11, 2.74, "rollback")
    inputs = found["inputs"]
    assert isinstance(inputs, dict)
    assert inputs["harm"] == {"value": 0.049, "from": "measured"}
    assert inputs["rollbackMinutes"] == {"value": 4.0, "from": "default"}


@pytest.mark.parametrize(("kind", "value"), [("query", 7.0), ("health", 1.0), ("ratio", None)])
def test_where_no_share_of_requests_is_known_nothing_is_made_up(kind: str, value: float | None) -> None:
    assert told(*alarm(kind, value, None)) is None


def test_the_dearest_thing_is_to_wait_where_many_are_harmed() -> None:
    assert costs(Inputs(harm=0.9)).page > 10 * costs(Inputs(harm=0.05)).page
