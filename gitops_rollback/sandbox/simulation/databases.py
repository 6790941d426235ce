"""What runs where releases move data: Pods that take time to go, Jobs that end as they like, and rows that may be lost.

Code that is older than the data tidies up when it starts: what it does not know is dropped, and with it the rows that
newer code has written. Source: kubernetes batch/v1 JobStatus; a Deployment does not count Pods that are going.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from random import Random

from gitops_rollback.core.errors import EngineUnavailable
from gitops_rollback.core.new_pods import WorkloadFacts
from gitops_rollback.core.policy import Workload
from gitops_rollback.core.sync import ApplicationState, Health, ResourceResult
from gitops_rollback.ports import ManagedObject
from gitops_rollback.sandbox.simulation.gate import Gate
from gitops_rollback.sandbox.simulation.migrating import JobText, code_of, jobs_of, serves, wants
from gitops_rollback.sandbox.simulation.objects import Objects
from gitops_rollback.sandbox.simulation.schedule import Schedule

COMPLETES, FAILS, NEVER_ENDS, LOSES, VANISHES, RAN_BEFORE = (
    "completes", "fails", "never ends", "loses rows", "vanishes", "ran before",
)  # fmt: skip
FATES = (COMPLETES, FAILS, NEVER_ENDS, LOSES, VANISHES, RAN_BEFORE)
ROWS, SOLD = 1000, 10  # in the beginning, and by each start of code that fits the data
BUSY, LEAKING = 5.0, 0.25  # requests a second, and those that come by another way
RATE = timedelta(seconds=60)  # what requests are counted over
LONG = timedelta(hours=1)


@dataclass
class Job:
    """A Job of the cluster. `ended` None: it still runs."""

    text: JobText
    began: datetime
    fate: str
    ended: datetime | None = None
    gone: bool = False

    @property
    def failed(self) -> bool:
        """It came to no good end."""
        return self.ended is not None and self.fate == FAILS

    def document(self) -> dict[str, object]:
        """As the cluster shows it."""
        metadata = {"name": self.text.name, "namespace": "shop"}
        status: dict[str, object] = {"active": 1}
        if self.failed:
            status = {"conditions": [{"type": "Failed", "status": "True", "message": "backoff limit exceeded"}]}
        elif self.ended is not None:
            done = {"type": "Complete", "status": "True"}
            status = {"conditions": [done], "completionTime": f"{self.ended:%Y-%m-%dT%H:%M:%SZ}"}
        return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "status": status}


@dataclass
class Server:
    """The code that serves an application. `pods` says since when there have been how many, those that go included.

    Those that go have no endpoint any more: `reached` says since when requests have come to it or not.
    """

    version: str
    wanted: int
    pods: list[tuple[datetime, int]]
    reached: list[tuple[datetime, int]]
    turn: int = 0

    def at(self, when: datetime) -> int:
        """How many Pods there were then."""
        return _at(self.pods, when)

    def is_reached(self, when: datetime) -> bool:
        """Requests came to it then, or a moment before."""
        lately = [count for since, count in self.reached if when - RATE < since <= when]
        return any((*lately, _at(self.reached, when - RATE)))


@dataclass
class Data:
    """The database of an application, in the shape that the release `fits` wants. `rows` are as they were at any time.

    `undone` is when a reverse really came to its good end, and in which run; `lost` what happened to rows, in words.
    """

    fits: int
    rows: list[tuple[datetime, int]]
    undone: list[datetime] = field(default_factory=list)
    lost: list[tuple[datetime, str]] = field(default_factory=list)

    def count(self, when: datetime) -> int:
        """How many rows there were then."""
        return _at(self.rows, when)


@dataclass
class Databases:
    """Of all applications. `fate` says how a Job ends that begins; `settled` hears of an application whose Job ended.

    `leaks` are when requests come by another way, `told` what a replica heard last of an application's Pods.
    """

    objects: Objects
    schedule: Schedule
    random: Random
    tell: Callable[[str, str], None]
    settled: Callable[[str], None] = lambda _application: None
    fate: Callable[[str, str], str] = lambda _application, _job: COMPLETES
    servers: dict[str, Server] = field(default_factory=dict)
    data: dict[str, Data] = field(default_factory=dict)
    jobs: dict[str, dict[str, Job]] = field(default_factory=dict)
    leaks: dict[str, list[tuple[datetime, datetime]]] = field(default_factory=dict)
    told: dict[tuple[str, str], tuple[datetime, int]] = field(default_factory=dict)

    def start(self, names: Iterable[str], revision: str, since: datetime) -> None:
        """These have been running for long."""
        for name in names:
            version, wanted = code_of(self.objects, name, revision), serves(self.objects, name, revision)
            self.servers[name] = Server(version, wanted, [(since, wanted)], [(since, wanted)])
            self.data[name] = Data(wants(version), [(since, ROWS)])
            self.jobs[name] = {}

    def applied(self, name: str, revision: str) -> None:
        """The engine has put a revision into the cluster."""
        if name not in self.servers:
            return
        found = {one.name: one for one in jobs_of(self.objects, name, revision)}
        live = self.jobs[name] = {job: one for job, one in self.jobs[name].items() if job in found}
        for text in found.values():
            if text.name not in live:
                live[text.name] = self._begin(name, text)
        self._serve(name, code_of(self.objects, name, revision), serves(self.objects, name, revision))

    # Jobs

    def _begin(self, name: str, text: JobText) -> Job:
        now, fate = self.schedule.now, self.fate(name, text.name)
        job = Job(text, now, fate)
        self.tell("cluster", f"{text.name} begins: it {fate}")
        if fate == RAN_BEFORE:
            job.ended = now - LONG  # nobody had taken that one away, and no Job of one name runs twice
        elif fate != NEVER_ENDS:
            self.schedule.after(self.random.uniform(2, 60), partial(self._end, name, job))
        return job

    def _end(self, name: str, job: Job) -> None:
        if self.jobs[name].get(job.text.name) is not job:
            return
        now, data = self.schedule.now, self.data[name]
        job.ended = now
        self.tell("cluster", f"{job.text.name} has ended: it {job.fate}")
        if job.fate != FAILS:
            data.fits = job.text.leaves
            if job.text.name.endswith("-back"):
                data.undone.append(now)
        if job.fate == LOSES:
            self._lose(name, f"{job.text.name} lost rows")
        if job.fate == VANISHES:
            self.schedule.after(self.random.uniform(1, 20), partial(self._vanish, name, job))
        self.settled(name)

    def _vanish(self, name: str, job: Job) -> None:
        job.gone = True
        self.tell("cluster", f"{job.text.name} is cleaned away")

    # Pods

    def _serve(self, name: str, version: str, wanted: int) -> None:
        server = self.servers[name]
        if (version, wanted) == (server.version, server.wanted):
            return
        server.version, server.wanted, server.turn = version, wanted, server.turn + 1
        if wanted:
            seconds = self.random.uniform(2, 15)
        else:
            seconds = self.random.uniform(1, 60) if self.random.random() < 0.8 else self.random.uniform(60, 500)
            server.reached.append((self.schedule.now, 0))
        self.schedule.after(seconds, partial(self._stand, name, server.turn))

    def _stand(self, name: str, turn: int) -> None:
        server, data = self.servers[name], self.data[name]
        if server.turn != turn:
            return
        now = self.schedule.now
        server.pods.append((now, server.wanted))
        server.reached.append((now, server.wanted))
        self.tell("cluster", f"{name} has {server.wanted} Pods of {server.version}")
        if not server.wanted:
            return
        if wants(server.version) < data.fits:
            self._lose(name, f"{server.version} tidied up what {data.fits} had written")
            data.fits = wants(server.version)
        elif wants(server.version) == data.fits:
            data.rows.append((now, data.count(now) + SOLD))

    def _lose(self, name: str, words: str) -> None:
        now, data = self.schedule.now, self.data[name]
        data.lost.append((now, words))
        data.rows.append((now, data.count(now) - ROWS // 2))
        self.tell("truth", f"rows of {name} are lost: {words}")

    # What is seen

    def results(self, name: str) -> tuple[ResourceResult, ...]:
        """What an operation lists besides the ordinary."""
        jobs = self.jobs.get(name, {})
        return tuple(ResourceResult("batch", "Job", "shop", job, "Synced", "created") for job in jobs)

    def health(self, name: str) -> Health:
        """As an engine calls the Jobs."""
        jobs = [one for one in self.jobs.get(name, {}).values() if not one.gone]
        if any(one.failed for one in jobs):
            return Health.DEGRADED
        return Health.PROGRESSING if any(one.ended is None for one in jobs) else Health.HEALTHY

    def shown(self, name: str) -> tuple[ManagedObject, ...]:
        """The Jobs as they are."""
        documents = [one.document() for one in self.jobs.get(name, {}).values() if not one.gone]
        return tuple(ManagedObject({**one, "status": {}}, one) for one in documents)

    def requests(self, name: str, at: datetime) -> float:
        """How many came in a second, of late."""
        if self.servers[name].is_reached(at):
            return BUSY
        return LEAKING if any(start <= at < end for start, end in self.leaks.get(name, ())) else 0.0


@dataclass(frozen=True)
class SimServers:
    """One replica's way to the Pods."""

    gate: Gate
    databases: Databases
    now: Callable[[], datetime]

    def read(self, application: ApplicationState, workload: Workload) -> WorkloadFacts:
        """As in `ports.Workloads`."""
        struck = self.gate.enter("workloads.read")
        name = application.id.name
        server, at = self.databases.servers.get(name), self.now()
        left, wanted = (server.at(at), server.wanted) if server is not None else (0, 0)
        self.gate.leave("workloads.read")
        if struck:
            raise EngineUnavailable(application.id.short, "its Pods cannot be seen")
        if server is None or workload.name != f"{name}-server":
            return WorkloadFacts(None)
        self.databases.told[self.gate.who, name] = at, left
        return WorkloadFacts(_deployment(workload, wanted, left), pods=_pods(workload, wanted, left))


def _at(line: list[tuple[datetime, int]], when: datetime) -> int:
    index = bisect_right(line, when, key=lambda one: one[0])
    return line[max(0, index - 1)][1]


def _deployment(workload: Workload, wanted: int, left: int) -> dict[str, object]:
    """Pods that are going are no replicas any more."""
    ready = min(wanted, left)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": workload.name, "namespace": workload.namespace, "generation": 1},
        "spec": {"replicas": wanted},
        "status": {
            "observedGeneration": 1,
            "replicas": wanted,
            "updatedReplicas": wanted,
            "availableReplicas": ready,
            "readyReplicas": ready,
        },
    }


def _pods(workload: Workload, wanted: int, left: int) -> tuple[dict[str, object], ...]:
    going = {} if wanted else {"deletionTimestamp": "2030-01-01T00:00:00Z"}
    names = (f"{workload.name}-{number}" for number in range(left))
    return tuple({"metadata": {"name": name, **going}, "status": {"phase": "Running"}} for name in names)
