"""What changed in which order, and how did everything look at a version that has passed? Until it is compacted away."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gitops_rollback.sandbox.kubernetes.answers import too_new, too_old
from gitops_rollback.sandbox.kubernetes.kinds import Kind
from gitops_rollback.sandbox.rendering import Json

ADDED = "ADDED"
MODIFIED = "MODIFIED"
DELETED = "DELETED"


@dataclass(frozen=True)
class Ref:
    """Which object: its kind, its namespace ("" for what has none) and its name."""

    kind: Kind
    namespace: str
    name: str


@dataclass(frozen=True)
class Change:
    """One write: what it did to which object at which version. Never alter `before` and `after`.

    `after` of a deletion is the last state with the deletion's resourceVersion.
    """

    version: int
    type: str
    ref: Ref
    before: Json | None
    after: Json


class History:
    """The changes since the last compaction, the oldest first; not thread-safe, the store guards it."""

    def __init__(self, keep: int) -> None:
        self._changes: deque[Change] = deque()
        self._keep = keep
        self.compacted = 0  # the newest version whose change is no longer known
        self.version = 0

    def add(self, change: Change) -> None:
        """Remember a change, forgetting the oldest where there are too many."""
        self.version = change.version
        self._changes.append(change)
        while len(self._changes) > self._keep:
            self.compacted = self._changes.popleft().version

    def compact(self, upto: int) -> None:
        """Forget all changes up to a version."""
        while self._changes and self._changes[0].version <= upto:
            self._changes.popleft()
        self.compacted = max(self.compacted, min(upto, self.version))

    def restart(self, version: int, oldest: int) -> None:
        """Begin at another version, with no changes since `oldest`."""
        self._changes.clear()
        self.version, self.compacted = version, oldest

    def since(self, version: int) -> list[Change]:
        """The changes after `version`. Raises: Refusal 410 when some are forgotten, 504 when it has not come."""
        self._check(version)
        return list(self._newest_first(version))[::-1]

    def undo(self, version: int, objects: dict[Ref, Json]) -> dict[Ref, Json]:
        """How `objects`, which are the present, were at `version`. Raises: as `since`."""
        self._check(version)
        past = dict(objects)
        for change in self._newest_first(version):
            if change.before is None:
                past.pop(change.ref, None)
            else:
                past[change.ref] = change.before
        return past

    def _check(self, version: int) -> None:
        if version > self.version:
            raise too_new(version, self.version)
        if version < self.compacted:
            raise too_old(version, self.compacted)

    def _newest_first(self, version: int) -> Iterator[Change]:
        newest: Iterable[Change] = reversed(self._changes)
        for change in newest:
            if change.version <= version:
                return
            yield change
