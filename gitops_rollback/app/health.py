"""How the controller itself is doing: is its loop turning, and what is each part waiting for?"""

from __future__ import annotations

import threading
import time
from collections import Counter as Counted
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from gitops_rollback.core.drill import Practice
from gitops_rollback.core.heartbeat import PHASES, Beat, Outcome
from gitops_rollback.core.ownership import CONTROLLER
from gitops_rollback.core.rollback import Phase, RollbackOutcome, RollbackRecord
from gitops_rollback.core.strategies.stages import stages_of

TURNED_WITHIN_SECONDS = 10.0
LONGEST_TICK_SECONDS = 960.0  # a first clone may take 900; each wait inside a tick ends by its own deadline
MAX_PARTS = 1000
STEPS = ("deployed", "fired", "decided", "pushed", "synced", "verified")  # in a record's `times`


@dataclass(frozen=True)
class Part:
    """One line of `/readyz?verbose`."""

    name: str
    ready: bool
    message: str


class Health:
    """Thread-safe; every loop reports its turns and its parts here. Real time, never policy time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._due: dict[str, float] = {}  # until when each loop must have turned again
        self._parts: dict[str, Part] = {}

    def turned(self, loop: str, within_seconds: float = TURNED_WITHIN_SECONDS) -> None:
        """The loop is alive, and will turn again `within_seconds`: a tick that waits for a slow remote is no hang."""
        with self._lock:
            self._due[loop] = time.monotonic() + within_seconds

    def report(self, name: str, ready: bool, message: str) -> None:
        """Replace the part's line."""
        with self._lock:
            if name in self._parts or len(self._parts) < MAX_PARTS:
                self._parts[name] = Part(name, ready, message)

    def expect(self, name: str) -> None:
        """A part that has not reported yet is not ready; one that has stays as it is."""
        if all(part.name != name for part in self.parts()):
            self.report(name, False, "starting")

    def recovered(self, name: str) -> None:
        """Forget the part's trouble, if it had any."""
        with self._lock:
            self._parts.pop(name, None)

    def alive(self) -> bool:
        """Every loop turned when it had to: within ten seconds, or within the longest that a tick may take."""
        now = time.monotonic()
        with self._lock:
            return all(now <= due for due in self._due.values())

    def parts(self) -> tuple[Part, ...]:
        with self._lock:
            return tuple(sorted(self._parts.values(), key=lambda part: part.name))

    def ready(self) -> bool:
        """All parts are; no part reported yet is not ready."""
        parts = self.parts()
        return bool(parts) and all(part.ready for part in parts)


class PartsShown(Collector):
    """The lines of `/readyz?verbose` as a metric, as they stand when they are asked for."""

    def __init__(self, health: Health) -> None:
        self._health = health

    def collect(self) -> Iterable[GaugeMetricFamily]:
        shown = GaugeMetricFamily("gitops_rollback_part_ready", "1 if the part is ready, 0 if not", labels=["part"])
        for part in self._health.parts():
            shown.add_metric([part.name], float(part.ready))
        yield shown


