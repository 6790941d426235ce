"""Does this process hold the Lease of a config repository now? Takes, renews and gives back; decides nothing itself.

Each write carries the resourceVersion that was read, so of two that reach for a lease one gets it. The local deadline
counts from before the write that renewed it was sent, on a clock that goes on while the machine sleeps.
Source: contracts/flux-kubernetes.md, section 14; clock_gettime(2), CLOCK_BOOTTIME.
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import structlog

from gitops_rollback.adapters.json_node import Node
from gitops_rollback.adapters.kubernetes.client import Object
from gitops_rollback.adapters.kubernetes.errors import Conflict, Missing
from gitops_rollback.adapters.kubernetes.resources import LEASES, Resource
from gitops_rollback.core.errors import RollbackError
from gitops_rollback.core.lease import (
    LeaseRecord,
    LeaseTimes,
    Sighting,
    Step,
    Tenure,
    current_epoch,
    next_step,
    released_record,
    sight,
    wanted_record,
)
from gitops_rollback.crash_points import crash_point

DEFAULT_TIMES = LeaseTimes()
TRIES = 2
FOLLOWER_SPREAD = (1.0, 2.2)  # followers come at different moments

log = structlog.get_logger(__name__)


def seconds_awake_or_asleep() -> float:
    """Monotonic seconds; where the system has it, of a clock that counts a suspended machine's sleep."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


@dataclass(frozen=True)
class Clocks:
    """`monotonic` decides; `wall` is written for people only."""

    monotonic: Callable[[], float] = seconds_awake_or_asleep
    wall: Callable[[], datetime] = lambda: datetime.now(UTC)


REAL = Clocks()


class Api(Protocol):
    """What of the client the elector needs. Source: `adapters.kubernetes.client.Kubernetes`."""

    namespace: str

    def get(self, resource: Resource, namespace: str, name: str, timeout: timedelta | None = None) -> Object | None:
        """One object; None only if the API itself says that there is none."""
        ...

    def create(self, resource: Resource, body: Mapping[str, Any], timeout: timedelta | None = None) -> Object:
        """The object as created. Raises besides: Conflict; Missing."""
        ...

    def replace(self, resource: Resource, body: Mapping[str, Any], timeout: timedelta | None = None) -> Object:
        """The object as replaced, if it still has that resourceVersion. Raises besides: Conflict; Missing."""
        ...


