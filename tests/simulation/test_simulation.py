"""Whole worlds in memory: the real controller keeps its promises in them, and each world can be told again."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest
from click.testing import CliRunner

import gitops_rollback.sandbox.simulation
from gitops_rollback.app import reconciler, view
from gitops_rollback.app.workers import SideBySide
from gitops_rollback.cli.main import cli
from gitops_rollback.sandbox.simulation.actors import OTHERS
from gitops_rollback.sandbox.simulation.actors.actor import Actor
from gitops_rollback.sandbox.simulation.determinism import NotDeterministic
from gitops_rollback.sandbox.simulation.promises import PROMISES
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.running import run, simulate, told
from gitops_rollback.sandbox.simulation.scenarios import SCENARIOS
from gitops_rollback.sandbox.simulation.schedule import START, Lock, Schedule
from gitops_rollback.sandbox.simulation.shrinking import shrunk

ROOT = Path(__file__).parents[2]
DESIGN = {str(number) for number in range(1, 22)}

# How many of each kind; fewer worlds of those that take long, and of crowds one that is soon at rest.
SEEDS = dict.fromkeys(sorted(set(SCENARIOS) - {"all"}), range(4))
SEEDS |= dict.fromkeys(("forks", "next-plans", "on-top"), range(1))
SEEDS |= dict.fromkeys(("weights", "slots", "flags", "migration", "busy", "race", "pipelined"), range(2))
SEEDS |= {"crowd": range(1, 2), "fleet": range(3, 4), "cascade": range(2), "infrastructure": range(2)}
# Worlds in which something went wrong once: (scenario, seed) -> what it was.
REGRESSIONS = {
    ("race", 59): "a plan of a look that came late was pushed on the head of an earlier tick",
    ("blind", 40136): "a look that came late was acted on, though a newer one had found no data",
    ("zombie", 40007): "a stop that was read while the journal was written held nobody",
    ("zombie", 40131): "what was quiet when the process stood still was called verified when it went on",
    ("zone", 50039): "an outage that came back within minutes was taken for an old trouble, and a commit was blamed",
    ("fleet", 400008): "a look at thirty applications took longer than it was good for, and no deadline was ever seen",
    ("region", 400097): "the branch had our commit by another replica; its journal's refusal was taken for success",
    ("people", 400118): "a commit whose journal was refused went alone, past a stop that had been read meanwhile",
    ("all", 60165): "a quiet tick within a `for` was not answered, and nobody read it back before a rollback",
    ("all", 103600): "a rollback for an incident was booked on applications that a person had put back already",
    ("regretted", 500122): "what was taken back to a state that had been landed again passed for known ground",
    ("zombie", 500057): "a rollback went without its record, though the journal took entries again",
    ("all", 40121): "a region was out behind a metric source that was down, and a commit was blamed",
    ("mid-push", 60029): "a verification was checked as of the word of a clock that was wrong",
    ("all", 100178): "a page about a newer deployment was dropped while an older plan waited for a word",
    ("all", 102182): "the engine did not follow what a person had taken back, and nobody was told",
    ("region", 0): "a fault began under a sync that the engine no longer told, and nobody was told",
    ("all", 3854): "a rollback by one application's policy was judged by that of another one that it joined",
    ("all", 4114): "a sync that another replica asked for was forgotten when the engine showed an older state",
    ("all", 4177): "applications that one rollback had just dealt with were counted as so many events of their own",
    ("all", 4584): "a sync was asked for on a look that a newer word of the engine overtook, which nobody can help",
    ("all", 5299): "a look that came too late to tell what it had seen counted as the last one that was needed",
    ("all", 6043): "an older state that the engine showed late was taken for its newest word",
    ("all", 7435): "an outage that followed a minute of quiet was taken for an old trouble, and a commit was blamed",
    ("all", 600096): "a clock was set back an hour, and the calm that it had begun ahead was waited for until then",
    ("all", 200338): "a clock was an hour ahead, so no metrics were there, and an outage went for one commit's damage",
    ("all", 200657): "what no policy names was counted among those that are red, though nobody can know",
    ("all", 202821): "a fault that people knew went away with the next sync and came back, and nobody was told",
    ("overlays", 930016): "the first policy that there was did not say by its window how far back the blame reaches",
    ("mid-push", 60032): "faults that began during a mass event were named to nobody once it was over",
    ("all", 60388): "what a person had left of a bad release's commit, its policy, was undone as a rollback of its own",
    ("fleet", 60009): "of two controllers one synced again what the other one had synced just before",
    ("mid-push", 3): "who was cured and red again was left out of a mass event, which held everything without a page",
    ("flux", 2044): "a deployment that bore the name of a later commit was taken for one that came after the fault",
    ("flux", 5179): "a comment in a file was taken for a deployment, which Flux does not do",
    ("flux", 12009): "a fault that began under another one was looked for at a later commit with the same content",
    ("forge-points", 12): "a pull request's branch was pushed though the journal had refused its record",
    ("requests", 13): "a request that was merged by rebase, apart from its revert, was taken for something else",
    ("image-automation", 1111): "a wait for health that was tried again was dated by its last try",
    ("pull-request", 99): "of two controllers that made a plan at once, one pushed its head beside that of the other",
    ("forge-points", 61): "a release from before a plan was taken for its landing, since it had left what comes back",
    ("pull-request", 142): "a process stood still in a calm world, and a pull request that was closed was never seen",
    ("requests", 8): "people were told that somebody had pushed what another replica's record did not tell yet",
    ("requests", 34): "a request that was merged when there was nothing to undo took back what came minutes later",
    ("requests", 64): "of a branch that was read alone the journal's newer head was taken, which nobody had asked for",
    ("requests", 79): "who did by hand what a request asks for was taken for its landing, though it was still open",
    ("forks", 74): "what a person had asked for was pushed though something newer had been deployed since the look",
    ("flux", 2147): "a policy that a suspect had brought was held against a rollback that left this suspect alone",
    ("requests", 700043): "a request that a person had closed, after a push of theirs, was opened once more",
    ("all", 13915): "the metrics did not say at once since when several syncs had been bad, and nobody was told",
    ("fleet", 710009): "what another replica had synced was synced again by a look that was eleven seconds old",
    ("forge-points", 457): "who waited for another one's plan was told that it had been rolled back before",
    ("requests", 820000): "a request that was merged before its plan was there kept the controller from acting",
    ("requests", 810011): "what landed just before somebody asked for a rollback was taken back with it",
    ("next-plans", 810014): "a pause was written as if there were none, though the branch of pauses had been read",
    ("next-plans", 710018): "an incident's pull request went by the policy of an application that did not speak for it",
}
REGRESSIONS |= {
    ("weights", 2): "a plan ended between two steps, and people were not told where the branch stood",
    ("weights", 5088): "a process died between writing a mass event and telling it, and no other told it",
    ("overlays", 3000009): "a rollback of a shared base deployed what waited for a person elsewhere",
}
REGRESSIONS |= {
    ("cascade", 16): "a cascade ended half way for a conflict, and people were not told how it ends safely",
    ("cascade", 31): "what another plan was still to take back counted as gone, so what needed it lost it",
    ("cascade", 47): "an application of the culprit's that had changed again since was left without what it called",
    ("migration", 51): "a plain revert ended on a list that half a rollback had left, and ran its Job under traffic",
    ("migration", 910138): "rows were counted before the Job that lost them had ended, and old code came back to them",
    ("migration", 910017): "who suspended the policy with data moved back half way did not hear how it ends safely",
    ("infrastructure", 5): "a step of a cascade went while the run that the one before it had caused was open",
}

# Worlds that break a promise today. Once mended, they move up; `benchmarks/simulation.md` lists them for people.
OPEN: dict[tuple[str, int], str] = {}


def test_five_hundred_worlds_break_no_promise() -> None:
    """With those of each kind, and those that went wrong once."""
    others = len(REGRESSIONS) + sum(map(len, SEEDS.values()))
    results = list(simulate(500 - others, jobs=os.cpu_count() or 1))
    assert not [told(result) for result in results if result.violations]
    # Worlds in which nothing happens prove nothing.
    assert sum(result.rollbacks for result in results) > len(results) // 2
    assert sum(result.verified for result in results) > len(results) * 3 // 10


@pytest.mark.parametrize("scenario", SEEDS)
def test_each_kind_of_world_breaks_no_promise(scenario: str) -> None:
    seeds = [seed for seed in SEEDS[scenario] if (scenario, seed) not in OPEN]
    results = [run(seed, scenario) for seed in seeds]
    assert not [told(result) for result in results if result.violations]


@pytest.mark.parametrize(("scenario", "seed"), REGRESSIONS, ids=lambda value: str(value))
def test_what_went_wrong_once_stays_right(scenario: str, seed: int) -> None:
    result = run(seed, scenario)
    assert not result.violations, told(result)


def test_the_worlds_that_are_listed_as_open_are_so() -> None:
    mended = [(scenario, seed) for scenario, seed in OPEN if not run(seed, scenario).violations]
    assert not mended, "move these to REGRESSIONS, and strike them from simulation.md"


def test_nothing_of_the_product_asks_the_real_world_within_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    real_threads = reconciler.Reconciler.tick

    def tick(self: Any, now: Any) -> Any:
        self.side_by_side = SideBySide[Any, Any](str, lambda *_: None, lambda: 1.0)
        return real_threads(self, now)

    monkeypatch.setattr(reconciler.Reconciler, "tick", tick)
    with pytest.raises(NotDeterministic, match=r"Thread.start|time.monotonic"):
        run(0)
    began = time.monotonic()  # the doors are open again
    assert began <= time.monotonic()


def test_a_kill_leaves_nothing_of_its_process_behind() -> None:
    schedule, done = Schedule(Random(1)), []
    process = schedule.process()

    def waits(name: str) -> None:
        try:
            schedule.sleep(60)
        finally:
            done.append(name)
            schedule.sleep(1)  # a dead process does nothing more
            done.append("never")

    strands = [process.begin(partial(waits, name)) for name in ("one", "two")]
    schedule.after(5, process.kill)
    schedule.run_until(START + timedelta(seconds=10))
    schedule.close()
    assert sorted(done) == ["one", "two"]
    assert all(strand.dead for strand in strands)


def test_who_stands_still_goes_on_as_soon_as_somebody_lets_it() -> None:
    schedule, done = Schedule(Random(1)), []
    process = schedule.process()

    def works() -> None:
        schedule.sleep(10)
        done.append(schedule.now - START)

    process.begin(works)
    process.stand_still(900)
    schedule.run_until(START + timedelta(seconds=60))
    process.stand_up(20)
    schedule.run_until(START + timedelta(seconds=100))
    schedule.close()
    assert done == [timedelta(seconds=90)]


def test_who_waits_for_a_lock_lets_others_go_on() -> None:
    schedule, done = Schedule(Random(1)), []
    process, lock = schedule.process(), Lock(schedule)

    def holds(name: str) -> None:
        with lock, lock:
            done.append(f"{name} in")
            schedule.sleep(5)
            done.append(f"{name} out")

    for name in ("a", "b"):
        process.begin(partial(holds, name))
    process.begin(lambda: done.append("c"))
    schedule.run_until(START + timedelta(seconds=20))
    schedule.close()
    assert done.index("c") < 3
    first = done[0][0] if done[0] != "c" else done[1][0]
    second = "b" if first == "a" else "a"
    assert [word for word in done if word != "c"] == [
        f"{first} in", f"{first} out", f"{second} in", f"{second} out",
    ]  # fmt: skip


def test_a_broken_promise_is_shown_in_a_smaller_world(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view, "load_policies", lambda *_: 1 / 0)
    result = shrunk(run(3, "people"))
    assert result.violations[0].promise.startswith("17 ")
    assert result.smaller.applications == 2
    assert {"reverter", "updater", "editor", "stopper"} <= result.smaller.without
    assert result.again.endswith(result.smaller.flags)
    again = run(result.seed, result.scenario, result.smaller)
    assert again.trace == result.trace


def test_a_broken_promise_is_told_with_its_story_and_the_command_to_see_it_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(view, "load_policies", lambda *_: 1 / 0)
    text = told(run(0))
    assert "controller-1" in text
    assert "promise 17 (one bad input cannot stop or crash the work on the others)" in text
    assert "gitops-rollback simulate --seeds 1 --from 0 --scenario all" in text


@pytest.mark.parametrize("kind", [Actor, Promise])
def test_each_file_of_an_actor_or_a_promise_is_found(kind: type[Actor] | type[Promise]) -> None:
    folder = Path(gitops_rollback.sandbox.simulation.__file__).with_name(f"{kind.__name__.lower()}s")
    held = {path.stem for path in folder.glob("*.py") if f" = {kind.__name__}(" in path.read_text("utf-8")}
    assert {path.stem for path in folder.glob("*.py")} - held <= {"__init__", "actor", "developer", "faults", "promise"}
    found = OTHERS.values() if kind is Actor else PROMISES
    assert len(found) >= len(held) > 20


def test_whoever_may_be_in_a_world_can_be_left_out_by_the_command() -> None:
    result = CliRunner().invoke(
        cli, ["simulate", "--scenario", "flux", "--minutes", "1", "--seeds", "1", *_without(OTHERS)]
    )
    assert result.exit_code == 0, result.output


def _without(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        yield from ("--without", name)


def test_every_promise_has_a_check_that_says_which_one_it_is() -> None:
    assert {promise.number for promise in PROMISES} == DESIGN
    assert all(promise.check or promise.at_end for promise in PROMISES)
