"""Twins `app/detection.py` and its input: what a line of counts gives, and that it is told only what was known."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_rollback.app.detection import answer, explained
from gitops_rollback.app.detection_input import parse_series
from gitops_rollback.app.offline import RequestInvalid

T0 = 1_700_000_010
BEFORE = 480

Tick = dict[str, object]


def ticks(
    after: list[int], events: int = 1500, bad: int = 2, interval: int = 15, before: int = BEFORE, t0: int = T0
) -> list[Tick]:
    counts = [bad] * before + after
    return [
        {"t": t0 + interval * (place - before + 1), "requests": events, "errors": count}
        for place, count in enumerate(counts)
    ]


def asked(**given: object) -> dict[str, object]:
    return {"id": "one", "interval": 15, "deployed_at": T0, "ticks": ticks([75] * 20)} | given


def told(document: Mapping[str, object]) -> dict[str, object]:
    return answer(parse_series(json.dumps(document).encode()))


def peers(bad: list[int], number: int = 3) -> dict[str, list[Tick]]:
    return {f"peer-{name}": ticks(bad, 5000, 5) for name in range(number)}


def test_the_answer_has_the_promised_keys_and_the_first_tick_that_fired() -> None:
    given = told(asked())
    assert list(given) == ["id", "fired_at", "severity", "evidence"]
    assert (given["id"], given["fired_at"], given["severity"]) == ("one", T0 + 60, 2)
    evidence = given["evidence"]
    assert isinstance(evidence, dict)
    assert list(evidence) == ["p", "p_n", "phi", "N", "E", "M"]
    assert (evidence["N"], evidence["E"]) == (6000, 300)


def test_what_stays_quiet_fires_never() -> None:
    given = told(asked(ticks=ticks([2] * 120)))
    assert (given["fired_at"], given["severity"]) == (None, None)


def test_slow_requests_count_where_they_are_given() -> None:
    slow = [tick | {"slow": 60 if int(str(tick["t"])) <= T0 else 600} for tick in ticks([2] * 20)]
    given = told(asked(ticks=slow))
    assert given["severity"] is not None
    assert isinstance(given["evidence"], dict)
    assert given["evidence"]["p"] == pytest.approx(0.04, rel=0.01)
    assert told(asked(ticks=ticks([2] * 20)))["severity"] is None


def test_what_was_so_before_the_deployment_is_not_blamed_on_it() -> None:
    early = ticks([75] * 80, t0=T0 - 300)
    assert told(asked(ticks=early, deployed_at=T0 - 300))["fired_at"] is not None
    assert told(asked(ticks=early))["fired_at"] is None
    assert any("not blamed" in line for line in explained(parse_series(json.dumps(asked(ticks=early)).encode())))


def test_peers_in_the_same_trouble_excuse_it() -> None:
    ours = ticks([75] * 20)
    assert told(asked(ticks=ours, peers=peers([5] * 20)))["fired_at"] is not None
    assert told(asked(ticks=ours, peers=peers([250] * 20)))["fired_at"] is None


def test_two_peers_are_too_few_to_excuse_anything() -> None:
    document = asked(peers=peers([250] * 20, 2))
    assert told(document) == told(asked())
    assert "2 of the 3" in next(iter(explained(parse_series(json.dumps(document).encode()))))


def test_the_order_of_ticks_and_peers_does_not_matter() -> None:
    document = asked(peers=peers([250, 5, 250, 5] * 5))
    turned = {name: one[::-1] for name, one in reversed(peers([250, 5, 250, 5] * 5).items())}
    assert told(asked(peers=turned, ticks=ticks([75] * 20)[::-1])) == told(document)


def split(whole: list[Tick], parts: int) -> list[Tick]:
    """Each tick as `parts` shorter ones, which hold its counts unevenly."""
    found: list[Tick] = []
    for tick in whole:
        end, left = int(str(tick["t"])), {key: int(str(tick[key])) for key in ("requests", "errors")}
        for part in range(parts):
            last = part == parts - 1
            share = {key: count if last else count // (2 + part) for key, count in left.items()}
            left = {key: left[key] - share[key] for key in left}
            found.append({"t": end - 15 // parts * (parts - 1 - part), **share})
    return found


@pytest.mark.parametrize("phase", [0, 4])
@pytest.mark.parametrize("parts", [3, 5])
def test_ticks_that_are_split_come_together_again(parts: int, phase: int) -> None:
    after = [2, 75, 40, 2, 30, 75] * 4
    whole, theirs = ticks(after, t0=T0 + phase), peers([5, 9] * 12)
    parted = {name: split(one, parts) for name, one in theirs.items()}
    plain = told(asked(ticks=whole, peers=theirs))
    assert told(asked(interval=15 // parts, ticks=split(whole, parts), peers=parted)) == plain
    assert plain["fired_at"] is not None


def test_a_tick_that_has_not_ended_yet_is_not_known() -> None:
    whole = split(ticks([75] * 4), 3)
    assert told(asked(interval=5, ticks=whole))["fired_at"] == T0 + 60
    assert told(asked(interval=5, ticks=whole[:-1]))["fired_at"] is None


def test_ticks_of_a_minute_stay_what_they_are() -> None:
    minutes = ticks([300] * 20, 6000, 8, interval=60, before=240)
    assert told(asked(interval=60, ticks=minutes))["fired_at"] == T0 + 240


@settings(max_examples=10, deadline=None)
@given(
    st.lists(st.one_of(st.none(), st.integers(0, 90)), min_size=5, max_size=30),
    st.lists(st.integers(0, 400), min_size=30, max_size=30),
    st.integers(1, 29),
)
def test_what_comes_later_never_changes_what_was_said(ours: list[int | None], theirs: list[int], cut: int) -> None:
    whole = [
        tick
        for tick, bad in zip(ticks([bad or 0 for bad in ours]), [2] * BEFORE + ours, strict=True)
        if bad is not None
    ]
    document = asked(ticks=whole, peers=peers(theirs))
    until = T0 + 15 * cut
    known = {name: [tick for tick in one if int(str(tick["t"])) <= until] for name, one in peers(theirs).items()}
    early = told(asked(ticks=[tick for tick in whole if int(str(tick["t"])) <= until], peers=known))
    fired = told(document)["fired_at"]
    assert early["fired_at"] == (fired if isinstance(fired, int) and fired <= until else None)


def test_missing_and_empty_ticks_are_no_data_and_not_zero() -> None:
    after = ticks([75] * 20)
    holes = [
        tick | {"requests": None, "errors": None} if BEFORE + 2 <= place < BEFORE + 9 else tick
        for place, tick in enumerate(after)
    ]
    gone = [tick for place, tick in enumerate(after) if not BEFORE + 2 <= place < BEFORE + 9]
    assert told(asked(ticks=holes)) == told(asked(ticks=gone))
    assert told(asked(ticks=holes))["fired_at"] == T0 + 60 + 7 * 15
    lines = list(explained(parse_series(json.dumps(asked(ticks=holes)).encode())))
    assert sum("No data" in line for line in lines) == 7


def test_nothing_at_all_is_answered_too() -> None:
    assert told(asked(ticks=[]))["fired_at"] is None
    assert told(asked(ticks=ticks([])))["fired_at"] is None


@pytest.mark.parametrize(
    ("given", "words"),
    [
        pytest.param({"interval": 0}, "`interval` must be seconds", id="no-interval"),
        pytest.param({"interval": True}, "`interval` must be seconds", id="a-word-for-a-number"),
        pytest.param({"deployed_at": "now"}, "`deployed_at` must be a time", id="no-time"),
        pytest.param({"ticks": {}}, "ticks must be a list", id="no-list"),
        pytest.param({"ticks": [3]}, "tick 1 is not an object", id="no-object"),
        pytest.param({"ticks": [{"t": 1, "requests": 1}]}, "tick 1: `errors` must be", id="no-errors"),
        pytest.param({"ticks": [{"t": 1, "requests": 1, "errors": 2}]}, "tick 1: `errors` must be", id="too-many"),
        pytest.param({"ticks": [{"t": 1, "requests": -1, "errors": 0}]}, "tick 1: `requests`", id="below-zero"),
        pytest.param({"ticks": [{"t": None, "requests": 1, "errors": 0}]}, "tick 1: `t`", id="no-end"),
        pytest.param({"ticks": [{"t": 1, "requests": 1, "errors": 0, "slow": 2}]}, "tick 1: `slow`", id="too-slow"),
        pytest.param({"ticks": [{"t": 1, "requests": 1, "errors": 0}] * 2}, "two ticks end at 1", id="twice"),
        pytest.param({"peers": []}, "`peers` must be an object", id="peers-are-a-list"),
        pytest.param({"peers": {"a": [{}]}}, "peer 'a': tick 1: `t`", id="a-peer-without-time"),
    ],
)
def test_wrong_input_says_where_and_what(given: dict[str, object], words: str) -> None:
    with pytest.raises(RequestInvalid) as wrong:
        told(asked(**given))
    assert words in wrong.value.message
    assert wrong.value.id == "one"
