"""Carries out what people press on the dashboard, where they may have it done, and answers each press.

Source: product.md, section 8; reliability.md, A15 and A16.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from gitops_rollback.app.chat_door import YOUNG, Presses
from gitops_rollback.app.comment_acts import Looked, ask_at, end_pauses, put_pause
from gitops_rollback.app.diffing import diff_of
from gitops_rollback.app.people_acts import Words, approve, digest_of, land, reject, require_landable, stop, waiting
from gitops_rollback.app.receipts import Receipts, ShownPlan
from gitops_rollback.app.requesting import Prepared, Requests, Wish
from gitops_rollback.app.writing_requests import path_of
from gitops_rollback.core.authority import Asked, Authority, Door, Person, may
from gitops_rollback.core.duration import format_duration
from gitops_rollback.core.errors import LeaseLost, Reason, RollbackError, StalledError
from gitops_rollback.core.policy import PUSH_MODE
from gitops_rollback.core.press import PageButton, PagePress
from gitops_rollback.core.pull_request import Permission
from gitops_rollback.core.request import LastHealthy, RequestTarget, RollbackRequest, To, Without, request_name
from gitops_rollback.core.rollback import RollbackRecord
from gitops_rollback.core.stop import CONTROL_BRANCH, SETTINGS_DOOR, Pause, PauseState, lift_pause, stopped
from gitops_rollback.ports import ConfigRepo, DecisionEntry
from gitops_rollback.ports.forge import Forge

SUBJECT = "dashboard"  # stands for the application in the journal's entries
LONGEST_HOLD = timedelta(hours=1)
LEVELS: Mapping[PageButton, Asked] = {
    PageButton.APPROVE: Asked.LAND,
    PageButton.ROLL_BACK: Asked.LAND,
    PageButton.PLAN: Asked.SEE,
    PageButton.REJECT: Asked.RESTRICT,
    PageButton.STOP: Asked.RESTRICT,
    PageButton.PAUSE: Asked.RESTRICT,
    PageButton.HOLD: Asked.RESTRICT,
    PageButton.RESUME: Asked.LAND,  # what was held back may be done by itself from then on
}
INSTEAD: Mapping[PageButton, str] = {
    PageButton.APPROVE: "approve {id}",
    PageButton.ROLL_BACK: "rollback {name}",
    PageButton.PLAN: "plan {name}",
    PageButton.REJECT: "reject {id}",
    PageButton.STOP: "abort {id}",
    PageButton.PAUSE: "pause {name}",
    PageButton.HOLD: "hold {name}",
    PageButton.RESUME: "resume {name}",
}


@dataclass
class PageDoor:
    """For one repository. `logins`: who the settings name; what each may do is the forge's word where there is one.

    `again`: look soon once more, so that the pages show what was done. `settings_pause`: the door that no press opens.
    """

    repo: ConfigRepo
    receipts: Receipts
    logins: tuple[str, ...]
    forge: Forge | None = None
    again: Callable[[], None] = lambda: None
    settings_pause: Callable[[], PauseState] = lambda: PauseState(SETTINGS_DOOR)
    presses: Presses[PagePress] = field(default_factory=Presses)

    def attend(self, looked: Looked, requests: Requests) -> None:
        """All that was pressed about this repository."""
        for press in self.presses.take():
            if looked.now - press.at > YOUNG:
                self.receipts.answer(press, "Not done: it was pressed too long ago. Press again.", False)
            else:
                self._answer(press, looked, requests)

    def turn_away(self, _records: Mapping[str, RollbackRecord], _now: datetime, why: str) -> None:
        """Answer what was pressed where this replica may write nothing; the verb does the same from anywhere."""
        for press in self.presses.take():
            name = press.application or "--all"
            instead = "explain {id}" if press.button is PageButton.PLAN and press.rollback_id else INSTEAD[press.button]
            verb = f"gitops-rollback {instead.format(id=press.rollback_id, name=name)}"
            self.receipts.answer(press, f"Not done here, this replica {why}. Run `{verb}`.", False)

    def _answer(self, press: PagePress, looked: Looked, requests: Requests) -> None:
        why = self._may_not(press)
        if why:
            self.receipts.answer(press, why, False)
            return
        try:
            words, plan = self._carry_out(press, looked, requests)
        except RollbackError as error:
            self.receipts.answer(press, f"Not done: {error.message}.", False)
            if isinstance(error, LeaseLost):
                raise
            return
        if LEVELS[press.button] is not Asked.SEE:
            self._enter(press, words, looked)
            self.again()
        self.receipts.answer(press, words, True, plan)

    def _may_not(self, press: PagePress) -> str:
        known = self.forge.permission(press.login) if self.forge is not None else Permission.UNKNOWN
        person, authority = Person(press.login, known), Authority(logins=self.logins)
        return may(Door.PAGE, person, LEVELS[press.button], authority).why

    def _enter(self, press: PagePress, words: str, looked: Looked) -> None:
        about = press.rollback_id or press.application or "everything"
        message = f"{press.login} pressed {press.button.value} for {about}: {words}"
        details = {"by": press.login, "button": press.button.value, "head": press.head, "why": press.reason}
        revision = press.rollback_id or press.id
        looked.executor.enter(
            DecisionEntry(looked.now, SUBJECT, "told", Reason.REQUESTED.value, revision, message, details)
        )

    def _carry_out(self, press: PagePress, looked: Looked, requests: Requests) -> tuple[str, ShownPlan | None]:
        match press.button:
            case PageButton.PAUSE | PageButton.HOLD:
                return put_pause(self.repo, looked, _pause(press)), None
            case PageButton.RESUME:
                return self._resume(press, looked), None
            case PageButton.PLAN:
                return self._show(press, looked, requests)
            case PageButton.ROLL_BACK:
                return self._roll_back(press, looked, requests), None
        record, words = _record(press, looked), _words(press)
        if press.button is PageButton.APPROVE:
            return approve(self.repo, record, words, looked, requests), None
        return (reject if press.button is PageButton.REJECT else stop)(record, words, looked), None

    def _resume(self, press: PagePress, looked: Looked) -> str:
        """End what stands on the control branch; the two other doors are said, where they stop it as well."""
        names = _names(press.application, looked)
        ended = end_pauses(self.repo, looked, names, press.login)
        control, head = looked.view.pauses
        for name in names:
            control = replace(control, pauses=lift_pause(control.pauses, name, looked.now))
        rest = control if names else PauseState(control.door)
        stop = stopped(press.application, looked.now, self.settings_pause(), rest, head, names)
        what = press.application or "everything"
        words = f"{what} goes on" if ended else f"No pause of {what} stands on the branch {CONTROL_BRANCH}"
        return f"{words}. Still stopped: {stop.message}." if stop else f"{words}."

    def _planned(self, press: PagePress, looked: Looked, requests: Requests) -> Prepared:
        wish = (
            waiting(_record(press, looked), _words(press))
            if press.rollback_id
            else Wish(press.application, press.login, press.reason, _to(press))
        )
        return requests.planned(wish, looked.view, looked.listing, looked.now)

    def _show(self, press: PagePress, looked: Looked, requests: Requests) -> tuple[str, ShownPlan]:
        prepared = self._planned(press, looked, requests)
        plan = require_landable(prepared, press.rollback_id or press.application)
        by_request = self._by_request(prepared)
        where = "by a pull request of its own" if by_request else f"by a push to {self.repo.branch}"
        shown = ShownPlan(digest_of(plan), looked.view.heads.branch, diff_of(plan, self.repo), plan.guards, where)
        what = f"take back {press.without[:12]}" if press.without else f"go back to {plan.restores[:12]}"
        return f"It would {what}. Nothing is written yet.", shown

    def _roll_back(self, press: PagePress, looked: Looked, requests: Requests) -> str:
        prepared = self._planned(press, looked, requests)
        plan = require_landable(prepared, press.application)
        if digest_of(plan) != press.seen:
            raise StalledError(press.application, "it would be another change by now: look at it again")
        if self._by_request(prepared):
            return self._ask(press, prepared, looked)
        land(prepared, press.application, requests)
        return f"Pushed as {plan.rollback_id}."

    def _by_request(self, prepared: Prepared) -> bool:
        """Where the policy wants a pull request, a rollback is asked for by one."""
        return self.forge is not None and prepared.look.policy.delivery.mode != PUSH_MODE

    def _ask(self, press: PagePress, prepared: Prepared, looked: Looked) -> str:
        if self.forge is None:
            raise StalledError(press.application, "the settings name no forge", Reason.REQUEST_INVALID)
        watched, at = prepared.look.watched, press.at.replace(microsecond=0)
        name = request_name(watched.target.name, at)
        target = RequestTarget(watched.target.name, watched.policy.name)
        request = RollbackRequest(path_of(name), name, target, _to(press), press.reason)
        return f"Asked for in {ask_at(self.forge, self.repo, request, press.login, at, looked).url}"


def _to(press: PagePress) -> To:
    return Without((press.without,)) if press.without else LastHealthy()


def _names(application: str, looked: Looked) -> tuple[str, ...]:
    """By which names a pause may know the application; () for all of them."""
    targets = {one.target.name for one in looked.listing.watched if one.name == application}
    return (application, *sorted(targets)) if application else ()


def _record(press: PagePress, looked: Looked) -> RollbackRecord:
    record = looked.executor.newest(looked.view).get(press.rollback_id)
    if record is None:
        raise StalledError(press.rollback_id, "the journal holds no such rollback", Reason.REQUEST_INVALID)
    return record


def _words(press: PagePress) -> Words:
    return Words(press.login, press.reason or "approved on the dashboard", press.head, press.seen)


def _pause(press: PagePress) -> Pause:
    """Until when counts from the press."""
    lasts, why = press.lasts, press.reason or "pressed on the dashboard"
    if press.button is PageButton.HOLD:
        if not press.application or lasts is None or lasts > LONGEST_HOLD:
            raise StalledError(press.application, "a fix is waited for at most an hour; else pause", Reason.PAUSED)
        why = f"a fix in {format_duration(lasts)}" + (f": {press.reason}" if press.reason else "")
    return Pause(press.application or None, press.at + lasts if lasts else None, press.login, why)
