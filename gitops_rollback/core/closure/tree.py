"""One revision of a repository as files, and the inputs that are found in it."""

from __future__ import annotations

import posixpath
import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from gitops_rollback.core.infrastructure import is_code
from gitops_rollback.core.manifest import KUSTOMIZATION_NAMES
from gitops_rollback.core.manifest_text import Value, documents

YAML_ENDINGS = (".yaml", ".yml", ".json")
TEMPLATE_LINE = re.compile(rb"^[ \t]*\{\{.*\}\}[ \t\r]*$", re.MULTILINE)
TEMPLATE_VALUE = re.compile(rb"\{\{([^{}\n]*)\}\}")
MOST_LINKS = 40  # that one path may lead over, as in Linux
WORDS_KEPT = 8
MOST_SEARCHED = 20_000  # files that are searched for the manifest of an object


@dataclass(frozen=True)
class Tree:
    """`blobs` maps each file's path to what `read` takes; `read` gives None for what is too large.

    `links` are those of them that are symbolic links, `modules` the folders that are submodules: both are followed as
    far as this repository goes.
    """

    blobs: Mapping[str, str]
    read: Callable[[str], bytes | None] = field(repr=False)
    links: frozenset[str] = frozenset()
    modules: frozenset[str] = frozenset()
    _words: dict[str, tuple[str, ...]] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def _sorted(self) -> list[str]:
        return sorted(self.blobs)

    @cached_property
    def code(self) -> tuple[str, ...]:
        """What Terraform or OpenTofu reads, in order."""
        return tuple(path for path in self._sorted if is_code(path))

    def is_file(self, path: str) -> bool:
        return path in self.blobs

    def is_folder(self, folder: str) -> bool:
        return next(self.below(folder), None) is not None

    def below(self, folder: str) -> Iterator[str]:
        """The paths of all files under `folder` ("" is the root), in order."""
        prefix = f"{folder}/" if folder else ""
        for path in self._sorted[bisect_left(self._sorted, prefix) :]:
            if not path.startswith(prefix):
                return
            yield path

    def directly_in(self, folder: str) -> Iterator[str]:
        """The paths of the files in `folder` itself."""
        return (path for path in self.below(folder) if posixpath.dirname(path) == folder)

    def text(self, path: str) -> bytes | None:
        """None: there is no such file, or it is too large."""
        blob = self.blobs.get(path)
        return None if blob is None else self.read(blob)

    def resolved(self, path: str) -> tuple[str | None, tuple[str, ...]]:
        """Where a path leads, and over which links. Inside of a submodule that is the submodule; None: nowhere here."""
        passed: list[str] = []
        parts, place = path.split("/"), 0
        while (self.links or self.modules) and place < len(parts):
            place += 1
            here = "/".join(parts[:place])
            if here in self.modules:
                return here, tuple(passed)
            if here not in self.links:
                continue
            passed.append(here)
            name = (self.text(here) or b"").decode("utf-8", "surrogateescape")
            target = None if name.startswith("/") else joined(posixpath.dirname(here), name)
            if target is None or len(passed) > MOST_LINKS:
                return None, tuple(passed)
            parts, place = [*(target.split("/") if target else ()), *parts[place:]], 0
        return "/".join(parts), tuple(passed)

    def documents(self, path: str) -> tuple[Value, ...] | None:
        """None: it is absent, or no plain YAML."""
        text = self.text(path)
        return None if text is None else documents(text)

    def kustomization_of(self, folder: str) -> str | None:
        """The folder's kustomization file."""
        named = (posixpath.join(folder, name) for name in sorted(KUSTOMIZATION_NAMES))
        return next((path for path in named if path in self.blobs), None)

    def manifests_naming(self, *words: str) -> Iterator[tuple[str, Mapping[str, Value]]]:
        """(path, document) of each YAML document in whose file all `words` stand; of a template what is YAML in it."""
        for path in self._with(words[-1]):
            text = self.text(path)
            if text is not None and all(word.encode() in text for word in words):
                yield from ((path, one) for one in self.manifests(path))

    def manifests(self, path: str) -> Iterator[Mapping[str, Value]]:
        """The mappings among a file's documents; of a template what is YAML in it, its values as `((words))`."""
        text = self.text(path)
        yield from (one for one in _documents(text or b"") or () if isinstance(one, dict))

    def _with(self, word: str) -> tuple[str, ...]:
        """The YAML files in which a word stands. A few are kept: many applications ask for the same kind."""
        known = self._words.get(word)
        if known is None:
            mark = word.encode()
            named = [path for path in self._sorted if path.endswith(YAML_ENDINGS)][:MOST_SEARCHED]
            known = tuple(path for path in named if mark in (self.text(path) or b""))
            if len(self._words) < WORDS_KEPT:
                self._words[word] = known
        return known


