"""What each reason means, and what a person does about it: one text for the reference page and for `explain REASON`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gitops_rollback.core.errors import Reason
from gitops_rollback.core.reasons_text import ACTING, DECIDING
from gitops_rollback.core.reasons_text_guards import GUARDS

REFERENCE = "docs/reference/reasons.md"


@dataclass(frozen=True)
class Meaning:
    """What a reason says, and what a person does about it; a sentence or two each."""

    reason: Reason
    says: str
    todo: str

    @property
    def anchor(self) -> str:
        """Where it stands in the reference: a path of the repository, and a place there."""
        return f"{REFERENCE}#{self.reason.value}"


def sections() -> Iterator[tuple[str, tuple[Meaning, ...]]]:
    """Each heading with its reasons, in the order of a rollback's way."""
    for part in (DECIDING + GUARDS + ACTING).strip().split("# ")[1:]:
        title, *lines = part.strip().splitlines()
        meanings = [Meaning(Reason(word), says.strip(), todo.strip()) for word, says, todo in _threes(lines)]
        yield title, tuple(meanings)


def meaning_of(word: str) -> Meaning | None:
    """The meaning of a reason, written as everywhere; None where there is no such reason."""
    found = (one for _, meanings in sections() for one in meanings)
    return next((one for one in found if one.reason.value == word), None)


def _threes(lines: list[str]) -> Iterator[tuple[str, str, str]]:
    for start in range(0, len(lines), 3):
        yield lines[start], lines[start + 1], lines[start + 2]
