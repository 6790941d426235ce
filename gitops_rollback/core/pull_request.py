"""What a forge says of a pull request, whatever that forge calls it and however it tells.

GitLab's merge requests are pull requests here, its `iid` is the number. Times are aware UTC.
Source: contracts/forges.md, sections 1 and 6.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class PullRequestState(StrEnum):
    OPEN = "open"
    MERGED = "merged"
    CLOSED = "closed"  # without having been merged


class Mergeability(StrEnum):
    """Would a merge be taken now? A word that nobody knows is CHECKING for a minute, then BLOCKED."""

    READY = "ready"
    CHECKING = "checking"  # the forge has not worked it out yet, or a check still runs: ask again
    BLOCKED = "blocked"  # by a rule; one who may bypass it can merge all the same
    CONFLICT = "conflict"
    DRAFT = "draft"


class MergeMethod(StrEnum):
    MERGE = "merge"
    SQUASH = "squash"
    REBASE = "rebase"


class MergeOutcome(StrEnum):
    """What became of asking for a merge. Only MERGED says that it is on the branch."""

    MERGED = "merged"
    SCHEDULED = "scheduled"  # the forge merges it by itself once nothing is missing, or it waits in a queue
    NOT_READY = "not-ready"  # ask again later: still checking, a pipeline runs, the base has just moved
    LOST_RACE = "lost-race"  # the head is not the one that was seen: look anew
    REFUSED = "refused"  # by a rule or for want of a right: only a person can change that
    UNAVAILABLE = "unavailable"  # this repository has no such way (auto-merge switched off): try another


class StatusState(StrEnum):
    """Of a commit status. GitLab says `failed` for FAILURE and for ERROR."""

    PENDING = "pending"
    SUCCESS = "success"
    FAILURE = "failure"
    ERROR = "error"


@dataclass(frozen=True)
class CommitStatus:
    """The newest status of one context; a word that nobody knows is PENDING."""

    state: StatusState
    description: str = ""


class Permission(StrEnum):
    """What a login may do in the repository. UNKNOWN: the forge does not tell us, which lets nobody do anything."""

    NONE = "none"
    READ = "read"
    WRITE = "write"
    ADMIN = "admin"
    UNKNOWN = "unknown"

    @property
    def may_write(self) -> bool:
        return self in (Permission.WRITE, Permission.ADMIN)


@dataclass(frozen=True)
class PullRequest:
    """One pull request as it is now. `why`: the forge's own words for what blocks it, several parted by `; `."""

    number: int
    url: str
    title: str
    author: str  # a login
    head: str  # the source branch, without `refs/heads/`
    head_sha: str
    base: str  # the target branch
    state: PullRequestState
    mergeability: Mergeability
    draft: bool = False
    labels: tuple[str, ...] = ()
    created_at: datetime | None = None
    merge_sha: str | None = None  # what the merge put on the base branch; None before, and where the forge hides it
    merged_by: str = ""
    closed_by: str = ""  # who closed it unmerged; "" where the forge does not tell
    auto_merge: bool = False  # the forge merges it by itself once nothing is missing
    from_fork: bool = False  # the source branch is in another repository: we cannot push to it
    why: str = ""


@dataclass(frozen=True)
class Merged:
    """The answer to a merge. `message`: the forge's own words; `sha`: the commit on the base branch, if it says so."""

    outcome: MergeOutcome
    message: str = ""
    sha: str | None = None


@dataclass(frozen=True)
class Comment:
    """A comment of a pull request. `edited` is True as soon as it is no longer what was first written."""

    id: str
    author: str
    body: str
    created_at: datetime
    edited: bool = False
    by_bot: bool = False  # the forge says that a machine wrote it
    path: str = ""  # of the file that it stands at; "" for one of the whole pull request


@dataclass(frozen=True)
class StatusButton:
    """A button below a status. Labels have up to 20 characters, descriptions up to 40: GitHub's own limits."""

    identifier: str
    label: str
    description: str


@dataclass(frozen=True)
class StatusButtons:
    """What a status is to offer where the forge has buttons, at most three; `number` is its pull request."""

    number: int
    shown: tuple[StatusButton, ...] = ()


@dataclass(frozen=True)
class ForgeFacts:
    """What a forge says of itself and of us. `trouble`: what is missing for our work, a sentence each."""

    kind: str  # github | gitlab | gitea | forgejo
    version: str  # "" where it does not tell
    login: str  # ours; "" where it does not tell
    permission: Permission  # ours in the repository
    auto_merge: bool | None = None  # None: it does not tell
    methods: tuple[MergeMethod, ...] = ()  # of merging; () where it does not tell
    trouble: tuple[str, ...] = ()


@dataclass(frozen=True)
class BranchRules:
    """What the forge's rules ask of whoever wants a commit on a branch, as far as we may see them.

    A None is "not told". `remedies`: what would let our push through, a sentence each, with the forge's own words.
    """

    protected: bool | None = None
    we_may_push: bool | None = None
    we_may_merge: bool | None = None
    approvals: int | None = None
    checks: tuple[str, ...] = ()  # names of required statuses
    code_owners: bool | None = None
    signed: bool | None = None
    linear: bool | None = None  # merge commits are refused
    queue: bool | None = None  # there is a merge queue
    remedies: tuple[str, ...] = ()
