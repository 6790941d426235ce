"""Faults of the repositories: races, rewrites, refusals, locks, mirrors, a broken clone (F5-F8, F11, F12)."""

from __future__ import annotations

import random
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from fault_world import UNHURRIED, FaultWorld, fault_world, history_faults
from faults_git_link import READS, since, verified
from live_world import MAIN, MINUTE, NO_POLLS
from proxy import Exchange, asks_for, cut_before_reply, elsewhere, pushes_to, status

from gitops_rollback.sandbox.simulation.wire.gitlog import run_git

PUSHES_PER_HOLD = 16  # twelve tries, and what the journal needs
RACE_SPEED = 20.0


def held(world: FaultWorld, *reasons: str) -> list[str]:
    """A person is paged for one of these reasons, and nothing of ours lands for a while."""
    world.until(lambda: any(world.pages(reason) for reason in reasons), f"a person is paged: {reasons}")
    world.let_pass(2 * MINUTE)
    return list(history_faults(world, reverts=0, settled=False))


def main_pushes(world: FaultWorld, moment: float = 0.0) -> list[Exchange]:
    return [one for one in since(world, moment) if pushes_to(MAIN)(one)]


# F5


class Pushers:
    """Eight people who keep landing commits on the branch, each as fast as the last one let them."""

    def __init__(self, world: FaultWorld, dice: random.Random, count: int = 8) -> None:
        self._world = world
        self._over = threading.Event()
        self.landed: list[str] = []
        names = [f"docs/note-{number}.md" for number in range(count)]
        pauses = [dice.uniform(0.2, 1.2) for _ in names]
        self._threads = [
            threading.Thread(target=self._push, args=arguments) for arguments in zip(names, pauses, strict=True)
        ]

    def __enter__(self) -> Pushers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_about: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _push(self, name: str, pause: float) -> None:
        number = 0
        while not self._over.wait(pause):
            number += 1
            made = self._world.people.push(f"docs: note {number}", {name: f"{number}\n"}, self._world.now(), tries=200)
            self.landed.append(made)


def race(folder: Path, seed: int) -> list[str]:
    """F5: others keep pushing: decided anew each time, nothing is lost, and it lands in the end."""
    with fault_world(folder, speed=RACE_SPEED, timing=NO_POLLS) as world:
        world.fail()
        with Pushers(world, random.Random(seed)) as others:
            world.until(world.deployed, "the controller has seen the bad release")
            world.until(lambda: bool(world.telling.reverts()) or bool(world.pages("PushRejected")), "landed, or held")
        broken = verified(world)
        lost = set(others.landed) - set(world.people.git("rev-list", "main").split())
        return broken + [f"a person's commit was lost: {sha}" for sha in sorted(lost)]


def always_late(folder: Path, seed: int) -> list[str]:
    """F5: somebody is faster every time: the tries end, a person is told; it lands once they stop."""
    with fault_world(folder, speed=UNHURRIED, timing=NO_POLLS) as world:
        world.fail()
        world.until(world.deployed, "the controller has seen the bad release")
        began, landed = time.monotonic(), []

        def be_faster(_repository: Path) -> None:
            landed.append(world.people.push("docs: faster", {"docs/fast.md": f"{len(landed)}\n"}, world.now()))

        world.world.git.before_push = be_faster
        world.until(lambda: bool(world.pages("PushRejected")), "a person is paged")
        broken = list(history_faults(world, reverts=0, settled=False))
        if len(main_pushes(world, began)) > PUSHES_PER_HOLD:
            broken.append(f"{len(main_pushes(world, began))} pushes before a person was told")
        world.world.git.before_push = None
        broken += verified(world)
        lost = set(landed) - set(world.people.git("rev-list", "main").split())
        return broken + [f"a person's commit was lost: {sha}" for sha in sorted(lost)]


RACES = (race, always_late)


def races(folder: Path, seed: int) -> list[str]:
    """F5: a race for the branch."""
    return RACES[seed % len(RACES)](folder, seed)


# F6


def rewritten(folder: Path, seed: int) -> list[str]:
    """F6: somebody forces the branch to a line without the culprit: hold and page, nothing is pushed."""
    with fault_world(folder, speed=UNHURRIED) as world:
        world.fail()
        # Not the first look: that may have read the branch before the release was on it.
        world.until(lambda: world.looked_at_bad("Pending"), "the controller has read the bad release")
        tree, parent = f"{world.telling.before}^{{tree}}", world.telling.before
        other = world.people.git(
            "-c", "user.name=Kim", "-c", "user.email=kim@shop.example",
            "commit-tree", tree, "-p", parent, "-m", "Go on without it",
        )  # fmt: skip
        target = (other, parent)[seed % 2]
        world.people.git("update-ref", MAIN, target)
        began = time.monotonic()
        world.until(lambda: bool(world.pages("BranchRewritten")), "a person is paged")
        world.let_pass(5 * MINUTE)
        broken = list(history_faults(world, reverts=0, forced={target}, settled=False))
        return broken + [f"pushed to a branch that was rewritten: {one.path}" for one in main_pushes(world, began)]


# F7


def _protected(world: FaultWorld) -> None:
    world.world.git.refuse_push("GH006: Protected branch update failed", ref=MAIN)


def _hook(world: FaultWorld) -> None:
    world.world.git.refuse_push("Commits need a ticket number")


def _too_big(world: FaultWorld) -> None:
    world.links.git.strike(status(413), pushes_to(MAIN))


REFUSALS: tuple[tuple[Callable[[FaultWorld], None], str], ...] = (
    (_protected, "GH006: Protected branch update failed"),
    (_hook, "Commits need a ticket number"),
    (_too_big, "413"),
)


