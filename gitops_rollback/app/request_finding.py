"""Finds the requests among the open pull requests of a forge, and reads their files from git."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from gitops_rollback.adapters.policies.loading import PolicyFile
from gitops_rollback.adapters.requests.reader import ReadRequest, load_request
from gitops_rollback.app.bounded import keep
from gitops_rollback.core.commit import REGULAR_MODE
from gitops_rollback.core.errors import ObjectMissing, StalledError
from gitops_rollback.core.pull_request import PullRequest
from gitops_rollback.core.request import is_request_path
from gitops_rollback.core.written import MAX_BYTES
from gitops_rollback.ports import ConfigRepo, TreeEntry
from gitops_rollback.ports.forge import Forge


@dataclass(frozen=True)
class FoundRequest:
    """One open pull request that holds a request, at the head that both the forge and git have.

    The file of one from a fork is what the forge shows: nothing of it is fetched. `others`: what else it changes.
    """

    pull: PullRequest
    paths: tuple[str, ...]
    others: tuple[str, ...] = ()
    read: ReadRequest | None = None
    text: bytes = b""

    @property
    def path(self) -> str:
        """Of its request; of several the first."""
        return self.paths[0]


@dataclass
class RequestFinder:
    """Memory only spares calls: what a pull request changes is asked once for each head of it."""

    repo: ConfigRepo
    forge: Forge
    _files: dict[int, tuple[str, tuple[tuple[str, bytes], ...]]] = field(default_factory=dict)  # of forks
    _changed: dict[int, tuple[str, tuple[str, ...]]] = field(default_factory=dict)

    def find(self, planned: Callable[[int], Collection[str]]) -> list[FoundRequest]:
        """All of them, the oldest first. `planned` are the paths that we have put on the branch of one ourselves.

        One whose branch git shows otherwise than the forge is left for the next look. Raises: what the forge and git
        raise.
        """
        found: list[FoundRequest] = []
        for pull in sorted(self.forge.open_pull_requests(self.repo.branch), key=lambda one: one.number):
            changed = self._paths(pull)
            paths = tuple(path for path in changed if is_request_path(path))
            if not paths:
                continue
            others = tuple(path for path in changed if path not in paths and path not in planned(pull.number))
            if pull.from_fork:
                found += self._shown(pull, paths, others)
            elif self.repo.has(pull.head_sha) or self.repo.head_of(pull.head) == pull.head_sha:
                found += self._read(pull, paths, others)
        return found

    def _paths(self, pull: PullRequest) -> tuple[str, ...]:
        known = self._changed.get(pull.number)
        if known is None or known[0] != pull.head_sha:
            known = keep(self._changed, pull.number, (pull.head_sha, self.forge.changed_paths(pull.number)))
        return known[1]

    def _shown(self, pull: PullRequest, paths: tuple[str, ...], others: tuple[str, ...]) -> list[FoundRequest]:
        """As `_read`, of a fork: as an ordinary file, which a link is at no forge once it is merged."""
        known = self._files.get(pull.number)
        if known is None or known[0] != pull.head_sha:
            files = [(path, self.forge.read_file(pull.head_sha, path, MAX_BYTES)) for path in paths[:2]]
            there = tuple((path, text) for path, text in files if text is not None)
            known = keep(self._files, pull.number, (pull.head_sha, there))
        if not known[1]:
            return []
        path, text = known[1][0]
        read = load_request(PolicyFile(path, REGULAR_MODE, text))
        return [FoundRequest(pull, tuple(path for path, _ in known[1]), others, read, text)]

    def _read(self, pull: PullRequest, paths: tuple[str, ...], others: tuple[str, ...]) -> list[FoundRequest]:
        """The first of its request files that is there: one that goes away asks for nothing."""
        there = tuple(path for path in paths if self.repo.entry_id(pull.head_sha, path) is not None)
        if not there:
            return []
        (entry,) = self.repo.files(pull.head_sha, there[0])[:1]
        text = self._text(entry) if entry.mode.startswith("100") else b""
        read = load_request(PolicyFile(there[0], entry.mode, text))
        return [FoundRequest(pull, there, others, read, text or b"")]

    def _text(self, entry: TreeEntry) -> bytes | None:
        """None where it is larger than any request."""
        try:
            return self.repo.read(entry.blob, MAX_BYTES)
        except ObjectMissing:
            raise
        except StalledError:
            return None
