"""Prometheus is away, slow or senseless, the data has gaps, or everybody looks bad at once."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from fault_world import FaultWorld
from live_world import MINUTE, POLICY_PATH, SERVICE, quick_policy
from proxy import Verb, delay, refuse, status
from scene import Scenario, Scene, hide, scene
from scraped_metrics import odd_shapes, wrong_samples

from gitops_rollback.sandbox.prometheus import Fault, Vector
from gitops_rollback.sandbox.services import BAD_ERROR_RATIO, GOOD, REQUESTS_PER_SECOND
from gitops_rollback.sandbox.stories import release
from gitops_rollback.sandbox.world import SERVICES

JSON = {"Content-Type": "application/json"}
THRESHOLD = 0.05
DOWN = """\
    - name: down
      query: 'min(up{service="$SERVICE"})'
      comparison: less_than
      threshold: 1
      for: 45s
      severity: auto_rollback
"""


def away(folder: Path, seed: int) -> tuple[str, ...]:
    """F23: nothing is done, ticks go on, and a person is paged when it lasts; then the truth is acted on."""
    body = b'{"status":"error","errorType":"execution","error":"found duplicate series"}'
    faults: list[tuple[str, Verb]] = [
        ("down", refuse()),
        ("503", status(503, JSON, b'{"status":"error","errorType":"timeout","error":"query timed out"}')),
        ("422", status(422, JSON, body)),
        ("30 s slow", delay(30)),
    ]
    with scene(folder, seed, kind=FaultWorld) as it:
        it.dice.shuffle(faults)
        it.live.fail()
        it.pending()
        for name, verb in faults:
            _spoiled(it, name, verb)
        lasting = it.live.links.prometheus.strike(faults[seed % 2][1])
        it.until(
            lambda: it.paged("MetricsUnavailable", "MetricsOutage", "QueryInvalid", "NoData", "TelemetryLost"),
            "it pages",
        )
        it.check(not it.reverts(), "a commit was pushed without data")
        it.live.links.prometheus.heal(lasting)
        it.verified()
    return tuple(it.broken)


def _spoiled(it: Scene, name: str, verb: Verb) -> None:
    links, git = it.live.links, it.live.world.git
    fault = links.prometheus.strike(verb)
    ticks = len(git.requests)
    it.nothing_for(2 * MINUTE, f"while Prometheus was {name}")
    it.check(len(git.requests) - ticks >= 2, f"no tick went on while Prometheus was {name}")
    it.check(fault.struck > 0, f"nobody asked while Prometheus was {name}")
    it.check(it.live.probe("/healthz")[0] == 200, f"not alive while Prometheus is {name}")
    links.prometheus.heal(fault)


class Odd:
    """Answers of the sandbox's Prometheus that hold other numbers, while `shape` names one."""

    def __init__(self, it: Scene) -> None:
        self.shape = ""
        prometheus = it.live.world.prometheus
        prometheus.set_evaluator(lambda query: self.shape != "" and "http_requests_total" in query, self._answer)

    def _answer(self, _query: str, _at: object) -> Vector:
        if self.shape == "many":
            return [({"pod": f"checkout-{number}"}, 30.0) for number in range(3)]
        return [({}, math.inf)]


def senseless(folder: Path, seed: int) -> tuple[str, ...]:
    """F24: no shape of an answer that is not one finite, fresh number fires or verifies anything."""
    with scene(folder, seed, kind=FaultWorld) as it:
        odd = Odd(it)
        shapes = [*(fault for fault in Fault if fault is not Fault.NONE and fault is not Fault.HANG), "many", "inf"]
        shapes += ["error with data", "old sample", "future sample"]
        it.dice.shuffle(shapes)
        it.live.fail()
        it.pending()
        for shape in shapes[:6]:
            _answered(it, odd, shape, "before the push")
        it.until(lambda: bool(it.reverts()), "the bad release is reverted")
        it.until(lambda: it.live.telling.records()[0]["phase"] == "Verifying", "it is being verified")
        for shape in shapes[6:]:
            _answered(it, odd, shape, "while it verifies")
            it.check(not it.live.telling.is_done("verified"), f"verified by {shape}")
        it.verified()
    return tuple(it.broken)


def _answered(it: Scene, odd: Odd, shape: str, when: str) -> None:
    prometheus, links = it.live.world.prometheus, it.live.links
    if isinstance(shape, Fault):
        prometheus.fault = shape
    elif shape in ("many", "inf"):
        odd.shape = shape
    else:
        links.prometheus.strike(status(200, JSON, _body(it, shape)))
    it.nothing_for(1.5 * MINUTE, f"{when}, on the answer {shape}")
    prometheus.fault, odd.shape = Fault.NONE, ""
    links.prometheus.heal()


