"""Does exactly one replica hold a Lease, through death, sleep, loss and lost answers? On the sandbox's API."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gitops_rollback.adapters.kubernetes.client import Kubernetes
from gitops_rollback.adapters.kubernetes.credentials import Fixed
from gitops_rollback.adapters.kubernetes.lease import Clocks, KubernetesLease, read_record
from gitops_rollback.adapters.kubernetes.transport import Transport
from gitops_rollback.core.lease import LeaseRecord, LeaseTimes
from gitops_rollback.replicas import Lease
from gitops_rollback.sandbox.clock import ScaledClock
from gitops_rollback.sandbox.kubernetes import KubernetesSandbox
from gitops_rollback.sandbox.kubernetes.kinds import LEASE, NAMESPACE

NAME = "gitops-rollback-shop"
PATIENCE = 20.0
# Short enough for a test with real time, in whole seconds as a Lease has them.
QUICK = LeaseTimes(duration=2, renew_deadline=1.5, retry=0.1)


@dataclass
class Hands:
    """A clock that a test turns."""

    seconds: float = 1000.0
    wall: datetime = field(default_factory=lambda: datetime(2026, 11, 26, tzinfo=UTC))

    def clocks(self) -> Clocks:
        return Clocks(lambda: self.seconds, lambda: self.wall)


@pytest.fixture
def sandbox() -> Iterator[KubernetesSandbox]:
    made = KubernetesSandbox(ScaledClock())
    made.store.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "gitops-rollback"}})
    made.start()
    yield made
    made.stop()
    assert made.failures == []


@pytest.fixture
def clients(sandbox: KubernetesSandbox) -> Iterator[Callable[[], Kubernetes]]:
    made: list[Kubernetes] = []

    def connect() -> Kubernetes:
        wire = Transport(sandbox.url, None, Fixed.token(sandbox.token))
        made.append(Kubernetes(wire, "gitops-rollback"))
        return made[-1]

    yield connect
    for client in made:
        client.close()


Clients = Callable[[], Kubernetes]


def lease(clients: Clients, identity: str, hands: Hands, times: LeaseTimes | None = None) -> KubernetesLease:
    made = KubernetesLease(clients(), NAME, identity, times or LeaseTimes(), hands.clocks())
    made.look()
    return made


def spec(sandbox: KubernetesSandbox) -> dict[str, Any]:
    found = sandbox.store.get(LEASE, NAME, "gitops-rollback")["spec"]
    assert isinstance(found, dict)
    return found


def test_the_first_makes_it_and_the_second_waits(sandbox: KubernetesSandbox, clients: Clients) -> None:
    hands = Hands()
    a, b = lease(clients, "a", hands), lease(clients, "b", hands)
    assert (a.epoch(), b.epoch(), b.holder) == (0, None, "a")
    assert spec(sandbox) == {
        "holderIdentity": "a",
        "leaseDurationSeconds": 15,
        "acquireTime": "2026-11-26T00:00:00.000000Z",
        "renewTime": "2026-11-26T00:00:00.000000Z",
        "leaseTransitions": 0,
    }


def test_a_holder_renews_with_one_request(sandbox: KubernetesSandbox, clients: Clients) -> None:
    hands = Hands()
    a = lease(clients, "a", hands)
    before = len(sandbox.requests)
    for _ in range(10):
        hands.seconds += 2
        hands.wall += timedelta(seconds=2)
        a.look()
    assert (a.epoch(), a.trouble) == (0, "")
    assert [one.partition(" ")[0] for one in sandbox.requests[before:]] == ["PUT"] * 10
    assert spec(sandbox)["acquireTime"] == "2026-11-26T00:00:00.000000Z"
    assert spec(sandbox)["renewTime"] == "2026-11-26T00:00:20.000000Z"


def test_a_dead_holder_is_followed_after_its_whole_duration_under_a_higher_epoch(clients: Clients) -> None:
    hands = Hands()
    a, b = lease(clients, "a", hands), lease(clients, "b", hands)
    hands.seconds += 15
    b.look()
    assert b.epoch() is None
    hands.seconds += 0.1
    b.look()
    assert (b.epoch(), a.epoch()) == (1, None)


def test_a_holder_whose_clock_stands_still_or_runs_wild_is_not_dead(clients: Clients) -> None:
    """Each has a clock of its own; the holder's wall clock even goes backwards."""
    theirs, ours = Hands(), Hands(seconds=9.0, wall=datetime(2031, 1, 1, tzinfo=UTC))
    a, b = lease(clients, "a", theirs), lease(clients, "b", ours)
    for _ in range(30):
        theirs.wall -= timedelta(hours=1)
        a.look()
        ours.seconds += 14
        b.look()
        assert (a.epoch(), b.epoch()) == (0, None)


