"""Requests that make no sense, from a file or a comment: each is answered with the place and the reason. Numbers Q."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from app_world import MINUTE, START, World, running, ship

from gitops_rollback.adapters.requests.reader import read_request
from gitops_rollback.app.executor import Executor
from gitops_rollback.app.requesting import Prepared, Requests, Wish
from gitops_rollback.core.errors import Reason, StalledError
from gitops_rollback.core.request import Before, LastHealthy, To, ToCommit, Without
from gitops_rollback.core.rollback import rollback_id
from gitops_rollback.core.stop import SETTINGS_DOOR, Pause, PauseState

PATH = ".gitops-rollback/requests/a.yaml"
REQUEST = """\
# +argocd:skip-file-rendering
apiVersion: gitops-rollback.dev/v1alpha1
kind: RollbackRequest
spec:
  target: {name: checkout-api}
  to: {commit: "5ab3c90d1c7e6f2b8a9d0e4c3f2b1a0998877665"}
  reason: cards fail
"""
SHA = "5ab3c90d1c7e6f2b8a9d0e4c3f2b1a0998877665"

SPOILT = [
    pytest.param(SHA, SHA[:7], (6, 16), "write all 40 digits", id="Q4-short-sha"),
    pytest.param(f'"{SHA}"', "1234567", (6, 16), "write all 40 digits", id="Q4-short-and-a-number"),
    pytest.param(SHA, SHA.upper(), (6, 16), "write all 40 digits", id="Q4-upper-case"),
    pytest.param(SHA, "main", (6, 16), "write all 40 digits", id="Q4-a-branch"),
    pytest.param(SHA, SHA[:-1] + "\u0435", (6, 16), "write all 40 digits", id="Q7-cyrillic-digit-of-a-sha"),
    pytest.param("checkout-api", "checkout\u200b-api", (5, 18), "not a Kubernetes name", id="Q7-zero-width"),
    pytest.param("checkout-api", "che\u0441kout-api", (5, 18), "not a Kubernetes name", id="Q7-cyrillic-letter"),
    pytest.param("checkout-api", "checkout\u2010api", (5, 18), "not a Kubernetes name", id="Q7-another-hyphen"),
]


@pytest.mark.parametrize(("old", "new", "place", "word"), SPOILT)
def test_what_is_not_named_exactly_is_refused_at_its_place(
    old: str, new: str, place: tuple[int, int], word: str
) -> None:
    read = read_request(REQUEST.replace(old, new).encode(), PATH)
    assert read.request is None
    found = [(fault.line, fault.col, str(fault)) for fault in read.errors]
    assert [one for one in found if one[:2] == place and word in one[2]], found
    assert all(text.isprintable() for _, _, text in found)


def prepared(
    world: World, application: str = "web", to: To | None = None, policy: str = "", pause: PauseState | None = None
) -> Prepared:
    """What a request for `web` comes to, an hour after its newest version was deployed."""
    one = world.replica()
    executor = one.reconciler.executor
    assert isinstance(executor, Executor)
    one.reconciler.surroundings.settings_pause = lambda: pause or PauseState(SETTINGS_DOOR)
    world.clock.at = START
    requests = Requests(one.repo, one.reconciler, executor, world.clock)
    return requests.prepare(Wish(application, "ann", "why", to, policy=policy, path=PATH))


WHO = ("-c", "user.name=eve", "-c", "user.email=eve@example.com")


def refusal(world: World, application: str = "web", to: To | None = None, policy: str = "") -> StalledError:
    with pytest.raises(StalledError) as caught:
        prepared(world, application, to, policy)
    return caught.value


def shipped(world: World) -> tuple[str, str]:
    """A version that runs, and one that stands on the branch only."""
    running(world, "web", since=START - 120 * MINUTE)
    runs = ship(world, "web", START - 60 * MINUTE)
    world.engine.deploy("web", runs, START - 60 * MINUTE)
    return runs, ship(world, "web", START - MINUTE, old="1.1", new="1.2")


@pytest.mark.parametrize(("application", "policy"), [("wbe", ""), ("", ""), ("web", "other"), ("w*", "")])
def test_q1_an_unknown_application_is_answered_with_the_known_ones(world: World, application: str, policy: str) -> None:
    shipped(world)
    error = refusal(world, application, LastHealthy(), policy)
    assert error.reason is Reason.NO_POLICY
    assert "known: " in error.message


@pytest.mark.parametrize("to", [ToCommit("e" * 40), Without(("e" * 40,))], ids=["to", "without"])
def test_q2_a_commit_that_is_not_in_the_history_is_refused(world: World, to: To) -> None:
    shipped(world)
    assert refusal(world, to=to).reason is Reason.UNKNOWN_REVISION


def test_q2_a_commit_of_another_branch_is_refused(world: World) -> None:
    shipped(world)
    other = world.people.git(*WHO, "commit-tree", "main^{tree}", "-p", "main~1", "-m", "elsewhere")
    assert refusal(world, to=ToCommit(other)).reason is Reason.UNKNOWN_REVISION


def test_q3_what_is_newer_than_what_runs_is_no_way_back(world: World) -> None:
    _, newer = shipped(world)
    for to in (ToCommit(newer), Without((newer,))):
        error = refusal(world, to=to)
        assert error.reason is Reason.REQUEST_INVALID
        assert "no way back" in error.message


def test_q3_the_same_that_runs_changes_nothing(world: World) -> None:
    runs, _ = shipped(world)
    assert refusal(world, to=ToCommit(runs)).reason is Reason.NO_SUSPECT


def test_q2_before_anything_was_deployed_there_is_nothing(world: World) -> None:
    shipped(world)
    assert refusal(world, to=Before(datetime(2001, 1, 1, tzinfo=UTC))).reason is Reason.NO_LAST_GOOD


def test_what_is_asked_for_exactly_is_planned_under_the_path_of_the_request(world: World) -> None:
    runs, _ = shipped(world)
    for to in (Without((runs,)), Before(START - 70 * MINUTE), ToCommit(world.people.git("rev-parse", f"{runs}~1"))):
        plan = prepared(world, to=to, policy="web").plan
        assert plan is not None
        assert runs in plan.reversal.reverts
        assert plan.rollback_id == rollback_id("shop/config", plan.applications[0], runs, PATH)


def test_q9_after_the_stop_the_plan_is_there_and_says_who_stopped_it(world: World) -> None:
    runs, _ = shipped(world)
    found = prepared(world, to=Without((runs,)), pause=PauseState(SETTINGS_DOOR, (Pause(None, by="ops"),)))
    assert found.plan is not None
    assert "paused without an end by ops" in found.stopped
