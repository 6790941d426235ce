"""How a word in a file becomes a fault: it hurts soon or late, is seen by the engine or not, and may hang its sync."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from gitops_rollback.sandbox.simulation.world import World


def make_bad(world: World, random: Random, names: Sequence[str], word: str) -> None:
    """From now on this word makes these applications bad, sooner or later."""
    truth = world.truth
    late = random.random() < 0.15
    truth.onset[word] = random.uniform(60, 300) if late else random.uniform(0, 40)
    if random.random() < world.setup.hangs:
        truth.hangs.add(word)
    if random.random() < 0.4:
        truth.crashes.add(word)
    for name in names:
        truth.faulty.setdefault(name, set()).add(word)
    world.tell("truth", f"{word} is bad for {', '.join(names)}")


def any_bad(world: World) -> bool:
    """Some application hurts now: then people who look at their metrics bring nothing new."""
    return any(world.truth.is_bad(name, world.now) for name in world.setup.names)
