"""What does measuring thousands of applications cost: requests, time and memory of one tick?

The product's own measuring against a real Prometheus on loopback, with five triggers for each application. Each tick
stands beside a floor of the same run: a bare client that sends the same queries once more, one after the other, over
one kept connection, and reads what comes. `load.py [APPLICATIONS]`; exits 1 where a limit is broken.
"""

from __future__ import annotations

import gc
import http.client
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from _metric_store import SCRAPE, Store, serving

from gitops_rollback.adapters.http import Http, HttpAnswer
from gitops_rollback.adapters.large_blocks import give_back_large_blocks
from gitops_rollback.adapters.metrics.prometheus import PrometheusSettings, PrometheusSource
from gitops_rollback.adapters.origins import OriginRules
from gitops_rollback.app.asking_together import Together
from gitops_rollback.app.garbage import collect_seldom
from gitops_rollback.app.measuring import Measuring
from gitops_rollback.app.reading_back import Subject
from gitops_rollback.core.measurement import Answer
from gitops_rollback.core.policy import ApplicationRef, Policy, Target, Timing, Trigger
from gitops_rollback.core.sync import ApplicationId, ApplicationState, DeploymentRecord, Health, SyncEvent, SyncStatus
from gitops_rollback.core.trigger import Verdict

APPLICATIONS, ACTIVE = 5000, 200
WARM_TICKS, TICKS = 40, 5
HISTORY = timedelta(minutes=12)
MOST_REQUESTS, MOST_SECONDS, MOST_SECONDS_ACTIVE, MOST_MIB = 10, 2.0, 0.2, 200.0
SELECTED = 'http_requests_total{service="$SERVICE"'
TRIGGERS = (
    Trigger(
        "errors",
        "ratio",
        bad=f'sum(rate({SELECTED},code=~"5.."}}[2m]))',
        total=f"sum(rate({SELECTED}}}[2m]))",
        threshold=0.05,
        hold_for=timedelta(minutes=2),
    ),
    Trigger(
        "latency",
        "query",
        query='histogram_quantile(0.99, sum by (le) (rate(http_seconds_bucket{service="$SERVICE"}[2m])))',
        threshold=30.0,
        hold_for=timedelta(minutes=2),
    ),
    Trigger("queue", "query", query='queue_depth{service="$SERVICE"}', threshold=100.0, hold_for=timedelta(minutes=2)),
    Trigger(
        "restarts",
        "query",
        query='sum(increase(restarts_total{service="$SERVICE"}[5m]))',
        threshold=3.0,
        hold_for=timedelta(minutes=1),
    ),
    Trigger("rise", "regression", bad=f'{SELECTED},code=~"5.."}}', total=f"{SELECTED}}}", immediate=True),
)


@dataclass
class Counting:
    """A metric source that counts and keeps what it is asked."""

    source: PrometheusSource
    name: str = "prometheus"
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    __hash__ = object.__hash__

    def query(self, expression: str, at: datetime, timeout: timedelta, priority: float = 0.0) -> Answer:
        self.asked.append(("query", {"query": expression, "time": f"{at.timestamp():.3f}"}))
        return self.source.query(expression, at, timeout, priority)

    def query_range(
        self, expression: str, start: datetime, end: datetime, step: timedelta, timeout: timedelta
    ) -> Answer:
        span = {"start": f"{start.timestamp():.3f}", "end": f"{end.timestamp():.3f}", "step": str(step.seconds)}
        self.asked.append(("query_range", {"query": expression, **span}))
        return self.source.query_range(expression, start, end, step, timeout)


@dataclass
class Wire:
    """The source's own HTTP client, with a count of what really leaves: in an outage most of what is asked does not."""

    http: Http
    sent: int = 0

    def post_form(self, url: str, form: dict[str, str], timeout: timedelta) -> HttpAnswer:
        self.sent += 1
        return self.http.post_form(url, form, timeout)


@dataclass(frozen=True)
class Cost:
    """Of one tick: requests, wall seconds, CPU seconds of ours and of the server, and whether all was measured."""

    requests: int
    seconds: float
    cpu: float
    server_cpu: float
    measured: int


