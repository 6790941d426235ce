"""Who is told of a message: the places that its policy names, then those of the settings; and who hears of a failure.

A page that a place cannot be told goes on to the next place, whatever events that one asked for, and says where it
should have been. So it goes until somebody was told, or nobody is left, which the log says.
Source: reliability.md 17b: a page that fails escalates.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog

from gitops_rollback.adapters.notifiers.fanout import Fanout
from gitops_rollback.adapters.notifiers.sender import Channel, Sender
from gitops_rollback.adapters.notifiers.templates import Template, rendered
from gitops_rollback.core.errors import RollbackError
from gitops_rollback.core.policy import Notification
from gitops_rollback.core.receivers import place_name
from gitops_rollback.ports import Message

MOST_PLACES = 64  # of policies, that are kept open
MOST_REFUSED = 256

Make = Callable[[Notification], Channel]


@dataclass(frozen=True)
class Opened:
    """A place of the settings, ready to be told. `name` is what people know it by."""

    name: str
    events: tuple[str, ...]
    channel: Channel


@dataclass(frozen=True)
class _Link:
    """One place of a message's chain. No `sender`: it may not be used, and `why` ("" where it wants other events)."""

    identity: str
    name: str
    sender: Sender | None
    why: str = ""


class Routes:
    """Tells each message to its places: those of its policy first, then `places`, which are the settings'.

    `make` opens a place of a policy; it raises RollbackError where that may not be used.
    """

    def __init__(self, places: Sequence[Opened], make: Make, templates: Mapping[str, Template] | None = None) -> None:
        self._make = make
        self._templates = templates or {}
        self._lock = threading.Lock()
        self._of_policies: OrderedDict[Notification, Sender] = OrderedDict()
        self._refused: OrderedDict[Notification, str] = OrderedDict()
        self._log = structlog.get_logger("notify")
        self._own = tuple(self._sender(place, place.name) for place in places)

    def tell(self, message: Message) -> None:
        if message.silenced:
            return
        for link in self._chain(message):
            if link.sender is not None:
                link.sender.tell(rendered(message, self._templates))
            elif link.why and message.page:
                self._escalate(message, link.identity, link.name, link.why)

    def close(self, timeout_seconds: float) -> None:
        """As `Fanout.close`."""
        with self._lock:
            senders = [*self._of_policies.values(), *self._own]
        for sender in senders:
            sender.finish()
        Fanout(senders).close(timeout_seconds)

    def _chain(self, message: Message) -> list[_Link]:
        """Each place of the message in order, whatever events it wants."""
        found = []
        for route in message.routes:
            if route.to != "log":
                sender = self._of_policy(route)
                wanted = bool({"*", message.event} & set(route.events))
                why = self._refused.get(route, "") if sender is None and wanted else ""
                found.append(_Link(_identity(route), place_name(route), sender, why))
        return found + [_Link(sender.name, sender.name, sender) for sender in self._own]

    def _of_policy(self, route: Notification) -> Sender | None:
        with self._lock:
            if route in self._refused:
                return None
            if route not in self._of_policies:
                try:
                    opened = Opened(place_name(route), route.events, self._make(route))
                except RollbackError as error:
                    self._refuse(route, error.message)
                    return None
                self._of_policies[route] = self._sender(opened, _identity(route))
                while len(self._of_policies) > MOST_PLACES:
                    self._of_policies.popitem(last=False)[1].retire()
            self._of_policies.move_to_end(route)
            return self._of_policies[route]

    def _refuse(self, route: Notification, why: str) -> None:
        self._refused[route] = why
        while len(self._refused) > MOST_REFUSED:
            self._refused.popitem(last=False)
        self._log.warning("Nothing can be told there", place=place_name(route), why=why)

    def _sender(self, place: Opened, identity: str) -> Sender:
        def given_up(message: Message, why: str) -> None:
            self._escalate(message, identity, place.name, why)

        return Sender(place.channel, place.name, place.events, given_up)

    def _escalate(self, message: Message, failed: str, name: str, why: str) -> None:
        """Tell the next place that has not failed, beginning behind the one that did."""
        if not message.page:
            return
        undelivered = (*message.undelivered, failed)
        chain = self._chain(message)
        at = next((number for number, link in enumerate(chain) if link.identity == failed), -1)
        for link in (*chain[at + 1 :], *chain[: max(at, 0)]):
            if link.sender is not None and link.identity not in undelivered:
                link.sender.take(_escalated(message, undelivered, name, why))
                return
        self._log.error(
            "A page reached nobody but this log",
            reason="NotDelivered",
            application=message.application,
            rollback_id=message.rollback_id,
            places=[link.name for link in chain],
            title=message.title,
        )


def _identity(route: Notification) -> str:
    """Two places of one name are still two."""
    return f"{place_name(route)} {hashlib.sha256(repr(route).encode()).hexdigest()[:12]}"


def _escalated(message: Message, undelivered: tuple[str, ...], name: str, why: str) -> Message:
    return replace(
        message,
        title=message.title if message.undelivered else f"Not told to {name}: {message.title}",
        text=f"{name} could not be told this page: {why}\n{message.text}",
        key=f"{message.key}/not-told/{undelivered[-1]}",
        undelivered=undelivered,
    )
