"""What is seen again, once or five times, changes nothing: the branch has the same history, and people hear the same.

How soon a rollback is followed may differ, since a second look goes on where the first one stopped; what becomes of it,
what is decided, and what is told may not.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from app_world import MINUTE, START, TICK, World, running, ship

LASTS = 12 * MINUTE
JOURNAL = "gitops-rollback-journal"


@dataclass(frozen=True)
class History:
    """What is left in the end: the branch's head, who ended how by which commit, and what was decided and told."""

    head: str
    records: tuple[tuple[object, ...], ...]
    decisions: tuple[tuple[str, ...], ...]
    told: tuple[str, ...]


def test_each_event_seen_once_twice_or_five_times_ends_in_the_same_history(tmp_path: Path) -> None:
    once = _played(tmp_path / "1", 1)
    assert [record[1:3] for record in once.records] == [("Done", "verified")]
    assert once.decisions
    assert once.told
    for times in (2, 5):
        assert _played(tmp_path / str(times), times) == once, times


def _played(folder: Path, times: int) -> History:
    """A bad release, somebody else's good one, the rollback and its verification; each moment is seen so many times."""
    folder.mkdir()
    world = World(folder)
    try:
        running(world, "web", "api")
        world.engine.deploy("web", ship(world, "web", START - MINUTE), START)
        world.metrics.break_from("web", START + MINUTE, START + 4 * MINUTE)
        world.engine.deploy("api", ship(world, "api", START), START + MINUTE)
        one = world.replica()
        for number in range(LASTS // TICK):
            for _ in range(times):
                last = one.tick(START + number * TICK)
        assert world.reverts() == 1
        records = last.view.journal.records.values()
        ended = tuple((one.id, one.phase.value, one.outcome, one.commit, one.reverts) for one in records)
        return History(world.head(), ended, _decisions(world), tuple(message.key for message in one.told.messages))
    finally:
        world.close()


def _decisions(world: World) -> tuple[tuple[str, ...], ...]:
    """What the journal says, file by file and line by line; when it was written is left out."""
    paths = world.people.git("ls-tree", "-r", "--name-only", JOURNAL, "decisions").splitlines()
    texts = [world.people.git("show", f"{JOURNAL}:{path}") for path in paths]
    lines = [json.loads(line) for text in texts for line in text.splitlines()]
    return tuple(tuple(str(line[key]) for key in ("application", "action", "reason", "revision")) for line in lines)
