"""Does the list-and-watch loop know what is there, through everything that a watch can suffer? Over real HTTP."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from canned_http import canned
from kubernetes_server import (
    KUSTOMIZATIONS,
    UNSERVED,
    Reply,
    Script,
    api,
    bookmark,
    entry,
    event,
    listing,
    reply,
    status,
    streaming,
)
from structlog.testing import capture_logs

from gitops_rollback.adapters.kubernetes.cache import Change
from gitops_rollback.adapters.kubernetes.client import Kubernetes
from gitops_rollback.adapters.kubernetes.watching import Reflector, View, WatchTimes

PATIENCE = 20.0
QUICK = WatchTimes(first_wait=0.02, longest_wait=0.1)
BROKEN: Reply = canned("500 Oh", b"", "Content-Type: text/plain")


class Following:
    """A reflector in its thread, and what it told."""

    def __init__(self, client: Kubernetes, times: WatchTimes, limit: int) -> None:
        self._news = threading.Condition()
        self.told: list[Change] = []
        self.reflector = Reflector(client, KUSTOMIZATIONS, self._tell, "flux-system", times, limit)
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.reflector.run, args=(self.stop,), daemon=True)
        self.thread.start()

    def _tell(self, change: Change) -> None:
        with self._news:
            self.told.append(change)
            self._news.notify_all()

    @property
    def view(self) -> View:
        return self.reflector.view()

    @property
    def held(self) -> list[str]:
        """Each object as name@version."""
        objects = self.view.objects.items()
        return sorted(f"{key.name}@{found['metadata']['resourceVersion']}" for key, found in objects)

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for `condition`; fail after `PATIENCE`."""
        deadline = time.monotonic() + PATIENCE
        with self._news:
            while not condition():
                assert time.monotonic() < deadline, (self.view, self.told)
                self._news.wait(0.02)


@contextmanager
def following(script: Reply, times: WatchTimes = QUICK, limit: int = 100) -> Iterator[Following]:
    with api(script) as (client, _):
        follower = Following(client, times, limit)
        try:
            yield follower
        finally:
            follower.stop.set()
            follower.thread.join(PATIENCE)
            assert not follower.thread.is_alive()


def open_watch(*pieces: bytes) -> Reply:
    """A watch that says no more, and does not end."""
    return streaming(*pieces, lambda connection: connection.recv(1))


def test_what_is_listed_and_what_changes_is_known_and_told() -> None:
    watch = open_watch(event("ADDED", entry("b", 10)), event("DELETED", entry("a", 11)))
    with following(Script([reply(listing(9, entry("a", 1)))], [watch])) as follower:
        follower.until(lambda: len(follower.told) == 3)
        assert follower.held == ["b@10"]
        assert follower.view.synced
        assert follower.view.trouble == ""
        assert [(one.key.name, one.now is None) for one in follower.told] == [("a", False), ("b", False), ("a", True)]
        assert follower.reflector.wait_for_first_list(timedelta(0))
        assert follower.reflector.get("flux-system", "b") == entry("b", 10)


def test_a_watch_that_ends_goes_on_from_the_last_version_without_a_list() -> None:
    watches = [streaming(event("ADDED", entry("b", 10))), streaming(bookmark(17)), open_watch()]
    with api(Script([reply(listing(9))], watches)) as (client, server):
        follower = Following(client, QUICK, 100)
        follower.until(lambda: follower.view.counts.watches == 3)
        follower.stop.set()
        follower.thread.join(PATIENCE)
    asked = [one.line.partition("resourceVersion=")[2].partition("&")[0] for one in server.requests[1:]]
    assert asked == ["9", "10", "17"]
    assert (follower.view.counts.lists, follower.view.counts.drops) == (1, 0)


@pytest.mark.parametrize(
    "gone",
    [
        pytest.param(streaming(event("ERROR", status(410, "Expired", "too old"))), id="410-event"),
        pytest.param(reply(status(410, "Gone"), 410), id="410-status"),
        pytest.param(streaming(b"<html>\n"), id="unreadable"),
        pytest.param(streaming(event("MODIFIED", entry("a", 3))), id="E10 version going back"),
    ],
)
def test_what_was_missed_is_found_by_listing_again(gone: Reply) -> None:
    lists = [reply(listing(9, entry("a", 1), entry("b", 2))), reply(listing(30, entry("b", 25)))]
    with following(Script(lists, [gone, open_watch()])) as follower:
        follower.until(lambda: len(follower.told) == 4)
        assert follower.held == ["b@25"]
        assert [(one.key.name, one.now is None) for one in follower.told[2:]] == [("a", True), ("b", False)]
        assert follower.view.counts.drops == 1


def test_a_list_of_a_server_that_lags_is_not_believed() -> None:
    """F21: nothing is taken for deleted, and the trouble is said until a newer list comes."""
    lists = [reply(listing(9, entry("a", 1))), *[reply(listing(7))] * 3, reply(listing(12, entry("a", 1)))]
    watches = [reply(status(410, "Expired"), 410), open_watch()]
    with following(Script(lists, watches)) as follower:
        follower.until(lambda: follower.view.counts.lists == 2)
        assert follower.view.counts.stale == 3
        assert [one.key.name for one in follower.told] == ["a"]


def test_a_cluster_that_went_back_for_good_is_never_believed() -> None:
    lists = [reply(listing(9, entry("a", 1))), reply(listing(7))]
    with following(Script(lists, [reply(status(410, "Expired"), 410)])) as follower:
        follower.until(lambda: follower.view.counts.stale > 3)
        assert (follower.held, "was seen already" in follower.view.trouble) == (["a@1"], True)


