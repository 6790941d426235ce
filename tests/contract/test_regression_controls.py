"""A regression over real HTTP: slow requests of a histogram, other services as a control, old Pods beside new ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

import pytest
from test_prometheus_measuring import T0, SteppedClock, World, a_policy, a_subject

from gitops_rollback.adapters.metrics.prometheus import PrometheusSettings, PrometheusSource
from gitops_rollback.adapters.origins import OriginRules
from gitops_rollback.app.measuring import Measuring
from gitops_rollback.app.reading_back import Subject
from gitops_rollback.app.verdict_evidence import verdict_evidence
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.policy import Counting, Trigger
from gitops_rollback.core.trigger import BaselineLevel
from gitops_rollback.sandbox.prometheus import Fault, PrometheusSandbox, Vector

SELECTOR = '{service="$SERVICE"}'
SLOWER = Trigger("slower", "regression", query=f"request_seconds_bucket{SELECTOR}", immediate=True)
RISE = Trigger("rise", "regression", bad=f"failed_total{SELECTOR}", total=f"requests_total{SELECTOR}", immediate=True)
PEERS = replace(RISE, counting=Counting(peers=("cart", "search", "mail", "checkout-api")))
VERSIONS = replace(RISE, counting=Counting(version="hash"))


@pytest.fixture
def world() -> Iterator[World]:
    sandbox = PrometheusSandbox(SteppedClock())
    sandbox.start()
    settings = PrometheusSettings("prom", sandbox.url, max_queries_per_minute=100_000)
    source = PrometheusSource(settings, OriginRules.parse([], [sandbox.url]))
    yield World(sandbox, source, Measuring(lambda _settings: source))
    source.close()
    sandbox.stop()


def subject(trigger: Trigger) -> Subject:
    return a_subject(a_policy(trigger))


def served(at: datetime, before: float, after: float, per_second: float = 100.0) -> float:
    """A counter of `per_second` requests of which a share counts: `before` T0, and `after`."""
    seconds = (at - T0).total_seconds()
    return per_second * (before * (min(seconds, 0.0) + 5 * 86400) + after * max(seconds, 0.0))


def histogram(world: World, slow_before: float, slow_after: float) -> None:
    """Half of the requests take less than 0.1 s; `slow` ones longer than 0.5 s, and none longer than 10 s."""

    def buckets(query: str, at: datetime) -> Vector:
        quick = {"0.1": (0.5, 0.5), "0.5": (1 - slow_before, 1 - slow_after), "10": (1, 1), "+Inf": (1, 1)}
        return [({"pod": "a", "le": bound}, served(at, *shares)) for bound, shares in quick.items()]

    world.sandbox.set_evaluator("request_seconds_bucket", buckets)


def test_what_is_slower_than_before_fires_by_the_bucket_that_parts_it(world: World) -> None:
    histogram(world, 0.05, 0.25)
    fired = world.live(150, subject(SLOWER))
    assert (fired.fires, fired.reason, fired.baseline.level) == (True, None, BaselineLevel.QUIET)
    assert "requests were slow (25%), 5% before" in fired.message
    assert world.restarted().look(136, subject(SLOWER)).message == fired.message


def test_what_is_as_slow_as_before_is_quiet(world: World) -> None:
    histogram(world, 0.05, 0.05)
    assert world.live(150, subject(SLOWER)).reason is Reason.QUIET


def test_without_a_bucket_among_the_slow_ones_nothing_is_called_slow(world: World) -> None:
    histogram(world, 0.0, 0.9)
    told = world.live(150, subject(SLOWER))
    assert (told.fires, told.reason, told.baseline.level) == (False, Reason.NO_BASELINE, BaselineLevel.NONE)
    assert "no bucket parts the slow requests" in told.message


@dataclass
class Peers:
    """The three others: a hundred requests a second each, of which `after` T0 so many fail."""

    after: float
    known: bool = True

    def counted(self, query: str, at: datetime) -> Vector:
        failed = "failed_total" in query
        if "increase(" not in query:
            return [({"pod": "a"}, served(at, 0.001, 0.05) if failed else served(at, 1, 1))]
        if not self.known:
            return []
        seconds = 4 * 3600 if "[4h]" in query else 60
        share = self.after if at > T0 else 0.001
        return [({}, 300.0 * seconds * (share if failed else 1.0))]


@pytest.mark.parametrize(
    ("peers", "fires"),
    [
        pytest.param(Peers(0.001), True, id="they are well"),
        pytest.param(Peers(0.05), False, id="they fail as often"),
        pytest.param(Peers(0.0, known=False), True, id="nothing is known of them"),
    ],
)
def test_while_its_peers_fail_as_often_nobody_is_blamed(world: World, peers: Peers, fires: bool) -> None:
    world.sandbox.set_evaluator("_total", peers.counted)
    told = world.live(300, subject(PEERS))
    assert told.fires is fires
    assert ("neighbours are in trouble" in told.message) is not fires
    assert world.restarted().look(286, subject(PEERS)).message == told.message


def test_a_fault_that_is_far_worse_than_that_of_its_peers_is_found_all_the_same(world: World) -> None:
    world.sandbox.set_evaluator("_total", Peers(0.005).counted)
    assert world.live(300, subject(PEERS)).fires


def test_the_peers_are_asked_about_together_and_it_is_none_of_its_own(world: World) -> None:
    world.sandbox.set_evaluator("_total", Peers(0.001).counted)
    world.look(1, subject(PEERS))
    asked = {str(one.form.get("query")) for one in world.sandbox.asked}
    (minute,) = [query for query in asked if "requests_total" in query and "[1m]" in query]
    assert [name in minute for name in ("cart", "search", "mail", "checkout-api")] == [True, True, True, False]
    assert minute.startswith("sum(increase(requests_total{")
    assert minute.count(" or ") == 2


def test_peers_that_cannot_be_asked_leave_it_without_a_verdict(world: World) -> None:
    world.sandbox.set_evaluator("_total", Peers(0.001).counted)
    world.look(1, subject(PEERS))
    world.sandbox.fault = Fault.ERROR
    assert not world.live(120, subject(PEERS), start=16).fires


@dataclass
class Versions:
    """Old Pods take 90 % of the traffic, and new ones the rest from T0 on, until their counters go."""

    old: float
    new: float
    new_until: float = 1e9  # seconds after T0

    def counted(self, query: str, at: datetime) -> Vector:
        failed = "failed_total" in query
        found = [({"pod": "a", "hash": "old"}, served(at, 0.001, 0.9 * self.old) if failed else served(at, 1, 0.9))]
        if 0 < (at - T0).total_seconds() < self.new_until:
            found.append(({"pod": "b", "hash": "new"}, served(at, 0, 0.1 * self.new) if failed else served(at, 0, 0.1)))
        return found


@pytest.mark.parametrize(
    ("versions", "fires"),
    [
        pytest.param(Versions(old=0.001, new=0.2), True, id="the new Pods alone"),
        pytest.param(Versions(old=0.2, new=0.2), False, id="the old ones as well"),
        pytest.param(Versions(old=0.2, new=0.001), False, id="the old ones alone"),
        pytest.param(Versions(old=0.06, new=0.14), True, id="the new ones more than twice as often"),
    ],
)
def test_new_pods_are_held_against_the_old_ones_beside_them(world: World, versions: Versions, fires: bool) -> None:
    world.sandbox.set_evaluator("_total", versions.counted)
    told = world.live(300, subject(VERSIONS))
    assert told.fires is fires
    assert f"of the new version failed ({100 * versions.new:g}%)" in told.message
    assert "of the old version beside it" in told.message
    assert world.restarted().look(286, subject(VERSIONS)).message == told.message


def test_both_versions_counts_are_told_as_numbers_too(world: World) -> None:
    world.sandbox.set_evaluator("_total", Versions(old=0.06, new=0.14).counted)
    told = world.live(300, subject(VERSIONS))
    assert "worse than the old version, severity 1; a plain limit of 9% on these says the same" in told.message
    counts = verdict_evidence(told)["counts"]
    assert isinstance(counts, dict)
    assert (counts["bad"], counts["of"], counts["plainLimit"]) == pytest.approx((84, 600, 0.09))
    old = counts["oldVersion"]
    assert (old["bad"], old["of"]) == pytest.approx((324, 5400))
    assert old["evidence"] >= old["needed"]


def test_a_new_version_whose_counters_went_away_is_not_called_quiet(world: World) -> None:
    world.sandbox.set_evaluator("_total", Versions(old=0.001, new=0.001, new_until=120).counted)
    told = world.live(300, subject(VERSIONS))
    assert told.reason is Reason.NO_DATA
    assert "No counters of the new version any more" in told.message


def test_what_was_bad_before_is_asked_about_where_the_new_version_is_worse_than_the_old_one(world: World) -> None:
    """An incident began before the sync: not ours, but for what lies between the two versions."""

    def counted(query: str, at: datetime) -> Vector:
        failed, seconds = "failed_total" in query, (at - T0).total_seconds()
        incident = max(0.0, seconds + 180) * 0.03
        old = 100 * (0.9 if at > T0 else 1.0)
        found = [({"pod": "a", "hash": "old"}, old * incident + served(at, 0.001, 0) if failed else served(at, 1, 0.9))]
        if at > T0:
            found.append(({"pod": "b", "hash": "new"}, served(at, 0, 0.1 * 0.5) if failed else served(at, 0, 0.1)))
        return found

    world.sandbox.set_evaluator("_total", counted)
    told = world.live(300, subject(VERSIONS))
    assert (told.fires, told.reason, told.baseline.level) == (True, Reason.NO_BASELINE, BaselineLevel.NONE)
    assert "bad before the sync already, and the new version is worse than the old one beside it" in told.message


def test_a_label_that_some_counters_lack_changes_nothing_and_that_is_said(world: World) -> None:
    def counted(query: str, at: datetime) -> Vector:
        found = Versions(old=0.001, new=0.2).counted(query, at)
        return [({"pod": labels["pod"]}, value) for labels, value in found] if "failed_total" in query else found

    world.sandbox.set_evaluator("_total", counted)
    told = world.live(300, subject(VERSIONS))
    assert "of the last 6000 requests failed (2.09%)" in told.message
    assert "(versions are counted together: not each counter has the label hash)" in told.message


def test_a_change_that_brings_no_new_version_is_judged_by_all_pods(world: World) -> None:
    world.sandbox.set_evaluator("_total", Peers(0.0).counted)
    assert world.live(300, subject(VERSIONS)).fires
