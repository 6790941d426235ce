"""Reads what people write on the pull requests of ours, has it carried out where they may, and answers each.

What was carried out stands in the journal with its comment, so that no restart does it again. A forge that does not
answer delays nothing else.
Source: contracts/forges.md, section 8; reliability.md, A15 and A16.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gitops_rollback.app.bounded import keep
from gitops_rollback.app.comment_acts import CommentActs, Looked, Said
from gitops_rollback.app.subject import Watched
from gitops_rollback.core.authority import Asked, Authority, Door, Person, may
from gitops_rollback.core.comment_commands import Command, NotUnderstood, Verb, command_of, pressed_command
from gitops_rollback.core.errors import Reason, StalledError
from gitops_rollback.core.left_press import MARK, press_left
from gitops_rollback.core.markdown import code, explaining
from gitops_rollback.core.message import for_people
from gitops_rollback.core.press import CheckPress
from gitops_rollback.core.pull_request import Comment, Permission
from gitops_rollback.core.rollback import RollbackRecord
from gitops_rollback.ports import DecisionEntry
from gitops_rollback.ports.forge import Forge

MARKER = "gitops-rollback:answers"
SUBJECT = "pull-requests"  # stands for the application in the journal's entries, with the number
YOUNG = timedelta(hours=24)  # what is older is nobody's word on what happens now
MOST_ANSWERS = 10
LEVELS: Mapping[Verb, Asked] = {
    Verb.HELP: Asked.SEE,
    Verb.PLAN: Asked.SEE,
    Verb.RETRY: Asked.ACT,
    Verb.TO: Asked.ACT,
    Verb.REJECT: Asked.RESTRICT,
    Verb.STOP: Asked.RESTRICT,
    Verb.PAUSE: Asked.RESTRICT,
    Verb.APPROVE: Asked.LAND,
}


@dataclass(frozen=True)
class Answered:
    """One word of ours on a comment."""

    comment: str
    by: str
    said: str
    answer: str
    done: bool


@dataclass(frozen=True)
class About:
    """One pull request whose comments count. `why`: why its plan cannot be approved as it is.

    `brought`: the commit that it became, where it is no plan of ours but what is under watch.
    """

    number: int
    record: RollbackRecord | None = None
    watched: Watched | None = None
    why: str = ""
    brought: str = ""


@dataclass
class CommentDoor:
    """At one forge. `login` is ours, `permission` what a person may do there; memory only spares calls."""

    forge: Forge
    acts: CommentActs
    login: Callable[[], str]
    permission: Callable[[str], Permission]
    _read: dict[int, datetime] = field(default_factory=dict)
    _known: dict[tuple[int, str], bool] = field(default_factory=dict)
    _answers: dict[int, tuple[Answered, ...]] = field(default_factory=dict)
    _posted: dict[int, tuple[Answered, ...]] = field(default_factory=dict)

    def attend(self, about: About, looked: Looked, pressed: Sequence[CheckPress] = ()) -> None:
        """One look at the comments of one pull request. `pressed`: the buttons of its check, as good as comments; so is
        what a replica that stands by has left among them.
        """
        number = about.number
        comments = self.forge.comments(number, self._read.get(number))
        handled = {
            str(one.details.get("comment")) for one in looked.view.journal.decisions if one.application == _of(number)
        }
        for comment in comments:
            key = number, comment.id
            if key not in self._known and comment.id not in handled and looked.now - comment.created_at <= YOUNG:
                command = command_of(comment)
                if command is not None:
                    done = self._answer(about, comment, command, looked)
                    self.forge.react(number, comment, done)
            keep(self._known, key, True)
        login = self.login() if any(MARK in one.body for one in comments) else ""
        found = (press_left(comment, number, login) for comment in comments)
        for press in (*pressed, *(one for one in found if one is not None)):
            key, command = (number, press.id), pressed_command(press)
            if key not in self._known and press.id not in handled and command and looked.now - press.at <= YOUNG:
                self._answer(about, _as_comment(press, command), command, looked)
            keep(self._known, key, True)
        if comments:
            keep(self._read, number, max(one.created_at for one in comments))
        answers = self._answers.get(number, ())
        if answers != self._posted.get(number, ()):
            looked.executor.confirm()
            self.forge.comment(number, MARKER, "\n\n".join(_line(one) for one in answers))
            keep(self._posted, number, answers)

    def _answer(self, about: About, comment: Comment, command: Command | NotUnderstood, looked: Looked) -> bool:
        answered = self._answered(about, comment, command, looked)
        known = self._answers.get(about.number, ())
        keep(self._answers, about.number, (*known, answered)[-MOST_ANSWERS:])
        return answered.done

    def _answered(self, about: About, comment: Comment, command: Command | NotUnderstood, looked: Looked) -> Answered:
        said = comment.body.split("/rollback", 1)[-1].split("\n", 1)[0]
        said = f"/rollback {for_people(said, 100)}".strip()
        if isinstance(command, NotUnderstood):
            return Answered(comment.id, comment.author, said, command.message, False)
        number, pull = about.number, self.forge.get(about.number)
        person = Person(comment.author, self.permission(comment.author), comment.by_bot)
        # A pull request that is over holds no plan of ours; what is asked for there becomes a request of its own.
        asked, plan = LEVELS[command.verb], None if about.brought else pull
        asked = Asked.ACT if about.brought and command.verb is Verb.PLAN else asked
        allowed = may(Door.COMMENT, person, asked, Authority(ours=self.login()), plan, command.sha)
        if not allowed.allowed:
            return Answered(comment.id, comment.author, said, allowed.why, False)
        try:
            said_there = Said(command, comment, pull, about.record, about.watched, about.why, about.brought)
            words = self.acts.carry_out(said_there, looked)
        except StalledError as error:
            why = f"Not done: {error.message} ({explaining(error.reason.value)})."
            return Answered(comment.id, comment.author, said, why, False)
        if asked is not Asked.SEE:
            details = {"comment": comment.id, "by": comment.author, "said": said, "head": pull.head_sha}
            message = f"{comment.author}: {said}: {words}"
            entry = DecisionEntry(looked.now, _of(number), "told", Reason.REQUESTED.value, comment.id, message, details)
            looked.executor.enter(entry)
        return Answered(comment.id, comment.author, said, words, True)


def _as_comment(press: CheckPress, command: Command) -> Comment:
    words = f"/rollback {command.verb} {command.sha}".strip()
    return Comment(press.id, press.login, words, press.at, by_bot=press.by_bot)


def _of(number: int) -> str:
    return f"{SUBJECT}/{number}"


def _line(one: Answered) -> str:
    return f"{'✔' if one.done else '✖'} {for_people(one.by)}: `{code(one.said)}`\n{one.answer}"
