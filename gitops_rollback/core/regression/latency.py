"""From when on is a request slow? The bound of a histogram's buckets that can be counted; no quantile is estimated.

Source: detection.md section 4.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

USUAL_TAIL = 0.05
LEAST_TAIL, MOST_TAIL = 0.003, 0.30


def slow_bound(slower: Mapping[float, float]) -> float | None:
    """The bucket bound whose share of slower requests in the baseline is nearest 5%, on a log scale.

    `slower` has that share for each bound, in seconds. None where no share is from 0.3% to 30%; of two that are equally
    near the lower bound.
    """
    usable = [
        (abs(math.log(tail / USUAL_TAIL)), bound) for bound, tail in slower.items() if LEAST_TAIL <= tail <= MOST_TAIL
    ]
    return min(usable)[1] if usable else None
