"""One pull request as the forge keeps it, and what a repository's settings ask of all of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from gitops_rollback.core.pull_request import Comment, MergeMethod, PullRequestState

OURS = "rollback-bot"  # the controllers' login


@dataclass(frozen=True)
class ForgeRules:
    """What the repository's settings say, for the whole life of a world.

    `protected`: the followed branch refuses the controllers' pushes. `review`: somebody must approve a head before it
    is merged. `queue`: it merges by itself, one after the other, a while after it was asked. `auto_merge`: it merges
    by itself once nothing is missing. `keeps`: it goes on to do so when somebody else pushes to the head.
    """

    protected: bool = False
    review: bool = False
    queue: bool = False
    auto_merge: bool = True
    keeps: bool = False


@dataclass(frozen=True)
class Scheduled:
    """The forge is to merge it by itself."""

    by: str
    method: MergeMethod
    message: str


@dataclass
class Pull:
    """One pull request. `head_sha` follows the pushes a little late; `checked_at`: from then on it is worked out."""

    number: int
    title: str
    author: str
    head: str
    base: str
    head_sha: str
    opened_at: datetime
    checked_at: datetime
    state: PullRequestState = PullRequestState.OPEN
    labels: tuple[str, ...] = ()
    merge_sha: str | None = None
    merged_head: str = ""
    merged_by: str = ""
    closed_by: str = ""
    closed_at: datetime | None = None
    scheduled: Scheduled | None = None
    reviewed: set[str] = field(default_factory=set)  # heads that somebody has approved in a review
    comments: list[Comment] = field(default_factory=list)
    fork: bool = False  # its branch is in a repository of somebody else's, where we may not write
    told: dict[str, str] = field(default_factory=dict)  # marker -> our one comment under it

    @property
    def is_open(self) -> bool:
        return self.state is PullRequestState.OPEN
