"""What does a rollback of several applications take back in all? The record says so that lands with its first commit.

Its own trailers name only what that commit reverts, and the culprit goes back with the last one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from gitops_rollback.ports import RefUpdate
from gitops_rollback.sandbox.simulation.events import Rollback
from gitops_rollback.sandbox.simulation.objects import Objects
from gitops_rollback.sandbox.simulation.remote import JOURNAL
from gitops_rollback.sandbox.simulation.truth import Truth

Any = TypeVar("Any", bound=Rollback)


def whole(rollback: Any, updates: Sequence[RefUpdate], truth: Truth) -> Any:
    """The same with all its culprits, and apart from them what goes back before, newest first each.

    A culprit changes files of the applications that the rollback is about; what goes back before does not.
    """
    if not rollback.staged or any(truth.own_paths(name, rollback.commit.paths) for name in rollback.applications):
        return rollback
    going = _recorded(truth.objects, updates, rollback.commit.trailers["Rollback-Id"][0])
    paths = {sha: truth.objects.commits[sha].paths for sha in going if sha in truth.objects.commits}
    if not paths:
        return rollback
    own = [sha for sha in paths if any(truth.own_paths(name, paths[sha]) for name in rollback.applications)]
    return replace(rollback, reverts=tuple(own), before=tuple(sha for sha in going if sha not in own))


def _recorded(objects: Objects, updates: Sequence[RefUpdate], identity: str) -> tuple[str, ...]:
    for update in updates:
        text = objects.text(update.new, f"records/{identity}.json") if update.ref == JOURNAL else None
        if text is not None:
            return tuple(json.loads(text)["reverts"])
    return ()