class Metrics:
    """The controller's own metrics; `health` None leaves out those of its parts."""

    def __init__(self, health: Health | None = None) -> None:
        self.registry = CollectorRegistry()
        if health is not None:
            self.registry.register(PartsShown(health))
        self.rollbacks = Counter(
            "gitops_rollback",
            "Rollbacks that ended",
            ["application", "strategy", "outcome", "initiator"],
            registry=self.registry,
        )
        self.decisions = Counter(
            "gitops_rollback_decisions",
            "Decisions, inaction included",
            ["application", "action", "reason"],
            registry=self.registry,
        )
        self.phase_seconds = Histogram(
            "gitops_rollback_phase_duration_seconds",
            "Time from one phase of a rollback to the next",
            ["phase"],
            buckets=(1, 2, 5, 10, 30, 60, 120, 300, 600, 1800),
            registry=self.registry,
        )
        self.restore_seconds = Histogram(
            "gitops_rollback_time_to_restore_seconds",
            "From the bad sync to the verified rollback",
            buckets=(30, 60, 120, 300, 600, 1200, 1800, 3600),
            registry=self.registry,
        )
        self.trigger_state = Gauge(
            "gitops_rollback_trigger_state",
            "0 ok, 1 pending, 2 firing, 3 inconclusive",
            ["application", "trigger"],
            registry=self.registry,
        )
        self.trigger_value = Gauge(
            "gitops_rollback_trigger_value", "Newest value", ["application", "trigger"], registry=self.registry
        )
        self.guards = Counter(
            "gitops_rollback_guard_decisions", "Answers of the guards", ["guard", "result"], registry=self.registry
        )
        self.queries = Counter(
            "gitops_rollback_queries", "Queries sent to a metric source", ["source", "tenant"], registry=self.registry
        )
        self.policies = Gauge(
            "gitops_rollback_policies", "Policies by state", ["repository", "state"], registry=self.registry
        )
        self.leader = Gauge(
            "gitops_rollback_leader",
            "1 if this replica acts for the repository",
            ["repository"],
            registry=self.registry,
        )
        self.ticks = Counter(
            "gitops_rollback_ticks", "Ticks, by how they ended", ["repository", "outcome"], registry=self.registry
        )
        self._of_the_loop()
        self._of_the_outside()
        self._of_the_way()

    def _of_the_loop(self) -> None:
        self.tick_failures = Counter(
            "gitops_rollback_tick_failures",
            "Ticks that could not be ended, by reason",
            ["repository", "reason"],
            registry=self.registry,
        )
        self.last_tick = Gauge(
            "gitops_rollback_last_tick_timestamp_seconds",
            "When the repository was last looked at to the end, by this replica",
            ["repository"],
            registry=self.registry,
        )
        self.open_rollbacks = Gauge(
            "gitops_rollback_open_rollbacks",
            "Rollbacks that have not ended, by phase",
            ["repository", "phase"],
            registry=self.registry,
        )
        self.paused = Gauge(
            "gitops_rollback_paused_applications",
            "Watched applications for which a pause, or one that cannot be read, forbids acting",
            ["repository"],
            registry=self.registry,
        )
        self.engine_event = Gauge(
            "gitops_rollback_engine_last_event_timestamp_seconds",
            "When the engine last told of a change by its stream",
            ["engine"],
            registry=self.registry,
        )

    def _of_the_outside(self) -> None:
        self.deliveries = Counter(
            "gitops_rollback_webhook_deliveries",
            "Webhook deliveries, by what became of them",
            ["kind", "name", "result"],
            registry=self.registry,
        )
        self.forge_requests = Counter(
            "gitops_rollback_forge_requests",
            "Requests to a forge, by what it answered",
            ["forge", "operation", "code"],
            registry=self.registry,
        )
        self.forge_left = Gauge(
            "gitops_rollback_forge_rate_limit_remaining",
            "Requests that the forge still takes before its limit is reached",
            ["forge"],
            registry=self.registry,
        )

    def _of_the_way(self) -> None:
        self.heartbeat_seconds = Gauge(
            "gitops_rollback_heartbeat_seconds",
            "The newest heartbeat, from one phase to the next",
            ["repository", "phase"],
            registry=self.registry,
        )
        self.heartbeat_success = Gauge(
            "gitops_rollback_heartbeat_success",
            "1 if the engine has seen the newest heartbeat, 0 if it was refused or not seen",
            ["repository"],
            registry=self.registry,
        )
        self.heartbeat_time = Gauge(
            "gitops_rollback_heartbeat_timestamp_seconds",
            "When the newest heartbeat was begun",
            ["repository"],
            registry=self.registry,
        )
        self.drill_passed = Gauge(
            "gitops_rollback_drill_passed_timestamp_seconds",
            "When an application that may be drilled passed a drill last; none where it never did",
            ["application"],
            registry=self.registry,
        )
        self.drill_overdue = Gauge(
            "gitops_rollback_drill_overdue",
            "1 if an application that may be drilled has passed none for 90 days, or never; else 0",
            ["application"],
            registry=self.registry,
        )
        self.images_there = Gauge(
            "gitops_rollback_images_there",
            "1 if what a rollback would bring back is there, 0 if an image or Secret is gone; none where not known",
            ["application"],
            registry=self.registry,
        )

    def beat(self, repository: str, beat: Beat) -> None:
        """Show the newest heartbeat, which has ended."""
        self.heartbeat_success.labels(repository).set(beat.outcome is Outcome.SEEN)
        self.heartbeat_time.labels(repository).set(beat.begun.timestamp())
        for phase in PHASES[1:]:
            seconds = beat.phases.get(phase)
            if seconds is not None:
                self.heartbeat_seconds.labels(repository, phase).set(seconds)
            else:
                with suppress(KeyError):
                    self.heartbeat_seconds.remove(repository, phase)

    def practice(self, practice: Practice) -> None:
        """Show when an application was drilled last."""
        self.drill_overdue.labels(practice.application).set(bool(practice.overdue))
        if practice.passed is not None:
            self.drill_passed.labels(practice.application).set(practice.passed.timestamp())

    def images(self, application: str, there: bool | None) -> None:
        """Show whether the images that a rollback would bring back are there; None is not known."""
        if there is not None:
            self.images_there.labels(application).set(there)
            return
        with suppress(KeyError):
            self.images_there.remove(application)

    def ticked(self, repository: str, failure: str) -> None:
        """A tick has ended; `failure` is the reason why it did not reach its end, or ""."""
        if failure:
            self.tick_failures.labels(repository, failure).inc()
        else:
            self.last_tick.labels(repository).set_to_current_time()

    def heard(self, engine: str) -> None:
        """The engine's stream has told of a change."""
        self.engine_event.labels(engine).set_to_current_time()

    def under_way(self, repository: str, records: Iterable[RollbackRecord]) -> None:
        """Show how many rollbacks have not ended; each phase is there, with 0 where there is none."""
        counted = Counted(record.phase for record in records if record.open)
        for phase in Phase:
            if phase is not Phase.DONE:
                self.open_rollbacks.labels(repository, phase.value).set(counted[phase])

    def queried(self, source: str, tenant: str) -> None:
        """Count one query that was sent to a metric source; `tenant` is "" where there are none."""
        self.queries.labels(source, tenant).inc()

    def asked(self, forge: str, operation: str, code: str) -> None:
        """Count one request to a forge; `code` is a word where no answer came."""
        self.forge_requests.labels(forge, operation, code).inc()

    def left(self, forge: str, requests: int) -> None:
        """What is left of the forge's quota."""
        self.forge_left.labels(forge).set(requests)

    def ended(self, record: RollbackRecord) -> None:
        """Count a rollback that this process brought to its end, and the time from each step to the next."""
        outcome = record.outcome.value if record.outcome is not None else ""
        initiator = CONTROLLER if record.requested_by == CONTROLLER else "person"
        stages = stages_of(record)
        strategy = "+".join(stages.strategies) if stages is not None else "revert"
        for application in record.applications:
            self.rollbacks.labels(application, strategy, outcome, initiator).inc()
        reached = [(step, record.times[step]) for step in STEPS if step in record.times]
        for (_, before), (step, after) in pairwise(reached):
            self.phase_seconds.labels(step).observe(max(0.0, (after - before).total_seconds()))
        if record.outcome is RollbackOutcome.VERIFIED and reached and reached[0][0] == "deployed":
            self.restore_seconds.observe(max(0.0, (reached[-1][1] - reached[0][1]).total_seconds()))