def _documents(text: bytes) -> tuple[Value, ...] | None:
    """The documents of a manifest. A template is read as if its lines of logic were not there, and its values words.

    An ApplicationSet is one by its nature, and a chart that holds Applications is. Good enough to see what stands in
    which file, and for nothing else.
    """
    found = documents(text)
    if found is None and b"{{" in text:
        found = documents(TEMPLATE_VALUE.sub(rb"((\1))", TEMPLATE_LINE.sub(b"", text)))
    return found


@dataclass
class Gathered:
    """What an application renders from: each path with the reason, for people. The first reason stays."""

    tree: Tree
    why: dict[str, str] = field(default_factory=dict)
    remote: list[str] = field(default_factory=list)  # what comes from elsewhere, and cannot be followed here
    unread: list[str] = field(default_factory=list)  # files that name inputs and cannot be read
    missing: list[str] = field(default_factory=list)  # what is named and is no plain file or folder here
    seen: set[str] = field(default_factory=set)  # folders that were followed

    def place(self, path: str, why: str) -> str:
        """Where a path leads; the links on the way are inputs, too. Where it leads nowhere, the path itself."""
        real, passed = self.tree.resolved(path)
        for link in passed:
            self.why.setdefault(link, why)
        return path if real is None else real

    def add(self, path: str, why: str) -> bool:
        """False if there is no such file. A file of a submodule is there as far as the submodule is."""
        real = self.place(path, why)
        if not self.tree.is_file(real) and real not in self.tree.modules:
            return False
        self.why.setdefault(real, why)
        return True

    def add_below(self, folder: str, why: str, endings: tuple[str, ...] = ()) -> None:
        """All files under a folder, or those with one of these endings; and what links there lead to."""
        pending, seen = [folder], set[str]()
        while pending:
            here = self.place(pending.pop(), why)
            if here in seen:
                continue
            seen.add(here)
            for path in self.tree.below(here):
                if path in self.tree.links and not self.add(path, why):
                    pending.append(path)
                elif not endings or path.endswith(endings):
                    self.add(path, why)
            for module in self.tree.modules:
                if not here or module == here or module.startswith(f"{here}/"):
                    self.add(module, why)

    def enter(self, folder: str) -> bool:
        """True the first time."""
        new = folder not in self.seen
        self.seen.add(folder)
        return new


def joined(folder: str, name: str) -> str | None:
    """The path that `name` means in `folder`; None if it leaves the repository."""
    path = posixpath.normpath(posixpath.join(folder, name)) if name else folder
    if path in (".", "/"):
        return ""
    path = path.removeprefix("./").strip("/")
    return None if path == ".." or path.startswith("../") else path


def strings(value: Value) -> Iterator[str]:
    """The texts of a list, or the text itself."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        yield from (one for one in value if isinstance(one, str))


def mappings(value: Value) -> Iterator[dict[str, Value]]:
    """The mappings of a list, or the mapping itself."""
    if isinstance(value, dict):
        yield value
    elif isinstance(value, tuple):
        yield from (one for one in value if isinstance(one, dict))


def below(value: Value, *keys: str) -> Value:
    """The value at a key path; None if there is none."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value