def _body(it: Scene, shape: str) -> bytes:
    behind = {"old sample": 10 * MINUTE, "future sample": -10 * MINUTE}.get(shape, timedelta(0))
    sample = [(it.live.now() - behind).timestamp(), "30"]
    found = {"resultType": "vector", "result": [{"metric": {}, "value": sample}]}
    state = {"status": "error", "errorType": "internal", "error": "x"} if shape == "error with data" else {}
    return json.dumps({"status": "success", "data": found, **state}).encode()


def gaps(folder: Path, seed: int) -> tuple[str, ...]:
    """F25: a scrape gap begins `for` anew; samples of another time count for nothing; steady data is acted on."""
    with scene(folder, seed, kind=FaultWorld) as it:
        start = it.live.now()
        gap, between = it.dice.uniform(31, 45), it.dice.uniform(10, 28)  # seconds; `for` is 45 s
        end = start + 5 * MINUTE
        hide(it, lambda _query, at: start <= at < end and (at - start).total_seconds() % (gap + between) < gap)
        it.live.fail()
        it.nothing_for(end - it.live.now(), f"with scrape gaps of {gap:.0f} s each {gap + between:.0f} s")
        for shape in ("old sample", "future sample"):
            it.live.links.prometheus.strike(status(200, JSON, _body(it, shape)))
            it.nothing_for(1.5 * MINUTE, f"on samples as of an {shape}")
            it.live.links.prometheus.heal()
        it.verified()
    return tuple(it.broken)


def all_down(folder: Path, seed: int) -> tuple[str, ...]:
    """F26: every target is down at once, just after an innocent release: one page, and nobody is blamed."""
    policies = {POLICY_PATH.replace("shop.yaml", f"{name}.yaml"): _with_down(name) for name in SERVICES}
    with scene(folder, seed, policies=policies) as it:
        down: list[datetime] = []
        up: list[datetime] = []

        def is_down(at: datetime) -> bool:
            return bool(down) and down[0] <= at and not (up and up[0] <= at)

        it.live.world.prometheus.set_evaluator("up{", lambda _query, at: 0.0 if is_down(at) else 1.0)
        hide(it, lambda query, at: "up{" not in query and is_down(at))
        release(it.live.telling)
        it.until(lambda: it.live.argocd.deployed("checkout-api-prod").revision == it.live.telling.bad, "deployed")
        it.live.let_pass(timedelta(seconds=it.dice.uniform(30, 90)))
        down.append(it.live.now())
        it.until(lambda: it.paged("MassEvent"), "the mass event is paged")
        it.nothing_for(6 * MINUTE, "while every target was down")
        it.check(len(it.live.pages("MassEvent")) == 1, f"{len(it.live.pages('MassEvent'))} pages for one mass event")
        up.append(it.live.now())
        it.nothing_for(3 * MINUTE, "after all were up again")
        it.check(it.live.probe("/healthz")[0] == 200, "it does not live")
    return tuple(it.broken)


def _with_down(service: str) -> str:
    return quick_policy(service).replace("  verification:", f"{DOWN}  verification:")


def flaps(folder: Path, seed: int) -> tuple[str, ...]:
    """F27: at the threshold, never above it for as long as `for`: no revert. Once it stays above: one."""
    with scene(folder, seed) as it:
        period = it.dice.uniform(25, 62)  # seconds; above for half of it, and `for` is 45 s
        service, wave = it.live.world.services[SERVICE], [True]
        it.live.world.prometheus.set_evaluator(
            lambda query: wave[0] and "5.." in query and SERVICE in query, _sine(period)
        )
        release(it.live.telling)
        it.nothing_for(10 * MINUTE, f"on a metric that flaps with {period:.0f} s")
        it.check(it.live.pending(), "it never came above the threshold, so this shows nothing")
        wave[0] = False
        it.live.world.failing_tags.add("1.43.0")
        service.behave(GOOD, it.live.now())
        it.live.let_pass(2 * MINUTE)
        release(it.live.telling, "1.43.0")
        it.verified()
        it.check(it.live.trailer("Rollback-Reverts") == [it.live.telling.bad], "another commit was blamed")
    return tuple(it.broken)


def _sine(period: float) -> Callable[[str, datetime], float]:
    def value(_query: str, at: datetime) -> float:
        turn = math.sin(2 * math.pi * at.timestamp() / period)
        return REQUESTS_PER_SECOND * (THRESHOLD + 0.4 * BAD_ERROR_RATIO * turn)

    return value


def both(first: Scenario, second: Scenario) -> Scenario:
    """One after the other, each in a folder of its own."""
    return lambda folder, seed: (*first(folder / "sandbox", seed), *second(folder / "scraped", seed))


FAULTS = {
    "F23": away,
    "F24": both(senseless, odd_shapes),
    "F25": both(gaps, wrong_samples),
    "F26": all_down,
    "F27": flaps,
}
