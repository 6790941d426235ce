"""Does each of the three doors stop, and does nothing but an ended or absent pause let anything go?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gitops_rollback.core.errors import Reason
from gitops_rollback.core.stop import (
    CONTROL_DOOR,
    HEAD_DOOR,
    SETTINGS_DOOR,
    Pause,
    PauseState,
    Stop,
    add_pause,
    encode_pauses,
    lift_pause,
    names_of,
    open_ended,
    read_pause,
    settings_pause,
    stopped,
    strangers,
)

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
APP = "default/Application/argocd/shop"
HEAD = "apiVersion: gitops-rollback.dev/v1alpha1\nkind: RollbackPause\n"
NOTHING = (PauseState(SETTINGS_DOOR), PauseState(CONTROL_DOOR), PauseState(HEAD_DOOR))


def control(spec: str) -> PauseState:
    return read_pause(CONTROL_DOOR, f"{HEAD}{spec}".encode())


def stop_by(
    state: PauseState, application: str = APP, now: datetime = NOW, aliases: tuple[str, ...] = ()
) -> Stop | None:
    return stopped(application, now, NOTHING[0], state, NOTHING[2], aliases)


def test_no_file_means_go() -> None:
    assert (
        stopped(APP, NOW, settings_pause(False, None), read_pause(CONTROL_DOOR, None), read_pause(HEAD_DOOR, None))
        is None
    )


@pytest.mark.parametrize("door", [0, 1, 2])
def test_each_door_stops_alone(door: int) -> None:
    states = list(NOTHING)
    states[door] = PauseState(NOTHING[door].door, (Pause(None, NOW + timedelta(hours=1), "kim", "a drill"),))
    stop = stopped(APP, NOW, *states)
    assert stop is not None
    assert (stop.door, stop.reason, stop.until, stop.by) == (
        NOTHING[door].door,
        Reason.PAUSED,
        NOW + timedelta(hours=1),
        "kim",
    )
    assert "2026-11-25T13:00:00Z" in stop.message
    assert "a drill" in stop.message


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param(b"", "", id="empty"),
        pytest.param(b"# nothing\n", "", id="only-comments"),
        pytest.param(b"\xff\xfe", "UTF-16", id="utf-16"),
        pytest.param(b"spec: [", "YAML", id="torn"),
        pytest.param(b"spec: {all: true}", "not a RollbackPause", id="no-kind"),
        pytest.param(HEAD.encode() + b"spec: {al: true}", "'al'", id="misspelt-word"),
        pytest.param(HEAD.encode() + b"spec: {all: yes}", "true or false", id="yes-is-no-boolean"),
        pytest.param(HEAD.encode() + b"spec: {all: true, until: soon}", "soon", id="odd-end"),
        pytest.param(HEAD.encode() + b"spec: {all: true, until: 2026-11-25T12:00:00}", "zone", id="end-without-zone"),
        pytest.param(HEAD.encode() + b"spec: {applications: shop}", "list", id="text-for-list"),
        pytest.param(HEAD.encode() + b"spec: {applications: [shop]}", "keys", id="list-of-words"),
        pytest.param(HEAD.encode() + b"spec: {applications: [{until: 2026-11-25T12:00:00Z}]}", "name", id="no-name"),
        pytest.param(HEAD.encode() + b"spec: &a {all: *a}", "anchors", id="anchor"),
        pytest.param(b"[" * 60_000, "nested", id="deep"),
        pytest.param(b"x" * 70_000, "more than", id="large"),
    ],
)
def test_a_file_that_is_there_and_cannot_be_read_stops_everything(text: bytes, why: str) -> None:
    stop = stop_by(read_pause(CONTROL_DOOR, text))
    assert stop is not None
    assert stop.reason is Reason.PAUSE_UNREADABLE
    assert why in stop.message


@pytest.mark.parametrize(("offset", "holds"), [(-1, True), (0, False), (1, False)])
def test_a_pause_ends_at_its_end(offset: int, holds: bool) -> None:
    state = control("spec: {all: true, until: '2026-11-25T12:00:00Z'}")
    assert (stop_by(state, now=NOW + timedelta(seconds=offset)) is not None) is holds


@pytest.mark.parametrize(
    "spec",
    ["spec: {all: false}", "spec: {}", "spec: {applications: []}", "metadata: {name: x}", "spec:\n  applications:"],
)
def test_a_readable_file_that_restricts_nothing_stops_nothing(spec: str) -> None:
    if spec.startswith("spec:\n"):
        spec += " []"
    assert stop_by(control(spec)) is None


@pytest.mark.parametrize(
    ("name", "stops"),
    [
        (APP, True),
        ("Application/argocd/shop", True),
        ("argocd/shop", True),
        ("shop", True),
        ("checkout-api", True),
        ("sho", False),
        ("other/Application/argocd/shop", False),
        ("default/Application/argocd", False),
    ],
)
def test_an_application_is_stopped_by_any_name_that_is_its_own(name: str, stops: bool) -> None:
    state = control(f"spec: {{applications: [{{name: {name}}}]}}")
    assert (stop_by(state, aliases=("checkout-api",)) is not None) is stops


def test_a_vague_name_stops_every_application_that_it_fits() -> None:
    state = control("spec: {applications: [{name: shop}]}")
    assert stop_by(state, "eu/Application/argocd/shop")
    assert stop_by(state, "us/Application/argocd/shop")


def test_the_pause_that_lasts_longest_is_the_one_that_is_told() -> None:
    short = PauseState(CONTROL_DOOR, (Pause(None, NOW + timedelta(hours=1)),))
    for_ever = PauseState(HEAD_DOOR, (Pause("shop", None, "kim"),))
    stop = stopped(APP, NOW, NOTHING[0], short, for_ever)
    assert stop is not None
    assert (stop.door, stop.until) == (HEAD_DOOR, None)
    assert "without an end by kim" in stop.message


def test_both_words_of_the_settings_stop() -> None:
    assert stopped(APP, NOW, settings_pause(True, NOW - timedelta(hours=1)), *NOTHING[1:])
    assert stopped(APP, NOW, settings_pause(False, NOW + timedelta(hours=1)), *NOTHING[1:])
    assert not stopped(APP, NOW, settings_pause(False, NOW), *NOTHING[1:])


def test_a_name_that_fits_nothing_is_reported() -> None:
    state = control("spec: {applications: [{name: shpo}, {name: shop}, {name: checkout-api}]}")
    assert strangers([state], [APP, "checkout-api"]) == ("shpo",)


def test_a_pause_without_an_end_is_reported() -> None:
    state = control("spec: {all: true, applications: [{name: shop, until: '2026-11-25T13:00:00Z'}]}")
    assert [(door, pause.application) for door, pause in open_ended([state])] == [(CONTROL_DOOR, None)]


PAUSES = (
    Pause(None, NOW + timedelta(hours=2), "kim", 'say "no"\n: # {x}'),
    Pause("shop", None, "Zoë \u202e", "\x1b[31m"),
    Pause(APP, NOW + timedelta(hours=1)),
)


def test_what_is_written_is_read_back_with_nothing_lost_but_control_characters() -> None:
    state = read_pause(CONTROL_DOOR, encode_pauses(PAUSES))
    assert not state.unreadable
    assert [(pause.application, pause.until) for pause in state.pauses] == [(p.application, p.until) for p in PAUSES]
    assert state.pauses[0].reason == 'say "no" : # {x}'
    assert state.pauses[1].reason == " [31m"


def test_lifting_the_last_pause_leaves_a_file_that_can_be_read() -> None:
    state = read_pause(CONTROL_DOOR, encode_pauses(lift_pause(PAUSES, None, NOW)))
    assert state == PauseState(CONTROL_DOOR)


def test_a_new_pause_never_shortens_another() -> None:
    long, short = Pause("shop", NOW + timedelta(hours=2)), Pause("shop", NOW + timedelta(hours=1))
    assert add_pause((long,), short, NOW) == (long,)
    assert add_pause((short,), long, NOW) == (long,)
    assert add_pause((Pause("a", NOW),), long, NOW) == (long,)


def test_resuming_one_application_keeps_the_pauses_of_others_and_of_all() -> None:
    everything, other = Pause(None, None), Pause("argocd/other", None)
    assert lift_pause((everything, other, Pause("shop", None)), APP, NOW) == (everything, other)
    assert lift_pause((Pause(APP, None),), "argocd/shop", NOW) == ()


def test_short_names_are_the_ends_of_the_full_one() -> None:
    loose = {"Application/shop", f"{APP.split('/')[0]}/Application/shop"}
    assert names_of(APP) == {APP, "Application/argocd/shop", "argocd/shop", "shop", *loose}
