"""Operators at the three doors of the stop switch, one at each, who sometimes leave a file that nobody can read.

Each closes his own door for a while and opens it again, whatever the others do; so two or three may be closed at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random

from gitops_rollback.core.stop import CONTROL_PATH, HEAD_PATH, SETTINGS_DOOR, Pause, PauseState
from gitops_rollback.ports import RefUpdate
from gitops_rollback.sandbox.simulation.actors.actor import Actor
from gitops_rollback.sandbox.simulation.remote import CONTROL
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.world import PERSON, World

CLOSED = b"apiVersion: gitops-rollback.dev/v1alpha1\nkind: RollbackPause\nspec: {all: true}\n"
OPEN = b"apiVersion: gitops-rollback.dev/v1alpha1\nkind: RollbackPause\nspec: {applications: []}\n"
UNREADABLE = b"apiVersion: gitops-rollback.dev/v1alpha1\nkind: RollbackPause\nspec: {al: true}\n"


class Stopper:
    """All three operators."""

    def __init__(self, world: World, _replicas: Sequence[Replica]) -> None:
        world.pauses.texts |= {world.objects.blob(CLOSED), world.objects.blob(UNREADABLE)}
        doors: Mapping[str, Callable[[World, bytes], None]] = {
            "settings": _write_settings,
            "control": _write_control,
            "head": _write_head,
        }
        for door, write in doors.items():
            Operator(world, door, write, world.random(f"stopper at {door}"))


class Operator:
    """One person at one door."""

    def __init__(self, world: World, door: str, write: Callable[[World, bytes], None], random: Random) -> None:
        self._world = world
        self._door = door
        self._write = write
        self._random = random
        world.at_calm.append(self._open)
        world.schedule.after(random.uniform(30, 1200), self._close)

    def _close(self) -> None:
        world, random = self._world, self._random
        if world.calm:
            return
        text = CLOSED if random.random() < 0.7 else UNREADABLE
        world.tell("stopper", f"closes the door {self._door}{'' if text == CLOSED else ' with an unreadable word'}")
        self._write(world, text)
        world.pauses.closed[self._door] = world.now
        world.schedule.after(random.uniform(60, 300), self._open)
        world.schedule.after(random.uniform(700, 2000), self._close)

    def _open(self) -> None:
        if self._door in self._world.pauses.closed:
            self._world.tell("stopper", f"opens the door {self._door}")
            self._write(self._world, OPEN)
            del self._world.pauses.closed[self._door]


def _write_settings(world: World, text: bytes) -> None:
    closed = (Pause(None),) if text == CLOSED else ()
    unreadable = "the settings have an unknown key" if text == UNREADABLE else ""
    world.pauses.settings = PauseState(SETTINGS_DOOR, closed, unreadable)


def _write_head(world: World, text: bytes) -> None:
    world.commit("stopper", {HEAD_PATH: None if text == OPEN else text}, "Pause, or go on")


def _write_control(world: World, text: bytes) -> None:
    old = world.remote.refs.get(CONTROL)
    tree = world.objects.with_files(old, {CONTROL_PATH: text})
    sha = world.objects.commit(tree, (old,) if old else (), PERSON, "Pause, or go on", world.now)
    world.remote.receive("stopper", (RefUpdate(CONTROL, sha, old),))


ACTOR = Actor("stopper", Stopper, share=0.25)
