"""How many of a thing, as people write it."""

from __future__ import annotations


def how_many(number: int, thing: str) -> str:
    """`1 file`, `2 files`, `0 policies`; `thing` is one of them."""
    if number == 1:
        return f"1 {thing}"
    return f"{number} {thing[:-1]}ies" if thing.endswith("y") else f"{number} {thing}s"
