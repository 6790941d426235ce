"""`decision: cost`: what the costs of an alarm are made of, and that they only ever hold back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

import pytest
from app_world import (
    MINUTE,
    POLICIES,
    START,
    TICK,
    MemoryMetrics,
    Replica,
    World,
    decision_of,
    policy,
    pushed,
    running,
    ship,
)

from gitops_rollback.app.outbreaks import Alarm, Outbreak
from gitops_rollback.app.pausing import change_pauses
from gitops_rollback.app.weighing import weighed
from gitops_rollback.core.costs import Weighed
from gitops_rollback.core.incidents import Incident, ObservedApplication
from gitops_rollback.core.stop import FIX, Pause, add_pause

RATIO = 'bad: bad{service="$SERVICE"}\n      total: total{service="$SERVICE"}'


@dataclass
class Shares(MemoryMetrics):
    """Of 1000 requests so many fail, from a time on; none before."""

    failing: list[tuple[datetime, float]] = field(default_factory=list)

    def _value(self, expression: str, at: datetime) -> float:
        if expression.startswith("total"):
            return 1000.0
        return next((bad for since, bad in reversed(self.failing) if at >= since), 0.0)


def red(world: World, keys: str) -> Replica:
    """`web` turns red a minute after START, under a policy with `keys`."""
    running(world, "web")
    world.people.push("Decide by cost", {f"{POLICIES}/web.yaml": with_keys(keys)}, START - 50 * MINUTE)
    bad = ship(world, "web", START - MINUTE)
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE)
    return world.replica()


def with_keys(keys: str) -> str:
    return policy("web").replace("  triggers:", "".join(f"  {line}\n" for line in keys.splitlines()) + "  triggers:")


def costs_of(evidence: Mapping[str, object]) -> Mapping[str, object]:
    found = evidence["costs"]
    assert isinstance(found, dict)
    return found


def test_the_cheapest_way_rolls_back_and_tells_what_it_was_weighed_by(world: World) -> None:
    one = red(world, "decision: cost\ncosts: {share: 0.05, mend: 30m}")
    one.until(START, START + 2 * MINUTE)
    (record,) = pushed(one.tick(START + 2 * MINUTE + TICK))
    told = costs_of(record.evidence)
    assert (told["decides"], told["answer"], told["least"]) == (True, "rollback", "rollback")
    inputs = told["inputs"]
    assert isinstance(inputs, dict)
    assert inputs["harm"] == {"value": 0.05, "from": "all its traffic, since the trigger tells no share"}
    assert inputs["personMinutes"] == {"value": 30.0, "from": "the policy"}
    assert inputs["badSyncs"]["from"].startswith("the journal: 0 of ")
    assert inputs["tickMinutes"] == {"value": 0.25, "from": "the policy's interval"}
    assert inputs["fixMinutes"] == {"value": 45.0, "from": "default"}


def test_a_risky_rollback_waits_for_a_person_with_the_plan_and_the_numbers(world: World) -> None:
    one = red(world, "decision: cost\ncosts: {share: 0.05, rollbackRisk: high}")
    one.until(START, START + 3 * MINUTE)
    assert world.reverts() == 0
    (told,) = [message for message in one.told.messages if message.event == "suggested"]
    assert told.reason == "CheaperOtherwise"
    assert "rolling back costs 5.2" in told.text
    (record,) = one.tick(START + 4 * MINUTE).view.journal.records.values()
    assert record.phase == "AwaitingApproval"
    assert costs_of(record.evidence)["answer"] == "ask"


def test_by_severity_the_costs_are_told_and_decide_nothing(world: World) -> None:
    one = red(world, "decision: severity\ncosts: {share: 0.05, rollbackRisk: high}")
    one.until(START, START + 2 * MINUTE)
    (record,) = pushed(one.tick(START + 2 * MINUTE + TICK))
    told = costs_of(record.evidence)
    assert (told["decides"], told["answer"]) == (False, "ask")


def test_a_promised_fix_is_held_for_then_awaited_while_it_is_deployed_and_then_believed_no_more(world: World) -> None:
    one = red(world, "decision: cost\ncosts: {share: 0.05, deploy: 2m}")
    pause = Pause("web", START + 4 * MINUTE, "ann", f"{FIX}4m: the flag is being turned off")
    change_pauses(one.repo, world.clock, lambda known: add_pause(known, pause, START), "Hold web")
    one.until(START, START + 4 * MINUTE - TICK)
    assert (world.reverts(), set(one.told.reasons)) == (0, {"Paused"})
    last = one.until(START + 4 * MINUTE, START + 6 * MINUTE - TICK)[-1]
    assert (world.reverts(), "CheaperOtherwise" in one.told.reasons) == (0, False)
    assert decision_of(last.sights[0], one, last) == "CheaperOtherwise"
    one.until(START + 6 * MINUTE, START + 6 * MINUTE + TICK)
    assert world.reverts() == 1


def test_what_was_not_worth_it_is_rolled_back_once_it_gets_worse(world: World) -> None:
    world.metrics = metrics = Shares()
    text = with_keys("decision: cost").replace('query: errors{service="$SERVICE"}', RATIO)
    running(world, "web")
    path = f"{POLICIES}/web.yaml"
    world.people.push("Count", {path: text.replace("threshold: 0.05", "threshold: 0.001")}, START - 50 * MINUTE)
    bad = ship(world, "web", START - MINUTE)
    world.engine.deploy("web", bad, START)
    one = world.replica()
    metrics.failing = [(START + MINUTE, 3.0), (START + 5 * MINUTE, 300.0)]
    one.until(START, START + 5 * MINUTE - TICK)
    assert (world.reverts(), one.told.reasons) == (0, ["CheaperOtherwise"])
    one.until(START + 5 * MINUTE, START + 5 * MINUTE + 2 * TICK)
    (record,) = pushed(one.tick(START + 5 * MINUTE + 3 * TICK))
    assert costs_of(record.evidence)["answer"] == "rollback"
    assert world.reverts() == 1


def test_others_that_are_red_without_the_commit_speak_against_blame_and_those_with_it_add_harm(world: World) -> None:
    one = red(world, "decision: cost\ncosts: {share: 0.05}")
    (sight,) = one.until(START, START + MINUTE + 2 * TICK)[-1].sights
    look, now = sight.look, START + 2 * MINUTE
    assert look is not None
    assert sight.proposal is not None
    me, it = look.name, frozenset({look.bad_revision})
    cart = replace(look.watched, state=replace(look.state, id=replace(look.state.id, name="cart")))
    other = Alarm(replace(look, watched=cart), sight.proposal)

    def answer(outbreak: Outbreak) -> Weighed:
        found = weighed(look, outbreak, (), None, now)
        assert found is not None
        return found

    alone = answer(Outbreak())
    assert (alone.answer, alone.inputs.harm, alone.inputs.shared) == ("rollback", 0.05, 0.0)
    strangers = [ObservedApplication(f"a{n}", red=n < 4, quiet=n >= 4, metric_source="") for n in range(5)]
    many = answer(Outbreak(observed=(ObservedApplication(me, True, False, "", it), *strangers)))
    assert (many.answer, many.inputs.shared > 0.999) == ("ask", True)
    assert many.sources["shared"] == "measured: 4 others red, 1 quiet"
    siblings = [replace(stranger, red=True, quiet=False, suspects=it) for stranger in strangers]
    same = answer(Outbreak(observed=(ObservedApplication(me, True, False, "", it), *siblings)))
    assert same.inputs.shared == 0.0
    together = answer(Outbreak((Incident((cart.name, me), look.bad_revision),), alarms=(other,)))
    assert together.inputs.harm == pytest.approx(0.1)
    assert "of 1 other applications" in together.sources["harm"]
