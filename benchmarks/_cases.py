"""The cases of the benchmark: what is played, how often, and what each method says of it.

Everything is asked through the same door as `gitops-rollback detect`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random

from _figures import MISSED
from _rivals import RIVALS
from _traffic import AFTER, BEFORE, BOUNDS, T0, TICK, Play, World, latencies, played

from gitops_rollback.app.detection import answer
from gitops_rollback.app.detection_input import Series
from gitops_rollback.core.regression.counters import Counters, increase
from gitops_rollback.core.regression.counts import Counts, total
from gitops_rollback.core.regression.latency import slow_bound

RATES = (0.1, 1.0, 10.0, 100.0, 1000.0)
FAULTS = {"0.3%": 0.003, "1%": 0.01, "5%": 0.05, "50%": 0.5}
OURS, ALONE, LIMIT = "R with peers", "R, no peers", "static 2x p99, for 3 min"
CALMER_HOURS = 12.0  # between blips, where a fault is to be found
PODS = 4

Found = dict[str, float]  # for each method the delay in seconds, or MISSED


@dataclass(frozen=True)
class Case:
    """`count` deployments of one world. `kind` is errors, latency or a hole in what is measured."""

    group: str
    name: str
    world: World
    count: int
    compared: int = 0  # of how many the others are asked too
    kind: str = "errors"


def all_cases(scale: float = 1.0) -> list[Case]:
    """Every class at every rate; `scale` 1 is the full run."""

    def times(count: int) -> int:
        return max(1, round(count * scale))

    return [case for rps in RATES for case in _cases(World(rps), times)]


def smoke_cases(scale: float = 1.0) -> list[Case]:
    """What takes seconds: 400 quiet deployments and 100 faults."""
    quiet = [Case("noisy", "noisy", World(rps), round(80 * scale)) for rps in RATES]
    worse = [(rps, name) for rps in (10.0, 100.0, 1000.0) for name in ("1%", "5%", "50%")]
    return [
        *quiet,
        *(
            Case("fault", name, World(rps, fault=FAULTS[name], blip_hours=CALMER_HOURS), round(10 * scale))
            for rps, name in (*worse, (1.0, "50%"))
        ),
    ]


def _cases(plain: World, times: Callable[[int], int]) -> Iterator[Case]:
    yield Case("noisy", "noisy", plain, times(4000), times(1000))
    yield Case("shared", "shared", replace(plain, incident=True), times(1000), times(1000))
    calmer = replace(plain, blip_hours=CALMER_HOURS)
    for name, rate in FAULTS.items():
        yield Case("fault", name, replace(calmer, fault=rate), times(400), times(400))
    yield Case("fault", "leak", replace(calmer, leak=True), times(400), times(400))
    for name, world in _robust(plain).items():
        yield Case("robust", name, world, times(400), kind="no baseline" if name == "no baseline" else "errors")
    yield Case("hole", "traffic -80%", replace(plain, load_after=0.2), times(200))
    for name in ("metrics lost", "Prometheus down 2 min", "NaN storm", "counter resets"):
        yield Case("hole", name, plain, times(200), kind=name)
    yield Case(
        "hole", "50% fault, Prometheus down 2 min", replace(calmer, fault=0.5), times(200), kind="Prometheus down 2 min"
    )
    yield Case("slow", "x1", plain, times(1000), times(1000), kind="latency")
    for factor in (1.2, 2.0, 5.0):
        yield Case("slow", f"x{factor:g}", replace(plain, slower=factor), times(400), times(400), kind="latency")


def _robust(plain: World) -> dict[str, World]:
    return {
        "sd 0.8": replace(plain, unrest=0.8),
        "tau 15 min": replace(plain, unrest_seconds=900.0),
        "clusters x3": replace(plain, cluster=4.5),
        "p0 2%": replace(plain, rate=0.02),
        "p0 0.01%": replace(plain, rate=0.0001),
        "errors twice as many by day": replace(plain, daily_errors=2.0),
        "no baseline": plain,
    }


def asked(case: Case, number: int, seed: int) -> Found:
    """What each method says of the `number`-th deployment of a case."""
    rng = Random(f"{seed}/{case.group}/{case.name}/{case.world.rps}/{number}")
    compared = number < case.compared
    if case.kind == "latency":
        ticks = _found_by_latency(latencies(case.world, rng), compared)
    else:
        ticks = _found_by_errors(_holed(played(case.world, rng), case.kind, rng), compared)
    poll = rng.uniform(0, TICK)
    return {name: MISSED if tick is None else tick * TICK + poll for name, tick in ticks.items()}


def _found_by_errors(play: Play, compared: bool) -> dict[str, int | None]:
    found = {OURS: _fired(_series(play.ticks, play))}
    if not compared:
        return found
    found[ALONE] = _fired(_series(play.ticks))
    before = [tick for tick in play.before if tick.end_seconds > T0 - BEFORE * TICK]
    return found | {name: rival(before, play.after) for name, rival in RIVALS.items()}


def _found_by_latency(play: Play, compared: bool) -> dict[str, int | None]:
    shares = {}
    for bound, ticks in play.bounds.items():
        events, slow = total(tick for tick in ticks if tick.end_seconds <= T0)
        shares[bound] = slow / events if events else 0.0
    bound = slow_bound(shares)
    quiet = [tick._replace(bad=0) for tick in play.ticks]
    found = {OURS: None if bound is None else _fired(_series(quiet, slow=play.bounds[bound]))}
    return found | {LIMIT: _static_latency(play)} if compared else found


def _static_latency(play: Play) -> int | None:
    """p99 on 2 minutes above twice that of the baseline, 13 true ticks in a row, by `histogram_quantile`."""
    usual = _p99({bound: total(ticks[:BEFORE]) for bound, ticks in play.bounds.items()})
    held = 0
    for tick in range(1, AFTER + 1):
        last = BEFORE + tick
        now = _p99({bound: total(ticks[last - 7 : last]) for bound, ticks in play.bounds.items()})
        held = held + 1 if now is not None and usual is not None and now > 2 * usual else 0
        if held == 13:
            return tick
    return None


def _p99(slower: dict[float, tuple[float, float]]) -> float | None:
    """Linear within the bucket, as Prometheus does; the last bound where it lies beyond it, None without requests."""
    low, low_tail = 0.0, 1.0
    for bound, (events, slow) in slower.items():
        if not events:
            return None
        if slow / events <= 0.01:
            return low + (bound - low) * (low_tail - 0.01) / (low_tail - slow / events)
        low, low_tail = bound, slow / events
    return BOUNDS[-1]


def _series(ticks: Sequence[Counts], play: Play | None = None, slow: Sequence[Counts] = ()) -> Series:
    return Series(
        t0_seconds=T0,
        tick_seconds=TICK,
        errors={_number(tick): tick for tick in ticks},
        slow={_number(tick): tick for tick in slow},
        ends={number: T0 + number * TICK for number in range(1, AFTER + 1)},
        peers=(play.peers_before,) if play else (),
        peers_since={_number(tick): tick for tick in play.peers} if play else None,
    )


def _number(tick: Counts) -> int:
    return round((tick.end_seconds - T0) / TICK)


def _fired(series: Series) -> int | None:
    at = answer(series)["fired_at"]
    return round((float(str(at)) - T0) / TICK) if at is not None else None


def _holed(play: Play, kind: str, rng: Random) -> Play:
    """What of a play is measured, where something is wrong with the measuring."""
    ticks = play.ticks
    if kind == "no baseline":
        ticks = play.after
    elif kind == "metrics lost":
        ticks = play.before
    elif kind == "Prometheus down 2 min":
        start = rng.randint(1, 20)
        ticks = [tick for tick in ticks if not start <= _number(tick) < start + 8]
    elif kind == "NaN storm":
        ticks = [tick for tick in ticks if _number(tick) <= 0 or rng.random() < 0.5]
    elif kind == "counter resets":
        ticks = _recounted(ticks, rng)
    return replace(play, ticks=ticks)


def _recounted(ticks: Sequence[Counts], rng: Random) -> list[Counts]:
    """The same counts, read from raw counters of Pods that are replaced by the deployment and crash now and then."""
    pods = [f"old-{place}" for place in range(PODS)]
    values: dict[str, list[float]] = {pod: [0.0, 0.0] for pod in pods}
    known, found = (Counters(T0), Counters(T0)), []
    for tick in ticks:
        number = _number(tick)
        if number <= -BEFORE:
            found.append(tick)
            continue
        if 1 <= number <= PODS:
            del values[pods[number - 1]]
            pods[number - 1] = f"new-{number - 1}"
            values[pods[number - 1]] = [0.0, 0.0]
        elif rng.random() < 1 / 200:
            values[rng.choice(pods)] = [0.0, 0.0]
        _served(values, pods, tick, rng)
        known, grown = _read(known, tick.end_seconds, values)
        if grown is not None:
            found.append(Counts(tick.end_seconds, *grown))
    return found


def _served(values: dict[str, list[float]], pods: Sequence[str], tick: Counts, rng: Random) -> None:
    """Each Pod takes half of what is left, in some order, and the last one all of it."""
    left = [tick.events, tick.bad]
    order = rng.sample(pods, PODS)
    for pod in order:
        for which in (0, 1):
            share = left[which] if pod == order[-1] else left[which] // 2
            values[pod][which] += share
            left[which] -= share


def _read(
    known: tuple[Counters, Counters], at_seconds: float, values: dict[str, list[float]]
) -> tuple[tuple[Counters, Counters], tuple[float, float] | None]:
    events, all_grown = increase(known[0], at_seconds, {pod: value[0] for pod, value in values.items()})
    bad, bad_grown = increase(known[1], at_seconds, {pod: value[1] for pod, value in values.items()})
    grown = None if all_grown is None or bad_grown is None else (all_grown, bad_grown)
    return (events, bad), grown
