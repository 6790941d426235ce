"""The Lease of a simulated world: an object with versions at an API that loses answers and shows old states.

The product's own elector asks it, so that what is judged is the elector and not a picture of it.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from datetime import datetime, timedelta
from random import Random
from typing import Any

import structlog

from gitops_rollback.adapters.kubernetes.errors import ApiUnavailable, Conflict
from gitops_rollback.adapters.kubernetes.lease import Clocks, KubernetesLease
from gitops_rollback.adapters.kubernetes.resources import Resource
from gitops_rollback.app.health import Health, Metrics
from gitops_rollback.app.leading import Leading
from gitops_rollback.core.lease import LeaseTimes
from gitops_rollback.sandbox.simulation.gate import Gate
from gitops_rollback.sandbox.simulation.schedule import START, Schedule

TIMES = LeaseTimes()
SKEW = 0.05  # so much faster or slower than the true time a replica's monotonic clock may go
NAME = "gitops-rollback-shop"
FOLLOWERS_COME = (1.0, 2.2)
Object = dict[str, Any]


class Leases:
    """What the API holds, and when whose writes that it took began: that is what may be believed of a leader."""

    def __init__(self) -> None:
        self.states: list[Object] = []  # all there were, oldest first
        self.begun: dict[str, datetime] = {}

    @property
    def now(self) -> Object | None:
        """The Lease as it is."""
        return self.states[-1] if self.states else None

    def put(self, body: Mapping[str, Any]) -> Object:
        """Take one more state."""
        made = copy.deepcopy(dict(body))
        made["metadata"]["resourceVersion"] = str(len(self.states) + 1)
        self.states.append(made)
        return made


class LeaseApi:
    """`adapters.kubernetes.lease.Api` of one replica's process."""

    namespace = "gitops-rollback"

    def __init__(self, gate: Gate, leases: Leases, schedule: Schedule) -> None:
        self._gate = gate
        self._leases = leases
        self._schedule = schedule

    def get(self, resource: Resource, namespace: str, name: str, timeout: timedelta | None = None) -> Object | None:
        """As the client's; a proxy may have kept an old state."""
        return self._gate.call("lease.get", self._shown, self._away)

    def create(self, resource: Resource, body: Mapping[str, Any], timeout: timedelta | None = None) -> Object:
        """As the client's. Raises: Conflict; ApiUnavailable."""
        return self._write("lease.create", body)

    def replace(self, resource: Resource, body: Mapping[str, Any], timeout: timedelta | None = None) -> Object:
        """As the client's. Raises: Conflict; ApiUnavailable."""
        return self._write("lease.replace", body)

    def _shown(self) -> Object | None:
        states = self._leases.states
        stale = bool(states) and self._gate.is_stale()
        return copy.deepcopy(states[max(0, len(states) - 4)] if stale else self._leases.now)

    def _write(self, port: str, body: Mapping[str, Any]) -> Object:
        begun = self._schedule.now

        def put() -> Object:
            found = self._leases.now
            held = None if found is None else found["metadata"]["resourceVersion"]
            if body["metadata"].get("resourceVersion") != held:
                raise Conflict(NAME, "the object has been modified")
            made = self._leases.put(body)
            if body["spec"]["holderIdentity"]:
                self._leases.begun[self._gate.who] = begun
            return copy.deepcopy(made)

        return self._gate.call(port, put, self._away)

    def _away(self) -> ApiUnavailable:
        return ApiUnavailable("kubernetes", "did not answer")


class Holding:
    """One process's part in the election. `strand` is for a strand of its own."""

    def __init__(self, gate: Gate, leases: Leases, schedule: Schedule, identity: str, random: Random) -> None:
        self._schedule = schedule
        self._random = random
        rate = random.uniform(1 - SKEW, 1 + SKEW)
        clocks = Clocks(lambda: (schedule.now - START).total_seconds() * rate, lambda: schedule.now)
        api = LeaseApi(gate, leases, schedule)
        self.lease = KubernetesLease(api, NAME, identity, TIMES, clocks, new_lock=gate.lock)
        self.lease.log = structlog.wrap_logger(structlog.ReturnLogger(), processors=[])  # a world tells its own story
        self.leading = Leading("shop/config", self.lease, Health(), Metrics())

    def strand(self) -> None:
        """Look as often as the product's own thread does, until the process dies."""
        while True:
            self.lease.look()
            ours = self.lease.epoch() is not None
            spread = 1.0 if ours else self._random.uniform(*FOLLOWERS_COME)
            self._schedule.sleep(TIMES.retry * spread)
