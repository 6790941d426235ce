"""Is everybody told of pauses, damage and mass events, and nobody twice?"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from gitops_rollback.app.notices import Silence, about_damage, about_engines, about_mass_event, about_pauses
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.stop import CONTROL_DOOR, HEAD_DOOR, Pause, PauseState

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
NAMES = {"default/Application/argocd/payments-prod", "checkout-api"}
TIMED = Pause(None, NOW + timedelta(hours=2), "Kim", "load test")
ENDLESS = Pause("checkout-api", None, "Kim", "")


def told(*doors: PauseState, now: datetime = NOW) -> dict[str, str]:
    """Each subject with the state that makes it something new."""
    return {notice.subject: notice.state for notice in about_pauses(doors, NAMES, now)}


def test_a_pause_says_who_and_until_when_and_changes_when_it_ends() -> None:
    door = PauseState(CONTROL_DOOR, (TIMED,))
    notice = next(about_pauses([door], NAMES, NOW))
    assert notice.action == "paused"
    assert (
        notice.message
        == "everything paused until 2026-11-25T14:00:00Z by Kim (branch gitops-rollback-control): load test"
    )
    assert not notice.page
    assert told(door)["controller/pauses"] == told(door, now=NOW + timedelta(minutes=5))["controller/pauses"] != ""
    assert told(door, now=NOW + timedelta(hours=2)) == {"controller/pauses": ""}
    longer = PauseState(CONTROL_DOOR, (replace(TIMED, until=NOW + timedelta(hours=3)),))
    assert told(longer) != told(door)


def test_a_pause_without_an_end_is_reported_once_a_day() -> None:
    door = PauseState(HEAD_DOOR, (ENDLESS,))
    days = [told(door, now=NOW + timedelta(hours=hours))["controller/open-ended-pauses"] for hours in (0, 6, 24, 25)]
    assert days[0] == days[1] != days[2] == days[3]
    assert "controller/open-ended-pauses" not in told(PauseState(HEAD_DOOR, (TIMED,)))


def test_a_pause_that_cannot_be_read_pages() -> None:
    notice = next(about_pauses([PauseState(CONTROL_DOOR, unreadable="line 3: not YAML")], NAMES, NOW))
    assert notice.page
    assert notice.reason is Reason.PAUSE_UNREADABLE
    assert "line 3" in notice.message


def test_a_paused_name_that_nobody_has_pages_unless_the_names_are_not_known() -> None:
    odd = PauseState(CONTROL_DOOR, (Pause("paymnets-prod", NOW + timedelta(hours=1)),))
    found = {notice.subject: notice for notice in about_pauses([odd], NAMES, NOW)}
    assert found["controller/pause-names"].page
    assert "paymnets-prod" in found["controller/pause-names"].message
    assert "controller/pause-names" not in {notice.subject for notice in about_pauses([odd], set(), NOW)}
    known = PauseState(CONTROL_DOOR, (Pause("payments-prod", NOW + timedelta(hours=1)), ENDLESS))
    assert "controller/pause-names" not in told(known)


def test_damage_of_the_journal_pages_and_further_damage_pages_again() -> None:
    one, two = (next(about_damage(damaged)) for damaged in (("line 1: torn",), ("line 1: torn", "line 2: torn")))
    assert one.page
    assert one.state != two.state
    assert "line 1: torn" in one.message
    assert next(about_damage(())).state == ""


def test_a_mass_event_is_one_thing_however_it_grows() -> None:
    assert next(about_mass_event("5 incidents")).state == next(about_mass_event("9 incidents")).state != ""
    assert next(about_mass_event("5 incidents")).page
    assert not next(about_mass_event("")).page


def test_a_silent_engine_is_paged_once_it_lasts_and_its_return_is_told() -> None:
    silent = [Silence("default", NOW, Reason.CREDENTIALS_REJECTED, "no session")]
    assert list(about_engines(silent, (), NOW + timedelta(minutes=4, seconds=59))) == []
    (page,) = about_engines(silent, (), NOW + timedelta(minutes=5))
    assert page.page
    assert page.reason is Reason.CREDENTIALS_REJECTED
    assert "since 12:00:00 UTC: no session" in page.message
    (later,) = about_engines(silent, (), NOW + timedelta(hours=1))
    assert later.state == page.state, "one page, however long it lasts"
    (back,) = about_engines((), ("default",), NOW + timedelta(hours=1))
    assert (back.subject, back.state, back.page) == (page.subject, "", False)
