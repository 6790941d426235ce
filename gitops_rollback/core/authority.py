"""May this person have this done, by this door? One function for every door, so that none is forgotten.

The command line is no door here: it writes with the caller's own credentials, and git says who may.
Source: reliability.md, A15 and A16; contracts/forges.md, section 8.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from gitops_rollback.core.message import for_people
from gitops_rollback.core.pull_request import Permission, PullRequest, PullRequestState


class Door(StrEnum):
    COMMENT = "comment"
    CHAT = "chat"
    PAGE = "page"  # of the dashboard, by whoever is logged in
    REQUEST = "request"  # a file that a pull request adds


class Asked(StrEnum):
    """How much is asked for."""

    SHOW = "show"  # what may come of a request from a fork, for whoever may merge it
    SEE = "see"  # changes nothing but our own words
    RESTRICT = "restrict"  # stop, pause, say no
    ACT = "act"  # writes something that a person still approves
    LAND = "land"  # changes what is deployed


@dataclass(frozen=True)
class Person:
    """Who asks. `permission` is the forge's word; UNKNOWN where it does not tell, and at a door that is no forge's."""

    login: str
    permission: Permission = Permission.UNKNOWN
    bot: bool = False


@dataclass(frozen=True)
class Authority:
    """What the settings say. `logins` may do what a writer may, where no forge tells; of a forge or of a chat."""

    ours: str = ""  # our own login
    logins: Collection[str] = ()


@dataclass(frozen=True)
class Answer:
    """`why` is empty where it is allowed; else a sentence for people, safe to show."""

    allowed: bool
    why: str = ""


def may(
    door: Door,
    person: Person,
    asked: Asked,
    authority: Authority,
    plan: PullRequest | None = None,
    seen: str = "",
) -> Answer:
    """Whether `person` may have this done.

    `plan`: the pull request that it is about, as it is now; `seen`: its head as the person saw it, without which
    nothing lands.
    """
    ours_for_somebody = door is Door.REQUEST and _is_ours(person, authority)  # who was asked at a door of their own
    whys = ("",) if ours_for_somebody else (_nobody(person, authority), _stranger(door, person, asked, authority))
    for why in (*whys, _elsewhere(asked, plan), _unseen(door, asked, plan, seen)):
        if why:
            return Answer(False, why)
    return Answer(True)


def _nobody(person: Person, authority: Authority) -> str:
    if person.bot or _is_ours(person, authority):
        return "A machine asks for nothing."
    return "" if person.login.isascii() and person.login.strip() else "Nobody knows who asks."


def _stranger(door: Door, person: Person, asked: Asked, authority: Authority) -> str:
    if person.permission.may_write or (asked is Asked.SHOW and door is Door.REQUEST):
        return ""
    name, what = for_people(person.login), "see plans" if asked is Asked.SEE else "do this"
    if person.permission is not Permission.UNKNOWN:
        return f"{name} may not write to the repository, and whoever may not may not {what}."
    if any(_same(person.login, login) for login in authority.logins):
        return ""
    if door in (Door.CHAT, Door.PAGE):
        return f"The {door.value} does not tell what {name} may do, and no setting does."
    return f"The forge does not tell what {name} may do; the settings may name the login in `forge.approvers`."


def _elsewhere(asked: Asked, plan: PullRequest | None) -> str:
    if plan is None or asked not in (Asked.SHOW, Asked.ACT, Asked.LAND):
        return ""
    if plan.state is not PullRequestState.OPEN:
        return f"The pull request is {plan.state.value}: nothing of it is carried out any more."
    if plan.from_fork and asked is not Asked.SHOW:
        return "The pull request comes from a fork, whose branch is not ours to write to; use `execute: after-merge`."
    return ""


def _unseen(door: Door, asked: Asked, plan: PullRequest | None, seen: str) -> str:
    if asked is not Asked.LAND:
        return ""
    if plan is None and door in (Door.CHAT, Door.PAGE):
        return ""  # what its message or its page showed is compared with what is there
    if plan is None:
        return "There is no plan here that could be approved; `/rollback plan` opens one."
    if plan.draft:
        return "The pull request is a draft: mark it as ready first."
    if seen != plan.head_sha:
        what = f"and not {seen[:12]} any more: look at it again" if seen else "and nobody said that this was seen"
        return f"The head is {plan.head_sha} now, {what}."
    return ""


def _is_ours(person: Person, authority: Authority) -> bool:
    return bool(authority.ours) and _same(person.login, authority.ours)


def _same(one: str, other: str) -> bool:
    """Forges do not tell logins apart by case."""
    return one.lower() == other.lower()
