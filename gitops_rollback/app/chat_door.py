"""Carries out what people press in a chat, where they may have it done, and answers each press.

A press is about what its message showed: where the files of the plan have changed since, it is asked again.
Source: product.md, section 2, chat; reliability.md, A15 and A16.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from gitops_rollback.app.comment_acts import Looked, put_pause
from gitops_rollback.app.diffing import diff_of
from gitops_rollback.app.people_acts import Words, approve, waiting
from gitops_rollback.app.requesting import Requests
from gitops_rollback.core.authority import Asked, Authority, Door, Person, may
from gitops_rollback.core.errors import Reason, StalledError
from gitops_rollback.core.press import Button, Press
from gitops_rollback.core.pull_request import Permission
from gitops_rollback.core.rollback import RollbackRecord
from gitops_rollback.core.stop import Pause
from gitops_rollback.ports import ConfigRepo, DecisionEntry

MOST_WAITING = 100
YOUNG = timedelta(minutes=10)
PAUSE_FOR = timedelta(hours=1)
SUBJECT = "chat"  # stands for the application in the journal's entries
Pressed = TypeVar("Pressed")
LEVELS: Mapping[Button, Asked] = {Button.APPROVE: Asked.LAND, Button.PAUSE: Asked.RESTRICT, Button.DIFF: Asked.SEE}


class Presses(Generic[Pressed]):
    """What was pressed and not attended yet; the oldest give way. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[Pressed] = deque(maxlen=MOST_WAITING)

    def add(self, press: Pressed) -> None:
        """Keep it for the next look."""
        with self._lock:
            self._waiting.append(press)

    def take(self) -> list[Pressed]:
        """All of them, the oldest first."""
        with self._lock:
            found = list(self._waiting)
            self._waiting.clear()
        return found


@dataclass
class ChatDoor:
    """For one repository. `people`: who each user of the chat is at the forge; nobody else may press anything.

    `permission` is the forge's word on a login; None where there is no forge, and the settings alone say who may.
    """

    repo: ConfigRepo
    people: Mapping[str, str]
    answer: Callable[[str, str], None]
    permission: Callable[[str], Permission] | None = None
    presses: Presses[Press] = field(default_factory=Presses)

    def attend(self, looked: Looked, requests: Requests) -> None:
        """All that was pressed about rollbacks of this repository."""
        records = looked.executor.newest(looked.view)
        for press in self.presses.take():
            record = records.get(press.rollback_id)
            if record is not None and looked.now - press.at <= YOUNG:
                self.answer(press.answer_url, self._answered(press, record, looked, requests))

    def turn_away(self, records: Mapping[str, RollbackRecord], now: datetime, leads: str) -> None:
        """Answer what was pressed while another replica leads the repository: only that one may act for people.

        A service hands each press to any replica, so the next one may well reach it; the verb always does.
        """
        for press in self.presses.take():
            record = records.get(press.rollback_id)
            if record is not None and now - press.at <= YOUNG:
                verb = _verb(press.button, record)
                self.answer(press.answer_url, f"Not done here, this replica {leads}. Press again, or run `{verb}`.")

    def _answered(self, press: Press, record: RollbackRecord, looked: Looked, requests: Requests) -> str:
        login = self.people.get(press.user, "")
        if not login:
            return f"Nobody told who {press.user} is; the settings may name it in `chat.approvers`."
        known = self.permission(login) if self.permission is not None else Permission.UNKNOWN
        authority = Authority(logins=tuple(self.people.values()))
        allowed = may(Door.CHAT, Person(login, known), LEVELS[press.button], authority)
        if not allowed.allowed:
            return allowed.why
        try:
            words = self._carry_out(press, login, record, looked, requests)
        except StalledError as error:
            return f"Not done: {error.message}."
        if LEVELS[press.button] is not Asked.SEE:
            details = {"by": login, "user": press.user, "button": press.button.value, "head": press.head}
            message = f"{login} pressed {press.button.value} for {record.id}: {words}"
            looked.executor.enter(
                DecisionEntry(looked.now, SUBJECT, "told", Reason.REQUESTED.value, record.id, message, details)
            )
        return words

    def _carry_out(self, press: Press, login: str, record: RollbackRecord, looked: Looked, requests: Requests) -> str:
        if press.button is Button.PAUSE:
            pause = Pause(record.applications[0], press.at + PAUSE_FOR, login, "pressed in the chat")
            return put_pause(self.repo, looked, pause)
        words = Words(login, "approved in the chat", press.head)
        if press.button is Button.DIFF:
            plan = requests.planned(waiting(record, words), looked.view, looked.listing, looked.now).plan
            return f"```\n{diff_of(plan, self.repo)}\n```" if plan else "There is no plan any more."
        return approve(self.repo, record, words, looked, requests)


def _verb(button: Button, record: RollbackRecord) -> str:
    """What does the same as the button, from anywhere."""
    if button is Button.PAUSE:
        return f"gitops-rollback pause {record.applications[0]} --for 1h"
    return f"gitops-rollback {'approve' if button is Button.APPROVE else 'explain'} {record.id}"
