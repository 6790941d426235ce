"""Which queries of a policy ask a metric store for more than is needed? For whoever wants to know what it costs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from gitops_rollback.adapters.policies.rules import queries
from gitops_rollback.adapters.policies.rules_shape import Found
from gitops_rollback.adapters.policies.shape_faults import one_mapping
from gitops_rollback.adapters.policies.view import View
from gitops_rollback.core.duration import format_duration
from gitops_rollback.core.errors import QueryInvalid
from gitops_rollback.core.faults import Fault, in_order, shown
from gitops_rollback.core.policy import Timing
from gitops_rollback.core.query import look_back
from gitops_rollback.core.query_language import PROMQL, language_of
from gitops_rollback.core.selectivity import whole_metrics

LONG = timedelta(hours=6)  # of samples at each look


def asking_faults(text: bytes, path: str) -> tuple[Fault, ...]:
    """A warning at each query that reads whole metrics, or very far back; () for a file that cannot be read."""
    root, _ = one_mapping(text, path, "policy")
    if root is None:
        return ()
    found = _found(View(root, root.mark).at("spec"))
    return in_order([Fault(path, mark.line, mark.col, message, fix, "warning") for mark, message, fix in found])


def _found(spec: View) -> Iterator[Found]:
    interval = format_duration(spec.at("timing", "interval").duration or Timing().interval)
    for query in queries(spec):
        if not query.text or language_of(query.text) is not PROMQL:
            continue
        for name in whole_metrics(query.text):
            message = f"every series of {shown(name)} is read each {interval}"
            yield query.mark, message, 'select by `service="$SERVICE"` or the like'
        try:
            far = look_back(query.text)
        except QueryInvalid:
            continue
        if far > LONG:
            message = f"{format_duration(far)} of samples are read each {interval}"
            yield query.mark, message, "let a recording rule of the store add them up, and ask for that"
