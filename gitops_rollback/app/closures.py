"""Which files does an application of an engine render from, at one revision of our repository?

Whatever is not known for certain is said (`doubt`): then nobody may conclude that a file outside is none of its.
"""

from __future__ import annotations

import posixpath
import threading
import time
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, field

from gitops_rollback.adapters.git.kept import Kept
from gitops_rollback.core.closure.described import described, settings_of
from gitops_rollback.core.closure.finding import Closure, Scope, of_objects
from gitops_rollback.core.closure.objects import GENERATE_PATHS, OWN_MANIFEST
from gitops_rollback.core.closure.tree import YAML_ENDINGS, Tree
from gitops_rollback.core.errors import ObjectMissing, RollbackError, StalledError
from gitops_rollback.core.infrastructure import is_code
from gitops_rollback.core.repository_url import path_of
from gitops_rollback.core.sync import ApplicationState
from gitops_rollback.ports import ConfigRepo

FILE_BYTES = 1 << 20
KEPT_TREES, KEPT_ANSWERS = 8, 2000
KEPT_TEXTS, KEPT_BYTES = 20_000, 32 << 20
REGULAR = "100"  # the modes of ordinary files begin so
LINK = "120000"
READS_ANYTHING = (".jsonnet", ".libsonnet")  # may import from anywhere in the repository
PATIENCE_SECONDS = 10.0  # for one application
TICK_SECONDS = 5.0  # for all that only stand beside an alarm, in one tick


@dataclass(frozen=True)
class Followed:
    """The files that an application renders from, each with the reason for people.

    `doubt`: why there may be more of them; "" if these are all. `manifests` are those of them that count only because
    the application's own object stands there, among others perhaps.
    """

    why: Mapping[str, str] = field(default_factory=dict)
    manifests: frozenset[str] = frozenset()
    doubt: str = ""

    def __or__(self, other: Followed) -> Followed:
        """What either renders from: a commit may remove the very reference that made it count."""
        both = {*self.manifests, *other.manifests}
        manifests = {path for path in both if not (self._renders(path) or other._renders(path))}
        return Followed({**other.why, **self.why}, frozenset(manifests), self.doubt or other.doubt)

    def _renders(self, path: str) -> bool:
        return path in self.why and path not in self.manifests


class _OutOfTime(Exception):
    """The time for this answer is over."""


class Closures:
    """Follows applications through git's objects. Thread-safe; keeps what it found by tree, which never changes."""

    def __init__(self, repo: ConfigRepo, aliases: Iterable[str] = (), seconds: Callable[[], float] = time.monotonic):
        self._repo = repo
        self._ours = {path for url in (repo.url, *aliases) if (path := path_of(url))}
        self._seconds = seconds
        self._trees: Kept[tuple[Tree, frozenset[str]]] = Kept(KEPT_TREES)
        self._texts: Kept[bytes] = Kept(KEPT_TEXTS, KEPT_BYTES)
        self._found: Kept[Followed] = Kept(KEPT_ANSWERS)
        self._call = threading.local()
        self._left = TICK_SECONDS

    def begin(self) -> None:
        """A tick begins."""
        self._left = TICK_SECONDS

    def of(self, state: ApplicationState, ours: Collection[int], treeish: str) -> Followed:
        """What it renders from at a commit or tree; never raises: what cannot be read is a doubt."""
        return self._asked(state, ours, treeish, PATIENCE_SECONDS)

    def beside(self, state: ApplicationState, ours: Collection[int], treeish: str) -> Followed:
        """As `of`, within the time that a tick has for all that are no alarm themselves."""
        began = self._seconds()
        found = self._asked(state, ours, treeish, self._left)
        self._left = max(0.0, self._left - (self._seconds() - began))
        return found

    def _asked(self, state: ApplicationState, ours: Collection[int], treeish: str, seconds: float) -> Followed:
        try:
            tree = self._repo.tree(treeish)
            key = (tree, state.id, tuple(ours), decided_by(state))
            known = self._found.get(key)
            if known is not None:
                return known
            self._call.until = self._seconds() + seconds
            return self._found.put(key, self._follow(state, ours, tree))
        except _OutOfTime:
            return Followed(doubt=f"what {state.id.short} renders from could not be followed in time")
        except RollbackError as error:
            return Followed(doubt=f"what {state.id.short} renders from cannot be read: {error.message}")

    def _follow(self, state: ApplicationState, ours: Collection[int], tree: str) -> Followed:
        documents = described(state, ours)
        if not documents:
            return Followed(doubt=f"nobody knows what a {state.id.kind} renders from")
        files, links = self._tree(tree)
        closure = of_objects((files,), documents)
        if closure.scope is Scope.REPOSITORY:
            return Followed()  # nothing that it names stands there
        manifests = {path for path, why in closure.why.items() if why.startswith(OWN_MANIFEST)}
        return Followed(closure.why, frozenset(manifests), self._doubt(state, ours, closure, links))

    def _doubt(self, state: ApplicationState, ours: Collection[int], closure: Closure, links: Collection[str]) -> str:
        own = [source for index, source in enumerate(state.sources) if index in ours]
        if closure.unread:
            return f"{', '.join(closure.unread[:3])} cannot be read as YAML, so its whole directory counts"
        if closure.missing:
            return f"{closure.missing[0]} is no plain file or folder here"
        if any(settings_of(source) is None for source in own):
            return "the settings of its sources are too long to be read"
        if state.plugin or any("plugin" in (settings_of(source) or {}) for source in own):
            return "a plugin renders it, which may read any file"
        if any(path.endswith(READS_ANYTHING) for path in closure.why):
            return "jsonnet renders it, which may import any file"
        if state.hydrated:
            return "a hydrator writes what it renders from"
        link = next((one for one in links if any(_beside(one, path) for path in closure.why)), "")
        if link:
            return f"{link} is a symbolic link, which may lead anywhere"
        ourselves = next((one for one in closure.remote if any(path in one.lower() for path in self._ours)), "")
        return f"it takes {ourselves} from this very repository by its address" if ourselves else ""

    def _tree(self, tree: str) -> tuple[Tree, frozenset[str]]:
        """The ordinary files, and the symbolic links."""
        known = self._trees.get(tree)
        if known is None:
            entries = self._repo.files(tree)
            blobs = {entry.path: entry.blob for entry in entries if entry.mode.startswith(REGULAR)}
            links = frozenset(entry.path for entry in entries if entry.mode == LINK)
            self._repo.bring([blob for path, blob in blobs.items() if path.endswith(YAML_ENDINGS) or is_code(path)])
            known = self._trees.put(tree, (Tree(blobs, self._read), links))
        return known

    def _read(self, blob: str) -> bytes | None:
        known = self._texts.get(blob)
        if known is not None:
            return known
        if self._seconds() > self._call.until:
            raise _OutOfTime
        try:
            return self._texts.put(blob, self._repo.read(blob, FILE_BYTES))
        except ObjectMissing:
            raise
        except StalledError:
            return None  # too large


def decided_by(state: ApplicationState) -> Hashable:
    """All that the engine says of the application which decides, beside git, what it renders from."""
    globs = state.annotations.get(GENERATE_PATHS)
    return state.sources, state.applicationset, globs, state.hydrated, state.plugin


def _beside(link: str, path: str) -> bool:
    """The link lies in the folder of an input."""
    return posixpath.dirname(link) == posixpath.dirname(path)