def test_a_lease_that_was_given_back_is_taken_at_once(sandbox: KubernetesSandbox, clients: Clients) -> None:
    hands = Hands()
    a, b = lease(clients, "a", hands), lease(clients, "b", hands)
    a.release()
    assert (a.epoch(), spec(sandbox)["holderIdentity"], spec(sandbox)["leaseDurationSeconds"]) == (None, "", 1)
    b.look()
    assert b.epoch() == 1


def test_only_the_holder_gives_it_back(sandbox: KubernetesSandbox, clients: Clients) -> None:
    hands = Hands()
    a, b = lease(clients, "a", hands), lease(clients, "b", hands)
    b.release()
    assert (a.confirm(0), spec(sandbox)["holderIdentity"]) == (True, "a")


def test_a_holder_that_slept_believes_nothing_when_it_wakes(clients: Clients) -> None:
    """F37: its deadline has passed, and the first thing that it hears is that another holds the lease."""
    sleeper, awake = Hands(), Hands()
    a, b = lease(clients, "a", sleeper), lease(clients, "b", awake)
    awake.seconds += 60
    b.look()
    sleeper.seconds += 60
    assert (a.epoch(), a.confirm(0), b.epoch()) == (None, False, 1)
    a.look()
    assert (a.epoch(), a.holder) == (None, "b")


def test_a_holder_that_does_not_know_yet_learns_it_before_it_acts(clients: Clients) -> None:
    """Its own clock says that all is well; only the question just before an effect shows that it is not."""
    stopped, running = Hands(), Hands()
    a, b = lease(clients, "a", stopped), lease(clients, "b", running)
    running.seconds += 16
    b.look()
    assert (a.epoch(), b.epoch()) == (0, 1)
    assert (a.confirm(0), b.confirm(1)) == (False, True)
    assert a.epoch() is None


def test_a_confirmation_is_for_one_epoch(clients: Clients) -> None:
    hands = Hands()
    a = lease(clients, "a", hands)
    assert (a.confirm(0), a.confirm(1)) == (True, False)


def test_without_an_api_a_holder_stops_at_its_deadline(sandbox: KubernetesSandbox, clients: Clients) -> None:
    """F39."""
    hands = Hands()
    a = lease(clients, "a", hands)
    sandbox.refuse(503, times=None)
    hands.seconds += 9.9
    a.look()
    assert (a.epoch(), "503" in a.trouble) == (0, True)
    assert not a.confirm(0)
    hands.seconds += 0.1
    assert a.epoch() is None
    sandbox.reset()
    a.look()
    assert (a.epoch(), a.trouble) == (0, "")


@pytest.mark.parametrize("done", [True, False])
def test_a_write_whose_answer_is_lost_is_looked_at_again(
    sandbox: KubernetesSandbox, clients: Clients, done: bool
) -> None:
    hands = Hands()
    a, b = lease(clients, "a", hands), lease(clients, "b", hands)
    hands.seconds += 16
    sandbox.cut(1, done=done, verbs=("update",))
    b.look()
    assert (b.epoch(), b.trouble != "") == (None, True)
    b.look()
    assert (b.epoch(), b.trouble, a.epoch()) == (1, "", None)


def test_a_conflict_is_read_again_at_once(sandbox: KubernetesSandbox, clients: Clients) -> None:
    """F22: somebody put a label on it; the lease is still ours, under the same epoch."""
    hands = Hands()
    a = lease(clients, "a", hands)
    found = sandbox.store.get(LEASE, NAME, "gitops-rollback")
    found["metadata"]["labels"] = {"team": "shop"}
    sandbox.store.replace(LEASE, found)
    assert (a.confirm(0), a.epoch()) == (True, 0)
    assert sandbox.store.get(LEASE, NAME, "gitops-rollback")["metadata"]["labels"] == {"team": "shop"}


