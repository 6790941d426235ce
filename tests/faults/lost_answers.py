"""Pushes whose answer never comes: is each one recognised at the next read, and made once? Plain git is the judge."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from remote_world import JOURNAL, MAIN, Remote, git

from gitops_rollback.adapters.git.repository import GitConfigRepo
from gitops_rollback.ports import PushOutcome, RefUpdate
from gitops_rollback.sandbox.git_server import GitServer, Operation

PUSHES = 20
TRIES = 8
START = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)

# The first three strike once the push has landed, the others instead of it.
FAULTS: tuple[Callable[[GitServer], None], ...] = (
    lambda server: server.cut_reply(),
    lambda server: server.status(502, on=Operation.PUSH, after=True),
    lambda server: server.status(500, on=Operation.PUSH, after=True),
    lambda server: server.status(503, on=Operation.PUSH),
    lambda server: server.status(500, on=Operation.ADVERTISE_PUSH),
)


def run_pushes(folder: Path, seed: int) -> tuple[str, ...]:
    """Twenty commits of ours by pushes whose answers are lost, while others land theirs; what went wrong in words."""
    server = GitServer(folder / "remotes").start()
    remote = Remote(server).create()
    remote.commit({"a.yaml": "a: 1\n"}, "First", days_ago=1)
    repo = remote.open(folder / "state", allow_http=True)
    try:
        dice = random.Random(f"pushes {seed}")
        return (*_push_all(remote, repo, dice), *_counted(remote))
    finally:
        repo.close()
        server.stop()


def _push_all(remote: Remote, repo: GitConfigRepo, dice: random.Random) -> Iterator[str]:
    for number in range(PUSHES):
        for attempt in range(TRIES):
            updates = _updates(repo, number, attempt)
            if dice.random() < 0.3:
                remote.commit({f"theirs/{number}-{attempt}.yaml": "n: 1\n"}, "Theirs")
            strike = dice.choice(FAULTS)
            strike(remote.server)
            outcome = repo.push(updates).outcome
            remote.server.release()  # what did not strike must not strike the next one
            landed = [_holds(remote, update) for update in updates]
            if len(set(landed)) > 1:
                yield f"push {number} moved one of its two branches"
            if (outcome is PushOutcome.LANDED) != landed[0]:
                yield f"push {number} is called {outcome}, and the branch {'holds' if landed[0] else 'lacks'} it"
            if landed[0]:
                break
        else:
            yield f"push {number} never landed"


def _updates(repo: GitConfigRepo, number: int, attempt: int) -> tuple[RefUpdate, ...]:
    heads, at = repo.fetch(), START + timedelta(minutes=number, seconds=attempt)
    ours = repo.write_files(heads.branch, {f"ours/{number}.yaml": b"n: 1\n"}, f"Ours {number}", at)
    entry = repo.write_files(heads.journal, {f"records/{number}.json": b"{}\n"}, f"Record {number}", at)
    return RefUpdate(MAIN, ours, heads.branch), RefUpdate(JOURNAL, entry, heads.journal)


def _holds(remote: Remote, update: RefUpdate) -> bool:
    found = git("for-each-ref", f"--contains={update.new}", update.ref, cwd=remote.path, ok=(0, 129))
    return update.ref in found


def _counted(remote: Remote) -> Iterator[str]:
    """Each of ours is there once, and nothing of anybody's was lost."""
    for number in range(PUSHES):
        for ref, path in ((MAIN, f"ours/{number}.yaml"), (JOURNAL, f"records/{number}.json")):
            commits = git("log", "--format=%H", ref, "--", path, cwd=remote.path).split()
            if len(commits) != 1:
                yield f"{path} was made by {len(commits)} commits"
    for change in remote.server.updates("shop.git"):
        if change.old.strip("0") and git("merge-base", change.old, change.new, cwd=remote.path) != change.old:
            yield f"{change.ref} went from {change.old} to {change.new}, which does not descend"
