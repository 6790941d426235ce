"""Who acts in a world on the wire besides the controller? Developers, who reverts by hand, who stops, who is faster."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from gitops_rollback.core.stop import CONTROL_PATH, HEAD_PATH, SETTINGS_DOOR, Pause, PauseState
from gitops_rollback.sandbox.git_server import Operation
from gitops_rollback.sandbox.simulation.files import PolicyText, deployment
from gitops_rollback.sandbox.simulation.wire.landing import text_of
from gitops_rollback.sandbox.simulation.wire.world import CONTROL, World

KINDS = {"good": 3.0, "bad": 3.0, "crashing": 1.0, "unrelated": 2.0, "several bad": 0.7, "merge bad": 1.0, "merge": 1.0}
CLOSED = b"apiVersion: gitops-rollback.dev/v1alpha1\nkind: RollbackPause\nspec: {all: true}\n"
OPEN = b"apiVersion: gitops-rollback.dev/v1alpha1\nkind: RollbackPause\nspec: {applications: []}\n"
UNREADABLE = b"apiVersion: gitops-rollback.dev/v1alpha1\nkind: RollbackPause\nspec: {al: true}\n"


class Developer:
    """Lands good, bad and unrelated commits, and merges, until the world is calm."""

    def __init__(self, world: World) -> None:
        self._world, self._random, self._count = world, world.random("developer"), 0
        world.after(self._random.uniform(10, 90), self._turn)

    def _turn(self) -> None:
        if self._world.calm:
            return
        self._commit(self._random.choices(list(KINDS), list(KINDS.values()))[0])
        self._world.after(self._random.expovariate(1 / self._world.setup.busy) + 2, self._turn)

    def _commit(self, kind: str) -> None:
        self._count += 1
        names = self._world.setup.names
        chosen = sorted(self._random.sample(names, k=2)) if "several" in kind else [self._random.choice(names)]
        if kind == "unrelated":
            self._world.commit("developer", {"docs/notes.md": b"note %d\n" % self._count}, "Note something")
            return
        tag = f"1.{self._count}{'-crash' if kind == 'crashing' else ''}"
        bad = "bad" in kind or kind == "crashing"
        if bad:
            late = self._random.random() < 0.15
            self._world.truth.onset[tag] = timedelta(seconds=self._random.uniform(*((60, 200) if late else (0, 40))))
        files = {f"apps/{name}/deployment.yaml": deployment(name, tag) for name in chosen}
        words = f"Release {tag} of {', '.join(chosen)}"
        sha = self._world.commit("developer", files, words, merge="merge" in kind)
        if bad:
            self._world.truth.culprits[sha] = frozenset(chosen)
            self._world.tell("truth", f"{sha[:8]} is bad for {', '.join(chosen)}")


class Reverter:
    """Now and then gives a failing application its former image by hand, before the controller does, or after."""

    def __init__(self, world: World) -> None:
        self._world, self._random = world, world.random("reverter")
        world.after(self._random.uniform(30, 120), self._turn)

    def _turn(self) -> None:
        world = self._world
        if world.calm:
            return
        failing = [name for name in world.setup.names if world.red_since(name)]
        if failing and self._random.random() < 0.4:
            self._mend(self._random.choice(failing))
        world.after(self._random.uniform(30, 120), self._turn)

    def _mend(self, name: str) -> None:
        world, path = self._world, f"apps/{name}/deployment.yaml"
        for ran in reversed(world.truth.ran.get(name, [])):
            text = text_of(world.bare, ran.revision, path)
            if not ran.tags & world.truth.onset.keys() and text is not None:
                if text != text_of(world.bare, world.head(), path):
                    world.commit("reverter", {path: text}, f"Put {name} back by hand")
                return


class Stopper:
    """Closes one of the three doors for a while; sometimes with a file that nobody can read."""

    def __init__(self, world: World) -> None:
        self._world, self._random = world, world.random("stopper")
        world.after(self._random.uniform(60, 600), self._turn)

    def _turn(self) -> None:
        world = self._world
        if world.calm:
            return
        door = self._random.choice(("settings", "control", "head"))
        text = CLOSED if self._random.random() < 0.7 else UNREADABLE
        self._set(door, text)
        world.doors.closed[door] = world.now
        world.stir()
        world.after(self._random.uniform(60, 300), self.open)
        world.after(self._random.uniform(400, 900), self._turn)

    def _set(self, door: str, text: bytes) -> None:
        world = self._world
        world.tell("stopper", f"{'opens' if text == OPEN else 'closes'} the door {door}")
        if door == "settings":
            world.doors.settings = PauseState(SETTINGS_DOOR, () if text == OPEN else (Pause(None),))
        elif door == "head":
            world.commit("stopper", {HEAD_PATH: None if text == OPEN else text}, "Pause, or go on")
        else:
            world.commit("stopper", {CONTROL_PATH: text}, "Pause, or go on", branch=CONTROL)

    def open(self) -> None:
        """Let the controller go on."""
        for door in tuple(self._world.doors.closed):
            self._set(door, OPEN)
            del self._world.doors.closed[door]


class Racer:
    """Lands something unrelated just before a push of the controller, before or after the server told its heads."""

    def __init__(self, world: World) -> None:
        self._world, self._random = world, world.random("racer")
        world.git.on_request = self._asked

    def _asked(self, operation: Operation) -> None:
        world = self._world
        if operation not in (Operation.ADVERTISE_PUSH, Operation.PUSH) or world.calm:
            return
        if self._random.random() < world.setup.racing / 2:
            world.commit("racer", {"docs/race.md": f"{world.now}\n{self._random.random()}\n".encode()}, "Race")


class Tempter:
    """Points an application's policy at a server that the controller's settings do not allow, and takes that back."""

    def __init__(self, world: World) -> None:
        self._world, self._random = world, world.random("tempter")
        self._policies: dict[str, bytes] = {}  # as they were, of those that are changed now
        world.after(self._random.uniform(30, 300), self._turn)

    def _turn(self) -> None:
        world = self._world
        if world.calm:
            return
        name = self._random.choice(world.setup.names)
        path = PolicyText(name).path
        text = text_of(world.bare, world.head(), path)
        if text is not None and not self._policies:
            self._policies[path] = text
            lured = text.replace(
                b"\n  triggers:\n", b"\n  metrics: {url: '%s'}\n  triggers:\n" % world.lure.url.encode()
            )
            world.commit("tempter", {path: lured}, f"Ask another server about {name}")
            world.stir()
        world.after(self._random.uniform(60, 300), self.relent)
        world.after(self._random.uniform(400, 900), self._turn)

    def relent(self) -> None:
        """What was changed is as it was."""
        for path, text in self._policies.items():
            self._world.commit("tempter", {path: text}, "Ask the server as before")
        self._policies.clear()


OTHERS: Mapping[str, Callable[[World], Stopper | Reverter]] = {"reverter": Reverter, "stopper": Stopper}


def move_in(world: World) -> Sequence[Callable[[], None]]:
    """Everybody that the setup names; what is to be done when the world becomes calm."""
    Developer(world)
    if world.setup.racing:
        Racer(world)
    tempter = Tempter(world) if world.setup.lures else None
    people = [OTHERS[name](world) for name in sorted(world.setup.people)]
    last = [one.open for one in people if isinstance(one, Stopper)]
    return [*last, tempter.relent] if tempter is not None else last
