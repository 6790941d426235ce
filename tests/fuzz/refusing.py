"""How a fuzzed reader may say no."""

from __future__ import annotations

from collections.abc import Callable


def refusal(read: Callable[[], object], *documented: type[Exception]) -> str:
    """The sentence with which a reader refuses; "" if it does not. What it does not document gets out."""
    said = ""
    try:
        read()
    except documented as error:
        said = str(error) or "(no sentence)"
    assert said != "(no sentence)"
    return said
