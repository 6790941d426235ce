"""Fault F30: receivers that refuse, fail, hang, or cannot be found. None of it holds a rollback up."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from app_world import MINUTE, POLICIES, START, Replica, World, policy, running, ship

from gitops_rollback.adapters.http import Http
from gitops_rollback.adapters.journal import GitJournal
from gitops_rollback.adapters.notifiers.exchange import Exchange
from gitops_rollback.adapters.notifiers.routes import Opened, Routes
from gitops_rollback.adapters.notifiers.webhook import Webhook
from gitops_rollback.adapters.origins import OriginRules
from gitops_rollback.app.executor import Executor

PATIENCE_SECONDS = 20.0


class Receiver(ThreadingHTTPServer):
    """Answers with `status`, once it may; says when something came."""

    daemon_threads = True

    def __init__(self, status: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = status
        self.may_answer, self.came, self.heard = threading.Event(), threading.Event(), threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.came.set()
        self.server.may_answer.wait(PATIENCE_SECONDS)
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.server.heard.set()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@dataclass
class Office:
    """The one place of the settings."""

    receiver: Receiver
    routes: list[Routes] = field(default_factory=list)

    def open(self, url: str = "") -> Routes:
        address = url or self.receiver.url
        channel = Webhook(Exchange(Http(OriginRules.parse([address], allow_http=True))), address)
        self.routes.append(Routes([Opened("office", ("*",), channel)], lambda _route: channel))
        return self.routes[-1]


@pytest.fixture
def office() -> Iterator[Office]:
    made = Office(Receiver(200))
    thread = threading.Thread(target=made.receiver.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield made
    made.receiver.may_answer.set()
    for routes in made.routes:
        routes.close(0.2)
    made.receiver.shutdown()
    made.receiver.server_close()
    thread.join()


def telling(world: World, routes: Routes) -> Replica:
    """A controller that tells its people there."""
    replica = world.replica()
    repo = replica.repo
    replica.reconciler.executor = Executor(repo, repo, GitJournal(repo), routes, world.clock)
    return replica


def break_it(world: World) -> None:
    world.engine.deploy("web", ship(world, "web", START - MINUTE), START)
    world.metrics.break_from("web", START + MINUTE)


def test_f30_a_receiver_that_hangs_hears_of_it_when_it_may_and_the_rollback_did_not_wait(
    world: World, office: Office
) -> None:
    running(world, "web")
    replica = telling(world, office.open())
    break_it(world)
    replica.until(START, START + 3 * MINUTE)
    assert world.reverts() == 1
    assert office.receiver.came.wait(PATIENCE_SECONDS)
    assert not office.receiver.heard.is_set()
    office.receiver.may_answer.set()
    assert office.receiver.heard.wait(PATIENCE_SECONDS)


@pytest.mark.parametrize("status", [429, 500, 503, 404])
def test_f30_a_receiver_that_fails_changes_nothing(world: World, office: Office, status: int) -> None:
    office.receiver.status = status
    office.receiver.may_answer.set()
    running(world, "web")
    replica = telling(world, office.open())
    break_it(world)
    replica.until(START, START + 3 * MINUTE)
    assert world.reverts() == 1
    assert office.receiver.heard.wait(PATIENCE_SECONDS)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/hook", "http://no-such-receiver.invalid/hook"], ids=["gone", "no-name"]
)
def test_f30_a_receiver_that_cannot_be_found_changes_nothing(world: World, office: Office, url: str) -> None:
    running(world, "web")
    replica = telling(world, office.open(url))
    break_it(world)
    replica.until(START, START + 3 * MINUTE)
    assert world.reverts() == 1


def test_f30_what_asks_a_person_is_written_down_whoever_can_be_told(world: World, office: Office) -> None:
    running(world, "web")
    world.people.push("Ask first", {f"{POLICIES}/web.yaml": policy("web", "page_and_suggest")}, START - 9 * MINUTE)
    replica = telling(world, office.open("http://127.0.0.1:9/hook"))
    break_it(world)
    last = replica.until(START, START + 4 * MINUTE)[-1]
    assert [record.phase.value for record in last.view.journal.records.values()] == ["AwaitingApproval"]
