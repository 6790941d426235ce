"""Pushes whose answer never comes, many of them: is each one recognised at the next read, and none done twice?

Real git over real HTTP through the fault proxy, and the product's own repository; no controller, so that it is fast.

    from ambiguous_pushes import cut_pushes
    found = cut_pushes(folder, count=1000, seed=1)
    assert found.wrong == []
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from proxy import Fault, FaultProxy, asks_for, cut_before_reply, drop_after, pushes_to, refuse, status
from remote_world import JOURNAL, MAIN, Remote

from gitops_rollback.adapters.git.repository import GitConfigRepo
from gitops_rollback.core.errors import RollbackError
from gitops_rollback.ports import PushOutcome, RefUpdate
from gitops_rollback.sandbox.git_server import GitServer

START = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)
AFTER_THE_WORK = (cut_before_reply(), drop_after(40), drop_after(200), status(502, after=True), status(504, after=True))
BEFORE_THE_WORK = (refuse(), status(503))
SHARE_BEFORE, SHARE_BLIND = 0.1, 0.3
MOST_PUSHES = 8


@dataclass
class Found:
    """What happened. `outcomes`: how the product judged the pushes; `late`: landed, and recognised by a later read."""

    outcomes: Counter[str] = field(default_factory=Counter)
    late: int = 0
    wrong: list[str] = field(default_factory=list)


def cut_pushes(folder: Path, count: int, seed: int) -> Found:
    """Push `count` changes, each by a push that is cut.

    Most are cut after the server has done its work, some before; of some the look that follows fails as well. What is
    not there at the next read is pushed again, as the controller would.
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
        pushing.found.wrong += once_each(remote, count)
        return pushing.found
    finally:
        repo.close()
        proxy.stop()
        server.stop()


class _Pushing:
    def __init__(self, remote: Remote, repo: GitConfigRepo, proxy: FaultProxy, dice: random.Random) -> None:
        self._remote, self._repo, self._proxy, self._dice = remote, repo, proxy, dice
        self.found = Found()

    def change(self, number: int) -> None:
        """One change, until it is on the branch."""
        for _ in range(MOST_PUSHES):
            heads = self._repo.fetch()
            change, outcome = self._push(number, heads.branch, heads.journal)
            landed, known = self._remote.head() == change, self._repo.fetch().branch == change
            self._judge(number, outcome, landed, known)
            if landed:
                return
        self.found.wrong.append(f"change {number} did not land in {MOST_PUSHES} pushes")

    def _push(self, number: int, head: str, journal: str | None) -> tuple[str, PushOutcome]:
        at = START + timedelta(seconds=number)
        change = self._repo.write_files(head, {"apps/a.yaml": f"n: {number + 1}\n".encode()}, f"Change {number}", at)
        entry = self._repo.write_files(journal, {f"e/{number}": b"done\n"}, f"Entry {number}", at)
        fault = self._strike()
        try:
            outcome = self._repo.push((RefUpdate(MAIN, change, head), RefUpdate(JOURNAL, entry, journal))).outcome
        except RollbackError as error:
            self.found.wrong.append(f"change {number}: {error}")
            outcome = PushOutcome.UNKNOWN
        if fault.struck == 0:
            self.found.wrong.append(f"change {number}: the push was not struck")
        self._proxy.heal()
        return change, outcome

    def _strike(self) -> Fault:
        """The push is cut; and of some, what is read after it until `heal`."""
        verbs = BEFORE_THE_WORK if self._dice.random() < SHARE_BEFORE else AFTER_THE_WORK
        fault = self._proxy.strike(self._dice.choice(verbs), pushes_to(MAIN))
        if self._dice.random() < SHARE_BLIND:
            self._proxy.strike(status(503), lambda one: fault.struck > 0 and asks_for("git-upload-pack")(one))
        return fault

    def _judge(self, number: int, outcome: PushOutcome, landed: bool, known: bool) -> None:
        self.found.outcomes[outcome.value] += 1
        self.found.late += landed and outcome is not PushOutcome.LANDED
        if known != landed:
            self.found.wrong.append(f"change {number}: landed {landed}, and the next read says {known}")
        if (outcome is PushOutcome.LANDED) > landed:
            self.found.wrong.append(f"change {number}: called landed, and it is not")
        if landed and outcome not in (PushOutcome.LANDED, PushOutcome.UNKNOWN):
            self.found.wrong.append(f"change {number}: landed, and called {outcome}")


def once_each(remote: Remote, count: int) -> list[str]:
    """By the server's own word: so many updates of both refs, each one step forward, no change twice."""
    updates = remote.server.updates(f"{remote.name}.git")
    wrong = []
    for ref in (MAIN, JOURNAL):
        moves = [one for one in updates if one.ref == ref]
        broken = [b.old for a, b in pairwise(moves) if a.new != b.old]
        if len(moves) != count or broken:
            wrong.append(f"{ref} moved {len(moves)} times for {count} changes, {len(broken)} times from elsewhere")
    return wrong
