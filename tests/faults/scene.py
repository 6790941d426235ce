"""One world with a fault in it: what a scenario does, and what must hold of git and the journal after any of them.

A scenario is a function of a folder and a seed; what it returns are the sentences that turned out false. The checks
read the bare repository, the server's own record of pushes and the controller's log, never the product's code.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from live_world import POLICY_PATH, SERVICE, Live, quick_policy

from gitops_rollback.sandbox.people import People
from gitops_rollback.sandbox.prometheus import Vector
from gitops_rollback.sandbox.simulation.wire.history import Known, check_history
from gitops_rollback.sandbox.telling import CONTROLLER
from gitops_rollback.sandbox.world import REPOSITORY

Scenario = Callable[[Path, int], tuple[str, ...]]
MAIN = "refs/heads/main"
REVERTS = re.compile(r"This reverts commit ([0-9a-f]{40})")
LONGEST_SECONDS = 120.0


@dataclass
class Scene:
    """A world, the seed's dice, and what turned out false so far."""

    live: Live
    dice: random.Random
    broken: list[str] = field(default_factory=list)
    rewritten: bool = False  # the scenario itself moves refs by force, so the history breaks promises
    harmed: bool = False  # the process itself was, so an internal error is no surprise
    secrets: list[str] = field(default_factory=list)  # must stand nowhere

    def check(self, holds: bool, sentence: str) -> None:
        """Remember `sentence` if it does not hold."""
        if not holds:
            self.broken.append(sentence)

    def until(self, condition: Callable[[], bool], what: str, real_seconds: float = LONGEST_SECONDS) -> None:
        self.live.until(condition, what, real_seconds)

    def reverts(self) -> list[str]:
        """Commits of the controller on the branch, newest first."""
        return our_commits(self.live.people)

    def nothing_for(self, span: timedelta, during: str) -> None:
        """No further commit of ours lands while `span` of world time passes."""
        before = len(self.reverts())
        self.live.let_pass(span)
        self.check(len(self.reverts()) == before, f"a commit was pushed {during}")

    def pending(self) -> None:
        """Wait until the controller sees the failure; a slow machine may find it firing, or undone, at once."""
        seen = len(self.reverts())

        def raised() -> bool:
            lines = [line for line in self.live.logged() if line.get("msg") == "trigger"]
            known = any(line.get("phase") in ("pending", "firing") for line in lines)
            return known or len(self.reverts()) > seen

        self.until(raised, "a trigger is pending")

    def verified(self, count: int = 1) -> None:
        """The story ends well: so many rollbacks, all of them verified."""

        def ended() -> bool:
            records = self.live.telling.records()
            return len(records) >= count and all(one["outcome"] == "verified" for one in records)

        self.until(ended, f"{count} verified")
        self.check(len(self.reverts()) == count, f"{len(self.reverts())} commits of ours, not {count}")

    def paged(self, *reasons: str) -> bool:
        """A person was paged for one of these reasons."""
        return any(self.live.pages(reason) for reason in reasons)

    def explained(self, *reasons: str) -> bool:
        """A decision or a message with one of these reasons is in journal or log."""
        logged = {line.get("reason") for line in self.live.logged()}
        return self.live.telling.has_decided(*reasons) or bool(logged & set(reasons))


def hide(it: Scene, hidden: Callable[[str, datetime], bool]) -> None:
    """From now on the sandbox's Prometheus has no series for a query at an instant that is `hidden`."""
    prometheus = it.live.world.prometheus
    truth = prometheus._at

    def shown(query: str, at: datetime) -> Vector:
        return [] if hidden(query, at) else truth(query, at)

    prometheus._at = shown


def patient_policy(service: str = SERVICE) -> str:
    """The quick policy, but its verification waits for longer than a loaded machine may take."""
    return quick_policy(service).replace("timeout: 15m", "timeout: 2h")


@contextmanager
def scene(folder: Path, seed: int, controller: bool = True, kind: type[Live] = Live, **words: Any) -> Iterator[Scene]:
    """A started world with a running controller; afterwards nothing of it is left."""
    folder.mkdir(parents=True, exist_ok=True)
    live = kind(folder, **{"policies": {POLICY_PATH: patient_policy()}, **words})
    one = Scene(live, random.Random(seed))
    try:
        live.start_world()
        if controller:
            live.start_controller()
        yield one
        one.broken += aftermath(one)
    finally:
        live.kill_controller()
        close: Callable[[], None] = getattr(live, "close", live.world.stop)
        close()


def aftermath(scene: Scene) -> list[str]:
    """What must hold whatever happened: of the history by the judge from outside, and that nothing stumbled."""
    live = scene.live
    broken = [f"the sandbox failed: {failure!r}" for failure in live.argocd.failures]
    landed = {one.new for one in live.world.git.updates(f"{REPOSITORY}.git") if one.ref == MAIN}
    commits = our_commits(live.people)
    broken += [f"{sha} of ours came by no push" for sha in commits if sha not in landed]
    broken += [f"a push that is not ours: {sha}" for sha in landed if sha not in commits]
    undone = [sha for commit in commits for sha in REVERTS.findall(live.message(commit))]
    broken += [f"{sha} was reverted {count} times" for sha, count in Counter(undone).items() if count > 1]
    if not scene.rewritten:
        broken += check_history(live.world.bare, Known(secrets=scene.secrets, texts={"log": live.log.read_text()}))
    stumbles = () if scene.harmed else crashes(live)
    return broken + [f"stumbled: {line.get('msg')}" for line in stumbles]


def crashes(live: Live) -> list[dict[str, Any]]:
    """What the controller itself calls an internal error."""
    return [line for line in live.logged() if "exception" in line or "InternalError" in str(line.get("reason"))]


def our_commits(people: People) -> list[str]:
    log = people.git("log", "--format=%H %cn", "main").splitlines()
    return [line.split()[0] for line in log if line.split(" ", 1)[1] == CONTROLLER]
