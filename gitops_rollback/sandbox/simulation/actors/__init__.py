"""Who else is in the world? One small file each; an actor plans its own deeds, and does nothing once it is calm.

A file of this folder that has an `Actor` is all that it takes: the worlds, `--without` and `--shrink` know it then.
"""

from __future__ import annotations

from collections.abc import Mapping

from gitops_rollback.sandbox.simulation.actors.actor import Actor
from gitops_rollback.sandbox.simulation.actors.developer import Developer
from gitops_rollback.sandbox.simulation.finding import found_in

DEVELOPER = Developer  # is in each world
OTHERS: Mapping[str, Actor] = {one.name: one for one in found_in(__name__, __path__, Actor)}
