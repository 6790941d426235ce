"""Would a message arrive? Each place is asked where its service can be, or told one message that says it is a test."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from gitops_rollback.adapters.notifiers.sender import Channel, Outcome, Receipt
from gitops_rollback.app.settings import Settings
from gitops_rollback.app.wiring_notifiers import channel_of
from gitops_rollback.core.errors import RollbackError
from gitops_rollback.core.journal import format_time
from gitops_rollback.core.policy import Notification, Policy
from gitops_rollback.core.receivers import place_name
from gitops_rollback.ports import Message

NAME = "gitops-rollback/notify-test"


@dataclass(frozen=True)
class Wanted:
    """One place that somebody wants told. `by` names who: the settings, or a policy's file."""

    name: str
    route: Notification
    by: str
    own: bool = False


@dataclass(frozen=True)
class Tried:
    """What came of it. `asked` False: the service has no question for it, and nothing was sent."""

    place: str
    by: str
    well: bool
    said: str
    asked: bool = True


def places_of(settings: Settings, policies: Iterable[Policy]) -> tuple[Wanted, ...]:
    """The settings' places, then those of the policies, each once, whatever its events."""
    own = [Wanted(place.label, place.route, "settings", own=True) for place in settings.notifications]
    named: dict[Notification, Wanted] = {}
    for policy in policies:
        for route in policy.notifications:
            if route.to != "log":
                place = replace(route, events=("*",))
                named.setdefault(place, Wanted(place_name(route), place, policy.path))
    return (*own, *named.values())


def told(settings: Settings, places: Iterable[Wanted], now: datetime) -> Iterator[Tried]:
    """One message to each place; what it opens there is ended again."""
    for place in places:
        messages = _messages(now) if place.route.to == "pagerduty" else _messages(now)[:1]
        yield _tried(settings, place, partial(_sent, messages))


def checked(settings: Settings, places: Iterable[Wanted]) -> Iterator[Tried]:
    """Whether each place would take a message, as far as its service says so; sends none."""
    for place in places:
        yield _tried(settings, place, lambda channel: channel.check())


def _tried(settings: Settings, place: Wanted, ask: Callable[[Channel], Receipt | None]) -> Tried:
    try:
        channel = channel_of(settings, place.route, place.own)
    except RollbackError as error:
        return Tried(place.name, place.by, False, error.message)
    try:
        receipt = ask(channel)
    except RollbackError as error:
        return Tried(place.name, place.by, False, error.message)
    finally:
        channel.close()
    if receipt is None:
        return Tried(place.name, place.by, True, "its service can only be told, not asked", asked=False)
    return Tried(place.name, place.by, receipt.outcome is Outcome.DELIVERED, receipt.said)


def _sent(messages: tuple[Message, ...], channel: Channel) -> Receipt:
    receipt = Receipt(Outcome.REFUSED, "nothing to send")
    for message in messages:
        receipt = channel.send(message)
        if receipt.outcome is not Outcome.DELIVERED:
            break
    return receipt


def _messages(now: datetime) -> tuple[Message, ...]:
    """A page that is a test, and its end. It looks like a rollback, so that every kind of place has something to do."""
    test = Message(
        event="blind",
        application=NAME,
        title="A test of gitops-rollback: nothing happened",
        text="Somebody ran `gitops-rollback notify-test`, to see whether messages arrive here. Nothing need be done.",
        key=f"{NAME}/{format_time(now)}",
        reason="Quiet",
        rollback_id="rb-notify-test",
        page=True,
        details={"times": {"deployed": format_time(now - timedelta(minutes=1)), "verified": format_time(now)}},
        topic=NAME,
    )
    return test, replace(test, event="stopped", page=False, over=True, key=f"{test.key}/over")
