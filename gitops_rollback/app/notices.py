"""What must be known of a whole repository, beyond its applications: pauses, damage, everybody red at once.

Each subject is a line of the journal by itself, under the controller's name. It is written and told when it changes,
which the newest line of the subject tells, over restarts too.
Source: safety.md, Stop; One commit, many applications; reliability.md on a damaged journal.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gitops_rollback.core.errors import Reason
from gitops_rollback.core.journal import CONTROLLER, DecisionEntry
from gitops_rollback.core.message import for_people
from gitops_rollback.core.policy import Notification
from gitops_rollback.core.stop import Pause, PauseState, described, open_ended, strangers

PAUSES = f"{CONTROLLER}/pauses"
OPEN_ENDED = f"{CONTROLLER}/open-ended-pauses"
STRANGERS = f"{CONTROLLER}/pause-names"
DAMAGE = f"{CONTROLLER}/journal-damage"
MASS_EVENT = f"{CONTROLLER}/mass-event"
BYPASS = f"{CONTROLLER}/bypassed-rules"
CLAIMS = f"{CONTROLLER}/claimed-twice"
UNREACHABLE = f"{CONTROLLER}/unreachable-targets"
ENGINE = f"{CONTROLLER}/engine-"
HELD_IMAGE = f"{CONTROLLER}/held-image-"
GONE_IMAGES = f"{CONTROLLER}/gone-images-"
GONE_REFERENCES = f"{CONTROLLER}/gone-references-"
AFTERMATH = f"{CONTROLLER}/aftermath-"
SILENT_FOR = timedelta(minutes=5)  # as long as a trigger may be without data, by default
MAX_NAMED = 10
MAX_LEFT = 50  # nothing else names these to anybody


@dataclass(frozen=True)
class Notice:
    """One subject as it is now. `state` changes when there is something new to say; "" says that it is over."""

    subject: str
    action: str
    reason: Reason
    state: str
    title: str
    message: str
    page: bool = False
    routes: tuple[Notification, ...] = ()  # of a policy, where it is about one application


@dataclass(frozen=True)
class Silence:
    """One engine that could not be listed, and since when that is so."""

    engine: str
    since: datetime
    reason: Reason
    message: str


def about_pauses(doors: Sequence[PauseState], names: Collection[str], now: datetime) -> Iterator[Notice]:
    """Who paused what until when, that it ended, and once a day what has no end. `names` () is not known."""
    active = [_holding(door, now) for door in doors]
    lines = [line for door in active for line in described(door)]
    broken = any(door.unreadable for door in active)
    reason = Reason.PAUSE_UNREADABLE if broken else Reason.PAUSED
    if lines:
        yield Notice(PAUSES, "paused", reason, digest(lines), "Paused", "; ".join(lines[:MAX_NAMED]), page=broken)
    else:
        yield Notice(PAUSES, "resumed", Reason.QUIET, "", "No pause holds any more", "no pause holds any more")
    endless = [described(PauseState(door, (pause,)))[0] for door, pause in open_ended(active)]
    if endless:
        title = "A pause has no end"
        yield Notice(OPEN_ENDED, "paused", reason, f"{now:%F} {digest(endless)}", title, "; ".join(endless[:MAX_NAMED]))
    odd = strangers(active, names) if names else ()
    if odd:
        message = f"paused, but no watched application has this name: {', '.join(odd[:MAX_NAMED])}"
        yield Notice(STRANGERS, "paused", Reason.PAUSED, digest(odd), "A pause names nobody", message, page=True)


def about_damage(damaged: Sequence[str]) -> Iterator[Notice]:
    """Entries of the journal that cannot be read: what they say is not known, and a person should look."""
    if damaged:
        message = f"{len(damaged)} entries cannot be read: {'; '.join(damaged[:3])}"
        yield Notice(DAMAGE, "page", Reason.JOURNAL_LOST, digest(damaged), "The journal is damaged", message, page=True)
    else:
        yield Notice(DAMAGE, "resumed", Reason.QUIET, "", "The journal is whole", "every entry can be read")


def about_mass_event(too_many: str, left: Sequence[str] = ()) -> Iterator[Notice]:
    """Once for everybody: many red applications without a common suspect are not many bad commits.

    `left` are those that nobody was told of by name, and that were not seen well since; its end names them.
    """
    if too_many:
        message = f"{too_many}: nothing is done by itself"
        yield Notice(
            MASS_EVENT, "page", Reason.MASS_EVENT, "now", "Many applications are red at once", message, page=True
        )
    else:
        message = f"no mass event any more{_left(left)}"
        yield Notice(MASS_EVENT, "resumed", Reason.QUIET, "", "The mass event is over", message, page=bool(left))


def _left(names: Sequence[str]) -> str:
    more = f", and {len(names) - MAX_LEFT} more" if len(names) > MAX_LEFT else ""
    return f"; red when last seen, so look at each: {', '.join(names[:MAX_LEFT])}{more}" if names else ""


def about_unreachable(targets: Sequence[tuple[str, Reason, str]]) -> Iterator[Notice]:
    """Targets of policies (name, reason, sentence) that no commit of any repository reaches: nobody watches them."""
    lines = [f"{name}: {reason.value}: {message}" for name, reason, message in targets]
    if lines:
        title = "A target is not watched: no commit reaches it"
        text = "; ".join(lines[:MAX_NAMED])
        yield Notice(UNREACHABLE, "page", targets[0][1], digest(sorted(lines)), title, text, page=True)
    else:
        title = "Every target can be reached by a commit"
        yield Notice(UNREACHABLE, "resumed", Reason.QUIET, "", title, "every target can be reached by a commit")


def about_claims(claims: Mapping[str, Collection[str]], watched: Collection[str]) -> Iterator[Notice]:
    """Watched applications whose directory another one applies to the same place; nothing is undone there by itself."""
    lines = [f"{name} and {', '.join(others)}" for name, others in sorted(claims.items()) if name in watched]
    if lines:
        title = "Two applications apply the same directory to the same place"
        text = f"none of them is rolled back by itself until one alone does: {'; '.join(lines[:MAX_NAMED])}"
        yield Notice(CLAIMS, "page", Reason.CLAIMED_TWICE, digest(lines), title, text, page=True)
    else:
        title = "Each directory is applied by one application"
        yield Notice(CLAIMS, "resumed", Reason.QUIET, "", title, "no two applications share a directory any more")


def about_engines(silent: Sequence[Silence], answering: Collection[str], now: datetime) -> Iterator[Notice]:
    """An engine that has said nothing useful for so long that a person should know; and that it is over."""
    for one in silent:
        if now - one.since >= SILENT_FOR:
            message = f"nothing is known of its applications since {one.since:%H:%M:%S} UTC: {one.message}"
            title = f"Engine {one.engine} cannot be asked"
            yield Notice(f"{ENGINE}{one.engine}", "page", one.reason, one.reason.value, title, message, page=True)
    for engine in sorted(answering):
        title = f"Engine {engine} answers again"
        yield Notice(f"{ENGINE}{engine}", "resumed", Reason.QUIET, "", title, "its applications are seen again")


def entry_about_bypass(commit: str, identity: str, rules: Sequence[str], now: datetime) -> DecisionEntry:
    """The journal's line about a push that the server took past its own rules; `identity` of the rollback, if any."""
    message = f"{commit[:12]} was pushed past the branch's rules: {'; '.join(for_people(rule) for rule in rules)}"
    details: dict[str, object] = {"rollback": identity, "commit": commit, "rules": [for_people(rule) for rule in rules]}
    return DecisionEntry(now, BYPASS, "bypassed", Reason.BRANCH_PROTECTED.value, commit, message, details)


def _holding(door: PauseState, now: datetime) -> PauseState:
    held: tuple[Pause, ...] = tuple(pause for pause in door.pauses if pause.holds(now))
    return PauseState(door.door, held, door.unreadable)


def digest(lines: Sequence[str]) -> str:
    """A state that changes when the lines do."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]
