"""A button of a message in a chat, of a check at a forge, or of a page of the dashboard, as somebody pressed it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Button(StrEnum):
    APPROVE = "approve"
    PAUSE = "pause"
    DIFF = "diff"


@dataclass(frozen=True)
class Press:
    """One press. `user`: the chat's own id of a person; `head`: the branch's as the message showed the plan.

    `answer_url` is where the chat takes a word for that person alone; "" where it gave none.
    """

    user: str
    button: Button
    rollback_id: str
    head: str
    at: datetime
    answer_url: str = ""


@dataclass(frozen=True)
class CheckPress:
    """One press of a button of ours below a check. `places`: addresses of its repository; `head` is where it stood.

    `id` is the same for one person's presses of one button of one state of a check.
    """

    id: str
    login: str
    by_bot: bool
    number: int
    head: str
    button: str
    at: datetime
    places: tuple[str, ...]


class PageButton(StrEnum):
    APPROVE = "approve"
    REJECT = "reject"
    STOP = "stop"  # following an open rollback; what was pushed stays pushed
    PAUSE = "pause"
    HOLD = "hold"  # for a fix that a person is about to make
    RESUME = "resume"  # ends a pause or a hold before its time
    PLAN = "plan"  # what a rollback would be
    ROLL_BACK = "rollback"


@dataclass(frozen=True)
class PagePress:
    """One press of a button of the dashboard by whoever is logged in there.

    `id` is the form's: sent twice it is one press. `application` "" is all of `repository`. What the page showed is
    `head`, the branch's, for a plan that waits, and `seen`, the digest of a plan that was made to be looked at.
    `without`: the one commit to take back, in place of going back to the last healthy state.
    """

    id: str
    login: str
    button: PageButton
    repository: str
    at: datetime
    application: str = ""
    rollback_id: str = ""
    head: str = ""
    seen: str = ""
    without: str = ""
    lasts: timedelta | None = None
    reason: str = ""