@dataclass
class Bench:
    store: Store
    source: Counting
    wire: Wire
    measuring: Measuring
    subjects: list[Subject]
    next: datetime

    def tick(self) -> Cost:
        """One tick of the controller, as far as it measures."""
        self.source.asked.clear()
        started, cpu, server = time.perf_counter(), time.process_time(), self.store.cpu_seconds()
        self.measuring.ask_together(self.subjects, self.next)
        verdicts = [self.measuring.measure(one, self.next) for one in self.subjects]
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
        self.next += SCRAPE
        return Cost(len(self.source.asked), seconds, cpu, self.store.cpu_seconds() - server, count(verdicts))

    def floor(self) -> float:
        """Wall seconds of what the last tick asked, asked again by a client that reads and forgets."""
        parts = urlsplit(self.store.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        started = time.perf_counter()
        for verb, form in self.source.asked:
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            connection.request("POST", f"/api/v1/{verb}", urlencode(form), headers)
            connection.getresponse().read()
        connection.close()
        return time.perf_counter() - started


def count(verdicts: Sequence[tuple[Verdict, ...]]) -> int:
    """How many triggers have a value at their newest tick."""
    return sum(one.measurement is not None and one.measurement.value is not None for all_ in verdicts for one in all_)


def names(count_: int) -> list[str]:
    return [f"team-{number % 40}-service-{number}" for number in range(count_)]


def bench(store: Store, services: list[str], t0: datetime, pool: ThreadPoolExecutor) -> Bench:
    settings = PrometheusSettings("prometheus", store.url)  # with the usual limits of a source
    prometheus = PrometheusSource(settings, OriginRules.parse([], [store.url]))
    wire = Wire(prometheus._http)
    vars(prometheus)["_http"] = wire
    source = Counting(prometheus)
    targets = tuple(Target(name, "argocd", ApplicationRef("argocd", name)) for name in services)
    policy = Policy("load", "load.yaml", "a" * 40, targets, TRIGGERS, timing=Timing(initial_delay=timedelta(0)))
    subjects = [subject(policy, target, t0) for target in targets]
    measuring = Measuring(lambda _policy: source, pool, together=Together(pool))
    return Bench(store, source, wire, measuring, subjects, t0 + SCRAPE)


def subject(policy: Policy, target: Target, t0: datetime) -> Subject:
    name = ApplicationId("default", "Application", "argocd", target.name)
    state = ApplicationState(name, "u", "default", "", "shop", (), SyncStatus.SYNCED, (), Health.HEALTHY, t0, t0)
    event = SyncEvent(name, DeploymentRecord(("b" * 40,), (), t0))
    return Subject(policy, target, state, event, {"SERVICE": target.name})


def main(applications: int) -> int:
    end = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(hours=1)
    t0 = end - (WARM_TICKS + TICKS + 2) * SCRAPE
    broken: list[str] = []
    give_back_large_blocks()  # as `run` does
    collect_seldom()
    with (
        tempfile.TemporaryDirectory() as folder,
        ThreadPoolExecutor(8) as pool,
        serving(Path(folder), names(applications), t0 - HISTORY, end) as store,
    ):
        print(f"{applications} applications, {len(TRIGGERS)} triggers each; {store.series:,} series in Prometheus")
        print(f"{'':28}{'requests':>9}{'wall s':>8}{'floor s':>9}{'CPU s':>8}{'server':>8}{'measured':>10}{'MiB':>6}")
        for active in sorted({min(ACTIVE, applications), applications}):
            broken += measured(bench(store, names(active), t0, pool), active)
        broken += outage(bench(store, names(min(ACTIVE, applications)), t0, pool))
    for line in broken:
        print(f"broken: {line}")
    return 1 if broken else 0


def measured(made: Bench, active: int) -> list[str]:
    """The first tick and, once all baselines are read, the usual ones, which the limits are for."""
    show(f"{active} active, first tick", made.tick(), made.floor())
    warm = made.tick()
    for _ in range(WARM_TICKS - 2):
        if warm.measured == active * len(TRIGGERS):
            break
        warm = made.tick()
    ticks = [(made.tick(), made.floor()) for _ in range(TICKS)]
    cost, floor = sorted(ticks, key=lambda found: found[0].seconds)[len(ticks) // 2]
    show(f"{active} active, a usual tick", cost, floor)
    limit = MOST_SECONDS_ACTIVE if active <= ACTIVE else MOST_SECONDS
    faults = {
        f"{cost.requests} requests": cost.requests > MOST_REQUESTS,
        f"{cost.seconds:.2f} s, and {limit} s are allowed": cost.seconds > limit,
        f"{resident():.0f} MiB": resident() > MOST_MIB,
        f"only {cost.measured} measured": cost.measured < active * len(TRIGGERS),
    }
    return [f"{active} active: {words}" for words, is_so in faults.items() if is_so]


def outage(made: Bench) -> list[str]:
    """The server hangs, as one that swaps does, answers again, and is gone: what a tick sends to it then."""
    made.tick()
    made.store.process.send_signal(signal.SIGSTOP)
    made.tick()  # finds out
    hanging = [sent(made) for _ in range(2)]
    made.store.process.send_signal(signal.SIGCONT)
    back = made.tick()
    made.store.process.kill()
    made.store.process.wait()
    made.tick()  # finds out
    gone = [sent(made) for _ in range(2)]
    print(
        f"an outage: {hanging} requests a tick while it hangs, {gone} once it is gone; back at the first tick after it"
    )
    faults = {"asked for more than a probe": max(hanging + gone) > 1, "not back": not back.measured}
    return [f"an outage: {words}" for words, is_so in faults.items() if is_so]


def sent(made: Bench) -> int:
    """How many requests left the process at one tick."""
    before = made.wire.sent
    made.tick()
    return made.wire.sent - before


def show(name: str, cost: Cost, floor: float | None) -> None:
    said = "" if floor is None else f"{floor:.3f}"
    numbers = f"{cost.requests:>9}{cost.seconds:>8.3f}{said:>9}{cost.cpu:>8.2f}{cost.server_cpu:>8.2f}"
    print(f"{name:28}{numbers}{cost.measured:>10}{resident():>6.0f}", flush=True)


def resident() -> float:
    """MiB of this process now, garbage not counted."""
    gc.collect()
    return int(Path("/proc/self/status").read_text().split("VmRSS:")[1].split()[0]) / 1024


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else APPLICATIONS))
