"""Who is not told for a while, that this is so, and what was not told once it is over.

Source: safety.md, After the rollback.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from gitops_rollback.app.notices import MAX_LEFT, Notice, digest
from gitops_rollback.app.subject import Watched
from gitops_rollback.app.view import TELLING, View
from gitops_rollback.core.drill import SIGN, is_drill, running
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.journal import CONTROLLER
from gitops_rollback.core.policy import Notification
from gitops_rollback.core.rollback import DRILL, RollbackOutcome
from gitops_rollback.core.silence import DOOR, NOBODY, active, silenced, words
from gitops_rollback.core.stop import PauseState, names_of
from gitops_rollback.ports import Clock, DecisionEntry, Message, Notifier

SILENCE = f"{CONTROLLER}/silence-"
MAX_TOLD = 5000
UNREADABLE = f"{CONTROLLER}/silences"
TOLD = TELLING | {outcome.value for outcome in RollbackOutcome}


class Teller:
    """Tells each key once, and what is silenced to the log alone. `silences` are those of the newest look."""

    def __init__(self, notifier: Notifier, clock: Clock) -> None:
        self._notifier = notifier
        self._clock = clock
        self._told: OrderedDict[str, None] = OrderedDict()
        self.silences = NOBODY
        self._drilled: frozenset[str] = frozenset()

    def see(self, view: View) -> None:
        """Who is silenced now, and what is drilled: applications, and rollbacks that are or were of a drill."""
        self.silences = view.silences
        drilled = [record.id for record in view.journal.records.values() if is_drill(record)]
        self._drilled = frozenset((*drilled, *(one.application for one in running(view.journal.decisions))))

    def tell(self, message: Message) -> None:
        """Once for each key, as far as they are remembered."""
        if message.key in self._told:
            return
        self._told[message.key] = None
        while len(self._told) > MAX_TOLD:
            self._told.popitem(last=False)
        self._notifier.tell(quietly(self._marked(message), self.silences, self._clock.now()))

    def _marked(self, message: Message) -> Message:
        """With the sign of a drill, where it is about one: nobody shall take it for earnest."""
        of_drill = message.rollback_id in self._drilled or (message.details or {}).get(DRILL)
        if not (of_drill or message.application in self._drilled) or message.title.startswith(SIGN):
            return message
        return replace(message, title=f"{SIGN}: {message.title}")

    def forget(self, key: str) -> None:
        """It is over, so it may be told anew."""
        self._told.pop(key, None)


def quietly(message: Message, silences: PauseState, now: datetime) -> Message:
    """The message, for the log alone where all applications that it is about are silenced."""
    named = (message.details or {}).get("applications")
    applications = [str(name) for name in named] if isinstance(named, list) else []
    why = silenced([message.application, *applications], silences, now)
    return replace(message, silenced=why) if why else message


def about_silences(view: View, watched: Sequence[Watched], now: datetime) -> Iterator[Notice]:
    """Each silence when it begins, and when it ends what was not told meanwhile; for those whom it was kept from."""
    if view.silences.unreadable:
        text = f"{DOOR} cannot be read, so nobody is silenced: {view.silences.unreadable}"
        yield Notice(UNREADABLE, "silenced", Reason.SILENCED, digest([text]), "A silence cannot be read", text)
    if view.heads.control is None:
        return
    holding = {silence.application or "": silence for silence in active(view.silences, now)}
    for name, silence in holding.items():
        text = f"{name} is {words(silence)}; what is decided stays the same"
        title, routes = f"Messages of {name} are silenced", _routes(name, watched)
        yield Notice(f"{SILENCE}{name}", "silenced", Reason.SILENCED, digest([text]), title, text, routes=routes)
    for name, begun in _begun(view.journal.decisions).items():
        if name not in holding:
            untold = "; ".join(_untold(name, begun, view.journal.decisions)) or "there was nothing to tell"
            text = f"not told since {begun:%F %T}Z: {untold}"
            title, routes = f"Messages of {name} are told again", _routes(name, watched)
            yield Notice(f"{SILENCE}{name}", "resumed", Reason.QUIET, "", title, text, routes=routes)


def _routes(name: str, watched: Sequence[Watched]) -> tuple[Notification, ...]:
    return next((one.policy.notifications for one in watched if name in names_of(one.name)), ())


def _begun(entries: Sequence[DecisionEntry]) -> dict[str, datetime]:
    """Since when each silence holds of which no end is written yet."""
    begun: dict[str, datetime] = {}
    for entry in sorted(entries, key=lambda entry: entry.at):
        name = entry.application.removeprefix(SILENCE)
        if name == entry.application:
            continue
        if entry.action == "silenced":
            begun.setdefault(name, entry.at)
        else:
            begun.pop(name, None)
    return begun


def _untold(name: str, since: datetime, entries: Sequence[DecisionEntry]) -> Iterator[str]:
    found = [one for one in entries if one.at >= since and one.action in TOLD and name in names_of(one.application)]
    for entry in found[:MAX_LEFT]:
        yield f"{entry.at:%H:%M} {entry.action} {entry.reason}: {entry.message}"
    if len(found) > MAX_LEFT:
        yield f"and {len(found) - MAX_LEFT} more"
