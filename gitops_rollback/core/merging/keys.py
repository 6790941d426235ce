"""A three-way merge by key path: what changed on neither side of one key stays as it is, byte for byte.

`ours` is edited; `theirs` gives the values that come back. With absence as a value: where both agree, or only ours
changed, ours stays; where only theirs changed, theirs is written; where both changed differently, the keys clash. A
clash is named and not guessed, unless the caller wants the target state: then theirs is written there too.
Source: git.md 5.4.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from collections.abc import Mapping as Named
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from gitops_rollback.core.merging.chunks import Chunk, is_block
from gitops_rollback.core.merging.documents import DocumentWriter, document_children, same_documents
from gitops_rollback.core.merging.edits import Edits, Unwritable
from gitops_rollback.core.merging.flow import FlowWriter, Member, flow_children
from gitops_rollback.core.merging.matching import Path, Step, at, matched, written
from gitops_rollback.core.merging.nodes import (
    Data,
    Document,
    Mapping,
    Node,
    Sequence,
    Unreadable,
    holds_opaque,
    read_documents,
)
from gitops_rollback.core.merging.writing import BlockWriter, Coming, block_children

P = TypeVar("P", Chunk, Member)
W = TypeVar("W", Chunk, Member, contravariant=True)
Piece = Chunk | Member


@dataclass(frozen=True)
class KeyMerge:
    """`text` is None where it could not be done: see `clashes`, or `why` where the files cannot be merged by key.

    With a target state, `clashes` are the keys that were set to theirs though ours had set them again.
    """

    text: str | None
    clashes: tuple[Path, ...] = ()
    why: str = ""


def merge_keys(base: str, ours: str, theirs: str, target: bool = False) -> KeyMerge:
    """Three versions of one YAML or JSON file; `target` writes theirs where both changed a key. Never raises."""
    if _dressing(base) != _dressing(theirs):
        return KeyMerge(None, why="the commit changed how all of its lines end, or its byte order mark")
    merge = _Merge(target)
    text, why = _run(merge, base, ours, theirs)
    if text is not None and merge.clashes and not target:
        text, why = None, "the same keys were changed again since"
    return KeyMerge(text, tuple(merge.clashes), why)


def take_keys(text: str, source: str, keys: Collection[Path]) -> KeyMerge:
    """`text` with the values that `source` has at these keys, and nothing else of it; absence is a value, too."""
    taken, why = _run(_Merge(target=False, only=frozenset(keys)), text, text, source)
    if taken is not None and any(set_differently(taken, source, key) for key in keys):
        taken, why = None, "its keys are told apart in another way there"
    return KeyMerge(taken, why=why)


def _run(merge: _Merge, base: str, ours: str, theirs: str) -> tuple[str | None, str]:
    """The merged text with the marks and line ends of ours; or None and why not."""
    mark = "\ufeff" if ours.startswith("\ufeff") else ""
    crlf = "\r\n" in ours
    texts = [text.removeprefix("\ufeff").replace("\r\n", "\n") for text in (base, ours, theirs)]
    if any("\r" in text for text in texts) or (crlf and ours.count("\r\n") != ours.count("\n")):
        return None, "its lines end in different ways"
    try:
        text = merge.texts(*texts)
    except (Unreadable, Unwritable) as error:
        return None, str(error)
    return mark + (text.replace("\n", "\r\n") if crlf else text), ""


def _dressing(text: str) -> tuple[bool, bool]:
    """What a text wears around its values: a byte order mark, and the line ends of Windows."""
    return text.startswith("\ufeff"), "\r\n" in text


def set_differently(before: str, after: str, key: Path) -> bool:
    """Is the key's value another one in `after`? True also where one of them cannot be read by key."""
    try:
        sides = [read_documents(text.removeprefix("\ufeff").replace("\r\n", "\n")) for text in (before, after)]
        names = same_documents(*sides)
    except Unreadable:
        return True
    if key[0] not in (*names[0], *names[1]):
        return True
    return _data(names[0], sides[0], key) != _data(names[1], sides[1], key)


