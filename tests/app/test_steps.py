"""A rollback of several commits: each pushed, applied and checked before the next, whoever goes on with it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime

import pytest
from app_world import MINUTE, POLICIES, START, TICK, MemoryMetrics, Replica, World, deployment, policy

from gitops_rollback.app.executor import Executor
from gitops_rollback.app.requesting import Requests, Wish
from gitops_rollback.app.workloads import NOBODY
from gitops_rollback.cli.asking import plan_lines
from gitops_rollback.core.new_pods import WorkloadFacts
from gitops_rollback.core.policy import Workload
from gitops_rollback.core.recovery import spans, strategy_of
from gitops_rollback.core.rollback import RollbackRecord
from gitops_rollback.core.sync import ApplicationState, Health, ResourceStatus, SyncStatus
from gitops_rollback.sandbox.people import People

ROUTE = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: web}}
spec:
  http:
    - route:
        - destination: {{host: web, subset: v1}}
          weight: {old}
        - destination: {{host: web, subset: v2}}
          weight: {new}   # the new version
"""
CANARY = """\
  strategies:
    - name: weights
      type: canary
      canary:
        file: apps/web/route.yaml
        field: spec.http[0].route[1].weight
        complement: spec.http[0].route[0].weight
        steps: [25, 0]
        pause: 15s
"""
FOUR_STEPS = CANARY.replace("[25, 0]", "[50, 25, 10, 0]")
PATH, WEB = "apps/web/route.yaml", "apps/web/web.yaml"
FALLING = [(40, 60), (75, 25), (100, 0)]
WEIGHT = re.compile(r"weight: (\d+)")


def shifted(world: World, more: str = CANARY, journal: str = "") -> Replica:
    """A bad image is live while 60 per cent of the traffic go to it."""
    first = world.first(
        {
            WEB: deployment("web", "1.0"),
            PATH: ROUTE.format(old=40, new=60),
            f"{POLICIES}/web.yaml": policy("web") + more,
        }
    )
    world.engine.add("web")
    world.engine.deploy("web", first, START - 60 * MINUTE)
    bad = world.people.edit("Ship 1.1", WEB, ":1.0", ":1.1", START - MINUTE)
    one = world.replica(journal=journal)
    one.until(START - 2 * MINUTE, START - MINUTE)
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE)
    return one


def weights(world: World) -> list[tuple[int, int]]:
    """(old, new) at each commit that changed the route, oldest first."""
    shas = world.people.git("log", "--first-parent", "--reverse", "--format=%H", "main", "--", PATH).split()
    found = [WEIGHT.findall(world.people.read(PATH, sha)) for sha in shas]
    return [(int(old), int(new)) for old, new in found]


def steps(world: World) -> list[str]:
    said = world.people.git("log", "--first-parent", "--reverse", "--format=%(trailers:key=Rollback-Step,valueonly)")
    return said.split()


def until_step(world: World, one: Replica, step: str, now: datetime = START) -> None:
    """Tick until this step is on the branch."""
    for _ in range(40):
        one.tick(now)
        if step in steps(world):
            return
        now += TICK
    raise AssertionError(f"no step {step}: {steps(world)}")


def only_record(one: Replica, at: int) -> RollbackRecord:
    (record,) = one.tick(START + at * MINUTE).view.journal.records.values()
    return record


def test_weights_go_down_step_by_step_and_the_revert_comes_last(world: World) -> None:
    one = shifted(world, FOUR_STEPS)

    one.until(START, START + 5 * MINUTE)
    world.metrics.mend("web", START + 5 * MINUTE)
    one.until(START + 5 * MINUTE, START + 12 * MINUTE)

    assert weights(world) == [(40, 60), (50, 50), (75, 25), (90, 10), (100, 0)]
    assert steps(world) == ["1/5", "2/5", "3/5", "4/5", "5/5"]
    assert world.commits()[:5] == [
        'Revert "Ship 1.1"',
        "Roll back web: canary weight 10 -> 0",
        "Roll back web: canary weight 25 -> 10",
        "Roll back web: canary weight 50 -> 25",
        "Roll back web: canary weight 60 -> 50",
    ]
    assert world.people.read(WEB) == deployment("web", "1.0")
    record = only_record(one, 13)
    assert (record.outcome, strategy_of(record)) == ("verified", "canary")
    closing = record.steps[-1].pushed_at
    assert record.times["pushed"] < record.times["restored"] == closing < record.times["synced"]
    assert list(spans(record)) == ["initiation", "trafficRestored", "complete"]
    assert len(set(world.people.git("log", "--format=%(trailers:key=Rollback-Id,valueonly)").split())) == 1


