"""Plants a fault in a copy of the product, and asks in how many simulated worlds a broken promise gives it away.

Each fault is one patch in `planted/`, numbered as the list in reliability.md section 8; those from 29 on are there so
that each promise has one. A patch begins with a header of `Key: value` lines, then comes a plain unified diff:

    Bug       what is wrong, in words
    Promises  the numbers of those that it breaks, any of which counts
    Scenario  where it is looked for: one of the memory's, or `wire`
    Start     the first seed of the quick search, just before one that finds it
    Within    how many seeds the quick search may take from there

A world that does not come to rest breaks promise 16, but many faults leave one restless by accident: that says that
something is wrong, not what. So it gives away only a fault that is there to break promise 16.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATCHES = Path(__file__).resolve().parent / "planted"
NOT_BUILT: dict[int, str] = {}  # of the list, those whose feature is still to come
BROKEN = re.compile(r"seed (?P<seed>\d+): promise \(?(?P<promise>\d+)\)? ")
WIRE = "wire"  # instead of a scenario
AT_REST = "(when faults stop"
STABLE = "16"  # the promise that is broken then


class PatchStale(AssertionError):
    """The product has changed where the fault was planted."""


@dataclass(frozen=True)
class Planted:
    """One fault, as its patch tells it."""

    number: int
    name: str
    bug: str
    promises: tuple[str, ...]
    scenario: str
    start: int
    within: int
    patch: Path


@dataclass(frozen=True)
class Search:
    """How a search ended. `seeds` were tried; `line` is what the last one told, "" where none was found."""

    seeds: int
    line: str = ""

    @property
    def found(self) -> bool:
        """A world broke one of the promises."""
        return bool(self.line)


def planted() -> tuple[Planted, ...]:
    """All faults, by number."""
    return tuple(_read(patch) for patch in sorted(PATCHES.glob("*.patch")))


def _read(patch: Path) -> Planted:
    header = patch.read_text(encoding="utf-8").split("\n\n", 1)[0]
    said = dict(line.split(": ", 1) for line in header.splitlines())
    number, name = patch.stem.split("-", 1)
    promises = tuple(said["Promises"].split(", "))
    return Planted(
        int(number), name, said["Bug"], promises, said["Scenario"], int(said["Start"]), int(said["Within"]), patch
    )


@contextmanager
def planted_copy(bug: Planted) -> Iterator[Path]:
    """A folder with a copy of the product that has the fault. Raises: PatchStale."""
    with tempfile.TemporaryDirectory(prefix="planted-") as name:
        folder = Path(name)
        shutil.copytree(ROOT / "gitops_rollback", folder / "gitops_rollback")
        environment = {**os.environ, "GIT_CEILING_DIRECTORIES": str(folder.parent)}
        command = ["git", "apply", "--whitespace=nowarn", str(bug.patch)]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise PatchStale(f"this patch no longer applies: renew it ({bug.patch.name}: {done.stderr.strip()})")
        yield folder


def search(bug: Planted, start: int, seeds: int) -> Search:
    """Run worlds of the faulty copy until one breaks a promise that the fault is known to break. Raises: PatchStale."""
    where = ("--mode", WIRE) if bug.scenario == WIRE else ("--scenario", bug.scenario)
    options = ["--seeds", str(seeds), "--from", str(start), *where, "--jobs", "1"]
    with planted_copy(bug) as folder:
        environment = {**os.environ, "PYTHONPATH": str(folder)}
        command = [sys.executable, "-m", "gitops_rollback", "simulate", *options]
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        with process:
            try:
                return _watch(process, bug, start, seeds)
            finally:
                process.kill()


def _watch(process: subprocess.Popen[str], bug: Planted, start: int, seeds: int) -> Search:
    last = ""
    for line in process.stdout or ():
        last = line.strip() or last
        broken = BROKEN.match(line)
        counts = broken is not None and broken["promise"] in bug.promises
        if broken and counts and (AT_REST not in line or STABLE in bug.promises):
            return Search(int(broken["seed"]) - start + 1, line.strip())
    if " seeds, " not in last:
        raise AssertionError(f"the simulation of {bug.patch.name} ended early: {last}")
    return Search(seeds)
