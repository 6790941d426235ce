"""Which applications apply the same directory to the same place? Neither says then what the other one will do next.

Told by what both manage, where both engines show that; else by the directory alone, which two applications of one
engine may share if they render it with other settings. Source: reliability.md, F18.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations

from gitops_rollback.core.sync import ApplicationState, Source

_THIS_CLUSTER = frozenset({"", "in-cluster", "https://kubernetes.default.svc"})

Applied = tuple[ApplicationState, tuple[Source, ...]]  # with its sources in our repository


def claimed_twice(applications: Iterable[Applied]) -> Mapping[str, tuple[str, ...]]:
    """By full name, the full names of those that claim what it applies; only applications that share anything."""
    places: dict[tuple[str, str, str], list[tuple[ApplicationState, Source]]] = {}
    for state, sources in applications:
        for source in sources:
            cluster = "" if state.destination in _THIS_CLUSTER else state.destination
            place = (cluster, state.namespace, source.path.strip("/").removeprefix("./"))
            places.setdefault(place, []).append((state, source))
    found: dict[str, set[str]] = {}
    for shared in places.values():
        for one, other in _pairs(shared):
            found.setdefault(str(one.id), set()).add(str(other.id))
            found.setdefault(str(other.id), set()).add(str(one.id))
    return {name: tuple(sorted(others)) for name, others in found.items()}


def _pairs(shared: list[tuple[ApplicationState, Source]]) -> Iterator[tuple[ApplicationState, ApplicationState]]:
    for (one, mine), (other, theirs) in combinations(shared, 2):
        if one.id != other.id and not one.deleting and not other.deleting and _collide(one, mine, other, theirs):
            yield one, other


def _collide(one: ApplicationState, mine: Source, other: ApplicationState, theirs: Source) -> bool:
    if one.resources and other.resources:
        return not {each.key for each in one.resources}.isdisjoint(each.key for each in other.resources)
    if "HelmRelease" in (one.id.kind, other.id.kind):
        return False  # a chart's objects bear the name of the release
    same_settings = (mine.parameters, mine.value_files) == (theirs.parameters, theirs.value_files)
    return same_settings or one.id.instance != other.id.instance