class Worse(MemoryMetrics):
    """What is bad is so by more from an instant on."""

    worse_from: datetime | None = None

    def _value(self, expression: str, at: datetime) -> float:
        value = super()._value(expression, at)
        return 0.9 if value > 0.1 and self.worse_from is not None and at >= self.worse_from else value


@pytest.mark.parametrize("hard", ["the engine", "a trigger"])
def test_a_hard_failure_between_two_steps_jumps_to_the_last(world: World, hard: str) -> None:
    """The weights between are left out: all traffic is off the bad version by the very next commit."""
    world.metrics = metrics = Worse()
    one = shifted(world, FOUR_STEPS)
    until_step(world, one, "1/5")
    now, states = world.clock.at, world.engine.states
    if hard == "a trigger":
        metrics.worse_from = now
    else:
        states["web"] = replace(states["web"], health=Health.DEGRADED)
    until_step(world, one, "4/5", now + TICK)
    states["web"] = replace(states["web"], health=Health.HEALTHY)
    world.metrics.mend("web", world.clock.at)
    one.until(world.clock.at + TICK, world.clock.at + 8 * MINUTE)

    assert weights(world) == [(40, 60), (50, 50), (100, 0)]
    assert steps(world) == ["1/5", "4/5", "5/5"]
    assert world.people.read(WEB) == deployment("web", "1.0")
    record = only_record(one, 20)
    assert record.outcome == "verified"
    jumped = world.people.git("log", "-1", "--format=%B", "main~1")
    assert "it got worse at step 1, so the rest is done at once" in jumped


@pytest.mark.parametrize("journal", ["", "memory"], ids=["in the repository", "elsewhere"])
def test_whoever_comes_next_goes_on_from_what_the_branch_says(world: World, journal: str) -> None:
    """Each step is pushed by another process on a clone of its own: it knows what git knows."""
    first = shifted(world)
    now = START + MINUTE
    for number, step in enumerate(("1/3", "2/3", "3/3")):
        one = world.replica(f"heir-{number}", journal)
        until_step(world, one, step, now)
        now = world.clock.at
    world.metrics.mend("web", now)
    one.until(now, now + 2 * MINUTE)

    assert weights(world) == FALLING
    assert steps(world) == ["1/3", "2/3", "3/3"]
    assert only_record(one, 8).outcome == "verified"
    assert first.told.messages == []


def test_a_step_whose_push_never_arrived_is_pushed_by_whoever_comes_next(world: World) -> None:
    """A journal elsewhere has the step's record before the branch has its commit."""
    one = shifted(world, CANARY, "memory")
    until_step(world, one, "1/3")
    branch = world.head()
    until_step(world, one, "2/3", world.clock.at)
    memory = People(world.folder / "memory.git")
    memory.git("update-ref", "refs/heads/gitops-rollback-journal", "refs/heads/gitops-rollback-journal~1")
    world.people.git("update-ref", "refs/heads/main", branch)

    heir = world.replica("heir", "memory")
    until_step(world, heir, "2/3", world.clock.at)

    assert weights(world) == FALLING


def test_a_commit_that_the_journal_never_heard_of_is_known_by_what_it_holds(world: World) -> None:
    """The journal's ref may be refused: the rollback is pushed alone, and its process may die then."""
    one = shifted(world)
    until_step(world, one, "1/3")
    journal = world.head("gitops-rollback-journal")
    until_step(world, one, "2/3", world.clock.at)
    world.people.git("update-ref", "refs/heads/gitops-rollback-journal", journal)

    heir = world.replica("heir")
    heir.until(world.clock.at, world.clock.at + 3 * MINUTE)

    assert weights(world) == FALLING
    assert steps(world) == ["1/3", "2/3", "3/3"]
    assert "FieldEdited" not in heir.told.reasons


def test_a_person_who_sets_a_weight_has_the_last_word(world: World) -> None:
    one = shifted(world)
    until_step(world, one, "1/3")
    by_hand = world.people.edit("More again", PATH, "weight: 25 ", "weight: 30 ", world.clock.at)

    one.until(world.clock.at, world.clock.at + 2 * MINUTE)

    assert world.head() == by_hand
    record = only_record(one, 20)
    assert (record.outcome, record.reason) == ("held", "FieldEdited")
    assert "route[1].weight is 30 by now, and not 25 as we left it" in record.message
    assert "2. canary weight 25 -> 0; 3. the revert" in record.message
    assert one.told.reasons.count("FieldEdited") == 1


