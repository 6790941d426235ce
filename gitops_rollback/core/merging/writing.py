"""How the children of a block collection are replaced, taken out and put in, as edits of ours."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Mapping as Named
from typing import Protocol

from gitops_rollback.core.merging.chunks import Chunk, chunks, indented, one_line
from gitops_rollback.core.merging.edits import Edits, Unwritable
from gitops_rollback.core.merging.matching import Step, steps
from gitops_rollback.core.merging.nodes import Mapping, Node, Sequence

# The children that come in, by the sibling that each stands behind (None: before all others), in order.
Coming = Named[Step | None, list[Step]]


class Valued(Protocol):
    """A piece of a text with a value in it; `below` is where the text of that value begins."""

    @property
    def text(self) -> str: ...
    @property
    def value(self) -> Node: ...
    @property
    def below(self) -> int: ...


def block_children(piece: Valued | None, field: str) -> dict[Step, Chunk]:
    """The chunk of each child of a block collection, in order. Raises: Unreadable."""
    if piece is None or not isinstance(piece.value, Mapping | Sequence):
        return {}
    return dict(zip(child_steps(piece.value, field), chunks(piece.text, piece.value, piece.below), strict=True))


def child_steps(node: Mapping | Sequence, field: str) -> list[Step]:
    return [Step(e.key.value) for e in node.entries] if isinstance(node, Mapping) else steps(node, field)


class BlockWriter:
    """Edits chunks."""

    def __init__(self, edits: Edits) -> None:
        self.edits = edits

    def restore(self, base: Chunk, ours: Chunk, theirs: Chunk) -> None:
        """All of theirs, layout and comments included."""
        self._lead(base, ours, theirs)
        if ours.text[ours.start : ours.end] != theirs.text[theirs.start : theirs.end] or ours.column != theirs.column:
            self._body(ours, theirs)

    def keep(self, base: Chunk | None, ours: Chunk, theirs: Chunk) -> None:
        """Ours' value stays; comments and blank lines come back where nobody touched them since."""
        self._lead(base, ours, theirs)
        if one_line(ours.value, ours.text):
            self._trail(base, ours, theirs)

    def replace(self, base: Chunk | None, ours: Chunk, theirs: Chunk) -> None:
        """Theirs' value over ours, with as few other bytes as can be."""
        self._lead(base, ours, theirs)
        if one_line(ours.value, ours.text) and one_line(theirs.value, theirs.text):
            self.edits.put(ours.value.start, ours.value.end, theirs.text[theirs.value.start : theirs.value.end])
            self._trail(base, ours, theirs)
            return
        self._body(ours, theirs)

    def rewrite(self, own: Named[Step, Chunk], gone: Collection[Step], new: Named[Step, Chunk], coming: Coming) -> None:
        """Take children out of ours, and put some of theirs in."""
        self._take_out(own, gone, None in coming)
        for anchor, group in coming.items():
            for step in group:
                if anchor is None:
                    self._before(next(iter(own.values())), new[step])
                else:
                    self._behind(own[anchor], new[step])

    def _body(self, ours: Chunk, theirs: Chunk) -> None:
        body = _body(theirs, ours.column)
        self.edits.put(ours.start, ours.end, body if ours.text[: ours.end].endswith("\n") else body.rstrip("\n"))

    def _lead(self, base: Chunk | None, ours: Chunk, theirs: Chunk) -> None:
        if base is None or ours.inline or theirs.inline:
            return
        if base.lead_text == ours.lead_text != theirs.lead_text:
            self.edits.put(ours.lead, ours.line, indented(theirs.lead_text, ours.column - theirs.column))

    def _trail(self, base: Chunk | None, ours: Chunk, theirs: Chunk) -> None:
        if base is None or not (one_line(base.value, base.text) and one_line(theirs.value, theirs.text)):
            return
        if base.trail == ours.trail != theirs.trail:
            self.edits.put(ours.value.end, ours.value.end + len(ours.trail), theirs.trail)

    def _take_out(self, own: Named[Step, Chunk], gone: Collection[Step], inserted: bool) -> None:
        listed = list(own.items())
        for (step, chunk), following in zip(listed, [chunk for _, chunk in listed[1:]] + [None], strict=True):
            if step not in gone:
                continue
            if not chunk.inline:
                self.edits.put(chunk.lead, chunk.end, "")
            elif inserted or following is None or following.lead_text.strip():
                raise Unwritable("the first key beside a dash cannot be taken out")
            else:
                self.edits.put(chunk.start, following.start, "")

    def _before(self, first: Chunk, chunk: Chunk) -> None:
        body = _ended(_body(chunk, first.column))
        lead = indented(chunk.lead_text, first.column - chunk.column)
        if not first.inline:
            self.edits.put(first.lead, first.lead, lead + " " * first.column + body)
        elif lead.strip():
            raise Unwritable("a comment cannot stand beside a dash")
        else:
            self.edits.put(first.start, first.start, body + " " * first.column)

    def _behind(self, anchor: Chunk, chunk: Chunk) -> None:
        text = indented(chunk.lead_text, anchor.column - chunk.column) + " " * anchor.column
        text += _ended(_body(chunk, anchor.column))
        if not anchor.text[: anchor.end].endswith("\n"):
            text = "\n" + text.rstrip("\n")
        self.edits.put(anchor.end, anchor.end, text)


def _body(chunk: Chunk, column: int) -> str:
    body = chunk.body(column)
    if body is None:
        raise Unwritable("a value cannot be indented as it must be")
    return body


def _ended(body: str) -> str:
    return body if body.endswith("\n") else body + "\n"