class KubernetesLease:
    """`replicas.Lease`. `run` is for one thread, all else for any."""

    def __init__(
        self,
        client: Api,
        name: str,
        identity: str,
        times: LeaseTimes = DEFAULT_TIMES,
        clocks: Clocks = REAL,
        stand_back: Callable[[], float] = lambda: 0.0,
        new_lock: Callable[[], AbstractContextManager[object]] = threading.Lock,
    ) -> None:
        """`identity` must be of this process start alone (host name and a random part), never used again.

        `stand_back`: how many seconds a lease that nobody holds is left to others.
        """
        self.name = name
        self.identity = identity
        self.log = log
        self._client = client
        self._times = times
        self._clocks = clocks
        self._stand_back = stand_back
        self._round = new_lock()  # one exchange with the API at a time
        self._sighting: Sighting | None = None
        self._found: Object | None = None
        self._tenure: Tenure | None = None
        self._trouble = ""

    @property
    def holder(self) -> str:
        """Who holds it as far as we have seen; "" if nobody."""
        sighting = self._sighting
        return sighting.record.holder if sighting is not None and sighting.record is not None else ""

    @property
    def trouble(self) -> str:
        """What was wrong with the last look, "" if nothing."""
        return self._trouble

    def epoch(self) -> int | None:
        """The epoch under which an effect may be started now; None: not ours, or not surely so any more."""
        return current_epoch(self._tenure, self._times, self._clocks.monotonic())

    def confirm(self, epoch: int) -> bool:
        """Renew now, just before an effect. True only if the lease is ours under this very epoch."""
        if self.epoch() != epoch:
            return False
        self.look()
        return self._trouble == "" and self.epoch() == epoch

    def run(self, stop: threading.Event, changed: Callable[[int | None], None]) -> None:
        """Try to hold the lease until `stop`. `changed` gets each new epoch, None when it is lost or has run out.

        The lease is not given back at the end: call `release` when all work has stopped.
        """
        told: int | None = None
        while not stop.is_set():
            self.look()
            if (now := self.epoch()) != told:
                self.log.info("lease", name=self.name, epoch=now, holder=self.holder, identity=self.identity)
                told = now
                changed(now)
            stop.wait(self._pause())

    def release(self) -> None:
        """Give the lease back, if it is ours. Best effort: else it runs out."""
        with self._round:
            self._tenure = None
            self._give_back()

    @crash_point("lease-release")
    def _give_back(self) -> None:
        try:
            found = self._client.get(LEASES, self._client.namespace, self.name, self._patience())
            record = None if found is None else read_record(found)
            if found is not None and record is not None and record.holder == self.identity:
                given_back = written(found, released_record(record, self._wall()))
                self._client.replace(LEASES, given_back, self._patience())
        except RollbackError as exc:
            self.log.info("lease not given back", name=self.name, message=exc.message)

    def look(self) -> None:
        """One look at the lease, and the write that follows from it. Never raises for what the API says."""
        with self._round:
            for _ in range(TRIES):
                try:
                    self._advance()
                    self._trouble = ""
                    return
                except (Conflict, Missing) as exc:
                    # Somebody else wrote or deleted it: nothing that we knew is sure any more, so look at once.
                    self._found = self._tenure = None
                    self._trouble = exc.message
                except RollbackError as exc:
                    if exc.message != self._trouble:
                        self.log.warning("lease out of reach", name=self.name, message=exc.message)
                    self._trouble = exc.message
                    return

    def _pause(self) -> float:
        """A holder comes back in time for its own deadline, which is also when its loss must be told."""
        if self._tenure is None:
            return self._times.retry * random.uniform(*FOLLOWER_SPREAD)
        left = self._left(self._tenure)
        return max(min(self._times.retry, left), 0.01) if left > 0 else self._times.retry

    def _left(self, tenure: Tenure) -> float:
        return tenure.confirmed_at + self._times.renew_deadline - self._clocks.monotonic()

    def _patience(self) -> timedelta:
        """No request may outlast the renew deadline: afterwards a holder has something more important to do."""
        longest = self._times.renew_deadline / 2
        left = longest if self._tenure is None else self._left(self._tenure)
        return timedelta(seconds=min(longest, left) if left > 0 else longest)

    def _advance(self) -> None:
        # A holder knows what it wrote last and saves itself the look; if that is not so any more, the API says so.
        if self._tenure is None or self._found is None:
            self._found = self._client.get(LEASES, self._client.namespace, self.name, self._patience())
        record = None if self._found is None else read_record(self._found)
        now = self._clocks.monotonic()
        self._sighting = sight(self._sighting, record, now)
        step = next_step(self.identity, self._sighting, self._times, now, self._stand_back())
        if step is Step.WAIT:
            self._tenure = None
            return
        wanted = wanted_record(self.identity, self._sighting, self._times, self._wall())
        self._found = self._renew(wanted) if step is Step.RENEW else self._take(step, wanted)
        self._sighting = sight(self._sighting, read_record(self._found), now)
        self._tenure = Tenure(wanted.transitions, now)

    @crash_point("lease-take")
    def _take(self, step: Step, wanted: LeaseRecord) -> Object:
        return self._write(step, wanted)

    @crash_point("lease-renew")
    def _renew(self, wanted: LeaseRecord) -> Object:
        return self._write(Step.RENEW, wanted)

    def _write(self, step: Step, wanted: LeaseRecord) -> Object:
        if self._found is None or step is Step.CREATE:
            metadata = {"name": self.name, "namespace": self._client.namespace}
            body = written({"apiVersion": LEASES.api_version, "kind": "Lease", "metadata": metadata}, wanted)
            return self._client.create(LEASES, body, self._patience())
        return self._client.replace(LEASES, written(self._found, wanted), self._patience())

    def _wall(self) -> str:
        return self._clocks.wall().strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def read_record(found: Object) -> LeaseRecord:
    """What a Lease says; odd values read as if they were not there."""
    spec = Node(found).get("spec")
    duration = spec.get("leaseDurationSeconds").number()
    return LeaseRecord(
        holder=spec.get("holderIdentity").text(),
        duration=float(duration) if duration is not None and 0 < duration < 1 << 31 else None,
        acquired=spec.get("acquireTime").text(),
        renewed=spec.get("renewTime").text(),
        transitions=spec.get("leaseTransitions").number() or 0,
    )


def written(found: Object, record: LeaseRecord) -> dict[str, Any]:
    """`found` with this record; what others put there stays, and the resourceVersion makes it compare-and-swap."""
    spec = found.get("spec")
    ours = {
        "holderIdentity": record.holder,
        "leaseDurationSeconds": math.ceil(record.duration or 1),
        "acquireTime": record.acquired or None,
        "renewTime": record.renewed or None,
        "leaseTransitions": record.transitions,
    }
    return {**found, "spec": {**(spec if isinstance(spec, dict) else {}), **ours}}
