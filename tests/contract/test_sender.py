"""Can telling never hold anything up, and does what could not be told come out somewhere? Over channels that fail."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
import structlog
from notifying import a_message

from gitops_rollback.adapters.log import configure_logging
from gitops_rollback.adapters.notifiers.folding import ALONE, MOST_HELD, WINDOW_SECONDS, Storm, folded
from gitops_rollback.adapters.notifiers.sender import (
    LONGEST_ASKED_SECONDS,
    QUEUE_LENGTH,
    TRIES,
    Outcome,
    Receipt,
    Sender,
)
from gitops_rollback.core.errors import Reason, RollbackError, StalledError, TransientError
from gitops_rollback.ports import Message

OK, LATER, NO = (
    Receipt(Outcome.DELIVERED),
    Receipt(Outcome.LATER, "answered 503"),
    Receipt(Outcome.REFUSED, "answered 404"),
)


class NoAnswer(TransientError):
    reason = Reason.REMOTE_UNAVAILABLE


@dataclass
class Scripted:
    """Answers in turn, then yes; an answer that is an error is raised. Keeps what came."""

    answers: list[Receipt | Exception] = field(default_factory=list)
    got: list[Message] = field(default_factory=list)
    hang: threading.Event | None = None
    begun: threading.Event = field(default_factory=threading.Event)
    folds: bool = True

    def send(self, message: Message) -> Receipt:
        self.got.append(message)
        self.begun.set()
        if self.hang is not None:
            assert self.hang.wait(30)
        answer = self.answers.pop(0) if self.answers else OK
        if isinstance(answer, Exception):
            raise answer
        return answer

    def check(self) -> Receipt | None:
        return None

    def close(self) -> None:
        """Holds nothing."""

    @property
    def keys(self) -> list[str]:
        return [message.key for message in self.got]


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    configure_logging(json=True, file=stream)
    yield stream
    structlog.reset_defaults()


def sender(channel: Scripted, given_up: Callable[[Message, str], None] | None = None, **options: object) -> Sender:
    values: dict[str, object] = {"wait": lambda _seconds: None, **options}
    return Sender(channel, "slack #ops", given_up=given_up, **values)


def test_the_same_thing_is_told_once(log: io.StringIO) -> None:
    channel = Scripted()
    one = sender(channel)
    for key in ("a", "b", "a", "a", "", ""):
        one.tell(a_message(key))
    one.close()
    assert channel.keys == ["a", "b", "", ""]


@pytest.mark.parametrize("trouble", [LATER, NoAnswer("hook", "no answer"), KeyError("surprise")])
def test_a_receiver_that_is_ill_for_a_while_still_hears_it(log: io.StringIO, trouble: Receipt | Exception) -> None:
    channel = Scripted([trouble, trouble])
    one = sender(channel)
    one.tell(a_message())
    one.close()
    assert (channel.keys, one.dropped) == (["k"] * 3, 0)


@pytest.mark.parametrize(
    ("trouble", "tries", "why"),
    [
        (NO, 1, "answered 404"),
        (LATER, TRIES, "answered 503"),
        (StalledError("https://x.example", "not on the list of allowed origins"), 1, "not on the list"),
    ],
)
def test_giving_up_is_counted_logged_and_handed_on_and_the_next_message_goes_out(
    log: io.StringIO, trouble: Receipt | RollbackError, tries: int, why: str
) -> None:
    channel, given_up = Scripted([trouble] * tries), list[tuple[str, str]]()
    one = sender(channel, lambda message, reason: given_up.append((message.key, reason)))
    one.tell(a_message("a"))
    one.tell(a_message("b"))
    one.close()
    assert channel.keys == ["a"] * tries + ["b"]
    assert one.dropped == 1
    assert why in log.getvalue()
    assert [key for key, reason in given_up if why in reason] == ["a"]


def test_waits_between_tries_grow_and_end_and_a_wish_for_patience_is_kept(log: io.StringIO) -> None:
    waits: list[float] = []
    one = sender(Scripted([LATER] * TRIES), wait=waits.append)
    one.tell(a_message())
    one.close()
    assert len(waits) == TRIES - 1
    assert all(0.5 * 2**n <= wait <= 2**n for n, wait in enumerate(waits))
    asked = [Receipt(Outcome.LATER, "answered 429", 30.0), Receipt(Outcome.LATER, "answered 429", 1e9)]
    waits.clear()
    two = sender(Scripted(list(asked)), wait=waits.append)
    two.tell(a_message())
    two.close()
    assert waits == [30.0, LONGEST_ASKED_SECONDS]


def test_a_receiver_that_hangs_holds_nobody_up_and_the_queue_is_bounded(log: io.StringIO) -> None:
    channel = Scripted(hang=threading.Event())
    one = sender(channel)
    one.tell(a_message("first"))
    assert channel.begun.wait(30)
    for number in range(QUEUE_LENGTH + 5):
        one.tell(a_message(str(number)))
    assert one.dropped == 5
    channel.hang.set()
    one.close(30)
    one.tell(a_message("after the end"))
    assert one.dropped == 5


def test_a_message_that_was_dropped_may_be_told_again(log: io.StringIO) -> None:
    channel, gone = Scripted([NO]), threading.Event()
    one = sender(channel, lambda _message, _why: gone.set())
    one.tell(a_message())
    assert gone.wait(30)
    one.tell(a_message())
    one.close()
    assert channel.keys == ["k", "k"]


def test_only_the_events_that_were_asked_for_are_sent(log: io.StringIO) -> None:
    channel = Scripted()
    one = sender(channel, events=("held", "failed"))
    for event in ("started", "held", "verified", "failed"):
        one.tell(a_message(event, event=event))
    one.close()
    assert channel.keys == ["held", "failed"]


def test_many_applications_at_once_are_one_message_with_the_list(log: io.StringIO) -> None:
    channel = Scripted()
    one = sender(channel)
    for number in range(40):
        one.tell(a_message(f"k{number}", application=f"app-{number}", event="blind", page=number == 39))
    one.close()
    assert channel.keys[:ALONE] == [f"k{number}" for number in range(ALONE)]
    (list_of_them,) = channel.got[ALONE:]
    assert list_of_them.event == "folded"
    assert list_of_them.page
    assert f"{40 - ALONE} more applications" in list_of_them.title
    assert len(list_of_them.folds) == 40 - ALONE
    assert all(f"k{number}" in list_of_them.folds for number in range(ALONE, 40))


def test_what_begins_or_ends_a_rollback_is_always_told_by_itself(log: io.StringIO) -> None:
    channel = Scripted()
    one = sender(channel)
    for number in range(40):
        event = ("started", "verified", "unverified")[number % 3]
        one.tell(a_message(f"k{number}", application=f"app-{number}", event=event))
    one.close()
    assert channel.keys == [f"k{number}" for number in range(40)]


def test_a_machine_gets_each_message(log: io.StringIO) -> None:
    channel = Scripted(folds=False)
    one = sender(channel)
    for number in range(40):
        one.tell(a_message(f"k{number}", application=f"app-{number}", event="blind"))
    one.close()
    assert len(channel.keys) == 40


def test_a_storm_is_told_when_its_window_ends_and_not_before(log: io.StringIO) -> None:
    now = [100.0]
    storm = Storm(lambda: now[0])
    first = [storm.holds(a_message(event="held", application=f"app-{number}")) for number in range(ALONE + 1)]
    assert first == [False] * ALONE + [True]
    assert storm.left_seconds == WINDOW_SECONDS
    now[0] += WINDOW_SECONDS
    assert storm.left_seconds == 0.0
    assert len(storm.release()[0]) == 1
    assert storm.left_seconds is None
    assert not storm.holds(a_message(event="held", application="app-9"))


def test_what_one_application_says_again_and_again_is_no_storm(log: io.StringIO) -> None:
    storm = Storm(lambda: 0.0)
    assert not any(storm.holds(a_message(str(number), event="held")) for number in range(100))


def test_a_storm_without_end_takes_bounded_memory_and_says_what_it_left_out() -> None:
    storm = Storm(lambda: 0.0)
    for number in range(ALONE + MOST_HELD + 7):
        storm.holds(a_message(str(number), event="held", application=f"app-{number}"))
    held, beyond = storm.release()
    assert (len(held), beyond) == (MOST_HELD, 7)
    assert "and 7 more messages that are not listed" in folded(held, beyond).text


def test_a_list_that_could_not_be_told_lets_each_of_its_messages_be_told_again(log: io.StringIO) -> None:
    channel, gone = Scripted([OK] * ALONE + [NO]), list[str]()
    one = sender(channel, lambda message, _why: gone.extend(message.folds))
    for number in range(ALONE + 2):
        one.tell(a_message(f"k{number}", event="held", application=f"app-{number}"))
    one.close()
    assert gone == [f"k{ALONE}", f"k{ALONE + 1}"]
