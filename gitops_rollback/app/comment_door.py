"""Reads what people write on the pull requests of ours, has it carried out where they may, and answers each.

What was carried out stands in the journal with its comment, so that no restart does it again. A forge that does not
answer delays nothing else.
Source: contracts/forges.md, section 8; reliability.md, A15 and A16.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gitops_rollback.app.bounded import keep
from gitops_rollback.app.comment_acts import CommentActs, Looked, Said
from gitops_rollback.core.authority import Asked, Authority, Door, Person, may
from gitops_rollback.core.comment_commands import Command, NotUnderstood, Verb, command_of
from gitops_rollback.core.errors import Reason, StalledError
from gitops_rollback.core.markdown import code
from gitops_rollback.core.message import for_people
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

    def attend(self, number: int, record: RollbackRecord | None, why: str, looked: Looked) -> None:
        """One look at the comments of one pull request. `why`: why its plan cannot be approved as it is."""
        comments = self.forge.comments(number, self._read.get(number))
        handled = {
            str(one.details.get("comment")) for one in looked.view.journal.decisions if one.application == _of(number)
        }
        answers = self._answers.get(number, ())
        for comment in comments:
            key = number, comment.id
            if key in self._known or comment.id in handled or looked.now - comment.created_at > YOUNG:
                keep(self._known, key, True)
                continue
            command = command_of(comment)
            if command is not None:
                answered = self._answered(number, comment, command, record, why, looked)
                answers = (*answers, answered)[-MOST_ANSWERS:]
                self.forge.react(number, comment, answered.done)
            keep(self._known, key, True)
        if comments:
            keep(self._read, number, max(one.created_at for one in comments))
        if answers != self._answers.get(number, ()):
            keep(self._answers, number, answers)
            looked.executor.confirm()
            self.forge.comment(number, MARKER, "\n\n".join(_line(one) for one in answers))

    def _answered(
        self,
        number: int,
        comment: Comment,
        command: Command | NotUnderstood,
        record: RollbackRecord | None,
        why: str,
        looked: Looked,
    ) -> Answered:
        said = comment.body.split("/rollback", 1)[-1].split("\n", 1)[0]
        said = f"/rollback {for_people(said, 100)}".strip()
        if isinstance(command, NotUnderstood):
            return Answered(comment.id, comment.author, said, command.message, False)
        pull = self.forge.get(number)
        person = Person(comment.author, self.permission(comment.author), comment.by_bot)
        authority = Authority(ours=self.login())
        allowed = may(Door.COMMENT, person, LEVELS[command.verb], authority, pull, command.sha)
        if not allowed.allowed:
            return Answered(comment.id, comment.author, said, allowed.why, False)
        try:
            words = self.acts.carry_out(Said(command, comment, pull, record, looked.watched(record), why), looked)
        except StalledError as error:
            return Answered(comment.id, comment.author, said, f"Not done: {error.message}.", False)
        if LEVELS[command.verb] is not Asked.SEE:
            details = {"comment": comment.id, "by": comment.author, "said": said, "head": pull.head_sha}
            message = f"{comment.author}: {said}: {words}"
            entry = DecisionEntry(looked.now, _of(number), "told", Reason.REQUESTED.value, comment.id, message, details)
            looked.executor.enter(entry)
        return Answered(comment.id, comment.author, said, words, True)


def _of(number: int) -> str:
    return f"{SUBJECT}/{number}"


def _line(one: Answered) -> str:
    return f"{'✔' if one.done else '✖'} {for_people(one.by)}: `{code(one.said)}`\n{one.answer}"
