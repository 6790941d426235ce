"""The documents of a file as its children: which is which in three versions, and how one is taken out or put in."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Mapping as Named
from collections.abc import Sequence as Listed

from gitops_rollback.core.merging.chunks import Chunk, line_end
from gitops_rollback.core.merging.edits import Edits, Unwritable
from gitops_rollback.core.merging.matching import Step, at
from gitops_rollback.core.merging.nodes import Document, Scalar, Unreadable
from gitops_rollback.core.merging.writing import Coming

IDENTITY = (("apiVersion",), ("kind",), ("metadata", "namespace"), ("metadata", "name"))


def same_documents(*versions: Listed[Document]) -> tuple[list[Step], ...]:
    """A step for each document of each version: by object where that tells them apart, else by position.

    Raises: Unreadable if neither does.
    """
    named = tuple([_named(document) for document in version] for version in versions)
    if all(None not in names and len(set(names)) == len(names) for names in named):
        return tuple([Step(" ".join(filter(None, name or ())), "document") for name in names] for names in named)
    if len({len(version) for version in versions}) > 1:
        raise Unreadable("its documents cannot be told apart")
    return tuple([Step(str(place), "document") for place in range(len(version))] for version in versions)


def document_children(text: str, documents: Listed[Document], names: Listed[Step]) -> dict[Step, Chunk]:
    """Each document as a chunk that reaches to the next one's `---`; the text before the first one is nobody's."""
    if not documents:
        return {}
    starts = [document.start for document in documents]
    if not documents[0].explicit:
        starts[0] = 0
    ends = [*starts[1:], len(text)][: len(starts)]
    found: dict[Step, Chunk] = {}
    for step, document, start, end in zip(names, documents, starts, ends, strict=True):
        found[step] = _Document(text, start, start, start, end, 0, document.root)
    return found


class _Document(Chunk):
    """A document is a chunk whose collection begins where its own text begins."""

    @property
    def below(self) -> int:
        return _behind_marker(self.text, self.start)


class DocumentWriter:
    """Edits documents."""

    def __init__(self, edits: Edits) -> None:
        self.edits = edits

    def restore(self, base: Chunk, ours: Chunk, theirs: Chunk) -> None:
        """All of theirs."""
        self.replace(base, ours, theirs)

    def keep(self, base: Chunk | None, ours: Chunk, theirs: Chunk) -> None:
        """What stands below the last key is nobody's: it comes back where nobody touched it since."""
        if base is not None and _tail(base) == _tail(ours) != _tail(theirs):
            self.edits.put(ours.end - len(_tail(ours)), ours.end, _tail(theirs))

    def replace(self, _base: Chunk | None, ours: Chunk, theirs: Chunk) -> None:
        """All of its text, but not the marker before it."""
        start, new = _behind_marker(ours.text, ours.start), _behind_marker(theirs.text, theirs.start)
        self.edits.put(start, ours.end, theirs.text[new : theirs.end])

    def rewrite(self, own: Named[Step, Chunk], gone: Collection[Step], new: Named[Step, Chunk], coming: Coming) -> None:
        """Take documents out of ours, and put some of theirs in."""
        for step in gone:
            self.edits.put(own[step].start, own[step].end, "")
        for anchor, group in coming.items():
            for step in group:
                text = new[step].text[new[step].start : new[step].end]
                text = text if text.endswith("\n") else text + "\n"
                if anchor is None:
                    self._before(next(iter(own.values())), text)
                else:
                    self._behind(own[anchor], text if text.startswith("---") else f"---\n{text}")

    def _before(self, first: Chunk, text: str) -> None:
        if first.text.startswith("---", first.start):
            self.edits.put(first.start, first.start, text)
        elif text.startswith("---"):
            raise Unwritable("a document cannot stand before the first one")
        else:
            self.edits.put(first.start, first.start, f"{text}---\n")

    def _behind(self, anchor: Chunk, text: str) -> None:
        ended = anchor.text[: anchor.end].endswith("\n")
        self.edits.put(anchor.end, anchor.end, text if ended else "\n" + text.rstrip("\n"))


def _tail(document: Chunk) -> str:
    """The lines below a document's last value."""
    return document.text[line_end(document.text, document.value.end) : document.end]


def _behind_marker(text: str, start: int) -> int:
    """Behind a document's `---` line; where more than a comment stands beside it, it is no place to write."""
    if not text.startswith("---", start):
        return start
    end = text.find("\n", start)
    line = text[start + 3 : len(text) if end < 0 else end].strip()
    if line and not line.startswith("#"):
        raise Unreadable("a document begins beside its marker")
    return len(text) if end < 0 else end + 1


def _named(document: Document) -> tuple[str, ...] | None:
    """(apiVersion, kind, namespace, name); None if it is no object."""
    words = []
    for path in IDENTITY:
        node = at(document.root, tuple(Step(key) for key in path))
        words.append(node.value if isinstance(node, Scalar) else "")
    return tuple(words) if words[1] and words[3] else None
