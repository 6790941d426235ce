"""A button of a message in a chat, or of a check at a forge, as somebody pressed it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
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
