"""A press below a check, left on its pull request by a replica that may not carry it out, for the one that may.

A forge tells of a press once, to one replica, and keeps it nowhere. What is left is a comment of our own account:
whoever may write such a one, or edit it, can land a change anyway, and an edited one is not read. The leader asks the
forge what the person may do, as for every press.
Source: docs.github.com, webhook `check_run` (`requested_action`); contracts/forges.md, section 8.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from datetime import datetime

from gitops_rollback.core.commit import is_sha
from gitops_rollback.core.journal import format_time
from gitops_rollback.core.markdown import code
from gitops_rollback.core.message import for_people
from gitops_rollback.core.press import CheckPress
from gitops_rollback.core.pull_request import Comment

MARK = "gitops-rollback:press-"
LONGEST = 2_000  # of what is looked into
_LEFT = re.compile(rf"<!-- {MARK}(?P<mark>[0-9a-f]{{16}}) -->\s*\n<!-- (?P<words>[A-Za-z0-9_=-]+) -->")


def marker_of(press: CheckPress) -> str:
    """The mark of its comment: one for each press, so that none is ever edited."""
    return MARK + hashlib.sha256(press.id.encode()).hexdigest()[:16]


def left(press: CheckPress, why: str) -> str:
    """The comment below its mark. `why`: why it is not carried out by who heard of it."""
    words = {"id": press.id, "login": press.login, "head": press.head, "button": press.button}
    told = json.dumps({**words, "at": press.at.isoformat()}).encode()
    who, button, head = (for_people(one, 100) for one in (press.login, press.button, press.head[:12]))
    return (
        f"<!-- {base64.urlsafe_b64encode(told).decode()} -->\n"
        f"`{code(who)}` pressed `{code(button)}` at `{code(head)}`, {format_time(press.at)}. It reached a replica that "
        f"{for_people(why)}; the one that leads answers it at its next look."
    )


def press_left(comment: Comment, number: int, ours: str) -> CheckPress | None:
    """The press that a comment of the account `ours` holds; None for any other comment. Never raises."""
    found = _LEFT.match(comment.body[:LONGEST])
    if found is None or comment.edited or not ours or comment.author.lower() != ours.lower():
        return None
    try:
        told = json.loads(base64.urlsafe_b64decode(found["words"]))
        words = {key: told[key] for key in ("id", "login", "head", "button")}
        at = datetime.fromisoformat(told["at"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if not all(isinstance(one, str) for one in words.values()) or not is_sha(words["head"]) or at.tzinfo is None:
        return None
    press = CheckPress(by_bot=False, number=number, at=at, places=(), **words)
    return press if marker_of(press) == MARK + found["mark"] else None
