"""Runs seeds: builds each world, lets it live, brings it to rest, and tells which promise broke and how to see it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from multiprocessing import get_context
from random import Random

from gitops_rollback.core.how_many import how_many
from gitops_rollback.sandbox.simulation.actors import DEVELOPER, OTHERS
from gitops_rollback.sandbox.simulation.beginnings import more_files, provide, with_more
from gitops_rollback.sandbox.simulation.determinism import guarded, uncollected
from gitops_rollback.sandbox.simulation.files import (
    BASE_FILE,
    FLEET_FILE,
    POISON,
    POISON_POLICIES,
    POLICIES,
    SELECTS_NOTHING,
    PolicyText,
    deployment,
    first_files,
    fleet_values,
    image_mark,
    overlay,
)
from gitops_rollback.sandbox.simulation.flux.images import OLDEST
from gitops_rollback.sandbox.simulation.log import listening
from gitops_rollback.sandbox.simulation.points import deadly
from gitops_rollback.sandbox.simulation.promises import PROMISES
from gitops_rollback.sandbox.simulation.remote import JOURNAL, MAIN
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.rest import at_rest, held_between, unsettled
from gitops_rollback.sandbox.simulation.scenarios import setup_of
from gitops_rollback.sandbox.simulation.schedule import START
from gitops_rollback.sandbox.simulation.setup import Smaller
from gitops_rollback.sandbox.simulation.traffic import first_traffic, rules
from gitops_rollback.sandbox.simulation.world import OURS, PERSON, Violation, World

SLICE = timedelta(seconds=30)
DEADLINE = timedelta(minutes=30)
STILL = timedelta(minutes=2)
LAST_WORD = timedelta(minutes=45)  # a last rollback, its watch of ten minutes, and a batch of the journal
SILENCE = timedelta(minutes=12)  # longer than a batch waits
LISTENED_TO = 8  # one world of so many is listened to for so long
AT_REST = "16 (when faults stop each application is verified, or held and paged)"
LIVED = timedelta(hours=3)
SHOWN_LINES = 120
NOTHING_LESS = Smaller()


@dataclass(frozen=True)
class Result:
    """How one seed ended. `trace` is the hash of all that happened."""

    seed: int
    scenario: str
    trace: str
    rollbacks: int
    verified: int
    violations: tuple[Violation, ...]
    story: tuple[str, ...]
    smaller: Smaller = NOTHING_LESS

    @property
    def again(self) -> str:
        """The command that shows this world again."""
        return f"gitops-rollback simulate --seeds 1 --from {self.seed} --scenario {self.scenario}{self.smaller.flags}"


def simulate(
    seeds: int, start: int = 0, scenario: str = "all", jobs: int = 1, smaller: Smaller = NOTHING_LESS
) -> Iterator[Result]:
    """One result for each seed, in order; several processes share the seeds out among them."""
    numbers = range(start, start + seeds)
    if jobs < 2 or seeds < 2:
        yield from (run(seed, scenario, smaller) for seed in numbers)
        return
    with get_context("spawn").Pool(min(jobs, seeds)) as pool:
        yield from pool.imap(partial(run, scenario=scenario, smaller=smaller), numbers, chunksize=2)


def run(seed: int, scenario: str = "all", smaller: Smaller = NOTHING_LESS) -> Result:
    """One world from its first commit to its rest. Raises: NotDeterministic."""
    with guarded(), uncollected():
        world = build(seed, scenario, smaller)
        with listening(world.logged), deadly(world):
            try:
                _live(world)
            finally:
                world.schedule.close()
    verified = sum(record["outcome"] == "verified" for record in world.records.values())
    story = tuple(str(line) for line in world.story.lines)
    return Result(
        seed, scenario, world.story.trace, len(world.carried), verified, tuple(world.violations), story, smaller
    )


def _live(world: World) -> None:
    replicas = [Replica(f"controller-{n + 1}", world) for n in range(world.setup.replicas)]
    DEVELOPER(world, replicas)
    for name in sorted(world.setup.actors):
        OTHERS[name].begin(world, replicas)
    end = START + timedelta(seconds=world.setup.lasts)
    while world.now < end and not world.violations:
        world.schedule.run_until(min(world.now + SLICE, end))
    _come_to_rest(world)


def build(seed: int, scenario: str, smaller: Smaller = NOTHING_LESS) -> World:
    """The world before anybody acts: applications that have been running well for hours, each with its policy."""
    world = World(seed, setup_of(seed, scenario, smaller))
    world.judge = lambda: judge(world)
    random, setup = world.random("build"), world.setup
    files = dict(first_files((*setup.names, POISON))) | more_files(world)
    for name in setup.names:
        policy = PolicyText(name, hold=random.choice((30, 60)), health=name in setup.health, engine=setup.engine)
        policy = with_more(replace(policy, promotes=setup.promotes), world)
        policy = policy.disarmed("severity") if name in setup.tame else policy
        if setup.forge:
            policy = _by_forge(policy, world.random(f"delivery of {name}"))
        if name in setup.staged:
            steered = world.random(f"strategy of {name}")
            policy = replace(policy, strategies=rules(setup.strategy, name, steered))
            files |= first_traffic(setup.strategy, name, steered.choice((100, 100, 20, 7)))
        if name in setup.automated:
            policy = replace(policy, automation="hold" if name in setup.holding else "ask")
        if name not in setup.unwatched:
            files[policy.path] = world.put(policy)
    if setup.fleet:
        files[FLEET_FILE] = fleet_values("1.0")
        world.truth.shared |= dict.fromkeys(setup.fleet, FLEET_FILE)
    files |= {f"apps/{name}/deployment.yaml": deployment(name, OLDEST, image_mark(name)) for name in setup.automated}
    for name in setup.overlays:
        files |= overlay(name)
        world.truth.shared[name] = BASE_FILE
    files[f"{POLICIES}/{POISON}.yaml"] = world.put(PolicyText(POISON, engine=setup.engine))
    poison = random.choice(POISON_POLICIES)
    files[f"{POLICIES}/broken.yaml"] = SELECTS_NOTHING if setup.unwatched else poison
    tree = world.objects.with_files(None, files)
    if setup.forge and setup.forge_rules.protected:
        world.remote.barred[MAIN] = OURS, "protected branch hook declined"
    world.remote.force("developer", MAIN, world.objects.commit(tree, (), PERSON, "First", START - LIVED))
    world.cluster.start((*setup.names, POISON), setup.manual, world.head, START - LIVED)
    provide(world)
    if world.cluster.databases is not None:
        world.databases.start(setup.staged, world.head, START - LIVED)
    who = f"{how_many(len(setup.names), 'application')}, {how_many(setup.replicas, 'controller')}"
    others = ", ".join(sorted(setup.actors)) or "nobody else"
    world.tell("world", f"seed {seed}: {who}, {others}; {setup.rates}")
    world.news.clear()
    return world


def _by_forge(policy: PolicyText, random: Random) -> PolicyText:
    """Most rollbacks wait as pull requests; some policies only suggest, some let nobody but a person merge."""
    policy = policy.disarmed("severity") if random.random() < 0.2 else policy
    way = random.choice(("merge", "squash", "rebase"))
    return replace(policy, merges=way, opens=random.random() < 0.6, by_itself=random.random() < 0.7)


def judge(world: World) -> None:
    """Check all promises against what is new; the first event that breaks one is enough, with all that it breaks."""
    news, world.news = world.news, []
    for event in news:
        if world.violations:
            return
        for promise in PROMISES:
            for text in promise.check(world, event) if promise.check is not None else ():
                world.broken(str(promise), text)


def _come_to_rest(world: World) -> None:
    """Faults stop; then everything is verified, or held and paged, and writing stops."""
    world.calm = True
    world.setup.rates.calm()
    for act in world.at_calm:
        act()
    world.tell("world", "comes to rest: no more faults, nobody acts")
    end = world.now + DEADLINE
    still_since, writes = world.now, -1
    while world.now < end and not world.violations and world.now - still_since < STILL:
        world.schedule.run_until(world.now + SLICE)
        if len(world.carried) != writes or not at_rest(world):
            still_since, writes = world.now, len(world.carried)
    if not world.violations and world.now - still_since < STILL:
        late = ["the last rollback came only now"] if at_rest(world) else []
        for text in [*unsettled(world)] or late:
            world.broken(AT_REST, text)
    if world.seed % LISTENED_TO == 0 and not world.violations:
        _fall_silent(world, end - DEADLINE)
    for promise in PROMISES:
        if promise.at_end is not None and not world.violations:
            for text in promise.at_end(world):
                world.broken(str(promise), text)


def _fall_silent(world: World, since: datetime) -> None:
    """In the end nothing is written any more, and nobody is told anything but where a plan waits between two steps.

    A watch of before the world began may end in between, hours after its sync, which is noted once.
    """
    world.schedule.run_until(since + LAST_WORD)
    refs, messages = dict(world.remote.refs), len(world.messages)
    world.schedule.run_until(world.now + SILENCE)
    if refs != dict(world.remote.refs):
        refs = dict(world.remote.refs)
        world.schedule.run_until(world.now + SILENCE)
    if world.violations:
        return
    waiting = held_between(world)
    for ref, head in world.remote.refs.items():
        if refs.get(ref) != head and not (ref == JOURNAL and waiting):
            world.broken(AT_REST, f"{ref} is still written to, {LAST_WORD} after the faults have stopped")
    for said in (one for one in world.messages[messages:] if one.message.rollback_id not in waiting):
        world.broken(AT_REST, f"people are still told things: {said.message.title}")
    for text in unsettled(world):
        world.broken(AT_REST, text)


def told(result: Result) -> str:
    """A failed seed for people: the story's end, the promise, and the command."""
    lines = list(result.story[-SHOWN_LINES:])
    lines += [f"seed {result.seed}: promise {one.promise}: {one.text}" for one in result.violations]
    return "\n".join([*lines, f"see it again: {result.again}"])
