"""How long does each strategy take until the traffic is back, and how near is that to what its pushes and syncs cost?

`strategies.py [--speed 10] [--only NAME ...]`: each story is told in the sandbox by the real controller. Its times come
from the record in the journal. The floor is what nobody could beat with the same plan: as many pushes and syncs as come
before the traffic is back, each as long as a person's push with a webhook took in the same world, and the pauses that
the policy asks for. Prints the table of `strategies.md`; exits with 1 if a story did not end as told.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from gitops_rollback.core.duration import format_duration
from gitops_rollback.core.journal import decode_record
from gitops_rollback.core.recovery import COMPLETE, INITIATION, TRAFFIC, gives_back, spans, strategy_of
from gitops_rollback.core.rollback import RollbackRecord
from gitops_rollback.core.strategies.stages import stages_of
from gitops_rollback.sandbox.all_stories import find_story
from gitops_rollback.sandbox.demo import Demo
from gitops_rollback.sandbox.stories import DEPLOYMENT
from gitops_rollback.sandbox.telling import JOURNAL, Telling

STORIES = ("bad-release", "canary-steps", "blue-green", "feature-flag", "migration", "rollout-promoted")
SYNCED_WITHIN_SECONDS = 60.0


@dataclass(frozen=True)
class Row:
    """One story. `commits` of them come before the traffic is back; `unit` is one push and its sync by hand."""

    story: str
    record: RollbackRecord
    commits: int
    unit: timedelta
    pauses: timedelta
    true: bool

    @property
    def floor(self) -> timedelta:
        return self.commits * self.unit + self.pauses

    @property
    def restored(self) -> timedelta | None:
        """From the first push until the traffic was back."""
        known = spans(self.record)
        return known[TRAFFIC] - known[INITIATION] if {TRAFFIC, INITIATION} <= set(known) else None


def measured(name: str, speed: float, folder: Path) -> Row:
    """One story told, and the floor measured in its world afterwards."""
    story = find_story(name)
    if story is None:
        raise SystemExit(f"there is no story {name!r}")
    demo = Demo(story, speed, folder / name, lambda _line: None)
    try:
        true = demo.run()
        record = _record(demo.telling)
        return Row(name, record, _before_traffic(record), _by_hand(demo.telling), _pauses(record), true)
    finally:
        demo.stop_controller()
        demo.close()


def _record(telling: Telling) -> RollbackRecord:
    """The rollback that pushed something."""
    people = telling.world.people
    names = people.git("ls-tree", "-r", "--name-only", JOURNAL, "records/").split()
    found = [decode_record(people.read(name, JOURNAL).encode()) for name in names]
    return next(one for one in found if one.commit is not None)


def _before_traffic(record: RollbackRecord) -> int:
    """How many of its commits give the traffic back: all, or all but the revert that only puts git right."""
    stages = stages_of(record)
    pushed = len(record.steps)
    return pushed - 1 if stages is not None and gives_back(stages, record.steps[-1].n) else pushed


def _pauses(record: RollbackRecord) -> timedelta:
    """What the policy asks to wait after each step that is followed by another before the traffic is back."""
    stages = stages_of(record)
    return timedelta(0) if stages is None else stages.pause * _before_traffic(record)


def _by_hand(telling: Telling) -> timedelta:
    """A person's push of one changed value with a webhook, until the engine calls it healthy; in the world's time."""
    people, clock = telling.world.people, telling.world.clock
    started = clock.now()
    sha = people.edit("Log in debug", DEPLOYMENT, "value: info", "value: debug", started)
    telling.refresh()
    end = time.monotonic() + SYNCED_WITHIN_SECONDS
    while not _runs(telling, sha):
        if time.monotonic() > end:
            raise SystemExit("the sandbox did not apply a person's commit")
        time.sleep(0.02)
    return clock.now() - started


def _runs(telling: Telling, sha: str) -> bool:
    return telling.live_revision() == sha and telling.live()["status"]["health"]["status"] == "Healthy"


def table(rows: Sequence[Row]) -> str:
    """As it stands in `strategies.md`."""
    heads = ("strategy", "story", "commits until then", "initiation", "traffic back", "floor of that", "complete")
    lines = [f"| {' | '.join(heads)} |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        known = spans(row.record)
        cells = (
            strategy_of(row.record), f"`{row.story}`", f"{row.commits} of {len(row.record.steps)}",
            _words(known.get(INITIATION)), _words(row.restored), _words(row.floor), _words(known.get(COMPLETE)),
        )  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _words(span: timedelta | None) -> str:
    return "not known" if span is None else format_duration(span)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speed", type=float, default=10.0)
    parser.add_argument("--only", nargs="*", default=STORIES)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = [measured(name, asked.speed, Path(folder)) for name in asked.only]
    print(f"{datetime.now():%F}, time {asked.speed:g} times as fast")
    print(table(rows))
    wrong = [row.story for row in rows if not row.true]
    print(*(f"did not end as told: {name}" for name in wrong), sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
