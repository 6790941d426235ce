"""Do targets of one policy need each other in a circle? Then no order exists in which they could go back."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence

from gitops_rollback.adapters.policies.rules_shape import Found
from gitops_rollback.adapters.policies.view import View
from gitops_rollback.core.faults import shown

Needs = Mapping[str, Sequence[str]]  # of each target by name: the names that its `dependsOn` holds


def dependency_faults(spec: View) -> Iterator[Found]:
    """One fault a circle, at the `dependsOn` of the first target in it; a name of another policy ends the walk."""
    targets = {target.at("name").text or "": target for target in spec.at("targets").items}
    needs = {name: [one.text or "" for one in target.at("dependsOn").items] for name, target in targets.items()}
    told: set[str] = set()
    for name, target in targets.items():
        circle = () if name in told else _circle(name, needs)
        if circle:
            told.update(circle)
            way = " -> ".join(shown(one) for one in circle)
            yield target.key_mark("dependsOn"), f"targets need each other: {way}", "remove one of these `dependsOn`"


def _circle(start: str, needs: Needs) -> tuple[str, ...]:
    """The shortest way from `start` back to it, both ends named; () if there is none."""
    came_from: dict[str, str] = {}
    waiting = deque([start])
    while waiting:
        one = waiting.popleft()
        for needed in needs.get(one, ()):
            if needed == start:
                return (*_way(start, one, came_from), start)
            if needed not in came_from:
                came_from[needed] = one
                waiting.append(needed)
    return ()


def _way(start: str, end: str, came_from: Mapping[str, str]) -> tuple[str, ...]:
    way = [end]
    while way[-1] != start:
        way.append(came_from[way[-1]])
    return tuple(reversed(way))
