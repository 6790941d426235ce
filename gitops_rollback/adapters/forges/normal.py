"""What three forges say in their own words, in ours: may it be merged, what a refused merge comes to, who we are.

Source: contracts/forges.md, section 6.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from datetime import timedelta

from gitops_rollback.adapters.json_node import Node
from gitops_rollback.core.errors import ForgeUnavailable
from gitops_rollback.core.pull_request import (
    CommitStatus,
    Mergeability,
    Merged,
    MergeOutcome,
    Permission,
    PullRequest,
    PullRequestState,
    StatusState,
)

MOST_KEPT = 1000
_STATUSES = {
    "success": StatusState.SUCCESS,
    "failure": StatusState.FAILURE,
    "error": StatusState.ERROR,
    **dict.fromkeys(("failed", "canceled"), StatusState.FAILURE),  # GitLab's words
}


def checked(node: Node, subject: str, what: str) -> None:
    """Raises: ForgeUnavailable where something in the answer has a wrong type: read as empty it could mean a "no"."""
    if node.faults:
        raise ForgeUnavailable(subject, f"answers a {what} that cannot be read: {'; '.join(node.faults)}"[:300])


def open_or_closed(word: str, subject: str) -> PullRequestState:
    """Raises: ForgeUnavailable for another word, or none: a closed one is a person's "no", so it is not guessed."""
    if word not in ("open", "closed"):
        raise ForgeUnavailable(subject, f"answers a state that is neither open nor closed: {word[:40] or 'none'}")
    return PullRequestState.OPEN if word == "open" else PullRequestState.CLOSED


def read_status(word: str, description: str) -> CommitStatus:
    """A commit status in a forge's own word: what is neither a yes nor a no may still become one."""
    return CommitStatus(_STATUSES.get(word, StatusState.PENDING), description)


class Settling:
    """Since when does something look as it does? For states that mean one thing at first and another later.

    Bounded and thread-safe; who starts anew counts anew, which only means a little more patience.
    """

    def __init__(self, patience: timedelta, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._patience = patience.total_seconds()
        self._now = monotonic
        self._lock = threading.Lock()
        self._since: OrderedDict[Hashable, float] = OrderedDict()

    def still(self, key: Hashable) -> bool:
        """True while it has looked so for less than the patience."""
        with self._lock:
            since = self._since.setdefault(key, self._now())
            self._since.move_to_end(key)
            while len(self._since) > MOST_KEPT:
                self._since.popitem(last=False)
            return self._now() - since < self._patience

    def over(self, key: Hashable) -> None:
        """It looks otherwise now."""
        with self._lock:
            self._since.pop(key, None)


def by_word(
    word: str, known: Mapping[str, Mergeability], settling: Settling, number: int, head_sha: str
) -> Mergeability:
    """A word that nobody knows is CHECKING at first, then BLOCKED."""
    if word in known:
        return known[word]
    return Mergeability.CHECKING if settling.still((number, head_sha, word)) else Mergeability.BLOCKED


def became(now: PullRequest, head_sha: str) -> Merged | None:
    """What a merge that was not taken comes to by how the pull request is `now`; None if that does not say."""
    if now.state is PullRequestState.MERGED:
        return Merged(MergeOutcome.MERGED, "it is merged already", now.merge_sha)
    if now.state is PullRequestState.CLOSED:
        return Merged(MergeOutcome.REFUSED, "it was closed")
    if now.head_sha != head_sha:
        return Merged(MergeOutcome.LOST_RACE, f"its head is {now.head_sha[:12]} now")
    return None


def title_and_text(message: str) -> tuple[str, str]:
    """A commit message as its first line and the rest."""
    title, _, text = message.strip().partition("\n")
    return title.strip(), text.strip()


def among(login: str, logins: tuple[str, ...]) -> Permission:
    """WRITE for who the settings name, else UNKNOWN: for a forge that does not tell what a person may do."""
    named = {one.casefold().removeprefix("@") for one in logins}
    return Permission.WRITE if login.casefold() in named else Permission.UNKNOWN
