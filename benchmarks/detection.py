"""Who finds a bad deployment, how soon, and how often is a good one blamed?

The product's detector, through the door of `gitops-rollback detect`, and others by their documented rules, all on the
same simulated counts. Seeded: the same seed gives the same figures. Each target of the specification is checked, and
the exit code is 1 if one is missed.
`detection.py [--smoke] [--jobs N] [--seed N] [--scale 1.0] [--minutes N]`
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from _blindness import told_after
from _cases import ALONE, FAULTS, LIMIT, OURS, RATES, Case, Found, all_cases, asked, smoke_cases
from _figures import MISSED, floor_seconds, interval, missed, quantile, upper_bound
from _rivals import RIVALS
from _traffic import AFTER, TICK

Results = dict[tuple[str, str, float], list[Found]]  # by group, name and rate

CHUNK = 10
WATCH_MINUTES = AFTER * TICK / 60
BAD_SHARE, COST_OF_FALSE, SHARED_SHARE = 0.05, 0.5, 0.02  # of deployments; in full-outage-minutes; of good ones
METHODS = (*RIVALS, ALONE, OURS)
DELAYS = ("50%", "5%", "1%", "0.3%", "leak")


@dataclass(frozen=True)
class Target:
    """One figure that must be reached: at most `most`."""

    name: str
    most: float
    got: float

    @property
    def met(self) -> bool:
        return self.got <= self.most

    def row(self) -> str:
        return f"| {self.name} | {self.most:g} | {_plain(self.got)} | {'yes' if self.met else '**no**'} |"


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--minutes", type=float, default=MISSED, help="stop then, and print what was played so far")
    given = parser.parse_args(arguments)
    cases = smoke_cases(given.scale) if given.smoke else all_cases(given.scale)
    results = _played(cases, given.seed, given.jobs, given.minutes)
    targets = list(_smoke_targets(results) if given.smoke else _targets(results))
    if not given.smoke:
        print("\n\n".join("\n".join(table) for table in _tables(results)), end="\n\n")
    print("| target | at most | got | met |\n|---|---|---|---|")
    print("\n".join(target.row() for target in targets))
    return 0 if all(target.met for target in targets) else 1


def _played(cases: Sequence[Case], seed: int, jobs: int, minutes: float) -> Results:
    """All cases grow at one pace, so that a run which is stopped has something of each."""
    began = time.monotonic()
    pieces = [
        (case, range(start, min(start + CHUNK, case.count)), seed)
        for case in cases
        for start in range(0, case.count, CHUNK)
    ]
    pieces.sort(key=lambda piece: piece[1].start / piece[0].count)
    results: Results = {}
    with multiprocessing.Pool(jobs) as pool:
        for (case, _, _), found in zip(pieces, pool.imap(_piece, pieces), strict=True):
            results.setdefault((case.group, case.name, case.world.rps), []).extend(found)
            if time.monotonic() - began > 60 * minutes and len(results) == len(cases):
                break
    return results


def _piece(piece: tuple[Case, range, int]) -> list[Found]:
    case, numbers, seed = piece
    return [asked(case, number, seed) for number in numbers]


def delays(results: Results, group: str, name: str, rps: float, method: str) -> list[float]:
    """Those of one method, MISSED where it said nothing; of a quiet case each other one is a false alarm."""
    return [found[method] for found in results[group, name, rps] if method in found]


def false(results: Results, group: str, name: str, rps: float, method: str = OURS) -> tuple[int, int]:
    """How many of how many quiet deployments were blamed."""
    said = delays(results, group, name, rps, method)
    return sum(delay != MISSED for delay in said), len(said)


def loss(results: Results, method: str) -> float:
    """J: full-outage-minutes that 1000 deployments cost, of which one in twenty is bad."""
    harm = [
        (rate - 0.001) * min(delay / 60, WATCH_MINUTES)
        for name, rate in FAULTS.items()
        for rps in RATES
        for delay in delays(results, "fault", name, rps, method)
    ]
    noisy = _mean(_share(false(results, "noisy", "noisy", rps, method)) for rps in RATES)
    shared = _mean(_share(false(results, "shared", "shared", rps, method)) for rps in RATES)
    wrong = COST_OF_FALSE * ((1 - SHARED_SHARE) * noisy + SHARED_SHARE * shared)
    return 1000 * (BAD_SHARE * _mean(harm) + (1 - BAD_SHARE) * wrong)


def _mean(values: Iterator[float] | Sequence[float]) -> float:
    known = list(values)
    return sum(known) / len(known)


def _share(pair: tuple[int, int]) -> float:
    return pair[0] / pair[1]


def _targets(results: Results) -> Iterator[Target]:
    for rps in RATES:
        found, of = false(results, "noisy", "noisy", rps)
        yield Target(f"false per 1000, noisy, {rps:g} rps", 1, 1000 * found / of)
        yield Target("... its one-sided 95% bound", 2.3, 1000 * upper_bound(found, of))
    shared = _mean(_share(false(results, "shared", "shared", rps)) for rps in RATES)
    yield Target("false per 1000 shared incidents, with peers", 5, 1000 * shared)
    for name, limits in _LIMITS.items():
        for rps, limit in limits.items():
            yield Target(f"{name} at {rps:g} rps, median s", limit, _median(results, "fault", name, rps))
    weak = delays(results, "fault", "0.3%", 1000.0, OURS)
    yield Target("0.3% at 1000 rps, missed %", 15, 100 * missed(weak))
    for name, limit in (("x2", 175.0), ("x5", 130.0)):
        for rps in (10.0, 100.0, 1000.0):
            yield Target(f"p99 {name} at {rps:g} rps, median s", limit, _median(results, "slow", name, rps))
    for rps in RATES:
        yield Target(f"false per 1000, latency, {rps:g} rps", 10, 1000 * _share(false(results, "slow", "x1", rps)))
    holes = sorted({name for group, name, _ in results if group == "hole" and "fault" not in name})
    for name in holes:
        blamed = sum(false(results, "hole", name, rps)[0] for rps in RATES)
        yield Target(f"rollbacks for: {name}", 0, blamed)
    yield Target("J", 16, loss(results, OURS))
    yield _blind()


_LIMITS: dict[str, dict[float, float]] = {
    "50%": {1000.0: 70, 100.0: 70, 10.0: 70, 1.0: 75, 0.1: 145},
    "5%": {1000.0: 100, 100.0: 100, 10.0: 120, 1.0: 240},
    "1%": {1000.0: 120, 100.0: 140, 10.0: 345},
    "0.3%": {1000.0: 850},
    "leak": {1000.0: 240, 10.0: 500},
}


def _smoke_targets(results: Results) -> Iterator[Target]:
    """Looser than those of the full run, by what chance does to so few."""
    yield Target(
        "quiet deployments that were blamed", 3, sum(false(results, "noisy", "noisy", rps)[0] for rps in RATES)
    )
    for _, name, rps in sorted(key for key in results if key[0] == "fault"):
        yield Target(f"{name} at {rps:g} rps, median s", _LIMITS[name][rps] * 1.3, _median(results, "fault", name, rps))
    yield _blind()


def _blind() -> Target:
    return Target("page after a metric source fails, worst s", 75, max(told_after()))


def _median(results: Results, group: str, name: str, rps: float) -> float:
    return quantile(delays(results, group, name, rps, OURS), 0.5)


def _tables(results: Results) -> Iterator[list[str]]:
    yield _methods(results)
    yield _delays(results)
    yield _sure(results)
    yield _falses(results, "robust", "Robustness: false per 1000 quiet deployments")
    yield _falses(results, "hole", "Blamed, per 1000")
    yield _latency(results)


def _methods(results: Results) -> list[str]:
    at = (1.0, 10.0, 1000.0)
    lines = ["| method | noisy | shared | 1% | 5% | 50% | J |", "|---|---|---|---|---|---|---|"]
    for method in METHODS:
        noisy = "/".join(_thousand(false(results, "noisy", "noisy", rps, method)) for rps in RATES)
        shared = 1000 * _mean(_share(false(results, "shared", "shared", rps, method)) for rps in RATES)
        cells = [
            "/".join(_delay(delays(results, "fault", name, rps, method)) for rps in at) for name in ("1%", "5%", "50%")
        ]
        lines.append(f"| {method} | {noisy} | {shared:.1f} | {' | '.join(cells)} | {loss(results, method):.0f} |")
    return lines


def _delays(results: Results) -> list[str]:
    lines = ["| fault | rps | floor s | median s | over floor | p90 s | missed % |", "|---|---|---|---|---|---|---|"]
    for name in DELAYS:
        for rps in RATES:
            said = delays(results, "fault", name, rps, OURS)
            floor, median = floor_seconds(rps, 0.001, FAULTS.get(name)), quantile(said, 0.5)
            over = f"{median / floor:.1f}" if MISSED not in (median, floor) else "-"
            figures = f"{_plain(floor)} | {_plain(median)} | {over} | {_plain(quantile(said, 0.9))}"
            lines.append(f"| {name} | {rps:g} | {figures} | {100 * missed(said):.1f} |")
    return lines


def _sure(results: Results) -> list[str]:
    lines = [
        "| quiet | rps | false | of | per 1000 | 95% interval | one-sided bound |",
        "|---|---|---|---|---|---|---|",
    ]
    for group in ("noisy", "shared"):
        for rps in RATES:
            found, of = false(results, group, group, rps)
            low, high = interval(found, of)
            sure = f"{1000 * low:.2f} to {1000 * high:.2f} | {1000 * upper_bound(found, of):.2f}"
            lines.append(f"| {group} | {rps:g} | {found} | {of} | {1000 * found / of:.2f} | {sure} |")
    return lines


def _falses(results: Results, group: str, title: str) -> list[str]:
    names = list(dict.fromkeys(name for found, name, _ in results if found == group))
    rows = [
        f"| {name} | {' | '.join(_thousand(false(results, group, name, rps)) for rps in RATES)} |" for name in names
    ]
    return [f"| {title} | {' | '.join(f'{rps:g} rps' for rps in RATES)} |", "|---|---|---|---|---|---|", *rows]


def _latency(results: Results) -> list[str]:
    lines = ["| method | false per 1000 | p99 x1.2 | x2 | x5 |", "|---|---|---|---|---|"]
    for method in (LIMIT, OURS):
        wrong = "/".join(_thousand(false(results, "slow", "x1", rps, method)) for rps in RATES)
        found = [
            "/".join(_delay(delays(results, "slow", name, rps, method)) for rps in RATES[1:])
            for name in ("x1.2", "x2", "x5")
        ]
        lines.append(f"| {method} | {wrong} | {' | '.join(found)} |")
    return lines


def _thousand(pair: tuple[int, int]) -> str:
    return f"{1000 * _share(pair):.3g}"


def _delay(said: Sequence[float]) -> str:
    """The median, and the missed in %; "-" where more than half were."""
    if quantile(said, 0.5) == MISSED:
        return "-"
    lost = 100 * missed(said)
    return f"{quantile(said, 0.5):.0f}" + (f"({lost:.0f})" if lost >= 0.5 else "")


def _plain(value: float) -> str:
    return "-" if value == MISSED else f"{value:.0f}" if value >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
