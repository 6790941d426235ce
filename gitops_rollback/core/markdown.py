"""Foreign text as Markdown that means nothing but itself: no mention fires, no block of code ends early.

Source: contracts/forges.md, section 8; reliability.md, A18 and A19.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from gitops_rollback.core.message import for_people

PARAGRAPH = 2000
MAX_LISTED = 20
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|~])")
_REFERENCE = re.compile(r"(?<![\w&])([#!])(?=\d)")


def safe(foreign: str, limit: int = 200) -> str:
    """One line of Markdown that means nothing but itself, and refers to nobody and nothing."""
    return _REFERENCE.sub("\\1\N{ZERO WIDTH SPACE}", _SPECIAL.sub(r"\\\1", for_people(foreign, limit)))


def code(foreign: str) -> str:
    """What may stand between two backticks."""
    return for_people(foreign).replace("`", "'")


def explaining(word: str) -> str:
    """The command that tells all of a rollback, or what a reason means; a forge is given a link in its place."""
    return f"`gitops-rollback explain {code(word)}`"


def listed(name: str, items: Sequence[str]) -> str:
    """A heading with the items below it, each made safe; "" where there is none."""
    if not items:
        return ""
    lines = [f"- {safe(item, PARAGRAPH)}" for item in items[:MAX_LISTED]]
    more = [f"- and {len(items) - MAX_LISTED} more"] if len(items) > MAX_LISTED else []
    return "\n".join((f"### {name}", *lines, *more))


def fenced(text: str, language: str = "diff") -> str:
    """A block of code that nothing in it ends."""
    longest = max((len(run) for run in re.findall(r"`{3,}", text)), default=2)
    fence = "`" * max(3, longest + 1)
    kept = "".join(char if char.isprintable() or char in "\n\t" else "\N{REPLACEMENT CHARACTER}" for char in text)
    return f"{fence}{language}\n{kept}\n{fence}"
