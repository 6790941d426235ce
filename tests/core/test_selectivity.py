"""Which metrics does a query read whole, with every series that they have?"""

from __future__ import annotations

import pytest

from gitops_rollback.core.selectivity import whole_metrics


@pytest.mark.parametrize(
    ("template", "whole"),
    [
        ('sum(rate(x_total{service="$SERVICE"}[2m]))', ()),
        ("sum(rate(x_total[2m]))", ("x_total",)),
        ("sum by (service, code) (rate(x_total{}[2m])) / on (service) group_left (team) owner", ("x_total", "owner")),
        ('x{service=~".*"}', ("x",)),
        ('x{service=~".+", job!="a", code!~"5.."}', ("x",)),
        ('x{service=""}', ("x",)),
        ('x{job=~"a|b"} > bool 3 and on () y{pod=~"$SERVICE-.*"} offset 5m', ()),
        ('histogram_quantile(0.99, sum(rate(x_bucket{app="a"}[5m])) by (le))', ()),
        ('{__name__="x"}', ("{}",)),
        ('{__name__="x", service="a"} # y', ()),
        ("max_over_time(x[1h:1m] @ end())", ("x",)),
        ("time() - x or vector(1)", ("x",)),
        ("sum without (pod) (x{", ("x",)),
        ("by (", ()),
        ("", ()),
    ],
)
def test_only_a_matcher_that_keeps_others_out_narrows(template: str, whole: tuple[str, ...]) -> None:
    assert whole_metrics(template) == whole
