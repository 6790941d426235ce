"""One commit behind many applications, or something else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gitops_rollback.core.incidents import Incident, ObservedApplication, breaker, group, incident_of, many, spreading

S, T = "5" * 40, "7" * 40


def red(name: str, *suspects: str, source: str = "prom") -> ObservedApplication:
    return ObservedApplication(name, True, False, source, frozenset(suspects), frozenset(suspects))


def carrier(name: str, source: str = "prom") -> ObservedApplication:
    """Not red, though it was synced to the suspect."""
    return ObservedApplication(name, False, True, source, carries=frozenset({S}))


def quiet(count: int, source: str = "prom", prefix: str = "q") -> list[ObservedApplication]:
    return [ObservedApplication(f"{prefix}{index}", False, True, source) for index in range(count)]


def blind(count: int) -> list[ObservedApplication]:
    return [ObservedApplication(f"b{index}", False, False, "prom") for index in range(count)]


def reds(count: int, *suspects: str) -> list[ObservedApplication]:
    return [red(f"r{index}", *suspects) for index in range(count)]


GROUPS: dict[str, tuple[list[ObservedApplication], int, bool]] = {
    "one-red": ([red("a", S), *quiet(3)], 1, False),
    "common-suspect-and-control": ([red("a", S), red("b", S), *quiet(3)], 1, True),
    "control-of-two": ([red("a", S), red("b", S), *quiet(2)], 2, False),
    "control-on-another-source": ([red("a", S), red("b", S), *quiet(3, "thanos")], 2, False),
    "control-that-is-blind": ([red("a", S), red("b", S), *quiet(2), *blind(5)], 2, False),
    "control-on-one-of-two-sources": ([red("a", S), red("b", S, source="thanos"), *quiet(3)], 2, False),
    "control-on-both-sources": (
        [red("a", S), red("b", S, source="thanos"), *quiet(3), *quiet(3, "thanos", "t")],
        1,
        True,
    ),
    "four-of-five-carriers": ([*reds(4, S), carrier("c"), *quiet(3)], 1, True),
    "three-of-four-carriers": ([*reds(3, S), carrier("c"), *quiet(3)], 3, False),
    "carriers-are-no-control": ([*reds(12, S), carrier("c1"), carrier("c2"), carrier("c3"), *quiet(2)], 12, False),
    "no-suspects": ([red("a"), red("b"), *quiet(3)], 2, False),
    "different-suspects": ([red("a", S), red("b", T), *quiet(3)], 2, False),
    "nobody-red": (quiet(3), 0, False),
}


@pytest.mark.parametrize(("observed", "count", "one"), GROUPS.values(), ids=GROUPS)
def test_a_common_suspect_makes_one_incident_only_with_a_quiet_control_group(
    observed: list[ObservedApplication], count: int, one: bool
) -> None:
    found = group(observed)
    assert len(found) == count
    assert any(incident.culprit == S for incident in found) is one


def test_an_incident_is_named_by_its_first_application_in_order() -> None:
    found = group([red("z", S), red("a", S), red("m", T), *quiet(3)])
    assert found == (Incident(("a", "z"), S), Incident(("m",)))
    assert incident_of("z", found) == found[0]
    assert incident_of("q0", found) is None


def test_the_suspect_that_most_share_explains_them() -> None:
    found = group([red("a", S, T), red("b", S), red("c", S, T), *quiet(3)])
    assert found == (Incident(("a", "b", "c"), S),)


BREAKS = {
    "five": (5, 1000, True),
    "four-of-many": (4, 1000, False),
    "three-of-thirty": (3, 30, False),
    "three-of-twenty-nine": (3, 29, True),
    "two-of-two": (2, 2, False),
    "none": (0, 0, False),
}


@pytest.mark.parametrize(("incidents", "watched", "breaks"), BREAKS.values(), ids=BREAKS)
def test_many_incidents_at_once_stop_everything(incidents: int, watched: int, breaks: bool) -> None:
    found = tuple(Incident((f"a{index}",)) for index in range(incidents))
    assert bool(breaker(found, watched)) is breaks


def test_one_bad_base_for_thirty_applications_is_one_incident_and_breaks_nothing() -> None:
    observed = [*reds(30, S), *quiet(3)]
    assert breaker(group(observed), len(observed)) == ""


def test_the_same_outage_without_a_control_group_is_many_and_breaks() -> None:
    observed = reds(30, S)
    assert "30 incidents" in breaker(group(observed), len(observed))


@pytest.mark.parametrize(("count", "named"), [(3, "(web0, web1, web2)"), (6, "(web0, web1, web2, ...)")])
def test_the_sentence_names_three_by_their_short_names_and_says_whether_there_are_more(count: int, named: str) -> None:
    found = [Incident((f"default/Application/argocd/web{index}",)) for index in range(count)]
    assert breaker(found, count).endswith(named)


NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
TICK = timedelta(seconds=15)


def raised(count: int, newest: timedelta, first: timedelta = timedelta(0)) -> dict[str, datetime]:
    """Since when `count` applications raise an alarm, the newest and the first of them so long ago."""
    return {f"r{index}": NOW - (first or newest) if index == 0 else NOW - newest for index in range(count)}


SPREADING: dict[str, tuple[list[ObservedApplication], dict[str, datetime], bool]] = {
    "one-suspect-and-growing": (reds(6, S), raised(6, TICK), True),
    "the-last-one-a-minute-ago": (reds(6, S), raised(6, 4 * TICK), True),
    "it-grows-no-more": (reds(6, S), raised(6, 5 * TICK), False),
    "it-has-grown-for-five-minutes": (reds(6, S), raised(6, TICK, 20 * TICK), True),
    "it-grows-for-too-long": (reds(6, S), raised(6, TICK, 21 * TICK), False),
    "no-common-suspect": ([red(f"r{index}", str(index) * 40) for index in range(6)], raised(6, TICK), False),
    "no-suspects": (reds(6), raised(6, TICK), False),
    "others-are-red-as-well": ([*reds(6, S), red("x"), red("y"), red("z"), red("w")], raised(6, TICK), False),
    "another-is-red-beside-them": ([*reds(6, S), red("x", T)], raised(6, TICK), True),
    "nobody-raises-an-alarm": (reds(6, S), {}, True),
    "one-without-a-suspect-raises-an-alarm": ([red("x")], {"x": NOW}, False),
}


@pytest.mark.parametrize(("unanswered", "alarms", "waits"), SPREADING.values(), ids=SPREADING)
def test_a_page_waits_only_while_one_suspect_explains_all_and_more_turn_red(
    unanswered: list[ObservedApplication], alarms: dict[str, datetime], waits: bool
) -> None:
    assert bool(spreading(unanswered, alarms, 40, NOW)) is waits


def test_applications_count_each_for_itself_where_nothing_is_known_to_deal_with_them() -> None:
    assert many(reds(5, S), 100)
    assert not many(reds(4, S), 100)
