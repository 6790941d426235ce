"""The shape of what a policy says about the costs of each way out of an alarm."""

from __future__ import annotations

from gitops_rollback.adapters.policies.leaves import Risk
from gitops_rollback.adapters.policies.scalars import Duration, Number
from gitops_rollback.adapters.policies.schema_shape import Shape


class Costs(Shape):
    acknowledge: Duration | None = None
    """Until somebody who is paged looks. 5m if left out."""
    decide: Duration | None = None
    """Until they have decided on a rollback. 10m."""
    rollback: Duration | None = None
    """From a commit to healthy. Left out, the application's own median of the journal; 4m while it has none."""
    mend: Duration | None = None
    """Until a person has mended what a rollback did not. 25m."""
    fix: Duration | None = None
    """Until a fix is written, where nobody has promised one. 45m."""
    deploy: Duration | None = None
    """Until a fix is deployed; 30s where it is a flag. 8m."""
    fix_succeeds: Number | None = None
    """How often such a fix helps: 0.6. 0.9 counts for a promised one."""
    rollback_risk: Risk | None = None
    """What any rollback costs by itself, in full-outage-minutes. none is 0, low 0.1 (default), high 5."""
    forward_risk: Number | None = None
    """The same of a fix. 0.1."""
    false_rollback: Number | None = None
    """What one costs that was not needed. 0.5."""
    interruption: Number | None = None
    """What it costs to page somebody. 0.2."""
    share: Number | None = None
    """The share of all traffic that these applications carry, from 0 to 1. 1."""