def _data(names: Iterable[Step], documents: Iterable[Document], key: Path) -> Data | None:
    roots = [one.root for name, one in zip(names, documents, strict=True) if name == key[0]]
    found = at(roots[0], key[1:]) if roots else None
    return None if found is None else found.data


class _Writer(Protocol[W]):
    """How the children of one kind of collection are written."""

    def restore(self, base: W, ours: W, theirs: W, /) -> None: ...
    def keep(self, base: W | None, ours: W, theirs: W) -> None: ...
    def replace(self, base: W | None, ours: W, theirs: W, /) -> None: ...
    def rewrite(self, own: Named[Step, W], gone: Collection[Step], new: Named[Step, W], coming: Coming) -> None: ...


@dataclass
class _Merge:
    target: bool
    only: frozenset[Path] | None = None  # where theirs counts at all; None: everywhere
    edits: Edits = field(default_factory=Edits)
    clashes: list[Path] = field(default_factory=list)

    def texts(self, base: str, ours: str, theirs: str) -> str:
        """Raises: Unreadable, Unwritable; also where the text that was written does not say what was merged."""
        read = [read_documents(text) for text in (base, ours, theirs)]
        names = same_documents(*read)
        old, own, new = (
            document_children(text, one, steps)
            for text, one, steps in zip((base, ours, theirs), read, names, strict=True)
        )
        merged = self._children(DocumentWriter(self.edits), old, own, new, ())
        if merged is None:
            raise Unwritable("nothing of its own would be left in the file")
        text = self.edits.applied(ours)
        if [one.root.data for one in read_documents(text)] != list(merged.values()):
            raise Unwritable("the edits would not say what was merged")
        return text

    def _value(self, base: Piece | None, ours: Piece, theirs: Piece, path: Path) -> Data | None:
        """The merged value where ours and theirs have one; None if theirs must be written over ours."""
        nodes = [piece.value for piece in (base, ours, theirs) if piece is not None]
        if _alike(nodes):
            name = _name(nodes, path)
            if name is not None:
                merged = self._collection(base, ours, theirs, path, name)
                return None if merged is None else _collected(merged, name)
        if not self._counts(path):
            raise Unwritable(f"{written(path)} is written in another way there")
        before = None if base is None else base.value.data
        if theirs.value.data in (before, ours.value.data):
            return ours.value.data
        if ours.value.data == before or self._clash(path):
            return None
        return ours.value.data

    def _collection(
        self, base: Piece | None, ours: Piece, theirs: Piece, path: Path, name: str
    ) -> dict[Step, Data] | None:
        if is_block(ours.value):
            old, own, new = (block_children(piece, name) for piece in (base, ours, theirs))
            return self._children(BlockWriter(self.edits), old, own, new, path)
        before, mine, other = (flow_children(piece, name) for piece in (base, ours, theirs))
        return self._children(FlowWriter(self.edits), before, mine, other, path)

    def _children(
        self, writer: _Writer[P], old: Named[Step, P], own: Named[Step, P], new: Named[Step, P], path: Path
    ) -> dict[Step, Data] | None:
        """None if nothing of ours stays, and all of theirs comes: then it is written as a whole."""
        merged: dict[Step, Data] = {}
        for step, piece in own.items():
            data = self._kept(writer, old.get(step), piece, new.get(step), (*path, step))
            if data is not None:
                merged[step] = data
        coming = {s for s, piece in new.items() if s not in own and self._comes_back(old.get(s), piece, (*path, s))}
        if not merged:
            if len(coming) < len(new):
                raise Unwritable(f"nothing of its own would be left in {written(path) or 'the file'}")
            return None
        placed = _placed(merged.keys(), new, coming)
        writer.rewrite(own, own.keys() - merged.keys(), new, placed)
        return _in_order(merged, placed, new)

    def _kept(self, writer: _Writer[P], base: P | None, ours: P, theirs: P | None, path: Path) -> Data | None:
        """What becomes of a child that ours has; None: it goes."""
        if not self._counts(path) and (theirs is None or not self._leads_on(path)):
            if theirs is not None:
                writer.keep(base, ours, theirs)
            return ours.value.data
        if theirs is None:
            goes = base is not None and (base.value.data == ours.value.data or self._clash(path))
            return None if goes and _movable(ours.value) else ours.value.data
        if base is not None and _same_text(base, ours) and self._counts(path):
            if not _same_text(ours, theirs):
                _movable(ours.value, theirs.value)
            writer.restore(base, ours, theirs)
            return theirs.value.data
        data = self._value(base, ours, theirs, path)
        if data is None and _movable(ours.value, theirs.value):
            writer.replace(base, ours, theirs)
            return theirs.value.data
        writer.keep(base, ours, theirs)
        return data

    def _comes_back(self, base: Piece | None, theirs: Piece, path: Path) -> bool:
        """May a child that ours lacks be put in? It went with the culprit; or it went later, and theirs changed it."""
        if not self._counts(path):
            return False
        comes = base is None or (base.value.data != theirs.value.data and self._clash(path))
        return comes and _movable(theirs.value)

    def _counts(self, path: Path) -> bool:
        """Theirs may be taken here."""
        return self.only is None or any(path[: len(key)] == key for key in self.only)

    def _leads_on(self, path: Path) -> bool:
        """Below it stands a key that counts."""
        return any(key[: len(path)] == path for key in self.only or ())

    def _clash(self, path: Path) -> bool:
        """Notes a clash; True if theirs is to be written all the same. A whole document is no key."""
        if len(path) == 1:
            raise Unwritable("a whole document was changed again since")
        self.clashes.append(path)
        return self.target


