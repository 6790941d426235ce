"""Does a project of Argo CD take signed commits only? It knows GnuPG alone; ours bear an SSH signature at most.

Source: argo-cd docs, user-guide, source-integrity-git-gpg (3.5: `spec.sourceIntegrity.git.policies[].gpg.mode`, none,
head or strict) and gpg-verification (before: `spec.signatureKeys`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gitops_rollback.adapters.json_node import Node


def signed_only(projects: Iterable[object]) -> Iterator[str]:
    """A sentence for each project that would refuse a revert of ours."""
    for project in projects:
        root = Node(project)
        modes = [
            one.get("gpg", "mode").text() for one in root.get("spec", "sourceIntegrity", "git", "policies").items()
        ]
        by = "signatureKeys" if [*root.get("spec", "signatureKeys").items()] else ""
        by = "sourceIntegrity" if any(mode not in ("", "none") for mode in modes) else by
        if by:
            name = root.get("metadata", "name").text()
            yield f"its project {name} takes commits with a GnuPG signature only (spec.{by}), and ours have none"
