"""What must hold, one small file each: a number, the sentence, and a check of what happened since the last look.

A file of this folder that has a `Promise` is all that it takes.
"""

from __future__ import annotations

from gitops_rollback.sandbox.simulation.finding import found_in
from gitops_rollback.sandbox.simulation.promises.promise import Promise

PROMISES: tuple[Promise, ...] = tuple(
    sorted(found_in(__name__, __path__, Promise), key=lambda promise: int(promise.number))
)
