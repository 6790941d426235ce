"""What is wrong with a policy file, and where: each fault names its place, what it is and what mends it."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

MOST_OF_A_FILE = 200
LONGEST_SHOWN = 60  # characters of the file's own text in a message


@dataclass(frozen=True)
class Fault:
    """One fault at `path:line:col` (both from 1). An `error` refuses the file, a `warning` does not."""

    path: str
    line: int
    col: int
    message: str
    fix: str = ""
    severity: str = "error"

    def __post_init__(self) -> None:
        # Words of the file stand in messages; whoever wrote them must not move a reader's cursor.
        object.__setattr__(self, "message", visible(self.message))
        object.__setattr__(self, "fix", visible(self.fix))

    @property
    def is_error(self) -> bool:
        return self.severity == "error"

    def __str__(self) -> str:
        kind = "" if self.is_error else f"{self.severity}: "
        fix = f" ({self.fix})" if self.fix else ""
        return f"{visible(self.path)}:{self.line}:{self.col}: {kind}{self.message}{fix}"


def visible(text: str) -> str:
    """`text` without anything that a terminal or a chat acts on."""
    return "".join(char if char.isprintable() and unicodedata.category(char) != "Cf" else "?" for char in text)


def shown(text: str) -> str:
    """A word of the file as it stands in a message: quoted, and cut."""
    return f"`{text[:LONGEST_SHOWN]}…`" if len(text) > LONGEST_SHOWN else f"`{text}`"


def in_order(faults: list[Fault]) -> tuple[Fault, ...]:
    """Each fault once, in the order of the file, errors first at one place; of a file the first 200, errors first."""
    kept: list[Fault] = []
    for path in sorted({fault.path for fault in faults}):
        own = sorted(
            {fault for fault in faults if fault.path == path}, key=lambda fault: (not fault.is_error, _place(fault))
        )
        kept += own[:MOST_OF_A_FILE]
        if len(own) > MOST_OF_A_FILE:
            last = own[MOST_OF_A_FILE]
            message = f"and {len(own) - MOST_OF_A_FILE} more faults"
            kept.append(Fault(path, last.line, last.col, message, "mend the first ones", last.severity))
    return tuple(sorted(kept, key=_place))


def _place(fault: Fault) -> tuple[str, int, int, bool, str]:
    return fault.path, fault.line, fault.col, not fault.is_error, fault.message
