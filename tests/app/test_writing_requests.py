"""A request on its way from a command line: the branch, the commit, the pull request."""

from __future__ import annotations

from typing import Any

import pytest
from app_world import START, World, running

from gitops_rollback.adapters.requests.reader import read_request
from gitops_rollback.app.writing_requests import RequestWriter, path_of
from gitops_rollback.core.errors import StalledError
from gitops_rollback.core.pull_request import Mergeability, PullRequest, PullRequestState
from gitops_rollback.core.request import Execute, LastHealthy, RequestTarget, RollbackRequest

NAME = "2026-11-23-030405-web"


class OneForge:
    """Opens what it is asked to open."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.opened: list[tuple[Any, ...]] = []

    def open(self, head: str, base: str, title: str, body: str, labels: tuple[str, ...] = ()) -> PullRequest:
        self.opened.append((head, base, title, body, labels))
        state = PullRequestState.OPEN
        return PullRequest(7, "u", title, "ada", head, self.world.head(head), base, state, Mergeability.READY)


def request(**changes: Any) -> RollbackRequest:
    target = RequestTarget("web", "web")
    known = {"path": path_of(NAME), "name": NAME, "target": target, "to": LastHealthy(), "reason": "cards @all fail"}
    return RollbackRequest(**{**known, **changes})


def writer(world: World, forge: Any) -> RequestWriter:
    world.clock.at = START
    repo = world.clone("person")
    world.others.append(repo)
    return RequestWriter(repo, forge, world.clock)


def test_it_is_one_file_on_a_branch_of_its_own_and_a_pull_request(world: World) -> None:
    running(world, "web")
    forge, main = OneForge(world), world.head()
    one = writer(world, forge)
    assert one.write(request(), "Ada") == f"gitops-rollback/request/{NAME}"
    found = one.open(request(), "Ada")
    assert (found.number, found.base, world.head()) == (7, "main", main)
    assert world.people.git("diff", "--name-only", main, found.head) == path_of(NAME)
    text = world.people.git("show", f"{found.head}:{path_of(NAME)}")
    assert read_request(f"{text}\n".encode(), path_of(NAME)).request == request()
    ((head, _, title, body, labels),) = forge.opened
    assert head == f"gitops-rollback/request/{NAME}"
    assert title == "Roll back web to its last healthy state"
    assert labels == ("rollback", "rollback/manual")
    assert "Asked for by Ada." in body
    assert "@all" not in body + world.people.git("log", "-1", "--format=%B", found.head)


def test_a_request_that_is_carried_out_later_says_so(world: World) -> None:
    running(world, "web")
    forge = OneForge(world)
    one, later = writer(world, forge), request(execute=Execute.AFTER_MERGE, incident="https://incidents.example/7")
    one.write(later, "Ada")
    one.open(later, "Ada")
    assert "once this is merged" in forge.opened[0][3]
    assert "Incident: https://incidents.example/7" in forge.opened[0][3]


def test_a_branch_that_is_there_already_is_not_written_over(world: World) -> None:
    running(world, "web")
    first = writer(world, OneForge(world))
    first.write(request(), "Ada")
    before = world.head(f"gitops-rollback/request/{NAME}")
    with pytest.raises(StalledError, match="refuses the push"):
        first.write(request(reason="another"), "Eve")
    assert world.head(f"gitops-rollback/request/{NAME}") == before
