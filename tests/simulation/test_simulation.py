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
from test_regressions import REGRESSIONS

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


def test_the_worlds_that_are_listed_as_open_are_so() -> None:
    mended = [(scenario, seed) for scenario, seed in OPEN if not run(seed, scenario).violations]
    assert not mended, "move these to `REGRESSIONS`, and strike them from simulation.md"


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
