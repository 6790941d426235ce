"""How long has it been right? Plays seeds that were never played before, and keeps count in `soak.jsonl`.

`make soak KIND=kills MINUTES=60 JOBS=2` goes on after the last seed of that kind. Each slice of at most an hour is one
line of the log. `python3 benchmarks/soak.py --sum` adds up what still counts: since the last commit that touched the
core or the application.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from datetime import UTC, datetime
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from _soak_kinds import KINDS, Played, play

ROOT = Path(__file__).resolve().parents[1]
LOG = Path(os.environ.get("SOAK_LOG", ROOT / "benchmarks" / "soak.jsonl"))
COUNTING = ("gitops_rollback/core", "gitops_rollback/app")
SLICE_MINUTES = 60.0
KILLS_PER_LABEL = 25
Line = dict[str, Any]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", default=list(KINDS), help=f"of {', '.join(KINDS)}; all share the time")
    parser.add_argument("--minutes", type=float, default=SLICE_MINUTES, help="of real time, in all")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="seeds that are played side by side")
    parser.add_argument("--seed", type=int, help="play only this seed, tell it, and log nothing")
    parser.add_argument("--sum", action="store_true", help="print what counts of the log")
    given = parser.parse_args()
    if unknown := set(given.kinds) - set(KINDS):
        parser.error(f"there is no kind {', '.join(sorted(unknown))}; kinds: {', '.join(KINDS)}")
    if given.sum:
        return print_sum()
    if given.seed is not None:
        return play_one(given.kinds[0], given.seed)
    each = given.minutes / len(given.kinds)
    return max([soak(kind, minutes, given.jobs) for kind in given.kinds for minutes in slices(each)])


def slices(minutes: float) -> Iterator[float]:
    """As many as it takes, none of them longer than an hour."""
    while minutes > 0:
        yield min(minutes, SLICE_MINUTES)
        minutes -= SLICE_MINUTES


def play_one(kind: str, seed: int) -> int:
    played = play(kind, seed)
    print(played.story or f"{kind} seed {seed}: every promise held; {played.kills} kills")
    print("\n".join(played.broken))
    return 1 if played.broken else 0


def soak(kind: str, minutes: float, jobs: int) -> int:
    """One slice. 1 if a promise broke: then no further seed is begun. What was played is logged however it ends."""
    commit, first, began = commit_now(), next_seed(kind), time.monotonic()
    done: list[Played] = []
    try:
        for played in played_side_by_side(kind, first, began + 60 * minutes, jobs):
            done.append(played)
            tell(kind, played)
    finally:
        line = {"commit": commit} | line_of(kind, first, done, (time.monotonic() - began) / 3600)
        with LOG.open("a", encoding="utf-8") as log:
            log.write(json.dumps(line, sort_keys=True) + "\n")
    print(f"{kind}: {line['seeds']} seeds from {first}, {line['kills']} kills, {line['violations']} broken", flush=True)
    return 1 if line["violations"] else 0


def played_side_by_side(kind: str, first: int, end: float, jobs: int) -> Iterator[Played]:
    """Seeds from `first` on as they end, until the monotonic time `end` or the first that is broken."""
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        waiting: set[Future[Played]] = set()
        seeds, broken = count(first), False
        while True:
            while len(waiting) < jobs and not broken and time.monotonic() < end:
                waiting.add(pool.submit(play, kind, next(seeds)))
            if not waiting:
                return
            ended, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for played in (future.result() for future in ended):
                broken = broken or bool(played.broken)
                yield played


def tell(kind: str, played: Played) -> None:
    """The story of a seed that broke something."""
    if played.broken:
        print(played.story, *played.broken, sep="\n")
        print(f"see it again: python3 make.py soak KIND={kind} SEED={played.seed}", flush=True)


def line_of(kind: str, first: int, done: list[Played], hours: float) -> Line:
    labels: Counter[str] = Counter()
    for played in done:
        labels.update(played.labels)
    line = {
        "kind": kind, "scenario": "each in turn" if kind == "scenarios" else "all", "first": first,
        "next": after(first, done), "seeds": len(done),
        "kills": sum(played.kills for played in done), "hours": round(hours, 4),
        "violations": sum(bool(played.broken) for played in done), "python": platform.python_version(),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }  # fmt: skip
    return line | ({"labels": dict(sorted(labels.items()))} if labels else {})


def after(first: int, done: list[Played]) -> int:
    """The first seed of the next slice: one that was cut off is not played a second time either."""
    return max((played.seed + 1 for played in done), default=first)


def next_seed(kind: str) -> int:
    """The one after the last that was ever played."""
    return max((line["next"] for line in lines() if line["kind"] == kind), default=0)


def lines() -> list[Line]:
    return [json.loads(text) for text in LOG.read_text("utf-8").splitlines()] if LOG.exists() else []


def commit_now() -> str:
    """HEAD; `-dirty` behind it where the product differs from that, which counts for nothing later."""
    dirty = git("status", "--porcelain", "--", "gitops_rollback")
    return git("rev-parse", "HEAD") + ("-dirty" if dirty else "")


def print_sum() -> int:
    """Totals for each kind over the commits whose core and application are those of HEAD. 1 if any broke a promise."""
    base = git("log", "-1", "--format=%H", "--", *COUNTING)
    counting = {base, *git("rev-list", f"{base}..HEAD").split()}
    counted = [line for line in lines() if line["commit"] in counting]
    print(f"since {base[:12]}, the last commit that touched {' or '.join(COUNTING)}:")
    for kind in KINDS:
        of = [line for line in counted if line["kind"] == kind]
        seeds, kills, broken = (sum(line[name] for line in of) for name in ("seeds", "kills", "violations"))
        print(
            f"  {kind:<8}{seeds:>10} seeds{kills:>8} kills{broken:>5} broken{sum(line['hours'] for line in of):>8.2f} h"
        )
    print_labels(counted)
    return 1 if any(line["violations"] for line in counted) else 0


def print_labels(counted: list[Line]) -> None:
    """How often controllers died at each crash point."""
    died: Counter[str] = Counter()
    for line in counted:
        died.update(line.get("labels", {}))
    enough = sum(count >= KILLS_PER_LABEL for count in died.values())
    print(f"  {len(died)} labels, {enough} of them with {KILLS_PER_LABEL} kills or more; the fewest:")
    print("   ", ", ".join(f"{label} {count}" for label, count in sorted(died.items(), key=lambda one: one[1])[:12]))


def git(*words: str) -> str:
    return subprocess.run(["git", "-C", ROOT, *words], capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
