"""People who edit the marks of image automations: put back, taken off, spelt otherwise, with the value or without it.

They do so at any time, soon after a rollback, and sometimes just before a push of ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from gitops_rollback.sandbox.simulation.actors.actor import Actor
from gitops_rollback.sandbox.simulation.files import image_mark, is_marked, without_marks
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.world import World

AFTER_A_ROLLBACK = 0.3
LOOKS_EVERY = 10.0  # seconds
IN_A_RACE = 0.5

Edit = Callable[[str, bytes], bytes]


class Marker:
    """Works on one file at a time."""

    def __init__(self, world: World, _replicas: Sequence[Replica]) -> None:
        self._world = world
        self._random = world.random("marker")
        self._seen = 0
        self._names = world.setup.automated
        self._edits: Sequence[tuple[str, Edit, float]] = (
            ("puts back", _put_back, 4.0), ("takes off", _taken_off, 2.0), ("moves", _moved, 0.7),
            ("comments beside", _commented, 1.0), ("renames what bears", _renamed, 0.6),
        )  # fmt: skip
        if not self._names:
            return
        before = world.racing
        world.racing = lambda: self._race(before)
        world.schedule.after(self._random.uniform(60, 400), self._turn)
        world.schedule.after(LOOKS_EVERY, self._look)

    def _turn(self) -> None:
        if self._world.calm:
            return
        self._edit(self._random.choice(self._names))
        self._world.schedule.after(self._random.uniform(150, 900), self._turn)

    def _look(self) -> None:
        world = self._world
        if world.calm:
            return
        for rollback in world.rollbacks[self._seen :]:
            if rollback.speaker in self._names and self._random.random() < AFTER_A_ROLLBACK:
                name = rollback.speaker
                world.schedule.after(self._random.uniform(0, 200), partial(self._edit, name))
        self._seen = len(world.rollbacks)
        world.schedule.after(LOOKS_EVERY, self._look)

    def _edit(self, name: str) -> None:
        word, files = self._drawn(name)
        if files and not self._world.calm:
            self._world.commit("marker", files, f"Somebody {word} the mark of {name}")

    def _race(self, before: Callable[[], Mapping[str, bytes]]) -> Mapping[str, bytes]:
        files = self._drawn(self._random.choice(self._names))[1] if self._random.random() < IN_A_RACE else {}
        return files or before()

    def _drawn(self, name: str) -> tuple[str, dict[str, bytes]]:
        path = f"apps/{name}/deployment.yaml"
        text = self._world.objects.text(self._world.head, path)
        word, edit, _ = self._random.choices(self._edits, [weight for _, _, weight in self._edits])[0]
        changed = text if text is None else edit(name, text)
        return word, {} if changed is None or changed == text else {path: changed}


def _put_back(name: str, text: bytes) -> bytes:
    return text if is_marked(text) else _marked(text, image_mark(name))


def _taken_off(_name: str, text: bytes) -> bytes:
    return without_marks(text)


def _moved(name: str, text: bytes) -> bytes:
    """Spelt with other spaces, which is the same mark."""
    return _marked(without_marks(text), image_mark(name).replace("{", "{ ").replace("}", " }"))


def _commented(_name: str, text: bytes) -> bytes:
    """On a line of its own; where a mark was taken off, its place is taken by words."""
    return b"# looked at\n" + text if is_marked(text) else _marked(text, "  # do not touch")


def _renamed(name: str, text: bytes) -> bytes:
    """The container has another name, so the field has, too."""
    return text.replace(f"- name: {name}\n".encode(), b"- name: main\n")


def _marked(text: bytes, mark: str) -> bytes:
    """The comment behind the image is this one."""
    lines = [line.partition(b" #")[0] + mark.encode() if b"image: " in line else line for line in text.split(b"\n")]
    return b"\n".join(lines)


ACTOR = Actor("marker", Marker)
