"""The whole way on a real Prometheus: it scrapes a service whose errors follow the revision that was deployed."""

from __future__ import annotations

import json
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from live_world import POLICY_PATH, Live
from prometheus_process import programs, running

from gitops_rollback.sandbox.stories import rolled_back

REQUESTS_PER_SECOND = 50.0
BAD_SHARE, GOOD_SHARE = 0.4, 0.0
SCRAPES_BEFORE = 10  # the longest range twice: a fault without a time before it is nobody's
SCRAPE = """\
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: checkout
    static_configs: [{{targets: ["127.0.0.1:{port}"], labels: {{service: checkout-api}}}}]
"""
POLICY = """\
# +argocd:skip-file-rendering
apiVersion: gitops-rollback.dev/v1alpha1
kind: RollbackPolicy
metadata: {name: shop}
spec:
  targets:
    - name: checkout-api
      engine: argocd
      application: {namespace: argocd, name: checkout-api-prod}
      workload: {kind: Deployment, namespace: shop, name: checkout-api}
      data: {rollback: safe, because: each release reads what the next one wrote}
  timing: {interval: 1s, initialDelay: 0s, window: 5s}
  triggers:
    - name: high-error-rate
      bad: 'sum(rate(http_requests_total{status=~"5..",service="$SERVICE"}[5s]))'
      total: 'sum(rate(http_requests_total{service="$SERVICE"}[5s]))'
      comparison: greater_than
      threshold: 0.05
      for: 3s
      severity: auto_rollback
  verification: {startAfter: 1s, holdFor: 3s, timeout: 2m}
"""


class Service:
    """Counts steady requests as a client library would; the share that fails is `failing` now."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._share, self._since = GOOD_SHARE, time.monotonic()
        self._counted = {"200": 0.0, "503": 0.0}

    def fail(self, share: float) -> None:
        with self._lock:
            self._count()
            self._share = share

    def text(self) -> str:
        with self._lock:
            self._count()
            lines = [f'http_requests_total{{status="{status}"}} {count}' for status, count in self._counted.items()]
        return "\n".join(["# TYPE http_requests_total counter", *lines, ""])

    def _count(self) -> None:
        now = time.monotonic()
        requests = (now - self._since) * REQUESTS_PER_SECOND
        self._counted["503"] += requests * self._share
        self._counted["200"] += requests * (1 - self._share)
        self._since = now


@contextmanager
def served(service: Service) -> Iterator[int]:
    """The service's /metrics on a port of loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text = service.text().encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_about: Any) -> None:
            """Prometheus asks every second."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def follow_deployments(live: Live, service: Service) -> None:
    """What runs decides: the service fails exactly while Argo CD has a failing image deployed."""

    def deployed(application: str, what: Any) -> None:
        if application == "checkout-api-prod":
            tags = {image.rpartition(":")[2] for image in what.images}
            service.fail(BAD_SHARE if tags & live.world.failing_tags else GOOD_SHARE)

    live.argocd.on_change(deployed)


def scraped(url: str) -> float:
    """How many samples of the service Prometheus holds."""
    query = urllib.parse.quote('count_over_time(http_requests_total{status="200"}[1h])')
    with urllib.request.urlopen(f"{url}/api/v1/query?query={query}", timeout=10) as answer:
        found = json.load(answer)["data"]["result"]
    return float(found[0]["value"][1]) if found else 0.0


def test_a_bad_push_is_reverted_and_verified_by_what_a_real_prometheus_scraped(tmp_path: Path) -> None:
    programs()
    service = Service()
    live = Live(tmp_path, speed=1.0, policies={POLICY_PATH: POLICY})
    folder = tmp_path / "prometheus"
    folder.mkdir()
    try:
        with served(service) as port, running(folder, SCRAPE.format(port=port)) as url:
            live.start_in_real_time()
            follow_deployments(live, service)
            live.until(lambda: scraped(url) >= SCRAPES_BEFORE, "Prometheus has seen the time before the release")
            live.start_controller(PROMETHEUS_URL=url)
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
    finally:
        live.kill_controller()
        live.world.stop()


def reason_now(live: Live) -> str:
    looks = [line for line in live.logged() if line.get("msg") == "looked"]
    return str(looks[-1].get("reason")) if looks else ""
