"""Pushes whose answer never comes, while others push: is each one recognised at the next read, and none made twice?

Real git over real HTTP through the fault proxy, and the product's own repository; no controller, so that it is fast.

    from ambiguous_pushes import cut_pushes
    found = cut_pushes(folder, count=1000, seed=1)
    assert found.wrong == []
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from proxy import Fault, FaultProxy, asks_for, cut_before_reply, drop_after, pushes_to, refuse, status
from remote_world import JOURNAL, MAIN, Remote, git

from gitops_rollback.adapters.git.repository import GitConfigRepo
from gitops_rollback.core.errors import RollbackError
from gitops_rollback.ports import PushOutcome, RefUpdate
from gitops_rollback.sandbox.git_server import GitServer

START = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)
READS, WRITES = asks_for("git-upload-pack"), asks_for("git-receive-pack")
PUSHES = pushes_to(MAIN)
AFTER_THE_WORK = (
    *(cut_before_reply(), drop_after(40), drop_after(200)),
    *(status(code, after=True) for code in (500, 502, 504)),
)
BEFORE_THE_WORK = ((refuse(), PUSHES), (status(503), PUSHES), (status(500), WRITES))
SHARE_BEFORE, SHARE_BLIND, SHARE_RACED = 0.15, 0.3, 0.25
MOST_PUSHES = 16  # for one change: even if many of them never reach the server, or come late


@dataclass
class Found:
    """What happened. `late`: landed, and known only by a later read; `raced`: somebody else was faster."""

    late: int = 0
    raced: int = 0
    wrong: list[str] = field(default_factory=list)


def cut_pushes(folder: Path, count: int, seed: int) -> Found:
    """Push `count` changes, each by pushes that are cut, until it is there.

    Most are cut after the server has done its work, some before; of some the look that follows fails as well; before
    some, another person lands a commit. What is not there at the next read is pushed again, as the controller would.
    """
    server = GitServer(folder / "served").start()
    remote = Remote(server).create()
    remote.commit({"apps/a.yaml": "n: 0\n"}, "Begin", days_ago=1)
    proxy = FaultProxy(remote.url)
    repo = remote.open(folder / "state", url=proxy.url)
    try:
        pushing = _Pushing(remote, repo, proxy, random.Random(seed))
        for number in range(count):
            pushing.change(number)
        pushing.found.wrong += _once_each(remote, count, pushing.theirs)
        return pushing.found
    finally:
        repo.close()
        proxy.stop()
        server.stop()


class _Pushing:
    def __init__(self, remote: Remote, repo: GitConfigRepo, proxy: FaultProxy, dice: random.Random) -> None:
        self._remote, self._repo, self._proxy, self._dice = remote, repo, proxy, dice
        self.found = Found()
        self.theirs: list[str] = []

    def change(self, number: int) -> None:
        """One change, until it is on the branch."""
        for _ in range(MOST_PUSHES):
            if self._push(number):
                return
        self.found.wrong.append(f"change {number} did not land in {MOST_PUSHES} pushes")

    def _push(self, number: int) -> bool:
        """One push that is struck, and what is said of it; whether it landed."""
        updates = self._updates(number)
        raced = self._dice.random() < SHARE_RACED
        if raced:
            self.theirs.append(self._remote.commit({f"theirs/{len(self.theirs)}": "n: 1\n"}, "Theirs"))
        fault, blind = self._strike()
        outcome = self._outcome(number, updates)
        self._proxy.heal()
        if fault.struck == 0 and not raced:  # git itself sees that it comes too late, and sends nothing
            self.found.wrong.append(f"change {number}: the push was not struck")
        landed, known = self._remote.head() == updates[0].new, self._repo.fetch().branch == updates[0].new
        if known != landed:
            self.found.wrong.append(f"change {number}: landed {landed}, and the next read says {known}")
        if landed != (self._remote.head(JOURNAL) == updates[1].new):
            self.found.wrong.append(f"change {number}: one of its two branches moved without the other")
        self._judge(number, outcome, landed, blind)
        self.found.raced += raced
        return landed

    def _updates(self, number: int) -> tuple[RefUpdate, RefUpdate]:
        heads, at = self._repo.fetch(), START + timedelta(seconds=number)
        ours = self._repo.write_files(heads.branch, {f"ours/{number}": b"n: 1\n"}, f"Change {number}", at)
        entry = self._repo.write_files(heads.journal, {f"e/{number}": b"done\n"}, f"Entry {number}", at)
        return RefUpdate(MAIN, ours, heads.branch), RefUpdate(JOURNAL, entry, heads.journal)

    def _strike(self) -> tuple[Fault, bool]:
        """The push is cut; and of some, what is read after it until `heal`."""
        if self._dice.random() < SHARE_BEFORE:
            fault = self._proxy.strike(*self._dice.choice(BEFORE_THE_WORK))
        else:
            fault = self._proxy.strike(self._dice.choice(AFTER_THE_WORK), PUSHES)
        blind = self._dice.random() < SHARE_BLIND
        if blind:
            self._proxy.strike(status(503), lambda one: fault.struck > 0 and READS(one))
        return fault, blind

    def _outcome(self, number: int, updates: tuple[RefUpdate, ...]) -> PushOutcome:
        try:
            return self._repo.push(updates).outcome
        except RollbackError as error:
            self.found.wrong.append(f"change {number}: {error}")
            return PushOutcome.UNKNOWN

    def _judge(self, number: int, outcome: PushOutcome, landed: bool, blind: bool) -> None:
        """What landed is called so, or, by one who could not look, unknown; and nothing else is called landed."""
        self.found.late += landed and outcome is not PushOutcome.LANDED
        allowed = {PushOutcome.LANDED} if landed else set(PushOutcome) - {PushOutcome.LANDED}
        if outcome not in (allowed | {PushOutcome.UNKNOWN} if blind else allowed):
            self.found.wrong.append(f"change {number}: landed {landed}, and called {outcome}")


def _once_each(remote: Remote, count: int, theirs: list[str]) -> Iterator[str]:
    """By plain git and the server's own word: each change is there once, and nothing of anybody's was lost."""
    for ref, folder in ((MAIN, "ours"), (JOURNAL, "e")):
        for number in range(count):
            made = len(git("log", "--format=%H", ref, "--", f"{folder}/{number}", cwd=remote.path).split())
            if made != 1:
                yield f"{folder}/{number} was made by {made} commits"
        moves = [one for one in remote.server.updates(f"{remote.name}.git") if one.ref == ref]
        if len(moves) != count:
            yield f"{ref} moved {len(moves)} times for {count} changes"
        for one in moves:
            if one.old.strip("0") and git("merge-base", one.old, one.new, cwd=remote.path) != one.old:
                yield f"{ref} went from {one.old} to {one.new}, which does not descend"
    lost = set(theirs) - set(git("rev-list", MAIN, cwd=remote.path).split())
    if lost:
        yield f"commits of others were lost: {sorted(lost)}"
