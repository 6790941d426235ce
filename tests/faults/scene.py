"""One world with a fault in it, the seed's dice, and the sentences that turned out false.

A scenario is a function of a folder and a seed; what it returns are those sentences, with what `aftermath` finds.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from aftermath import aftermath, our_commits
from live_world import POLICY_PATH, Live, living, patient_policy

from gitops_rollback.sandbox.prometheus import Vector
from gitops_rollback.sandbox.simulation.wire.history import Known

Scenario = Callable[[Path, int], tuple[str, ...]]
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

    def verified_or_approved(self) -> None:
        """As `verified`; where the controller could not find out all that it must know, a person gives their word."""

        def asked() -> list[str]:
            return [one["id"] for one in self.live.telling.records() if one["phase"] == "AwaitingApproval"]

        self.until(lambda: bool(asked()) or self.live.telling.is_done("verified"), "verified, or a person is asked")
        for identity in asked():
            answer = self.live.verb("approve", identity, "--yes")
            self.check(answer.code == 0, f"a person's word is not taken: {answer}")
        self.verified()

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


@contextmanager
def scene(folder: Path, seed: int, controller: bool = True, kind: type[Live] = Live, **words: Any) -> Iterator[Scene]:
    """A started world with a running controller; afterwards nothing of it is left."""
    folder.mkdir(parents=True, exist_ok=True)
    words.setdefault("policies", {POLICY_PATH: patient_policy()})
    with living(folder, controller, kind, **words) as live:
        one = Scene(live, random.Random(seed))
        try:
            yield one
        except AssertionError as error:
            raise AssertionError("\n".join((*one.broken, str(error)))) from error
        known = None if one.rewritten else Known(secrets=one.secrets, texts={"log": live.log_text()})
        one.broken += aftermath(live, known, one.harmed)
