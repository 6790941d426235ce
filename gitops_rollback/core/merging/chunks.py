"""The children of a block collection as pieces of its text, so that one can be replaced, taken out or put in.

A chunk is what a person would cut out: the comments and blank lines above (`lead`), and the lines of the key or item
itself (`body`). The chunks of a collection and the text before the first one make up its whole text, byte for byte.
"""

from __future__ import annotations

from dataclasses import dataclass

from gitops_rollback.core.merging.nodes import Mapping, Node, Scalar, Sequence, Unreadable


@dataclass(frozen=True, slots=True)
class Chunk:
    """One child in its text. Offsets: `lead` <= `line` <= `start` <= `value.start`; `end` is behind its line's end.

    `line` is where its own line begins (for an inline child, `- name: x`, where it begins itself); `column` is where it
    is indented to. `after` is where the collection below it begins, if that is a block: behind its own line's end, or
    right before an inline child.
    """

    text: str
    lead: int
    line: int
    start: int
    end: int
    column: int
    value: Node

    @property
    def inline(self) -> bool:
        return self.line == self.start and self.column > 0

    @property
    def lead_text(self) -> str:
        return self.text[self.lead : self.line]

    @property
    def head(self) -> str:
        """From the key or dash to its value, or to the end of the line where a block collection follows."""
        return self.text[self.start : self.below]

    @property
    def below(self) -> int:
        """Where the value begins: a block collection on the next lines begins with its first child's lead."""
        if is_block(self.value):
            first = line_start(self.text, self.value.start)
            return self.value.start if first <= self.start else line_end(self.text, self.start)
        return self.value.start

    @property
    def trail(self) -> str:
        """What follows a scalar on its line: blanks and a comment, without the line's end."""
        return self.text[self.value.end : self.end].rstrip("\n")

    def body(self, column: int) -> str | None:
        """The body with its key or dash at `column` (its first line's indentation left out); None if it cannot move."""
        return moved(self.text[self.start : self.end], column - self.column)


def is_block(node: Node) -> bool:
    return isinstance(node, Mapping | Sequence) and not node.flow


def chunks(text: str, node: Mapping | Sequence, begin: int) -> tuple[Chunk, ...]:
    """The children of a block collection whose text begins at `begin`. Raises: Unreadable."""
    if isinstance(node, Mapping):
        starts = [(entry.key.start, entry.value) for entry in node.entries]
    else:
        starts = [(_dash(text, item), item) for item in node.items]
    found: list[Chunk] = []
    for start, value in starts:
        line = line_start(text, start)
        inline = bool(text[line:start].strip())
        if inline and found:
            raise Unreadable("two keys stand on one line, or a key is marked with a question mark")
        column = start - line
        lead = found[-1].end if found else begin
        if inline or line < lead:
            line = lead = start
        end = line_end(text, max(start, value.end))
        found.append(Chunk(text, lead, line, start, end, column, value))
    return tuple(found)


def _dash(text: str, item: Node) -> int:
    line = line_start(text, item.start)
    before = text[line : item.start].rstrip(" \t")
    if not before.endswith("-"):
        raise Unreadable("a list item does not stand beside its dash")
    return line + len(before) - 1


def line_start(text: str, at: int) -> int:
    return text.rfind("\n", 0, at) + 1


def line_end(text: str, at: int) -> int:
    """Behind the line feed of the line that `at` is on; the text's end if there is none."""
    found = text.find("\n", at)
    return len(text) if found < 0 else found + 1


def moved(body: str, by: int) -> str | None:
    """Every line but the first one indented by `by` more columns; None where a line has too few blanks to lose."""
    if not by:
        return body
    lines = body.splitlines(keepends=True)
    shifted = lines[:1]
    for line in lines[1:]:
        if not line.strip():
            shifted.append(line)
        elif by > 0:
            shifted.append(" " * by + line)
        elif line.startswith(" " * -by):
            shifted.append(line[-by:])
        else:
            return None
    return "".join(shifted)


def indented(lead: str, by: int) -> str:
    """Comment lines as far to the right or left as their key; what cannot go further to the left stays."""
    if not by:
        return lead
    lines = lead.splitlines(keepends=True)
    return "".join(
        line if not line.strip() else " " * by + line if by > 0 else line[min(-by, len(line) - len(line.lstrip(" "))) :]
        for line in lines
    )


def one_line(node: Node, text: str) -> bool:
    """A scalar that can be put in another one's place, since neither its indentation nor its line's end matter."""
    if not isinstance(node, Scalar) or node.block:
        return False
    raw = text[node.start : node.end]
    return bool(raw) and "\n" not in raw
