"""Does the next shift hear of everything that is open, of nothing that was answered, and first of what ends first?"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest

from gitops_rollback.core.errors import Reason
from gitops_rollback.core.handover import Section, ShiftFacts, ShiftTimes, ending, handed_over, of_applications
from gitops_rollback.core.heartbeat import Beat, Outcome, Rhythm, entry_of
from gitops_rollback.core.journal import DecisionEntry
from gitops_rollback.core.rollback import Phase, RollbackOutcome, RollbackRecord
from gitops_rollback.core.silence import DOOR
from gitops_rollback.core.stop import CONTROL_DOOR, Pause, PauseState

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
WEB, API = "default/Application/argocd/web", "default/Application/argocd/api"
HOLD = {
    "path": "a.yaml",
    "field": "image",
    "comment": ' # {"$imagepolicy": "flux-system:web"}',
    "held": "web:2",
    "kept": "web:1",
}


def a_record(name: str, phase: Phase = Phase.DONE, ago: timedelta = HOUR, **changes: object) -> RollbackRecord:
    values: dict[str, object] = {
        "id": name, "applications": (WEB,), "engine": "argocd", "repository": "shop/config", "bad_revision": "b" * 40,
        "restores": "a" * 40, "policy": "p", "triggers": ("errors",), "reverts": ("b" * 40,), "phase": phase,
        "reason": "TriggerFired", "message": "7 % of requests failed", "times": {"decided": NOW - ago},
    }  # fmt: skip
    return RollbackRecord(**{**values, **changes})


def an_entry(application: str, action: str, reason: str, ago: timedelta = HOUR) -> DecisionEntry:
    return DecisionEntry(NOW - ago, application, action, reason, "b" * 40, f"because of {reason}")


def facts(**changes: object) -> ShiftFacts:
    values: dict[str, object] = {"records": (), "decisions": (), "pauses": (), "silences": PauseState(DOOR)}
    return ShiftFacts(**{**values, **changes})


def sections(found: ShiftFacts) -> list[tuple[Section, str]]:
    return [(item.section, item.text.split()[0]) for item in handed_over(found, NOW, NOW - 12 * HOUR)]


def test_each_rollback_stands_where_it_is() -> None:
    verified = {"outcome": RollbackOutcome.VERIFIED}
    records = (
        a_record("rb-done", **verified),
        a_record("rb-old", ago=30 * HOUR, **verified),
        a_record("rb-waits", Phase.AWAITING_APPROVAL, ago=50 * HOUR),
        a_record("rb-runs", Phase.SYNCING),
        a_record("rb-bad", outcome=RollbackOutcome.UNVERIFIED),
        a_record("rb-no", outcome=RollbackOutcome.REFUSED),
    )
    assert sections(facts(records=records)) == [
        (Section.OPEN, "rb-runs"),
        (Section.WAITING, "rb-waits"),
        (Section.NOT_VERIFIED, "rb-bad"),
        (Section.DONE, "rb-done"),
    ]


def test_only_the_newest_word_about_an_application_counts() -> None:
    decisions = (
        an_entry(WEB, "page", "NoData", 3 * HOUR),
        an_entry(WEB, "leave", "Quiet", 2 * HOUR),
        an_entry(API, "leave", "Quiet", 3 * HOUR),
        an_entry(API, "hold", "CameBack", 2 * HOUR),
        an_entry("default/Application/argocd/cart", "page", "NoData"),
        an_entry("default/Application/argocd/mail", "refuse", "BlastRadius"),
        an_entry("controller/engine-default", "page", "EngineUnavailable"),
        an_entry("controller", "started", "Quiet"),
    )
    assert sections(facts(decisions=decisions)) == [
        (Section.HELD, "CameBack:"),
        (Section.REFUSED, "BlastRadius:"),
        (Section.BLIND, "NoData:"),
        (Section.CONTROLLER, "EngineUnavailable:"),
    ]


def test_pauses_silences_and_holds_are_told_with_their_ends_the_first_end_first() -> None:
    door = PauseState(
        CONTROL_DOOR, (Pause("web", NOW + 20 * HOUR, "Kim"), Pause(None, NOW + 3 * HOUR, "Ada"), Pause("old", NOW))
    )
    silences = PauseState(DOOR, (Pause("Application/argocd/web", NOW + HOUR, "Kim", "we look"),))
    held = a_record(
        "rb-held", outcome=RollbackOutcome.VERIFIED, evidence={"holds": [HOLD]},
        times={"decided": NOW - 20 * HOUR, "verified": NOW - 19 * HOUR},
    )  # fmt: skip
    items = handed_over(facts(records=(held,), pauses=(door,), silences=silences), NOW, NOW - 12 * HOUR)
    assert [item.section for item in items] == [Section.HELD, Section.PAUSED, Section.PAUSED, Section.SILENCED]
    assert [item.until for item in ending(items, NOW)] == [NOW + HOUR, NOW + 3 * HOUR, NOW + 5 * HOUR]


def test_a_door_that_cannot_be_read_and_a_refused_policy_are_told() -> None:
    door = PauseState(CONTROL_DOOR, unreadable="line 3: not YAML")
    found = facts(pauses=(door,), policy_faults=("shop.yaml:3:1: unknown key",))
    assert [item.section for item in handed_over(found, NOW, NOW)] == [Section.POLICY, Section.PAUSED]


def test_a_team_hears_of_its_own_and_of_what_concerns_all() -> None:
    door = PauseState(CONTROL_DOOR, (Pause(None, NOW + HOUR, "Ada"),))
    decisions = (an_entry(WEB, "hold", "CameBack"), an_entry(API, "hold", "CameBack"))
    items = handed_over(facts(decisions=decisions, pauses=(door,)), NOW, NOW)
    assert [item.applications for item in of_applications(items, {"Application/argocd/web"})] == [(WEB,), ()]


def test_a_strangers_words_move_no_cursor() -> None:
    evil = a_record("rb-x", Phase.SYNCING, message="\x1b[2J<!channel>\u202e")
    (item,) = handed_over(facts(records=(evil,)), NOW, NOW)
    assert "\x1b" not in item.text
    assert "\u202e" not in item.text


def test_the_newest_change_of_shift_is_known_over_midnight_and_in_its_zone() -> None:
    shifts = ShiftTimes((time(8), time(20)), "Europe/Berlin")
    assert shifts.newest(datetime(2026, 11, 25, 6, 59, tzinfo=UTC)) == datetime(2026, 11, 24, 19, tzinfo=UTC)
    assert shifts.newest(datetime(2026, 11, 25, 7, tzinfo=UTC)) == datetime(2026, 11, 25, 7, tzinfo=UTC)
    assert shifts.newest(datetime(2026, 7, 1, 6, tzinfo=UTC)) == datetime(2026, 7, 1, 6, tzinfo=UTC)
    assert ShiftTimes().newest(NOW) is None


def a_beat(ago: timedelta, outcome: Outcome = Outcome.SEEN, reason: Reason = Reason.HEARTBEAT) -> DecisionEntry:
    begun = NOW - ago
    beat = Beat("hb-1", WEB, "c" * 40, "b" * 40, "d" * 40, times={"begun": begun}, outcome=outcome, reason=reason)
    return entry_of(beat, begun)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ((a_beat(15 * 24 * HOUR),), "the last one was 15d ago"),
        ((a_beat(13 * 24 * HOUR),), ""),
        ((an_entry(WEB, "leave", "Quiet", 16 * 24 * HOUR),), "there was none since"),
        ((an_entry(WEB, "leave", "Quiet", 14 * 24 * HOUR),), ""),
        ((), ""),
        ((a_beat(24 * HOUR, Outcome.REFUSED, Reason.BRANCH_PROTECTED),), ""),
    ],
)
def test_a_heartbeat_that_is_overdue_is_handed_over(lines: tuple[DecisionEntry, ...], words: str) -> None:
    texts = [item.text for item in handed_over(facts(decisions=lines, rhythm=Rhythm()), NOW, NOW - 12 * HOUR)]
    overdue = [text for text in texts if "overdue" in text]
    assert len(overdue) == bool(words)
    assert words in "".join(overdue)
    assert not [item for item in handed_over(facts(decisions=lines), NOW, NOW) if "overdue" in item.text]


def test_a_heartbeat_that_did_not_land_is_handed_over_with_its_reason() -> None:
    lines = (a_beat(24 * HOUR, Outcome.REFUSED, Reason.BRANCH_PROTECTED),)
    (item,) = handed_over(facts(decisions=lines, rhythm=Rhythm()), NOW, NOW - 12 * HOUR)
    assert (item.section, item.text.split(":")[0]) == (Section.CONTROLLER, "BranchProtected")
