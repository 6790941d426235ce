"""How long from a trigger that is true for its `for` to the commit on the remote, against one tick plus raw git?

The whole controller runs against the sandbox at real speed; the floor is measured in the same run: one tick of waiting
at the worst, and the bare git commands (fetch, merge-tree, two commit-trees, push) on the same repository over the same
HTTP server.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

from gitops_rollback.sandbox.all_stories import find_story
from gitops_rollback.sandbox.demo import Demo

SPEED = 15.0
INTERVAL = 15.0 / SPEED  # real seconds of one tick
RUNS = 3


def main() -> int:
    measured = [_one_run() for _ in range(RUNS)]
    latency = statistics.median(run[0] for run in measured)
    git = statistics.median(run[1] for run in measured)
    floor = INTERVAL + git
    print(f"{'what':<48}{'seconds':>10}{'ratio':>8}")
    print(f"{'floor: one tick + fetch, revert, push by git':<48}{floor:>10.3f}{1.0:>8.2f}")
    print(f"{'trigger true for its `for` -> commit on the remote':<48}{latency:>10.3f}{latency / floor:>8.2f}")
    return 0


def _one_run() -> tuple[float, float]:
    """(seconds from fired to pushed, seconds of the bare git commands)."""
    story = find_story("bad-release")
    if story is None:
        raise RuntimeError("the story is gone")
    with tempfile.TemporaryDirectory() as directory:
        demo = Demo(story, SPEED, Path(directory) / "demo", lambda _line: None)
        if not demo.run():
            raise RuntimeError("the story did not end as told")
        record = demo.telling.records()[0]
        at = {name: _seconds(text) for name, text in record["times"].items()}
        # The trigger fires at a tick; the tick itself may come up to one interval after its condition was true.
        latency = (at["pushed"] - at["fired"]) / SPEED + INTERVAL
        git = _bare_git(demo, record)
        demo.close()
    return latency, git


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _bare_git(demo: Demo, record: dict[str, object]) -> float:
    """The same revert with plain commands, to a branch of its own."""
    clone = demo.world.directory / "bench.git"
    _git("clone", "--quiet", "--bare", demo.world.url, str(clone))
    started = time.perf_counter()
    _git("-C", str(clone), "fetch", "--quiet", "origin", "main")
    bad = str(record["badRevision"])
    theirs = _git("-C", str(clone), *_AS, "commit-tree", f"{bad}~1^{{tree}}", "-p", bad, "-m", "theirs")
    tree = _git("-C", str(clone), "merge-tree", "--write-tree", bad, theirs).splitlines()[0]
    commit = _git("-C", str(clone), *_AS, "commit-tree", tree, "-p", bad, "-m", "revert")
    _git("-C", str(clone), "push", "--quiet", "origin", f"{commit}:refs/heads/bench")
    return time.perf_counter() - started


_AS = ("-c", "user.name=bench", "-c", "user.email=bench@localhost")


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    print(json.dumps({"speed": SPEED, "runs": RUNS}))
    sys.exit(main())