def test_what_a_person_made_of_a_plan_half_way_is_not_put_back_to_that(world: World) -> None:
    """There the weight was on its way, and nobody meant to stay there."""
    one = shifted(world)
    until_step(world, one, "1/3")
    now = world.clock.at
    world.engine.deploy("web", world.head(), now)
    world.metrics.mend("web", now)
    by_hand = world.people.edit("All of it", PATH, "weight: 25 ", "weight: 100 ", now)
    one.until(now + TICK, now + 12 * MINUTE)
    world.engine.deploy("web", by_hand, now + 12 * MINUTE)
    world.metrics.break_from("web", now + 13 * MINUTE)
    one.until(now + 12 * MINUTE, now + 17 * MINUTE)

    assert world.head() == by_hand
    asked = [message.text for message in one.told.messages if message.event == "suggested"]
    assert len(asked) == 1
    assert "route[1].weight would be 25 again, as rb-" in asked[0]


def test_a_commit_beside_the_steps_is_built_upon(world: World) -> None:
    one = shifted(world)
    until_step(world, one, "1/3")
    world.people.push("Say more", {"README.md": "More\n"}, world.clock.at)

    one.until(world.clock.at, world.clock.at + 3 * MINUTE)

    assert weights(world) == FALLING
    assert world.people.read("README.md") == "More\n"


def test_a_stop_holds_between_two_steps_and_the_way_goes_on_after_it(world: World) -> None:
    one = shifted(world)
    until_step(world, one, "1/3")
    pause = "apiVersion: gitops-rollback.dev/v1alpha1\nkind: RollbackPause\nspec: {all: true}\n"
    world.people.push("Stop", {".gitops-rollback/pause.yaml": pause}, world.clock.at)
    one.until(world.clock.at, world.clock.at + 2 * MINUTE)
    assert steps(world) == ["1/3"]

    world.people.push("Go on", {".gitops-rollback/pause.yaml": None}, world.clock.at)
    one.until(world.clock.at, world.clock.at + 3 * MINUTE)

    assert weights(world) == FALLING


SERVICE = """\
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec:
  selector: {{app: web, slot: {slot}}}   # the active slot
"""
SLOTS = """\
  strategies:
    - name: slot
      match: {fields: [{file: apps/web/service.yaml, field: spec.selector.slot}]}
      type: blue-green
      blueGreen: {workload: {kind: Deployment, namespace: shop, name: web-$SLOT}}
"""
FLAGS = """\
  strategies:
    - name: kill-switch
      match: {paths: ["**/flags.yaml"]}
      type: feature-flag
      featureFlag: {file: apps/web/flags.yaml, field: flags.newCart, to: false}
"""
SLOT_PATH, FLAG_PATH = "apps/web/service.yaml", "apps/web/flags.yaml"


def broken_by(world: World, rules: str, before: dict[str, str], changes: dict[str, str]) -> Replica:
    """One commit with these changes is live, and bad; the text before it is `before`."""
    first = world.first({WEB: deployment("web", "1.0"), f"{POLICIES}/web.yaml": policy("web") + rules, **before})
    world.engine.add("web")
    world.engine.deploy("web", first, START - 60 * MINUTE)
    bad = world.people.push("Ship it", changes, START - MINUTE)
    one = world.replica()
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE)
    return one


class Slots:
    """Shows the workloads of the slots that are there."""

    def __init__(self, *there: str) -> None:
        self.there = there

    def read(self, application: ApplicationState, workload: Workload) -> WorkloadFacts:
        ready = {"replicas": 1, "updatedReplicas": 1, "availableReplicas": 1, "observedGeneration": 1}
        found = {
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"generation": 1, "name": workload.name},
            "spec": {"replicas": 1}, "status": ready,
        }  # fmt: skip
        return WorkloadFacts(found if workload.name in self.there else None)


SWITCHED = (
    {SLOT_PATH: SERVICE.format(slot="blue")},
    {SLOT_PATH: SERVICE.format(slot="green"), WEB: deployment("web", "1.1")},
)


def test_the_active_slot_comes_back_before_the_revert(world: World) -> None:
    world.workloads = Slots("web-blue")
    one = broken_by(world, SLOTS, *SWITCHED)

    until_step(world, one, "1/2")
    assert world.people.read(SLOT_PATH) == SERVICE.format(slot="blue")
    assert world.people.read(WEB) == deployment("web", "1.1")
    world.metrics.mend("web", world.clock.at)
    one.until(world.clock.at, world.clock.at + 3 * MINUTE)

    assert world.commits()[:2] == ['Revert "Ship it"', "Roll back web: active slot green -> blue"]
    assert world.people.read(WEB) == deployment("web", "1.0")
    assert only_record(one, 10).outcome == "verified"


