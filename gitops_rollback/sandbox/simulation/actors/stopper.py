"""An operator at the three doors of the stop switch, who sometimes leaves a file that nobody can read."""

from __future__ import annotations

from collections.abc import Sequence

from gitops_rollback.core.stop import CONTROL_PATH, HEAD_PATH, SETTINGS_DOOR, Pause, PauseState
from gitops_rollback.ports import RefUpdate
from gitops_rollback.sandbox.simulation.remote import CONTROL
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.world import PERSON, World

CLOSED = b"apiVersion: gitops-rollback.dev/v1alpha1\nkind: RollbackPause\nspec: {all: true}\n"
OPEN = b"apiVersion: gitops-rollback.dev/v1alpha1\nkind: RollbackPause\nspec: {applications: []}\n"
UNREADABLE = b"apiVersion: gitops-rollback.dev/v1alpha1\nkind: RollbackPause\nspec: {al: true}\n"


class Stopper:
    """Closes one door for a while, then opens it."""

    def __init__(self, world: World, _replicas: Sequence[Replica]) -> None:
        self._world = world
        self._random = world.random("stopper")
        world.pauses.texts |= {world.objects.blob(CLOSED), world.objects.blob(UNREADABLE)}
        world.at_calm.append(self._open)
        world.schedule.after(self._random.uniform(30, 500), self._turn)

    def _turn(self) -> None:
        if self._world.calm:
            return
        door = self._random.choice(("settings", "control", "head"))
        text = CLOSED if self._random.random() < 0.7 else UNREADABLE
        self._set(door, text)
        self._world.pauses.closed[door] = self._world.now
        self._world.schedule.after(self._random.uniform(60, 300), self._open)
        self._world.schedule.after(self._random.uniform(400, 900), self._turn)

    def _set(self, door: str, text: bytes) -> None:
        world = self._world
        world.tell("stopper", f"{'closes' if text != OPEN else 'opens'} the door {door}")
        if door == "settings":
            closed = () if text == OPEN else (Pause(None),)
            world.pauses.settings = PauseState(SETTINGS_DOOR, closed)
        elif door == "head":
            world.commit("stopper", {HEAD_PATH: None if text == OPEN else text}, "Pause, or go on")
        else:
            old = world.remote.refs.get(CONTROL)
            tree = world.objects.with_files(old, {CONTROL_PATH: text})
            sha = world.objects.commit(tree, (old,) if old else (), PERSON, "Pause, or go on", world.now)
            world.remote.receive("stopper", (RefUpdate(CONTROL, sha, old),))

    def _open(self) -> None:
        for door in tuple(self._world.pauses.closed):
            self._set(door, OPEN)
            del self._world.pauses.closed[door]
