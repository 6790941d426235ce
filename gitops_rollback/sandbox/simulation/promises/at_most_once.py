"""Promise 7: one automatic rollback for each (application, bad revision), and for each culprit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from gitops_rollback.sandbox.simulation.events import Event, Landed
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.remote import MAIN, Accepted
from gitops_rollback.sandbox.simulation.world import World


def check(world: World, event: Event) -> Iterator[str]:
    """Counted on the branch itself, over all replicas, restarts, pushes and merges."""
    if not isinstance(event, Accepted) or event.ref != MAIN:
        return
    # What a person let land is that person's rollback, and counts only for what we do by ourselves afterwards.
    ours = [one for one in world.carried if not isinstance(one, Landed) or one.automatic]
    # One commit may carry out two plans at once: then it is one rollback all the same.
    deployed = {(one.commit.sha, (name, one.bad)) for one in ours for name in one.applications}
    undone = {(one.commit.sha, sha) for one in ours for sha in (*one.before, *one.reverts)}
    revisions, culprits = Counter(one for _, one in sorted(deployed)), Counter(one for _, one in sorted(undone))
    for (name, bad), count in revisions.items():
        if count > 1:
            yield f"{name} at {bad[:8]} was rolled back {count} times"
    for sha, count in culprits.items():
        if count > 1:
            yield f"{sha[:8]} was reverted {count} times"


PROMISE = Promise("7", "one automatic rollback for each bad revision and for each culprit", check)