@pytest.mark.parametrize("there", [(), ("web-green",)], ids=["nobody sees any", "the old one is gone"])
def test_a_slot_that_is_not_ready_is_asked_about(world: World, there: tuple[str, ...]) -> None:
    world.workloads = Slots(*there) if there else NOBODY
    one = broken_by(world, SLOTS, *SWITCHED)

    one.until(START, START + 3 * MINUTE)

    assert steps(world) == []
    assert "StrategyUnfit" in one.told.reasons


def flags(word: str) -> str:
    return f"flags:\n  newCart: {word}   # since 2026\n"


@pytest.mark.parametrize(
    ("more", "subjects", "said"),
    [
        ({}, ['Revert "Ship it"'], ["1/1"]),
        (
            {WEB: deployment("web", "1.1")},
            ['Revert "Ship it"', "Roll back web: flag flags.newCart true -> false"],
            ["1/2", "2/2"],
        ),
    ],
    ids=["alone", "with an image"],
)
def test_a_flag_is_set_back_first_and_alone_where_it_is_all(
    world: World, more: dict[str, str], subjects: list[str], said: list[str]
) -> None:
    one = broken_by(world, FLAGS, {FLAG_PATH: flags("false")}, {FLAG_PATH: flags("true"), **more})

    until_step(world, one, said[0])
    assert world.people.read(FLAG_PATH) == flags("false")
    world.metrics.mend("web", world.clock.at)
    one.until(world.clock.at, world.clock.at + 3 * MINUTE)

    assert steps(world) == said
    assert world.commits()[: len(subjects)] == subjects
    assert world.people.read(WEB) == deployment("web", "1.0")
    assert only_record(one, 10).outcome == "verified"


def planned(world: World, more: str) -> list[str]:
    one = shifted(world, more)
    one.tick(START + TICK)
    executor = one.reconciler.executor
    assert isinstance(executor, Executor)
    requests = Requests(one.repo, one.reconciler, executor, one.clock)
    return list(plan_lines(requests.prepare(Wish("web", "ann", "plan")), one.repo))


def test_a_plan_says_its_steps_and_what_they_cost(world: World) -> None:
    lines = planned(world, FOUR_STEPS)

    assert "strategy  weights: 5 commits, each applied before the next" in lines
    assert "step      2/5 canary weight 50 -> 25" in lines
    assert "step      5/5 the revert" in lines
    assert "costs     4 more pushes and syncs than a plain revert, and at least 1m of pauses" in lines
    assert not [line for line in lines if line.startswith("could be")]


AUTO = CANARY.replace("canary:\n", "canary:\n        mode: auto\n")


def test_auto_is_the_plain_revert_until_both_ways_were_measured(world: World) -> None:
    lines = planned(world, AUTO)

    assert not [line for line in lines if line.startswith("step ")]
    (said,) = [line for line in lines if "not measured yet" in line]
    assert "weights: the plain revert: how long a plain revert takes here was not measured yet" in said


def test_a_plan_says_which_weights_no_strategy_sets(world: World) -> None:
    found = [line for line in planned(world, "") if line.startswith("could be")]

    field = f"{PATH}: spec.http[0].route"
    assert found == [
        f"could be  canary: {field}[0].weight is 40 (Istio)",
        f"could be  canary: {field}[1].weight is 60 (Istio)",
    ]


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ("  guards: [{name: routes, type: paths, paths: ['**/route.yaml'], result: ask}]\n", "ProtectedPath"),
        ("", "StrategyUnfit"),
    ],
    ids=["a guard names it", "another application's"],
)
def test_what_a_step_edits_is_judged_by_the_guards(world: World, more: str, reason: str) -> None:
    rules = CANARY + more if more else CANARY.replace(PATH, "apps/other/route.yaml")
    one = shifted(world, rules)

    one.until(START, START + 3 * MINUTE)

    assert steps(world) == []
    assert reason in one.told.reasons


@pytest.mark.parametrize("owner", [("argoproj.io", "Rollout"), ("flagger.app", "Canary")])
def test_weights_that_a_controller_moves_are_not_edited(world: World, owner: tuple[str, str]) -> None:
    one = shifted(world)
    resource = ResourceStatus(*owner, "shop", "web", SyncStatus.SYNCED)
    world.engine.states["web"] = replace(world.engine.states["web"], resources=(resource,))

    one.until(START, START + 3 * MINUTE)

    assert steps(world) == []
    assert "StrategyUnfit" in one.told.reasons
