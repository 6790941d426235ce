"""Costs in full-outage-minutes: the worked example of the specification, its severities, and its decision table."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gitops_rollback.core.costs import Inputs, Weighed, costs, harm_of, likelihood_of, shared_cause
from gitops_rollback.core.measurement import Compared, Measurement, OldVersion, Outcome
from gitops_rollback.core.policy import BurnRate, Severity, Trigger
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


def test_the_worked_example_rolls_back_by_itself() -> None:
    assert costs(CHECKOUT).answer == "rollback"
    assert "to blame with probability 0.98, and a rollback pays from 0.50 on" in costs(CHECKOUT).sentence


@pytest.mark.parametrize(("rise", "pays_from"), [(0.5, 0.08), (0.049, 0.50), (0.009, 0.96), (0.002, 1.0)])
def test_from_which_probability_on_a_rollback_pays_by_severity(rise: float, pays_from: float) -> None:
    found = costs(Inputs(harm=rise)).pays_from
    assert found > 1 if rise < 0.005 else found == pytest.approx(pays_from, abs=0.006)


@pytest.mark.parametrize(
    ("rise", "answer"), [(0.5, "rollback"), (0.049, "rollback"), (0.009, "rollback"), (0.002, "ask")]
)
def test_one_rule_yields_a_rollback_or_a_suggestion_by_severity(rise: float, answer: str) -> None:
    assert costs(Inputs(harm=rise)).answer == answer


KNOWN = replace(CHECKOUT, fix_succeeds=0.9)
RISKY = replace(CHECKOUT, rollback_risk=5)


@pytest.mark.parametrize(
    ("given", "least", "answer"),
    [
        pytest.param(CHECKOUT, "rollback", "rollback", id="the cause is not known"),
        pytest.param(replace(KNOWN, fix_minutes=3.7, deploy_minutes=0.5), "forward", "ask", id="known: 4.2 minutes"),
        pytest.param(replace(KNOWN, fix_minutes=4.1, deploy_minutes=0.5), "rollback", "rollback", id="known: 4.6"),
        pytest.param(replace(KNOWN, fix_minutes=15), "rollback", "rollback", id="known, and over 15 minutes"),
        pytest.param(replace(KNOWN, fix_minutes=15, rollback_risk=5), "page", "ask", id="unless a rollback is risky"),
        pytest.param(replace(KNOWN, fix_minutes=3, rollback_risk=5), "forward", "ask", id="risky, and quickly fixed"),
        pytest.param(RISKY, "page", "ask", id="risky, and nobody knows the cause"),
        pytest.param(replace(CHECKOUT, harm=0.5), "rollback", "rollback", id="all wait for it"),
        pytest.param(Inputs(harm=0.0001), "forward", "ask", id="nobody is harmed"),
        pytest.param(replace(CHECKOUT, harm=3 * 0.009), "rollback", "rollback", id="three of one commit add up"),
        pytest.param(replace(CHECKOUT, shared=0.998), "page", "ask", id="others outside of the commit are red"),
    ],
)
def test_the_decision_table_row_by_row(given: Inputs, least: str, answer: str) -> None:
    found = costs(given)
    assert (found.least, found.answer) == (least, answer)


def test_the_rule_for_a_known_cause_is_the_tables_own() -> None:
    """Forward where T_fix + T_dep < 4.3 min + (R_rb - R_fwd)/(P h), for a sure blame."""
    for risk in (0.1, 0.3, 1.0):
        sure = replace(KNOWN, rollback_risk=risk, likelihood=1e12, deploy_minutes=0)
        limit = 4.275 + (risk - 0.1) / sure.harm
        for minutes, wins in ((limit - 0.01, True), (limit + 0.01, False)):
            found = costs(replace(sure, fix_minutes=minutes))
            assert (found.forward < found.rollback) is wins


def test_sparing_a_person_an_interruption_never_justifies_a_rollback() -> None:
    dear = replace(Inputs(harm=0.002), interruption=100.0)
    assert costs(dear).least == "rollback"
    assert costs(dear).answer == "ask"


UNSURE = replace(CHECKOUT, harm=0.009, likelihood=200)  # 0.91, and a rollback pays from 0.95 on


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        pytest.param(UNSURE, "ask", id="no tick tells more"),
        pytest.param(replace(UNSURE, gain=2.0), "wait", id="the next tick may tell enough"),
        pytest.param(replace(UNSURE, gain=2.0, harm=0.5), "rollback", id="it is dear to wait"),
        pytest.param(replace(UNSURE, gain=0.1), "ask", id="the next tick tells next to nothing"),
        pytest.param(replace(CHECKOUT, gain=2.0), "rollback", id="it is sure enough now"),
    ],
)
def test_it_is_waited_only_while_that_pays(given: Inputs, answer: str) -> None:
    assert costs(given).answer == answer


def test_a_slower_rollback_than_a_persons_never_pays() -> None:
    assert costs(replace(CHECKOUT, rollback_fails=1.0, person_minutes=600)).pays_from > 1


def test_where_a_fix_comes_anyway_nobody_has_to_be_asked() -> None:
    soon = replace(KNOWN, fix_minutes=0, deploy_minutes=2)
    assert [Weighed.of(soon, {}, True, promised).answer for promised in (False, True)] == ["ask", "wait"]
    assert Weighed.of(replace(soon, fix_minutes=20), {}, True, promised=True).answer == "rollback"


@pytest.mark.parametrize(
    ("red", "quiet", "low", "high"),
    [(0, 0, 0, 0), (0, 9, 0, 0.001), (1, 10, 0, 0.001), (1, 1, 0.2, 0.4), (2, 2, 0.8, 0.9), (4, 2, 0.999, 1)],
)
def test_the_more_others_are_red_the_likelier_is_a_cause_that_is_nobodys_commit(
    red: int, quiet: int, low: float, high: float
) -> None:
    assert low <= shared_cause(red, quiet) <= high


def a_verdict(value: float | None, before: float | None) -> Verdict:
    measured = None if value is None else Measurement.of(value, NOW)
    baseline = Baseline(BaselineLevel.QUIET, before)
    return Verdict("errors", Severity.AUTO_ROLLBACK, TriggerState(), measured, baseline)


BURN = BurnRate(0.999, timedelta(hours=1), timedelta(minutes=5))
LATENCY = "histogram_quantile(0.99, sum(rate(d_bucket[2m])) by (le))"


@pytest.mark.parametrize(
    ("trigger", "value", "before", "harm", "source"),
    [
        pytest.param(Trigger("errors", "ratio"), 0.05, 0.001, 0.049, "rise of the rate", id="a ratio's rise"),
        pytest.param(Trigger("errors", "regression"), 0.05, None, 0.05, "rise of the rate", id="nothing known before"),
        pytest.param(Trigger("errors", "ratio"), 0.01, 0.02, 0.0, "rise of the rate", id="better than before"),
        pytest.param(Trigger("errors", "burnRate", burn_rate=BURN), 50.0, 1.0, 0.049, "rise", id="a burn of a budget"),
        pytest.param(Trigger("errors", "query", query=LATENCY), 7.0, 1.0, 0.3, "slow ones", id="a latency"),
        pytest.param(Trigger("errors", "health"), 1.0, None, 1.0, "tells no share", id="the engine's word"),
        pytest.param(None, None, None, 1.0, "tells no share", id="a trigger that is gone"),
    ],
)
def test_the_harm_is_the_rise_or_else_all_of_the_traffic(
    trigger: Trigger | None, value: float | None, before: float | None, harm: float, source: str
) -> None:
    for share in (1.0, 0.5):
        found, told = harm_of(a_verdict(value, before), trigger, share)
        assert found == pytest.approx(harm * share)
        assert source in told


@pytest.mark.parametrize(
    ("old", "harm", "source"),
    [
        pytest.param((30.0, 900.0), 0.1 * (0.2 - 30 / 900), "by its part of the traffic", id="a canary in an incident"),
        pytest.param((0.0, 100.0), 0.5 * (0.2 - 0.01), "by its part of the traffic", id="half of the traffic"),
        pytest.param((0.0, 0.0), 0.2 - 0.01, "rise of the rate", id="all of it: the old one is gone"),
    ],
)
def test_a_new_version_harms_its_part_of_the_traffic_by_what_it_has_more_than_the_old_one(
    old: tuple[float, float], harm: float, source: str
) -> None:
    compared = Compared(0.015, 0.015, 9.0, 7.0, 2.0, OldVersion(*old, evidence=9.0, needed=7.0))
    said = Measurement(Outcome.VALUE, NOW, 0.2, numerator=20.0, denominator=100.0, compared=compared)
    found, told = harm_of(a_verdict(0.2, 0.01)._replace(measurement=said), Trigger("errors", "regression"), 1.0)
    assert found == pytest.approx(harm)
    assert told.endswith(source)


def test_evidence_stays_within_what_can_be_multiplied() -> None:
    for evidence in (-1e9, 1e9, float("-inf")):
        assert 0 <= costs(replace(CHECKOUT, likelihood=likelihood_of(evidence), gain=2.0)).probability <= 1


def test_each_input_is_told_with_where_it_comes_from() -> None:
    told = Weighed.of(CHECKOUT, {"harm": "measured"}, decides=True).document
    assert (told["rollback"], told["page"], told["fixForward"], told["least"]) == (0.34, 1.11, 2.74, "rollback")
    assert (told["answer"], told["decides"]) == ("rollback", True)
    inputs = told["inputs"]
    assert isinstance(inputs, dict)
    assert inputs["harm"] == {"value": 0.049, "from": "measured"}
    assert inputs["rollbackMinutes"] == {"value": 4.0, "from": "default"}
    assert len(inputs) == 18


def test_the_dearest_thing_is_to_wait_where_many_are_harmed() -> None:
    assert costs(Inputs(harm=0.9)).page > 10 * costs(Inputs(harm=0.05)).page
