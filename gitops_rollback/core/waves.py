"""Which Applications of an app-of-apps come before which? From what each child itself bears, as a list shows it.

A child says in which wave it is, and its parent wrote on it whose it is. A parent applies a wave only once the earlier
ones are Healthy, so a child needs those. Children of different parents know nothing of each other.
Source: argo-cd docs/user-guide/sync-waves.md and resource_tracking.md (v3.0): `<parent>:<group>/<kind>:<ns>/<name>`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from gitops_rollback.core.sync import ApplicationState

WAVE = "argocd.argoproj.io/sync-wave"
TRACKED = "argocd.argoproj.io/tracking-id"
LABEL = "app.kubernetes.io/instance"  # how Argo CD 2 tracks, unless it is told otherwise
KIND = "Application"


def needs_by_waves(states: Iterable[ApplicationState]) -> Iterator[tuple[str, str]]:
    """(application, one that comes before it), by full names."""
    families: dict[tuple[str, str], list[tuple[int, str]]] = defaultdict(list)
    for state in states:
        parent = parent_of(state)
        if parent:
            families[state.id.instance, parent].append((wave_of(state.annotations), str(state.id)))
    for children in families.values():
        yield from ((name, other) for wave, name in children for earlier, other in children if earlier < wave)


def parent_of(state: ApplicationState) -> str:
    """The name of the Application that applies this one; "" where none is known to do so.

    A copied manifest bears the words of what it was copied from: those do not count.
    """
    if state.id.kind != KIND:
        return ""
    parent, _, tracked = state.annotations.get(TRACKED, "").partition(":")
    if tracked == f"argoproj.io/{KIND}:{state.id.short}":
        return parent
    labelled = state.labels.get(LABEL, "")
    return "" if labelled == state.id.name else labelled


def wave_of(annotations: Mapping[str, str]) -> int:
    """0 where none is written, or what is written is no number, as Argo CD has it."""
    try:
        return int(annotations.get(WAVE, "0"))
    except ValueError:
        return 0
