"""The whole way on a real Prometheus: it scrapes a service whose errors follow the revision that was deployed."""

from __future__ import annotations

from pathlib import Path

from live_world import Live, living
from scraped_world import ScrapedWorld, policies

from gitops_rollback.sandbox.stories import rolled_back

TRIGGER = """\
    - name: high-error-rate
      bad: 'sum(rate(http_requests_total{status=~"5..",service="$SERVICE"}[5s]))'
      total: 'sum(rate(http_requests_total{service="$SERVICE"}[5s]))'
      comparison: greater_than
      threshold: 0.05
      for: 3s
      severity: auto_rollback
"""


def test_a_bad_push_is_reverted_and_verified_by_what_a_real_prometheus_scraped(tmp_path: Path) -> None:
    with living(tmp_path, kind=ScrapedWorld, speed=1.0, policies=policies(TRIGGER, window="5s")) as live:
        live.until(lambda: reason_now(live) == "NoRecentSync", "the first deployment is no longer watched")
        live.fail()
        live.until_verified()
        claims = rolled_back(live.telling)
        assert [claim.text for claim in claims if not claim.holds] == []
        record = live.telling.records()[0]
        measured = record["evidence"]["verdicts"][0]
        assert "http_requests_total" in measured["query"]
        assert 0.05 < measured["value"] < 0.5
        assert live.stop_controller() == 0


def reason_now(live: Live) -> str:
    looks = [line for line in live.logged() if line.get("msg") == "looked"]
    return str(looks[-1].get("reason")) if looks else ""
