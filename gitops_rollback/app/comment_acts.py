"""Does what a person wrote as a command. Each act can be repeated: the same comment does no more the second time.

Source: contracts/forges.md, section 8; safety.md, Stop.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime

from gitops_rollback.app.directory import Listing
from gitops_rollback.app.executor import Executor
from gitops_rollback.app.pausing import with_change
from gitops_rollback.app.subject import Watched
from gitops_rollback.app.view import View
from gitops_rollback.app.writing_requests import LABELS, path_of
from gitops_rollback.core.action import Finish
from gitops_rollback.core.comment_commands import Command, Verb, help_lines
from gitops_rollback.core.errors import Reason, RepositoryUnavailable, StalledError
from gitops_rollback.core.journal import format_time
from gitops_rollback.core.policy import Policy
from gitops_rollback.core.pull_request import Comment, PullRequest
from gitops_rollback.core.request import (
    RequestTarget,
    RollbackRequest,
    To,
    ToCommit,
    Without,
    encode_request,
    request_body,
    request_branch,
    request_title,
)
from gitops_rollback.core.rollback import Phase, RollbackOutcome, RollbackRecord, offered
from gitops_rollback.core.stop import CONTROL_BRANCH, CONTROL_PATH, Pause, add_pause, encode_pauses, lift_pause
from gitops_rollback.ports import ConfigRepo, Heads, PushOutcome
from gitops_rollback.ports.forge import Forge


@dataclass(frozen=True)
class Said:
    """A command in its place: who said it where, and what it is about. `record` None: about no plan of ours yet."""

    command: Command
    comment: Comment
    pull: PullRequest
    record: RollbackRecord | None
    watched: Watched | None
    open_why: str = ""  # why the plan cannot be approved as it is
    brought: str = ""  # the commit under watch that the pull request became; "" for a plan of ours


@dataclass(frozen=True)
class Looked:
    """What one tick read."""

    view: View
    listing: Listing
    now: datetime
    executor: Executor

    def watched(self, record: RollbackRecord | None) -> Watched | None:
        """The application that a record is about, as a policy names it now."""
        names = record.applications if record else ()
        return next((one for one in self.listing.watched if one.name in names), None)


@dataclass(frozen=True)
class CommentActs:
    """For one repository at its forge. `again` lets everything be looked at anew."""

    repo: ConfigRepo
    forge: Forge
    again: Callable[[], None]

    def carry_out(self, said: Said, looked: Looked) -> str:
        """What was done, for people. Raises: StalledError where it cannot be done; TransientError to try later."""
        match said.command.verb:
            case Verb.HELP:
                return "Commands, each a line of a comment of its own:\n" + "\n".join(help_lines())
            case Verb.PLAN if said.brought:
                return self._ask(said, Without((said.brought,)), looked)
            case Verb.PLAN | Verb.RETRY:
                self.again()
                return "It is looked at anew."
            case Verb.STOP | Verb.PAUSE:
                return self._pause(said, looked)
            case Verb.TO:
                return self._ask(said, ToCommit(said.command.sha), looked)
            case Verb.REJECT:
                return self._reject(said, looked)
        return self._approve(said, looked)

    def _pause(self, said: Said, looked: Looked) -> str:
        """Until when counts from the comment, so that the same comment never pauses longer."""
        lasts, why = said.command.lasts, said.command.why or f"comment on #{said.pull.number}"
        until = said.comment.created_at + lasts if lasts is not None else None
        return put_pause(self.repo, looked, Pause(self._application(said), until, said.comment.author, why))

    def _application(self, said: Said) -> str:
        if said.record is not None:
            return said.record.applications[0]
        if said.watched is None:
            raise StalledError(f"#{said.pull.number}", "it is about no application yet", Reason.REQUEST_INVALID)
        return said.watched.name

    def _ask(self, said: Said, to: To, looked: Looked) -> str:
        """A request of its own, written for whoever said it."""
        if said.watched is None:
            raise StalledError(f"#{said.pull.number}", "it is about no application that is watched", Reason.NO_POLICY)
        name = f"comment-{said.pull.number}-{''.join(char for char in said.comment.id if char.isalnum())[:40].lower()}"
        why = f"asked by a comment on pull request {said.pull.number}"
        target = RequestTarget(said.watched.target.name, said.watched.policy.name)
        request = RollbackRequest(path_of(name), name, target, to, why)
        date = said.comment.created_at.replace(microsecond=0)
        return f"Asked for in {ask_at(self.forge, self.repo, request, said.comment.author, date, looked).url}"

    def _reject(self, said: Said, looked: Looked) -> str:
        record = self._waiting(said)
        why = f": {said.command.why}" if said.command.why else ""
        message = f"{said.comment.author} rejected it on pull request {said.pull.number}{why}"
        # What a person asked for, a person takes back; it is no word on what the controller may do by itself.
        outcome = RollbackOutcome.SUPERSEDED if record.request else RollbackOutcome.REFUSED
        policy = said.watched.policy if said.watched else Policy(record.policy, "", record.restores, (), ())
        looked.executor.finish(Finish(record, outcome, Reason.REJECTED, message), policy)
        looked.executor.confirm()
        self.forge.close(said.pull.number)
        return "Rejected, and closed."

    def _approve(self, said: Said, looked: Looked) -> str:
        record = self._waiting(said)
        offer = record.offer
        if said.open_why:
            raise StalledError(f"#{said.pull.number}", said.open_why, Reason.REQUEST_INVALID)
        if offer is None or offer.newest is None or offer.newest.commit != said.command.sha:
            raise StalledError(f"#{said.pull.number}", "its head is no plan of ours", Reason.FOREIGN_PUSH)
        if offer.approved != said.command.sha:
            by = record.requested_by if record.request else said.comment.author
            approved = replace(record, requested_by=by)
            if not looked.executor.keep(offered(approved, replace(offer, approved=said.command.sha))):
                raise RepositoryUnavailable(self.repo.name, "the journal could not be written")
        return "Approved; it is merged once the rules of the branch let it."

    def _waiting(self, said: Said) -> RollbackRecord:
        record = said.record
        if record is None or record.phase is not Phase.AWAITING_APPROVAL:
            state = record.phase.value if record else "not planned yet"
            raise StalledError(f"#{said.pull.number}", f"it does not wait for a word: it is {state}", Reason.REJECTED)
        return record


def ask_at(
    forge: Forge, repo: ConfigRepo, request: RollbackRequest, by: str, date: datetime, looked: Looked
) -> PullRequest:
    """The pull request of a request file, written and opened for whoever asks. Raises: RepositoryUnavailable."""
    branch, title = request_branch(request), request_title(request)
    if repo.head_of(branch) is None:
        words = f"{title}\n\n{request.reason}\n\nRequested-by: {by}\n"
        commit = repo.write_files(looked.view.heads.branch, {request.path: encode_request(request)}, words, date)
        result = looked.executor.push_branch(branch, commit, None)
        if result.outcome is not PushOutcome.LANDED:
            raise RepositoryUnavailable(repo.name, f"{branch} could not be pushed: {result.message}")
    looked.executor.confirm()
    # One that a person has closed in the meantime counts as well: that was a no.
    return forge.find(branch, repo.branch) or forge.open(branch, repo.branch, title, request_body(request, by), LABELS)


def put_pause(repo: ConfigRepo, looked: Looked, pause: Pause) -> str:
    """Add it to what the control branch says; in words for people. Raises: StalledError; RepositoryUnavailable."""
    heads = looked.executor.read or looked.view.heads  # the journal may have been written since the look, and fetched
    pauses = with_change(repo, heads, lambda known: add_pause(known, pause, looked.now))
    end = f"until {format_time(pause.until.replace(microsecond=0))}" if pause.until else "without an end"
    name = pause.application or "everything"
    if pauses is not None:
        _push_pauses(repo, looked, heads, pauses, f"Pause {name}\n")
    return f"{name} is paused {end}; `gitops-rollback resume` ends it."


def end_pauses(repo: ConfigRepo, looked: Looked, names: Collection[str], by: str) -> bool:
    """Take the pauses of one application, by any of its `names`, off the control branch; () takes all, and what cannot
    be read. False if there was none. Raises: StalledError; RepositoryUnavailable.
    """

    def without(known: tuple[Pause, ...]) -> tuple[Pause, ...]:
        for name in names:
            known = lift_pause(known, name, looked.now)
        return known if names else ()

    heads = looked.executor.read or looked.view.heads
    pauses = with_change(repo, heads, without, replace_unreadable=not names)
    if pauses is None:
        return False
    _push_pauses(repo, looked, heads, pauses, f"Resume {next(iter(names), 'everything')}\n\nRequested-by: {by}\n")
    return True


def _push_pauses(repo: ConfigRepo, looked: Looked, heads: Heads, pauses: tuple[Pause, ...], words: str) -> None:
    commit = repo.write_files(heads.control, {CONTROL_PATH: encode_pauses(pauses)}, words, looked.now)
    result = looked.executor.push_branch(CONTROL_BRANCH, commit, heads.control)
    if result.outcome is PushOutcome.PROTECTED:
        raise StalledError(CONTROL_BRANCH, f"refuses our push: {result.message}", Reason.BRANCH_PROTECTED)
    if result.outcome is not PushOutcome.LANDED:
        raise RepositoryUnavailable(repo.name, f"{CONTROL_BRANCH} could not be pushed: {result.message}")
