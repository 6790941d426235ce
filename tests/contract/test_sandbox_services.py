"""Do the sandbox's services understand the queries that users would write?"""

from __future__ import annotations

from datetime import timedelta

import pytest

from gitops_rollback.sandbox.services import window_of


@pytest.mark.parametrize(
    ("query", "seconds"),
    [
        ('sum(rate(http_requests_total{service="a"}[2m]))', 120),
        ('sum(increase(restarts{pod=~"a-[a-z0-9]+-[a-z0-9]{5}"}[5m]))', 300),
        ("rate(x[1m30s])", 90),
        ("rate(x[500ms])", 1),
        ('up{pod=~"[0-9]"}', 60),
    ],
)
def test_the_window_of_a_query_is_its_range_and_no_class_of_a_regex(query: str, seconds: int) -> None:
    assert window_of(query) == timedelta(seconds=seconds)
