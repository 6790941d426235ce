"""A metric source as one tenant's policies ask it: each query is counted, and none goes over the tenant's own limit.

One tenant's queries never use up another's. Source: safety.md, Tenants and Query limits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from gitops_rollback.adapters.metrics.limits import Turnstile
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.measurement import Answer, Outcome
from gitops_rollback.core.policy import Policy
from gitops_rollback.core.tenants import Tenancy
from gitops_rollback.ports import MetricSource

LANES = ("query", "query_range")
UNBOUNDED = 1_000_000  # how many are in flight is the source's own limit

Counted = Callable[[str, str], None]  # the names of a source and of a tenant, "" without tenants


class QueryRations:
    """What each tenant may still send this minute, over all its policies, repositories and sources."""

    def __init__(self, tenancy: Tenancy, per_minute: Mapping[str, int], counted: Counted) -> None:
        """`per_minute`: the limit of each tenant that has one."""
        self._tenancy = tenancy
        self._counted = counted
        self._turnstiles = {
            name: Turnstile(dict.fromkeys(LANES, UNBOUNDED), limit) for name, limit in per_minute.items()
        }

    def of(self, policy: Policy, source: MetricSource) -> MetricSource:
        """`source` as the policy's tenant may ask it."""
        tenant = self._tenancy.of(policy)
        name = tenant.name if tenant else ""
        return _Rationed(source, name, self._turnstiles.get(name), self._counted)


class _Rationed:
    """A `MetricSource`; over the tenant's limit the answer is an error of reason `QueryBudget`, and nothing is sent.

    The same source for the same tenant is the same, so that what several policies ask may be asked together.
    """

    def __init__(self, source: MetricSource, tenant: str, turnstile: Turnstile | None, counted: Counted) -> None:
        self.name = source.name
        self._source = source
        self._tenant = tenant
        self._turnstile = turnstile
        self._counted = counted

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Rationed) and (self._source, self._tenant) == (other._source, other._tenant)

    def __hash__(self) -> int:
        return hash((self._source, self._tenant))

    def query(self, expression: str, at: datetime, timeout: timedelta, priority: float = 0.0) -> Answer:
        """As the source answers."""
        send = self._source.query
        return self._asked("query", expression, at, timeout, priority, lambda: send(expression, at, timeout, priority))

    def query_range(
        self, expression: str, start: datetime, end: datetime, step: timedelta, timeout: timedelta
    ) -> Answer:
        """As the source answers; the newest `start` goes first."""
        send = self._source.query_range
        return self._asked(
            "query_range",
            expression,
            end,
            timeout,
            start.timestamp(),
            lambda: send(expression, start, end, step, timeout),
        )

    def _asked(
        self, lane: str, expression: str, at: datetime, timeout: timedelta, priority: float, send: Callable[[], Answer]
    ) -> Answer:
        if self._turnstile is not None:
            # Only to be let through is waited for: the answer itself is the source's matter.
            with self._turnstile.passing(lane, priority, timeout.total_seconds() / 2) as passed:
                pass
            if not passed:
                detail = f"tenant {self._tenant} has used up its queriesPerMinute; it is asked again later"
                return Answer(Outcome.ERROR, at, expression, reason=Reason.QUERY_BUDGET, detail=detail)
        self._counted(self.name, self._tenant)
        return send()
