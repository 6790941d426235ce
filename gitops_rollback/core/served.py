"""Which versions of the API come back with a plan, and are named by nothing that it changes as that is now?

Kubernetes stops to serve old versions, and a cluster may have been upgraded since a commit: an object of a version
that is gone can be applied by no engine.
Source: Kubernetes docs, Deprecated API Migration Guide.
"""

from __future__ import annotations

from collections.abc import Iterable

from gitops_rollback.core.manifest import MANIFESTS, objects

OURS = "gitops-rollback.dev"  # files that people and we write; no cluster has to know them

Version = tuple[str, str]  # apiVersion and kind


def versions_coming_back(files: Iterable[tuple[str, bytes | None, bytes | None]]) -> tuple[Version, ...]:
    """Those of the plan's result that its base does not name, sorted; what cannot be read names none.

    `files` are paths with the contents before and after the plan, None for an absent side.
    """
    before: set[Version] = set()
    after: set[Version] = set()
    for path, old, new in files:
        before |= _versions(path, old)
        after |= _versions(path, new)
    return tuple(sorted(after - before))


def _versions(path: str, content: bytes | None) -> set[Version]:
    found = objects(content, path) if content is not None and path.endswith(MANIFESTS) else ()
    named = ((str(one.document.get("apiVersion")), one.kind, one.group) for one in found or ())
    return {(version, kind) for version, kind, group in named if group != OURS}
