"""How is what is missing here installed? There is no package in an index yet, so pip is pointed at a clone."""

from __future__ import annotations

WHERE = "in a clone of gitops-rollback"


def install(extra: str = "") -> str:
    """The command, and where it is given; with an extra, or of the program alone."""
    return f"pip install '.[{extra}]' {WHERE}" if extra else f"pip install . {WHERE}"
