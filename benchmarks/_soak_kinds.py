"""What one seed of each kind of soak is: which rig plays it, and how it is told when a promise broke."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
RIGS = tuple(str(ROOT / "tests" / name) for name in ("e2e", "git", "faults"))

PUSHES = 20  # of one seed
ALL = "all"  # the scenario in which each world is what its seed says
DEATHS = (" is killed ", " dies ")  # as simulated worlds tell of a controller's


@dataclass(frozen=True)
class Played:
    """How one seed ended. `story` is only set where something is `broken`; `labels`: where controllers died."""

    seed: int
    broken: tuple[str, ...] = ()
    story: str = ""
    kills: int = 0
    labels: Mapping[str, int] = field(default_factory=dict)


def play(kind: str, seed: int) -> Played:
    """Play one seed, in this process and in a folder of its own, which stays if something broke."""
    sys.path[:0] = [rig for rig in RIGS if rig not in sys.path]
    folder = Path(tempfile.mkdtemp(prefix=f"soak-{kind}-{seed}-"))
    try:
        played = KINDS[kind](seed, folder)
    except (Exception, pytest.skip.Exception) as error:  # a rig that fails or skips has shown nothing: that is no pass
        played = Played(seed, (f"the rig failed: {type(error).__name__}: {error}",))
    if not played.broken:
        shutil.rmtree(folder, ignore_errors=True)
    return played


def _memory(seed: int, _folder: Path) -> Played:
    return _simulated("gitops_rollback.sandbox.simulation.running", seed)


def _scenarios(seed: int, _folder: Path) -> Played:
    """Each special kind of world in memory in its turn: the ordinary ones have no fleet, no Flux, no Lease."""
    module = "gitops_rollback.sandbox.simulation"
    names = sorted(set(import_module(f"{module}.scenarios").SCENARIOS) - {ALL})
    return _simulated(f"{module}.running", seed // len(names), scenario=names[seed % len(names)])


def _wire(seed: int, _folder: Path) -> Played:
    return _simulated("gitops_rollback.sandbox.simulation.wire.running", seed)


def _simulated(module: str, seed: int, **which: str) -> Played:
    result = import_module(module).run(seed, **which)
    kills = sum(any(words in line for words in DEATHS) for line in result.story)
    if not result.violations:
        return Played(seed, kills=kills)
    told = import_module("gitops_rollback.sandbox.simulation.running").told(result)
    return Played(seed, tuple(f"{one.promise}: {one.text}" for one in result.violations), told, kills)


def _kills(seed: int, folder: Path) -> Played:
    tale = import_module("kill_plans").random_tale(seed)
    killed = import_module("killed_stories").tell_killed(tale, folder / "story")
    labels = {label: killed.hits.count(label) for label in sorted(set(killed.hits))}
    story = killed.explain() if killed.broken else ""
    return Played(seed, killed.broken, story, len(killed.hits), labels)


def _faults(seed: int, folder: Path) -> Played:
    rig = import_module("faults")
    numbers = rig.numbers()
    number = numbers[seed % len(numbers)]
    broken = rig.run_fault(number, folder, seed // len(numbers))
    return Played(seed, broken, f"{number}, its seed {seed // len(numbers)}, in {folder}" if broken else "")


def _pushes(seed: int, folder: Path) -> Played:
    broken = tuple(import_module("ambiguous_pushes").cut_pushes(folder, PUSHES, seed).wrong)
    return Played(seed, broken, f"in {folder}" if broken else "")


KINDS: Mapping[str, Callable[[int, Path], Played]] = {
    "memory": _memory,
    "scenarios": _scenarios,
    "wire": _wire,
    "kills": _kills,
    "faults": _faults,
    "pushes": _pushes,
}
