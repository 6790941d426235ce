"""Who calls whom in a simulated world, by what the files say: an API that one application brings and another calls.

Policies say who depends on whom; whether an application finds what it calls is a matter of contents alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from gitops_rollback.sandbox.simulation.events import Rollback, Stepped
from gitops_rollback.sandbox.simulation.files import config
from gitops_rollback.sandbox.simulation.objects import Objects
from gitops_rollback.sandbox.simulation.truth import Truth

TWO_NEEDS = 0.3  # of the applications need two others
NEEDS_NONE = 0.1
IN_A_CHAIN = 0.6  # of those that need one need the one before them
PATIENCE = timedelta(seconds=100)  # what calls an API waits for it that long
FOR_LONG = 7200.0  # seconds: longer than a world lives
_LEVEL = re.compile(rb'LEVEL: "api(\d+)"')

Needs = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Broke:
    """An application does badly since `at`, for nothing but that a rollback took back what it needs."""

    at: datetime
    name: str
    rollback: Rollback
    seconds: float


def needs_of(names: Sequence[str], random: Random) -> Needs:
    """Whom each application needs, by the word of the policies: nobody in a circle, and the last one nobody."""
    found: dict[str, tuple[str, ...]] = {}
    for at, name in enumerate(names[1:-1], start=1):
        count = 0 if random.random() < NEEDS_NONE else 2 if at > 1 and random.random() < TWO_NEEDS else 1
        chosen = random.sample(names[:at], count)
        found[name] = (names[at - 1],) if count == 1 and random.random() < IN_A_CHAIN else tuple(sorted(chosen))
    return {name: needed for name, needed in found.items() if needed}


def cascade_rules(random: Random) -> tuple[int | None, str]:
    """How deep a policy lets a cascade go, None where it has no word on them; and its words."""
    depth = random.choice((None, 0, 1, 1, 2, 2, 2, 3, 3, 3))
    result = random.choice(("ask", "ask", "deny"))
    return depth, "" if depth is None else f"\n  cascade: {{maxDepth: {depth}, result: {result}}}"


def api_file(name: str) -> str:
    """Where it says which API it brings."""
    return f"apps/{name}/api.yaml"


def calls_file(name: str, other: str) -> str:
    """Where it says which API of the other one it calls."""
    return f"apps/{name}/calls-{other}.yaml"


def brings(name: str, level: int) -> bytes:
    """The content of its file."""
    return config(f"{name}-api", f"api{level}")


def level_of(objects: Objects, treeish: str, path: str) -> int:
    """The API that a file brings or calls; 0: any will do."""
    return level_in(objects, objects.entry(treeish, path))


def level_in(objects: Objects, blob: str | None) -> int:
    """The same of a content, None for no file."""
    found = _LEVEL.search(objects.blobs[blob]) if blob is not None else None
    return int(found[1]) if found else 0


def misses(objects: Objects, needs: Needs, name: str, treeish: str) -> frozenset[str]:
    """Of those that it needs by its policy: who does not bring what it calls, as the branch stands there."""
    return frozenset(
        other
        for other in needs.get(name, ())
        if level_of(objects, treeish, calls_file(name, other)) > level_of(objects, treeish, api_file(other))
    )


def lacks(truth: Truth, needs: Needs, name: str, at: datetime) -> bool:
    """It runs, and has waited too long for something that it calls, in the version that it needs."""
    ran = truth.at(name, at)
    for other in needs.get(name, ()) if ran is not None else ():
        there = truth.at(other, at)
        wants = level_of(truth.objects, ran.revision, calls_file(name, other)) if ran is not None else 0
        if not wants or ran is None or there is None or at - max(ran.at, there.at) < PATIENCE:
            continue
        if level_of(truth.objects, there.revision, api_file(other)) < wants:
            return True
    return False


def ways(needs: Needs, name: str, goal: str, through: frozenset[str]) -> Iterator[int]:
    """How many steps each way takes from an application to one that it needs, by way of those `through` alone."""
    for other in needs.get(name, ()):
        if other == goal:
            yield 1
        elif other in through:
            yield from (1 + more for more in ways(needs, other, goal, through))


def carried_by(truth: Truth, names: Sequence[str], commit: Rollback | Stepped) -> frozenset[str]:
    """The applications that one commit takes back for the sake of what its rollback is about."""
    plan = commit.rollback if isinstance(commit, Stepped) else commit
    return frozenset(
        name for name in names if name not in plan.applications and truth.own_paths(name, commit.commit.paths)
    )
