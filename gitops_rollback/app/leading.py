"""Does this replica act for a config repository now? Asked at the start of each tick, and again before each effect.

A tick belongs to the epoch under which it began. Whoever has lost the lease since, even if it has it again, writes
nothing: another replica may have acted in between. The lease is no fence: the branch head is.
Source: safety.md, Ownership; contracts/flux-kubernetes.md, section 14; reliability.md, promise 7c.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

import structlog

from gitops_rollback.app.health import Health, Metrics
from gitops_rollback.core.errors import LeaseLost
from gitops_rollback.core.sharing import preferred
from gitops_rollback.replicas import Lease, Members

log = structlog.get_logger()
REST_SECONDS = 600.0  # so long a repository is not offered again to a replica that did not take it


class Role(StrEnum):
    """What a replica is to one repository."""

    LEADS = "leads"  # looks, decides and writes
    STANDS_BY = "stands by"  # another one leads, or will: fetches, so that it can go on at once
    READS_ONLY = "reads only"  # the lease is out of reach, so nobody may lead: looks, and writes nothing


def nothing() -> None:
    """For what nobody wants to know."""


@dataclass
class Leading:
    """One repository's lease as its loop sees it. `took_over` is called in the loop's thread under each new epoch."""

    repository: str
    lease: Lease
    health: Health
    metrics: Metrics
    members: Members | None = None
    took_over: Callable[[], None] = nothing
    called: Callable[[], None] = nothing  # there is work to do now
    elapsed: Callable[[], float] = time.monotonic
    _epoch: int | None = None
    _newest: int | None = None
    _offered: dict[str, float] = field(default_factory=dict)

    def begin(self) -> Role:
        """At the start of a tick."""
        self._epoch = self.lease.epoch()
        self.tell()
        if self._epoch is None:
            return Role.READS_ONLY if self.lease.trouble else Role.STANDS_BY
        if self._epoch != self._newest:
            self._newest = self._epoch
            self.took_over()
        return Role.LEADS

    def confirm(self) -> None:
        """Right before an effect: the lease is read and renewed now. Raises: LeaseLost."""
        if self._epoch is None or not self.lease.confirm(self._epoch):
            self._epoch = None
            raise LeaseLost(self.repository, f"nothing is written: {self.words()}")

    def offer(self, busy: bool, prepare: Callable[[], None]) -> bool:
        """After a tick: give the lease to the living replica that is to have it, unless a rollback is under way.

        `prepare` writes what must not wait. True if it was given back.
        """
        if self.members is None or self._epoch is None or busy:
            return False
        first = preferred(self.repository, self.members.living())[0]
        now = self.elapsed()
        rested = now - self._offered.get(first, -REST_SECONDS) >= REST_SECONDS
        if first == self.lease.identity or not rested:
            return False
        self._offered = {first: now}
        prepare()
        self.give_back()
        return True

    def give_back(self) -> None:
        """Once all work under it has stopped."""
        self._epoch = None
        self.lease.release()
        self.tell()

    def run(self, stop: threading.Event) -> None:
        """Try to hold the lease until `stop`; for a thread of its own."""
        self.lease.run(stop, self._changed)

    def words(self) -> str:
        """Who leads, for people."""
        lease = self.lease
        if lease.epoch() is not None:
            return f"this replica leads, {lease.identity}, epoch {lease.epoch()}"
        if lease.trouble:
            return f"the lease {lease.name} cannot be held: {lease.trouble}"
        if lease.holder and lease.holder != lease.identity:
            return f"stands by: {lease.holder} leads"
        return "stands by: nobody leads yet"

    @property
    def leader(self) -> str:
        """The machine of the replica that leads, as it calls itself; "" where that is this one or nobody."""
        holder = self.lease.holder or ""
        return holder.rpartition("_")[0] if holder != self.lease.identity else ""

    def tell(self) -> None:
        """Readiness and metrics: a replica that stands by is ready, one that cannot reach its lease is not."""
        leads = self.lease.epoch() is not None
        self.health.report(f"{self.repository} lease", leads or not self.lease.trouble, self.words())
        self.metrics.leader.labels(self.repository).set(1.0 if leads else 0.0)

    def _changed(self, epoch: int | None) -> None:
        self.tell()
        log.info("who leads", repo=self.repository, leads=epoch is not None, message=self.words())
        if epoch is not None:
            self.called()
