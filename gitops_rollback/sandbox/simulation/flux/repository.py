"""The config repository as Flux's source-controller reaches it: by one of its addresses, which may fail for a while."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from gitops_rollback.ports import PushOutcome, RefUpdate
from gitops_rollback.sandbox.argocd.repository import RepositoryError
from gitops_rollback.sandbox.simulation.objects import Objects
from gitops_rollback.sandbox.simulation.remote import Remote

AUTOMATION = "image-automation"  # as the story calls it


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


class MemoryBranch:
    """`sandbox.flux.repositories.Branch` of the simulated remote. `tell` is told what lands, and what does not."""

    def __init__(self, remote: Remote, name: str, tell: Callable[[str], None]) -> None:
        self._remote = remote
        self._ref = f"refs/heads/{name}"
        self._tell = tell

    def head(self) -> str:
        """As in `Branch`."""
        return self._remote.refs[self._ref]

    def texts(self, sha: str, under: str) -> Mapping[str, str]:
        """As in `Branch`."""
        tree = MemoryTree(self._remote.objects, sha)
        paths = tree.files("" if under == "." else under)
        return {path: content.decode() for path, content in tree.read(paths).items()}

    def push(self, message: str, files: Mapping[str, str], at: datetime, author: str, base: str) -> str:
        """As in `Branch`."""
        objects = self._remote.objects
        tree = objects.with_files(base, {path: text.encode() for path, text in files.items()})
        sha = objects.commit(tree, (base,), author, message, at)
        outcome = self._remote.receive(AUTOMATION, (RefUpdate(self._ref, sha, base),))[self._ref]
        if outcome is not PushOutcome.LANDED:
            self._tell(f"cannot push {', '.join(files)} ({outcome.value})")
            raise RepositoryError(f"failed to push some refs ({outcome.value})")
        self._tell(f"pushes {sha[:8]}, which writes {', '.join(files)}")
        return sha


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
