"""What each engine owes by the port's docstrings, put to each door in turn."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from engine_doors import ARGOCD, DOORS, PATIENCE, SHOP, ArgoCdDoor, Door, argocd_door, door, until
from engine_of_the_page_door import WATCHED_DOORS, watched_door

from gitops_rollback.core.deployments import contains_our_operation, deployments
from gitops_rollback.core.errors import CredentialsRejected, EngineUnavailable, Reason, StalledError
from gitops_rollback.core.sync import ApplicationId, Health
from gitops_rollback.ports import Engine
from gitops_rollback.sandbox.argocd import SyncWindow

INFO = {"rollback-id": "rb-0123456789abcdef"}


@pytest.fixture(params=DOORS)
def at(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Door]:
    with door(request.param, tmp_path) as made:
        yield made


@pytest.fixture(params=WATCHED_DOORS)
def watched(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Door]:
    """Engines that act, and one of a package of its own that does not: it owes this much all the same."""
    with watched_door(request.param, tmp_path) as made:
        yield made


@pytest.fixture(params=ARGOCD)
def argocd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ArgoCdDoor]:
    with argocd_door(request.param, tmp_path) as made:
        yield made


@contextmanager
def watching(engine: Engine, app: ApplicationId = SHOP) -> Iterator[list[ApplicationId]]:
    """The applications that the engine wakes for, while it watches."""
    woken: list[ApplicationId] = []
    stop = threading.Event()
    thread = threading.Thread(target=engine.watch, args=(woken.append, stop))
    thread.start()
    try:
        until(lambda: app in woken, "the watch begins by what is there")
        yield woken
    finally:
        stop.set()
        thread.join(30)
    assert not thread.is_alive()


def test_it_shows_the_application_in_a_list_and_alone(watched: Door) -> None:
    assert watched.engine.probe() == ()
    (listed,) = watched.listed()
    alone = watched.state()
    assert (listed.id, listed.project, listed.sources) == (watched.app, watched.project, alone.sources)
    assert (listed.sync, listed.health) == (alone.sync, alone.health) == (watched.in_step, Health.HEALTHY)
    assert alone.malformed == ""


def test_it_names_the_workload_so_that_its_pods_can_be_looked_at(at: Door) -> None:
    name = "web" if at.app.kind == "Application" else "cart"
    workloads = [one for one in at.state().resources if one.group == "apps"]
    assert [(one.kind, one.name) for one in workloads] == [("Deployment", name)]


def test_a_deployment_has_its_revision_and_the_time_since_when(at: Door) -> None:
    first = at.state()
    before = at.now()
    revision = at.release("2")
    old, new = deployments(at.state())
    assert (old.revisions, set(new.revisions)) == (first.sync_revisions, {revision})
    # A sandbox stamps its steps by when they were due: on a busy machine that lies a little before they were done.
    assert before - timedelta(seconds=30) <= new.started_at <= new.deployed_at
    assert old.started_at <= new.started_at
    assert old.replaced_at == new.started_at


def test_a_commit_of_another_application_is_no_deployment_though_it_is_compared(watched: Door) -> None:
    known = deployments(watched.state())
    revision = watched.foreign()
    state = watched.state()
    assert set(state.sync_revisions) == {revision}
    assert deployments(state) == known


def test_who_starts_anew_tells_the_same_deployments_by_the_same_commits(at: Door) -> None:
    first = at.state().sync_revisions
    second, third = at.release("2"), at.release("3")
    anew = at.other("", PATIENCE)
    anew.applications()
    found = anew.application(at.app, at.project)
    assert found is not None
    told = [set(one.revisions) for one in deployments(found)]
    assert told[-2:] == [{second}, {third}]
    assert told[:-2] in ([], [set(first)])


def test_it_compares_with_the_newest_commit_when_asked(at: Door) -> None:
    revision = at.change("2")
    at.engine.refresh(at.app, at.project)
    until(lambda: set(at.state().sync_revisions) == {revision}, "it is compared")


def test_a_refresh_that_nobody_answers_ends_in_time(at: Door) -> None:
    at.hang(True)
    with pytest.raises(EngineUnavailable):
        at.other("", timedelta(seconds=0.3)).refresh(at.app, at.project)
    at.hang(False)


def test_a_sync_is_one_deployment_seen_at_its_revision(at: Door) -> None:
    since = at.now()
    revision = at.change("2")
    at.engine.sync(at.app, at.project, True, INFO)  # False where the engine begins by itself once it has looked
    until(lambda: at.arrived(revision, since), "it converged")
    assert at.engine.sync(at.app, at.project, True, INFO) or at.queues
    until(lambda: at.arrived(revision, since), "it stays")
    assert {name for one in deployments(at.state())[1:] for name in one.revisions} == {revision}


def test_an_operation_is_started_once_and_bears_our_mark(argocd: ArgoCdDoor) -> None:
    argocd.world.sandbox.pause_controller(True)
    revision = argocd.change("2")
    since = argocd.now()
    engine = argocd.other("", timedelta(seconds=0.3))  # nobody compares now
    assert engine.sync(argocd.app, argocd.project, True, INFO)
    assert not engine.sync(argocd.app, argocd.project, True, INFO)
    assert contains_our_operation(argocd.state(), INFO["rollback-id"])
    argocd.world.sandbox.pause_controller(False)
    until(lambda: argocd.arrived(revision, since), "it converged")
    ours = [one for one in argocd.state().history if one.revisions == (revision,)]
    assert len(ours) == 1
    assert ours[0].initiated_by not in ("", "automated")
    operation = argocd.state().operation
    assert operation is not None
    assert operation.info == INFO
    assert not operation.partial
    assert operation.revisions == (revision,)


def test_a_sync_never_brings_back_what_it_has_just_taken_away(argocd: ArgoCdDoor) -> None:
    """Even where an event comes before the comparison after it, and is compared with what was seen last."""
    argocd.world.sandbox.overtake()
    since = argocd.now()
    bad = argocd.change("2")
    argocd.engine.refresh(argocd.app, argocd.project)
    until(lambda: argocd.arrived(bad, since), "the bad one is there")
    since = argocd.now()
    good = argocd.change("1")
    argocd.engine.sync(argocd.app, argocd.project, True, INFO)
    until(lambda: argocd.arrived(good, since), "it converged")
    assert [one.revisions for one in argocd.state().history].count((bad,)) == 1


def test_over_a_running_operation_nothing_is_written_until_it_was_ended(argocd: ArgoCdDoor) -> None:
    bad = argocd.stuck()
    running = argocd.state().operation
    assert running is not None
    assert running.in_progress
    assert running.revisions == (bad,)
    assert not argocd.engine.sync(argocd.app, argocd.project, True, INFO)
    assert not contains_our_operation(argocd.state(), INFO["rollback-id"])
    good = argocd.push(apps__shop__migrate_json=None)
    since = argocd.now()
    argocd.engine.terminate(argocd.app, argocd.project)
    argocd.engine.terminate(argocd.app, argocd.project)
    until(lambda: argocd.engine.sync(argocd.app, argocd.project, True, INFO), "the operation ended")
    until(lambda: argocd.arrived(good, since), "it converged")


def test_an_application_of_another_project_is_gone_from_this_one(argocd: ArgoCdDoor) -> None:
    assert argocd.engine.application(argocd.app, "another-project") is None


def test_to_end_no_operation_is_no_error(argocd: ArgoCdDoor) -> None:
    known = argocd.state()
    argocd.engine.terminate(argocd.app, argocd.project)
    assert argocd.state().operation == known.operation


def test_a_closed_window_is_told_before_and_refuses_a_sync(argocd: ArgoCdDoor) -> None:
    assert argocd.engine.obstacles(argocd.app, argocd.project) == ()
    argocd.windows(SyncWindow("deny"))
    assert [one.reason for one in argocd.engine.obstacles(argocd.app, argocd.project)] == [Reason.WINDOW_CLOSED]
    argocd.change("2")
    with pytest.raises(StalledError) as refused:
        argocd.engine.sync(argocd.app, argocd.project, True, INFO)
    assert refused.value.reason is Reason.WINDOW_CLOSED
    assert not contains_our_operation(argocd.state(), INFO["rollback-id"])


@pytest.mark.parametrize(
    ("windows", "closed"),
    [
        ([SyncWindow("deny", manual_sync=True)], False),
        ([SyncWindow("deny", active=False)], False),
        ([SyncWindow("allow", active=False)], True),
        ([SyncWindow("allow", active=False), SyncWindow("allow")], False),
        ([SyncWindow("allow"), SyncWindow("deny")], True),
    ],
)
def test_which_windows_are_in_the_way_of_a_person(argocd: ArgoCdDoor, windows: list[SyncWindow], closed: bool) -> None:
    argocd.windows(*windows)
    assert bool(argocd.engine.obstacles(argocd.app, argocd.project)) == closed


def test_gone_is_told_from_no_rights_and_from_no_answer(watched: Door) -> None:
    with pytest.raises(CredentialsRejected):
        watched.other("a.stranger.token", PATIENCE).application(watched.app, watched.project)
    with pytest.raises(CredentialsRejected):
        watched.other("a.stranger.token", PATIENCE).applications()
    assert watched.other("a.stranger.token", PATIENCE).probe() != ()
    watched.go_down()
    with pytest.raises(EngineUnavailable):
        watched.engine.application(watched.app, watched.project)
    with pytest.raises(EngineUnavailable):
        watched.engine.sync(watched.app, watched.project, True, INFO)
    assert watched.engine.probe() != ()
    watched.come_back()
    watched.delete()
    assert watched.engine.application(watched.app, watched.project) is None
    assert watched.listed() == []


def test_a_sync_of_what_is_gone_is_an_error(watched: Door) -> None:
    watched.delete()
    with pytest.raises(EngineUnavailable):
        watched.engine.sync(watched.app, watched.project, True, INFO)
    with pytest.raises(EngineUnavailable):
        watched.engine.refresh(watched.app, watched.project)


def test_a_reader_that_lags_never_makes_a_release_look_arrived(at: Door) -> None:
    at.lag(True)
    since = at.now()
    revision = at.release("2")
    assert not at.arrived(revision, since)
    assert revision not in [one.revisions[0] for one in deployments(at.state())]
    at.lag(False)
    assert at.arrived(revision, since)


def test_the_watch_wakes_resumes_after_a_cut_and_tells_what_happened_meanwhile(watched: Door) -> None:
    with watching(watched.engine, watched.app) as woken:
        woken.clear()
        watched.release("2")
        until(lambda: watched.app in woken, "it wakes for a change")
        watched.cut_watches()
        woken.clear()
        watched.release("3")
        until(lambda: watched.app in woken, "it wakes again after a cut")


def test_what_the_watch_knows_is_what_is_there(watched: Door) -> None:
    with watching(watched.engine, watched.app):
        revision = watched.release("2")
        until(lambda: set(watched.listed()[0].sync_revisions) == {revision}, "the list is new")
        watched.go_down()
        watched.cut_watches()
        until(lambda: _unavailable(watched.engine), "what may be old is not shown")
        watched.come_back()
        watched.delete()
        until(lambda: _listed(watched) == 0, "it is gone from the list")


def _unavailable(engine: Engine) -> bool:
    try:
        engine.applications()
    except EngineUnavailable:
        return True
    return False


def _listed(at: Door) -> int:
    try:
        return len(at.listed())
    except EngineUnavailable:
        return -1