def test_trouble_leaves_the_cache_and_is_over_when_something_is_heard() -> None:
    watches = [BROKEN, BROKEN, open_watch(event("ADDED", entry("b", 10)))]
    with following(Script([reply(listing(9, entry("a", 1)))], watches)) as follower:
        follower.until(lambda: "500" in follower.view.trouble)
        assert follower.held == ["a@1"]
        follower.until(lambda: len(follower.told) == 2)
        assert (follower.view.trouble, follower.view.counts.lists, follower.view.counts.drops) == ("", 1, 2)


def test_nothing_is_known_before_the_first_list() -> None:
    with following(Script([BROKEN])) as follower:
        follower.until(lambda: follower.view.counts.drops > 2)
        assert not follower.view.synced
        assert not follower.reflector.wait_for_first_list(timedelta(0))


def test_a_kind_that_is_not_installed_is_said_once_asked_for_seldom_and_found_when_it_comes() -> None:
    """Flux without helm-controller: the API answers 404 in plain text until somebody installs the kind."""
    lists = [*[UNSERVED] * 3, reply(listing(9, entry("a", 1)))]
    times = replace(QUICK, unserved=0.05)
    with capture_logs() as logs, following(Script(lists, [open_watch()]), times) as follower:
        follower.until(lambda: follower.view.synced)
        assert (follower.held, follower.view.counts.drops, follower.view.trouble) == (["a@1"], 3, "")
    assert [(one["event"], one["message"]) for one in logs] == [
        ("not served", "answers 404, not served; asked again every 0.05 s")
    ]


def test_a_kind_that_is_not_installed_is_not_asked_for_as_often_as_what_is_in_trouble() -> None:
    with following(Script([UNSERVED, reply(listing(9))], [open_watch()])) as follower:
        follower.until(lambda: follower.view.counts.drops == 1)
        follower.stop.set()
        follower.thread.join(5)
        assert not follower.view.synced


def test_a_server_that_asks_to_be_left_alone_is() -> None:
    started = time.monotonic()
    with following(Script([reply({}, 429, "Retry-After: 1"), reply(listing(9))], [open_watch()])) as follower:
        follower.until(lambda: follower.view.synced)
    assert time.monotonic() - started >= 1


def test_to_stop_waits_for_no_pause() -> None:
    with following(Script([reply({}, 429, "Retry-After: 60")])) as follower:
        follower.until(lambda: follower.view.counts.drops == 1)
        follower.stop.set()
        follower.thread.join(5)
        assert not follower.thread.is_alive()


def test_a_connection_that_died_in_silence_is_given_up() -> None:
    """F19: no end, no error, no byte. It goes on from where it was, without a list."""
    times = replace(QUICK, shortest=1, longest=1, slack=0.2)
    watches = [open_watch(), open_watch(event("ADDED", entry("b", 10)))]
    with following(Script([reply(listing(9))], watches), times) as follower:
        follower.until(lambda: len(follower.told) == 1)
        assert (follower.view.counts.lists, follower.view.counts.drops) == (1, 1)


BY_BOOKMARKS = [[open_watch(), open_watch()], [open_watch(bookmark(10)), open_watch(bookmark(11))]]


@pytest.mark.parametrize("watches", BY_BOOKMARKS)
def test_a_silence_longer_than_from_bookmark_to_bookmark_is_given_up(watches: list[Reply]) -> None:
    times = replace(QUICK, quiet=0.3)
    with following(Script([reply(listing(9))], watches), times) as follower:
        follower.until(lambda: follower.view.counts.drops > 1)
        assert follower.view.counts.lists == 1


def test_a_list_comes_now_and_then_whatever_the_watch_says() -> None:
    lists = [reply(listing(9, entry("a", 1))), reply(listing(9))]
    times = replace(QUICK, list_every=0.0)
    with following(Script(lists, [streaming(bookmark(9))]), times) as follower:
        follower.until(lambda: len(follower.told) == 2)
        assert follower.held == []


def test_watches_that_end_at_once_are_no_storm() -> None:
    with following(Script([reply(listing(9))], [streaming()])) as follower:
        follower.until(lambda: follower.view.counts.drops > 4)
        assert follower.view.counts.watches <= follower.view.counts.drops + 1
        assert "at once" in follower.view.trouble or follower.view.trouble == ""


def test_more_objects_than_the_limit_are_said_and_not_held() -> None:
    found = listing(9, *(entry(f"a{number}") for number in range(3)))
    with following(Script([reply(found)]), limit=2) as follower:
        follower.until(lambda: "more than 2" in follower.view.trouble)
        assert not follower.view.synced


def test_a_watch_is_stopped_at_once() -> None:
    with following(Script([reply(listing(9))], [open_watch()])) as follower:
        follower.until(lambda: follower.view.counts.watches == 1)
        follower.stop.set()
        follower.thread.join(5)
        assert not follower.thread.is_alive()
    assert follower.view.counts.drops == 0


def test_a_storm_of_events_is_followed_to_its_end() -> None:
    """F20: 20,000 changes of 50 objects."""
    storm = b"".join(event("MODIFIED", entry(f"a{number % 50}", number)) for number in range(10, 20_010))
    with following(Script([reply(listing(9))], [open_watch(storm)])) as follower:
        follower.until(lambda: follower.view.counts.changes == 20_000)
        assert (len(follower.held), "a9@20009" in follower.held) == (50, True)
