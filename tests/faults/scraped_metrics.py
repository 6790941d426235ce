"""A real Prometheus that scrapes a real exporter: odd shapes, counters that begin anew, a wrong clock."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path

from faults_clock import faked, set_off
from scene import Scene, scene
from scraped_world import ScrapedWorld, policies

from gitops_rollback.sandbox.stories import release

SECOND = timedelta(seconds=1)
WRONG_SECONDS = 600
FAILS = 'sum(rate(http_requests_total{status=~"5..",service="$SERVICE"}[5s]))'
TOTAL = 'sum(rate(http_requests_total{service="$SERVICE"}[5s]))'
TRIGGER = """\
    - name: NAME
      query: 'QUERY'
      comparison: greater_than
      threshold: 0.05
      for: 3s
      severity: auto_rollback
      noDataFor: 6s
"""
ODD = {
    "many-series": 'rate(http_requests_total{service="$SERVICE"}[5s])',
    "not-a-number": "0 * TOTAL / (0 * TOTAL)",
    "infinite": "TOTAL / (0 * TOTAL)",
    "no-series": 'sum(rate(http_requests_nobody_counts{service="$SERVICE"}[5s]))',
}


class MisdatedWorld(ScrapedWorld):
    """`watch` says how far the exporter's wall clock is off."""

    def exporter_environment(self) -> Mapping[str, str]:
        self.watch(0)
        return {**faked(self._clock), "FAKETIME_NO_CACHE": "1"}

    @property
    def _clock(self) -> Path:
        return self.folder / "exporters-clock"

    def watch(self, seconds: float) -> None:
        """So many seconds ahead from now on."""
        set_off(self._clock, seconds)


def odd_shapes(folder: Path, seed: int) -> tuple[str, ...]:
    """F24 on a real Prometheus: four triggers that would all fire if their answers were taken for numbers."""
    odd = [_trigger(name, query.replace("TOTAL", TOTAL)) for name, query in ODD.items()]
    with _scraped(folder, seed, "".join(odd)) as it:
        it.live.fail()
        it.until(lambda: bool(it.live.pages()), "a person is told that nothing is seen")
        it.nothing_for(8 * SECOND, "on answers that are no numbers")
        phases = {line.get("phase") for line in it.live.logged() if line.get("msg") == "trigger"}
        it.check(phases == {"inactive"}, f"a trigger came to {phases}")
    return tuple(it.broken)


def wrong_samples(folder: Path, seed: int) -> tuple[str, ...]:
    """F25 on a real Prometheus: counters that begin anew blame nobody; samples of another time count for nothing."""
    with _scraped(folder, seed, _trigger("failures", f"{FAILS} / {TOTAL}")) as it:
        release(it.live.telling)
        for _ in range(3):
            it.live.exporter.restart()
            it.nothing_for(it.dice.uniform(1.5, 3.5) * SECOND, "on counters that began anew")
        ahead = bool(seed % 2)
        it.live.watch(WRONG_SECONDS if ahead else -WRONG_SECONDS)
        it.live.fail("1.43.0")
        it.nothing_for(10 * SECOND, "on samples of another time")
        it.live.watch(0)
        if not ahead:  # what lies ahead stays in the store, and hides what is true for ten minutes
            it.verified()
    return tuple(it.broken)


def _trigger(name: str, query: str) -> str:
    return TRIGGER.replace("NAME", name).replace("QUERY", query)


def _scraped(folder: Path, seed: int, triggers: str) -> AbstractContextManager[Scene]:
    return scene(folder, seed, kind=MisdatedWorld, speed=1.0, policies=policies(triggers))