def _paged_with(world: FaultWorld, words: str) -> bool:
    return any(words in str(line.get("text")) for line in world.pages())


def refused(folder: Path, seed: int) -> list[str]:
    """F7: a rule of the server refuses the push: a person is asked with the server's own words, and not in a loop."""
    refuse, words = REFUSALS[seed % len(REFUSALS)]
    with fault_world(folder, speed=UNHURRIED) as world:
        world.fail()
        world.until(world.deployed, "the controller has seen the bad release")
        refuse(world)
        began = time.monotonic()
        world.until(lambda: _paged_with(world, words), f"a person is told in words: {words}")
        world.let_pass(5 * MINUTE)
        broken = list(history_faults(world, reverts=0, settled=False))
        if len(main_pushes(world, began)) > PUSHES_PER_HOLD:
            broken.append(f"{len(main_pushes(world, began))} pushes against a rule in five minutes")
        pages = len(world.pages())
        return broken + ([f"{pages} pages for one refusal"] if pages > 2 else [])  # one more for the journal


# F8


def locked(folder: Path, seed: int) -> list[str]:
    """F8: a push that died left its lock at the server: hold, page, and its file is never touched."""
    with fault_world(folder, speed=UNHURRIED) as world:
        world.fail()
        world.until(world.deployed, "the controller has seen the bad release")
        lock = world.world.bare / "refs" / "heads" / "main.lock"
        lock.touch()
        broken = held(world, "RemoteRefLocked")
        if not lock.exists():
            return [*broken, "the server's lock was removed"]
        lock.unlink()
        return broken + verified(world)


# F11


@contextmanager
def lagging(world: FaultWorld, seconds: float) -> Iterator[None]:
    """The controller reads from a mirror that looks at the source now and then only; pushes go to the source."""
    mirror, over = world.world.bare.with_name("mirror.git"), threading.Event()
    run_git(world.world.bare, "clone", "--quiet", "--mirror", str(world.world.bare), str(mirror))

    def catch_up() -> None:
        while not over.wait(seconds):
            run_git(mirror, "fetch", "--quiet", "--prune", "origin", "+refs/*:refs/*")

    thread = threading.Thread(target=catch_up)
    thread.start()
    fault = world.links.git.strike(elsewhere("/shop/config.git", "/shop/mirror.git"), asks_for(READS))
    try:
        yield
    finally:
        over.set()
        thread.join()
        world.links.git.heal(fault)


def mirror_lag(folder: Path, seed: int) -> list[str]:
    """F11: reads come from a mirror that is late; even without the push's answer there is one commit."""
    lag = random.Random(seed).uniform(1.5, 5.0)
    with fault_world(folder, speed=RACE_SPEED) as world:
        lost = world.links.git.strike(cut_before_reply(), pushes_to(MAIN), times=1) if seed % 2 else None
        with lagging(world, lag):
            world.fail()
            world.until(lambda: bool(world.telling.reverts()), "the rollback lands at the source")
            broken = list(history_faults(world, settled=False))
            broken += verified(world)
        return broken + (["the fault did not strike"] if lost is not None and lost.struck != 1 else [])


# F12


def _packs(clone: Path) -> list[Path]:
    return sorted((clone / "objects" / "pack").glob("*.pack"))


def _truncate(clone: Path, dice: random.Random) -> None:
    for pack in _packs(clone):
        with pack.open("r+b") as opened:
            opened.truncate(dice.randrange(12, pack.stat().st_size))


def _garbage(clone: Path, dice: random.Random) -> None:
    for pack in _packs(clone):
        size = pack.stat().st_size
        with pack.open("r+b") as opened:
            for _ in range(8):
                opened.seek(dice.randrange(12, size))
                opened.write(dice.randbytes(64))


def _no_index(clone: Path, dice: random.Random) -> None:
    for index in (clone / "objects" / "pack").glob("*.idx"):
        index.chmod(0o644)
        index.write_bytes(dice.randbytes(4096))


def _shallow(clone: Path, dice: random.Random) -> None:
    (clone / "shallow").write_text("not a commit at all\n")


def _gone(clone: Path, dice: random.Random) -> None:
    subprocess.run(["rm", "-rf", str(clone / "objects")], check=True)


DAMAGES: tuple[Callable[[Path, random.Random], None], ...] = (_truncate, _garbage, _no_index, _shallow, _gone)


def broken_clone(folder: Path, seed: int) -> list[str]:
    """F12: the local clone is spoiled while the controller runs: it is made anew, and nothing wrong is pushed."""
    with fault_world(folder, speed=RACE_SPEED) as world:
        world.fail()
        world.until(world.deployed, "the controller has seen the bad release")
        clone = next((world.folder / "state" / "clones").glob("*.git"))
        for path in clone.rglob("*.pack"):
            path.chmod(0o644)
        mark = clone / "mark-of-the-old-one"
        mark.touch()
        damage = DAMAGES[seed % len(DAMAGES)]
        damage(clone, random.Random(seed))
        broken = verified(world)
        checked = subprocess.run(
            ["git", f"--git-dir={clone}", "fsck", "--connectivity-only"], capture_output=True, text=True, check=False
        )
        if mark.exists() and damage is not _garbage:  # of that, none may lie where anything was read
            broken.append(f"the clone is still the old one; fsck says {checked.returncode}: {checked.stderr[-300:]}")
        return broken


FAULTS: Mapping[str, Callable[[Path, int], list[str]]] = {
    "F5": races,
    "F6": rewritten,
    "F7": refused,
    "F8": locked,
    "F11": mirror_lag,
    "F12": broken_clone,
}
