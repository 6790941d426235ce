"""A world in real time whose metrics are scraped by a real Prometheus from a real exporter with a clock of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from faults_clock import library
from live_world import POLICY_PATH, Live
from prometheus_process import programs, running
from test_whole_way_prometheus import BAD_SHARE, GOOD_SHARE, SCRAPE, SCRAPES_BEFORE, scraped

EXPORTER = Path(__file__).with_name("exporter.py")
ALWAYS = """\
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
  timing: {interval: 1s, initialDelay: 0s, window: 1m}
  triggers:
TRIGGERS
  verification: {startAfter: 1s, holdFor: 3s, timeout: 2m}
"""


class ScrapedWorld(Live):
    """`exporter.tell` says what share fails; `exporter.watch` how far its clock is off."""

    url = ""

    def start_world(self) -> None:
        programs()
        self._parts = ExitStack()
        self.exporter = Exporter(self.folder / "exporter")
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

    def _follow(self, application: str, deployed: Any) -> None:
        """What runs decides: it fails exactly while a failing image is deployed."""
        if application == "checkout-api-prod":
            tags = {image.rpartition(":")[2] for image in deployed.images}
            self.exporter.tell(BAD_SHARE if tags & self.world.failing_tags else GOOD_SHARE)

    def close(self) -> None:
        self._parts.close()
        self.world.stop()


class Exporter:
    """The process; it may be started again at the same port, its counters at zero."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.port = folder / "told.port"
        self._told, self._clock = folder / "told.json", folder / "faketime"
        self._process: subprocess.Popen[bytes] | None = None
        self.tell(GOOD_SHARE)
        self.watch(0)

    def tell(self, share: float) -> None:
        _replace(self._told, json.dumps({"share": share}))

    def watch(self, seconds: float) -> None:
        """Its wall clock is so many seconds ahead."""
        _replace(self._clock, f"{seconds:+.0f}s\n")

    def start(self) -> None:
        faked = {"LD_PRELOAD": str(library()), "FAKETIME_TIMESTAMP_FILE": str(self._clock), "FAKETIME_NO_CACHE": "1"}
        faked["FAKETIME_DONT_FAKE_MONOTONIC"] = "1"
        self._process = subprocess.Popen([sys.executable, str(EXPORTER), str(self._told)], env={**os.environ, **faked})

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(30)

    def restart(self) -> None:
        self.stop()
        self.start()


def _replace(path: Path, text: str) -> None:
    fresh = path.with_suffix(".fresh")
    fresh.write_text(text)
    fresh.replace(path)


def policies(triggers: str) -> dict[str, str]:
    """The one policy of such a world, in real time, with these triggers."""
    return {POLICY_PATH: ALWAYS.replace("TRIGGERS", triggers.rstrip())}