def _same_text(one: Piece, other: Piece) -> bool:
    """Nobody touched it between the two; so theirs comes back byte for byte."""
    return one.column == other.column and one.text[one.start : one.end] == other.text[other.start : other.end]


def _movable(*nodes: Node) -> bool:
    """Always true. Raises: Unwritable if an anchor, alias or tag stands in what would be written or taken out."""
    if any(holds_opaque(node) for node in nodes):
        raise Unwritable("an anchor, alias or tag stands in what would be edited")
    return True


def _alike(nodes: list[Node]) -> bool:
    """All mappings, or all lists, and all written in the same way."""
    same = len({type(node) for node in nodes}) == 1 and len({is_block(node) for node in nodes}) == 1
    return same and isinstance(nodes[0], Mapping | Sequence)


def _name(nodes: list[Node], path: Path) -> str | None:
    """By what children are matched: "" for keys of a mapping; None if a list is one value."""
    lists = [node for node in nodes if isinstance(node, Sequence)]
    return matched(lists, path) if lists else ""


def _placed(kept: Collection[Step], new: Iterable[Step], coming: Collection[Step]) -> dict[Step | None, list[Step]]:
    """Each that comes, by the kept sibling that it stands behind in theirs."""
    placed: dict[Step | None, list[Step]] = {}
    anchor: Step | None = None
    for step in new:
        if step in coming:
            placed.setdefault(anchor, []).append(step)
        elif step in kept:
            anchor = step
    return placed


def _in_order(merged: Named[Step, Data], placed: Coming, new: Named[Step, P]) -> dict[Step, Data]:
    found = {step: new[step].value.data for step in placed.get(None, [])}
    for step, data in merged.items():
        found[step] = data
        found |= {other: new[other].value.data for other in placed.get(step, [])}
    return found


def _collected(children: dict[Step, Data], name: str) -> Data:
    if not name:
        return ("map", {step.value: data for step, data in children.items()})
    return ("list", tuple(children.values()))
