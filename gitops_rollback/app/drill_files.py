"""Which files may a drill break? Those that the drilled application renders from, and nobody else does."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence

from gitops_rollback.app.directory import Fed, Listing
from gitops_rollback.core.breaking import Break, Wound, wounded
from gitops_rollback.core.commit import REGULAR_MODE
from gitops_rollback.core.errors import Reason, StalledError
from gitops_rollback.core.manifest import KUSTOMIZATION_NAMES, MANIFESTS
from gitops_rollback.core.paths import is_bystander
from gitops_rollback.core.policy import Target
from gitops_rollback.ports import ConfigRepo

MOST_FILES = 300
MOST_BYTES = 1 << 20


def wound_of(
    repo: ConfigRepo, listing: Listing, application: str, target: Target, head: str, how: Break, identity: str
) -> Wound:
    """The edit that breaks it. Raises: StalledError `Drill` where there is none that would harm nobody else."""
    drilled = next((fed for fed in listing.fed if fed.name == application), None)
    if drilled is None:
        raise StalledError(application, "no engine shows it now", Reason.DRILL)
    others = [fed for fed in listing.fed if fed.name != application]
    own: list[tuple[str, bytes]] = []
    shared: list[tuple[str, bytes]] = []
    for path, blob in _inputs(repo, drilled, head):
        try:
            content = repo.read(blob, MOST_BYTES)
        except StalledError:
            continue  # larger than any manifest
        (shared if _read_by_others(path, drilled, others, head) else own).append((path, content))
    wound, why = wounded(own, shared, target.workload, how, identity)
    if wound is None:
        raise StalledError(application, why, Reason.DRILL)
    return wound


def _inputs(repo: ConfigRepo, drilled: Fed, head: str) -> Iterator[tuple[str, str]]:
    listed = [one for one in repo.files(head) if one.mode == REGULAR_MODE and _may_be_manifest(one.path)]
    found = [one for one in listed if drilled.touches((one.path,), head)]
    if len(found) > MOST_FILES:
        raise StalledError(
            drilled.name, f"it renders from more than {MOST_FILES} files: narrow its `paths`", Reason.DRILL
        )
    return ((one.path, one.blob) for one in found)


def _may_be_manifest(path: str) -> bool:
    named = path.endswith(MANIFESTS) or posixpath.basename(path) in KUSTOMIZATION_NAMES
    return named and not is_bystander(path)


def _read_by_others(path: str, drilled: Fed, others: Sequence[Fed], head: str) -> bool:
    """What lies outside of its own folders is another one's too, where nobody can tell all that those read."""
    if any(other.touches((path,), head) for other in others):
        return True
    return path not in drilled.rendered and any(other.reads(head).doubt for other in others)
