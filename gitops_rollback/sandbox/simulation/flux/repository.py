"""The config repository as Flux's source-controller reaches it: by one of its addresses, which may fail for a while."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gitops_rollback.sandbox.argocd.repository import RepositoryError
from gitops_rollback.sandbox.simulation.objects import Objects
from gitops_rollback.sandbox.simulation.remote import Remote


class MemoryRepository:
    """`sandbox.flux.repositories.Repository` of the simulated remote. `failing`: git's words, "" if all is well."""

    def __init__(self, remote: Remote) -> None:
        self.failing = ""
        self._remote = remote

    def resolve(self, revision: str) -> str:
        """As in `Repository`, of the branches alone."""
        if self.failing:
            raise RepositoryError(self.failing)
        found = self._remote.refs.get(f"refs/heads/{revision}")
        if found is None:
            raise RepositoryError(f"unable to resolve '{revision}' to a commit SHA")
        return found

    def tree(self, sha: str) -> MemoryTree:
        """As in `Repository`: what a stored artifact holds, whether or not the remote can be reached."""
        return MemoryTree(self._remote.objects, sha)

    def listing(self, sha: str) -> Sequence[str]:
        """As in `Repository`."""
        return sorted(self._remote.objects.files(sha))

    def blobs(self, sha: str, paths: Sequence[str]) -> dict[str, bytes]:
        """As in `Repository`."""
        objects, files = self._remote.objects, self._remote.objects.files(sha)
        return {path: objects.blobs[files[path]] for path in paths if path in files}


class MemoryTree:
    """`sandbox.rendering.Tree` of one commit."""

    def __init__(self, objects: Objects, sha: str) -> None:
        self._objects = objects
        self._files = objects.files(sha)

    def files(self, under: str) -> Sequence[str]:
        """As in `Tree`."""
        return sorted(path for path in self._files if not under or path.startswith(f"{under}/"))

    def read(self, paths: Sequence[str]) -> Mapping[str, bytes]:
        """As in `Tree`."""
        return {path: self._objects.blobs[self._files[path]] for path in paths if path in self._files}
