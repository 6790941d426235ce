"""How the members of a flow collection (`[a, b]`, `{a: 1}`, all of JSON) are replaced, taken out and put in."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Mapping as Named
from dataclasses import dataclass

from gitops_rollback.core.merging.chunks import line_start, moved
from gitops_rollback.core.merging.edits import Edits, Unwritable
from gitops_rollback.core.merging.matching import Step
from gitops_rollback.core.merging.nodes import Mapping, Node, Sequence
from gitops_rollback.core.merging.writing import Coming, Valued, child_steps


@dataclass(frozen=True, slots=True)
class Member:
    """One member: from its key or itself to the end of its value. `below` is where the value begins."""

    text: str
    start: int
    end: int
    value: Node

    @property
    def below(self) -> int:
        return self.value.start

    @property
    def column(self) -> int:
        return self.start - line_start(self.text, self.start)

    def written(self, column: int) -> str:
        raw = moved(self.text[self.start : self.end], column - self.column)
        if raw is None:
            raise Unwritable("a value cannot be indented as it must be")
        return raw


def flow_children(piece: Valued | None, field: str) -> dict[Step, Member]:
    """Each member of a flow collection, in order."""
    if piece is None or not isinstance(piece.value, Mapping | Sequence):
        return {}
    text, node = piece.text, piece.value
    if isinstance(node, Mapping):
        members = [Member(text, e.key.start, max(e.key.end, e.value.end), e.value) for e in node.entries]
    else:
        members = [Member(text, item.start, item.end, item) for item in node.items]
    return dict(zip(child_steps(node, field), members, strict=True))


class FlowWriter:
    """Edits members and the commas between them."""

    def __init__(self, edits: Edits) -> None:
        self.edits = edits

    def restore(self, base: Member, ours: Member, theirs: Member) -> None:
        """All of theirs."""
        self.replace(base, ours, theirs)

    def keep(self, base: Member | None, ours: Member, theirs: Member) -> None:
        """Nothing: members carry no comments of their own."""

    def replace(self, _base: Member | None, ours: Member, theirs: Member) -> None:
        """The whole member, key included: what stands between key and value is its own matter."""
        self.edits.put(ours.start, ours.end, theirs.written(ours.column))

    def rewrite(
        self, own: Named[Step, Member], gone: Collection[Step], new: Named[Step, Member], coming: Coming
    ) -> None:
        """Take members out of ours, and put some of theirs in."""
        self._take_out(own, gone)
        if coming:
            self._put_in(own, new, coming)

    def _take_out(self, own: Named[Step, Member], gone: Collection[Step]) -> None:
        """Each with the comma behind it; with the one before it where nothing stays behind it."""
        listed = list(own.items())
        kept = [place for place, (step, _) in enumerate(listed) if step not in gone]
        if gone and not kept:
            raise Unwritable("no member would be left to stand beside")
        for place, (step, member) in enumerate(listed):
            if step not in gone:
                continue
            if place < kept[-1]:
                self.edits.put(member.start, listed[place + 1][1].start, "")
            else:
                self.edits.put(listed[place - 1][1].end, member.end, "")

    def _put_in(self, own: Named[Step, Member], new: Named[Step, Member], coming: Coming) -> None:
        """With the comma and the blanks that stand between the first two members of ours, or else of theirs."""
        first = next(iter(own.values()))
        between = _between(list(own.values())) or _between(list(new.values())) or ", "
        for anchor, group in coming.items():
            for step in group:
                raw = new[step].written(first.column if "\n" in between else new[step].column)
                if anchor is None:
                    self.edits.put(first.start, first.start, raw + between)
                else:
                    self.edits.put(own[anchor].end, own[anchor].end, between + raw)


def _between(members: list[Member]) -> str | None:
    if len(members) < 2:
        return None
    between = members[0].text[members[0].end : members[1].start]
    if between.strip() != ",":
        raise Unwritable("something stands between two members")
    return between