def test_after_a_conflict_nothing_is_believed_until_it_was_read(sandbox: KubernetesSandbox, clients: Clients) -> None:
    stopped, running = Hands(), Hands()
    a, b = lease(clients, "a", stopped), lease(clients, "b", running)
    running.seconds += 16
    b.look()
    sandbox.refuse(503, times=None, verbs=("get",))
    a.look()
    assert (a.epoch(), "503" in a.trouble) == (None, True)


def test_a_deleted_lease_is_left_to_its_holder_who_comes_back_under_a_higher_epoch(
    sandbox: KubernetesSandbox, clients: Clients
) -> None:
    """F38: one that saw the holder alive does not take its place while it may still act."""
    hands = Hands()
    a, b = lease(clients, "a", hands), lease(clients, "b", hands)
    sandbox.store.delete(LEASE, NAME, "gitops-rollback")
    b.look()
    assert (b.epoch(), a.confirm(0)) == (None, False)
    a.look()
    assert (a.epoch(), b.epoch()) == (1, None)


def test_of_two_that_reach_for_it_at_once_one_gets_it(sandbox: KubernetesSandbox, clients: Clients) -> None:
    hands = Hands()
    lease(clients, "dead", hands)
    rivals = [lease(clients, f"r{number}", hands) for number in range(6)]
    hands.seconds += 16
    threads = [threading.Thread(target=one.look) for one in rivals]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert [one.epoch() for one in rivals if one.epoch() is not None] == [1]
    assert spec(sandbox)["leaseTransitions"] == 1


def test_no_rights_means_no_lease_and_says_so(sandbox: KubernetesSandbox, clients: Clients) -> None:
    sandbox.grant(sandbox.token, rules=())
    a = lease(clients, "a", Hands())
    assert (a.epoch(), "403" in a.trouble) == (None, True)


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"spec": None},
        {"spec": {"leaseDurationSeconds": -3, "leaseTransitions": "x", "holderIdentity": 7}},
        {"spec": {"leaseDurationSeconds": 1 << 60, "renewTime": "not a time"}},
    ],
)
def test_an_odd_lease_is_read_without_a_guess(odd: dict[str, Any]) -> None:
    record = read_record(odd)
    assert (record.holder, record.duration, record.transitions) == ("", None, 0)


def test_a_lease_of_a_real_api_is_read(shared: Any) -> None:
    text = (shared / "recordings" / "flux" / "kubernetes-api" / "api.jsonl").read_text()
    time_text = "2026-11-23T08:00:00.000000Z"
    assert '"note": "get lease"' in text
    found = {"spec": {"holderIdentity": "a", "leaseDurationSeconds": 15, "acquireTime": time_text}}
    found["spec"] |= {"renewTime": time_text, "leaseTransitions": 0}
    assert read_record(found) == LeaseRecord("a", 15.0, time_text, time_text, 0)


# With real time: the loop.


@dataclass
class Running:
    held: Lease
    stop: threading.Event
    thread: threading.Thread
    told: list[int | None]


@contextmanager
def running(client: Kubernetes, identity: str) -> Iterator[Running]:
    held = KubernetesLease(client, NAME, identity, QUICK)
    told: list[int | None] = []
    stop = threading.Event()
    thread = threading.Thread(target=held.run, args=(stop, told.append), daemon=True)
    thread.start()
    try:
        yield Running(held, stop, thread, told)
    finally:
        stop.set()
        thread.join(PATIENCE)
        assert not thread.is_alive()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    waiting = threading.Event()
    while not condition():
        assert time.monotonic() < deadline
        waiting.wait(0.02)


def test_the_loop_holds_the_lease_and_a_stopped_one_is_followed(clients: Clients) -> None:
    with running(clients(), "a") as first:
        until(lambda: first.told == [0])
        with running(clients(), "b") as second:
            first.stop.set()
            first.thread.join(PATIENCE)
            assert second.held.epoch() is None
            first.held.release()
            until(lambda: second.told == [1])


def test_the_loop_tells_when_the_deadline_has_passed_and_that_it_is_back(
    sandbox: KubernetesSandbox, clients: Clients
) -> None:
    with running(clients(), "a") as only:
        until(lambda: only.told == [0])
        sandbox.silence(verbs=("update", "get"))
        until(lambda: only.told == [0, None])
        assert only.held.epoch() is None
        sandbox.reset()
        until(lambda: only.told == [0, None, 0])
