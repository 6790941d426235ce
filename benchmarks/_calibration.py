"""How far can a stated probability be believed? Bins of it against how often it came true, and the Brier score."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

EDGES = (0.0, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 1.0)

Stated = tuple[float, bool]  # the probability of one commit, and whether it was the culprit
Row = tuple[object, ...]


def reliability(stated: Sequence[Stated]) -> Iterator[Row]:
    """Per bin: its bounds, how many commits, their mean probability, how many of them did it; empty bins are left out.

    The last column is the standard error of a share of that size: what lies within two of them is no finding.
    """
    for low, high in pairwise(EDGES):
        within = [one for one in stated if low <= one[0] < high or one[0] == high == EDGES[-1]]
        if within:
            n, mean = len(within), sum(chance for chance, _ in within) / len(within)
            did = sum(it for _, it in within)
            error = (mean * (1 - mean) / n) ** 0.5
            yield f"{low:g} to {high:g}", n, _percent(mean), _percent(did / n), did, _percent(error)


def brier(stated: Sequence[Stated]) -> tuple[float, float]:
    """The mean square of (probability - outcome), and that of one who says the base rate of every commit."""
    rate = sum(it for _, it in stated) / len(stated)
    return sum((chance - it) ** 2 for chance, it in stated) / len(stated), rate * (1 - rate)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
