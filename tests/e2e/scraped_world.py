"""A world in real time whose metrics a real Prometheus scrapes from a real exporter, which fails as what runs does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from live_world import POLICY_PATH, Live
from prometheus_process import programs, running

EXPORTER = Path(__file__).with_name("exporter.py")
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
  timing: {interval: 1s, initialDelay: 0s, window: WINDOW}
  triggers:
TRIGGERS
  verification: {startAfter: 1s, holdFor: 3s, timeout: 2m}
"""


def policies(triggers: str, window: str = "1m") -> dict[str, str]:
    """The one policy of such a world, with these triggers."""
    return {POLICY_PATH: POLICY.replace("WINDOW", window).replace("TRIGGERS", triggers.rstrip())}


class ScrapedWorld(Live):
    """For `speed=1.0`. `exporter.tell` says what share fails, which otherwise follows what is deployed."""

    url = ""

    def start_world(self) -> None:
        programs()
        self._parts = ExitStack()
        self.exporter = Exporter(self.folder / "exporter", self.exporter_environment())
        self._parts.callback(self.exporter.stop)
        self.exporter.start()
        self.until(self.exporter.port.exists, "the exporter serves")
        prometheus = self.folder / "prometheus"
        prometheus.mkdir()
        config = SCRAPE.format(port=self.exporter.port.read_text())
        self.url = self._parts.enter_context(running(prometheus, config))
        self.more_environment["PROMETHEUS_URL"] = self.url
        self.start_in_real_time()
        self.argocd.on_change(self._follow)
        self.until(lambda: scraped(self.url) >= SCRAPES_BEFORE, "Prometheus has seen the time before the release")

    def exporter_environment(self) -> Mapping[str, str]:
        """What the exporter's process has besides the usual."""
        return {}

    def _follow(self, application: str, deployed: Any) -> None:
        """What runs decides: it fails exactly while a failing image is deployed."""
        if application == "checkout-api-prod":
            tags = {image.rpartition(":")[2] for image in deployed.images}
            self.exporter.tell(BAD_SHARE if tags & self.world.failing_tags else GOOD_SHARE)

    def close(self) -> None:
        super().close()
        if hasattr(self, "_parts"):
            self._parts.close()


class Exporter:
    """The process; it may be started again at the same port, its counters at zero."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        folder.mkdir(parents=True)
        self.port = folder / "told.port"
        self._told = folder / "told.json"
        self._environment = {**os.environ, **environment}
        self._process: subprocess.Popen[bytes] | None = None
        self.tell(GOOD_SHARE)

    def tell(self, share: float) -> None:
        fresh = self._told.with_suffix(".fresh")
        fresh.write_text(json.dumps({"share": share}))
        fresh.replace(self._told)

    def start(self) -> None:
        self._process = subprocess.Popen([sys.executable, str(EXPORTER), str(self._told)], env=self._environment)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(30)

    def restart(self) -> None:
        self.stop()
        self.start()


def scraped(url: str) -> float:
    """How many samples of the service Prometheus holds."""
    query = urllib.parse.quote('count_over_time(http_requests_total{status="200"}[1h])')
    with urllib.request.urlopen(f"{url}/api/v1/query?query={query}", timeout=10) as answer:
        found = json.load(answer)["data"]["result"]
    return float(found[0]["value"][1]) if found else 0.0
