"""What a forge knows: users, pull requests and all that hangs on them, rules of branches. No behaviour but look-ups.

One state for the three dialects: what only one forge has (a merge queue, a reviewer's required group) is simply unused
in the others. Source: contracts/forges.md, sections 1 and 3 to 6.
"""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum


class Kind(StrEnum):
    """Whose wire is spoken."""

    GITHUB = "github"
    GITLAB = "gitlab"
    GITEA = "gitea"


class Access(IntEnum):
    """What a user may do in the repository."""

    NONE = 0
    READ = 1
    WRITE = 2
    ADMIN = 3


class Method(StrEnum):
    """A way to merge. FAST_FORWARD moves the branch, or refuses."""

    MERGE = "merge"
    SQUASH = "squash"
    REBASE = "rebase"
    REBASE_MERGE = "rebase-merge"
    FAST_FORWARD = "fast-forward-only"


@dataclass
class User:
    """An account; `joined` only shows."""

    id: int
    login: str
    email: str
    joined: datetime
    bot: bool = False
    seen: bool = False  # has used the API


@dataclass(frozen=True)
class Token:
    """A secret of a user. `scopes` are in the words of the forge; None: all."""

    login: str
    scopes: frozenset[str] | None = None
    app: bool = False  # of an installation of a GitHub App


@dataclass
class Comment:
    """A comment. `path`: of a line in a file; `system`: the forge itself wrote it into the list."""

    id: int
    author: str
    body: str
    created_at: datetime
    updated_at: datetime
    path: str = ""
    line: int = 0
    review: int = 0
    system: bool = False
    reactions: list[tuple[str, str]] = field(default_factory=list)  # (login, what)


@dataclass
class Review:
    """A verdict on one head. `state`: approved | changes_requested | commented | dismissed."""

    id: int
    author: str
    state: str
    body: str
    sha: str
    at: datetime
    comment_id: int = 0


@dataclass(frozen=True)
class Scheduled:
    """A merge that waits until nothing is missing."""

    by: str
    method: Method
    title: str = ""
    message: str = ""
    delete_branch: bool = False
    head_sha: str = ""
    at: datetime | None = None


@dataclass(frozen=True)
class Status:
    """A commit status."""

    id: int
    sha: str
    context: str
    state: str  # as it came: Gitea takes nonsense
    description: str
    url: str
    creator: str
    at: datetime
    ref: str = ""


@dataclass
class Check:
    """A check run of a GitHub App."""

    id: int
    sha: str
    name: str
    at: datetime
    fields: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Label:
    id: int
    name: str
    color: str


@dataclass
class PullRequest:
    """One pull request. Its comments, reviews and labels are here; what git knows is worked out from git."""

    number: int
    author: str
    title: str
    body: str
    head: str
    base: str
    head_sha: str
    created_at: datetime
    updated_at: datetime
    draft: bool = False
    state: str = "open"  # open | closed | merged
    fork: str = ""  # the path of the repository that the head is in, if it is another
    labels: list[str] = field(default_factory=list)
    assignees: list[str] = field(default_factory=list)
    reviewers: list[str] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    reviews: list[Review] = field(default_factory=list)
    scheduled: Scheduled | None = None
    queued_at: datetime | None = None
    closed_at: datetime | None = None
    closed_by: str = ""
    merged_by: str = ""
    merge_sha: str | None = None
    squash_sha: str | None = None
    base_sha: str = ""  # before it was merged or closed
    remove_source_branch: bool = False
    squash: bool = False
    unresolved: int = 0  # threads that somebody has to close
    # Mergeability: for which two heads it is being worked out, how often one must still ask, what was last found.
    looked_at: tuple[str, str] = ("", "")
    asks_left: int = 0
    stale_left: int = 0
    last_found: tuple[Block, ...] | None = None
    found_for: tuple[str, str] = ("", "")

    @property
    def open(self) -> bool:
        return self.state == "open"


class Block(StrEnum):
    """Why a merge would be refused now."""

    CHECKING = "checking"
    DRAFT = "draft"
    CONFLICT = "conflict"
    CHECKS_MISSING = "checks-missing"  # a required one is pending or was never reported
    CHECKS_FAILED = "checks-failed"
    APPROVALS = "approvals"
    CHANGES_REQUESTED = "changes-requested"
    CODE_OWNERS = "code-owners"
    BEHIND = "behind"
    DISCUSSIONS = "discussions"
    UNSIGNED = "unsigned"


@dataclass
class Rules:
    """What a branch is protected by. `pushers`, `mergers`: None is everybody who may write."""

    pattern: str = "main"
    pushers: frozenset[str] | None = frozenset()
    mergers: frozenset[str] | None = None
    approvals: int = 0
    checks: tuple[str, ...] = ()
    code_owners: bool = False
    signed: bool = False
    linear: bool = False
    up_to_date: bool = False  # the head must contain the base
    discussions: bool = False  # all threads must be resolved
    dismiss_stale: bool = False  # a push takes approvals back
    queue: bool = False
    bypass: frozenset[str] = frozenset()  # logins that no rule here holds
    ruleset: bool = False  # GitHub: a ruleset and not a branch protection

    def match(self, branch: str) -> bool:
        return fnmatch.fnmatchcase(branch, self.pattern)


@dataclass
class Settings:
    """Of the repository."""

    methods: frozenset[Method] = frozenset(Method)
    default_method: Method = Method.MERGE  # GitLab has one for all
    auto_merge: bool = True
    delete_branch: bool = False
    private: bool = True
    archived: bool = False
    forgejo: bool = False  # Gitea's dialect, and it says that it is Forgejo
    default_branch: str = "main"


@dataclass
class Knobs:
    """How the forge behaves where real ones differ by the moment."""

    asks_after_open: int = 0  # how often mergeability is still unknown when one asks after an opening
    asks_after_push: int = 1  # the same after the head or the base has moved
    stale_asks: int = 0  # how often one is still told what was found before the head or the base moved
    page_limit: int = 100
    secret_in_push: bool = False  # GitHub's push protection finds one in whatever is pushed
    queue_seconds: float = 5.0  # a merge queue lands what has been in it for so long
    hold_queue: bool = False
    queue_wants_checks: bool = False  # the required checks must be there on what a merge queue would land, too
    hold_schedule: bool = False  # scheduled merges wait although nothing is missing


@dataclass
class State:
    """All of it, for one repository."""

    kind: Kind
    repository: str  # owner/name, group/sub/name
    began: datetime
    settings: Settings = field(default_factory=Settings)
    knobs: Knobs = field(default_factory=Knobs)
    rules: list[Rules] = field(default_factory=list)
    users: dict[str, User] = field(default_factory=dict)
    access: dict[str, Access] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=dict)
    pulls: dict[int, PullRequest] = field(default_factory=dict)
    labels: dict[str, Label] = field(default_factory=dict)
    statuses: list[Status] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    counters: dict[str, int] = field(default_factory=dict)

    @property
    def owner(self) -> str:
        return self.repository.rpartition("/")[0]

    @property
    def name(self) -> str:
        return self.repository.rpartition("/")[2]

    def next(self, what: str) -> int:
        """The next number of a kind."""
        self.counters[what] = self.counters.get(what, 0) + 1
        return self.counters[what]

    def may(self, login: str) -> Access:
        """What somebody may do; a public repository is read by everybody."""
        least = Access.NONE if self.settings.private else Access.READ
        return max(least, self.access.get(login, Access.NONE))

    def rules_of(self, branch: str) -> Rules | None:
        """Those that protect a branch."""
        return next((rules for rules in self.rules if rules.match(branch)), None)

    def open_pulls(self) -> list[PullRequest]:
        return [pull for pull in self.pulls.values() if pull.open]

    def statuses_of(self, sha: str) -> dict[str, Status]:
        """The newest of each context."""
        return {status.context: status for status in self.statuses if status.sha == sha}

    def checked(self, sha: str) -> dict[str, str]:
        """The word of the newest status of each context, and of the newest check run of each name."""
        runs = {one.name: str(one.fields.get("conclusion") or "pending") for one in self.checks if one.sha == sha}
        return {**runs, **{context: status.state for context, status in self.statuses_of(sha).items()}}

    def comment(self, number: int) -> tuple[PullRequest, Comment] | None:
        """A comment by its id, and where it is."""
        for pull in self.pulls.values():
            for comment in pull.comments:
                if comment.id == number:
                    return pull, comment
        return None

    def user_by_id(self, number: int) -> User | None:
        return next((user for user in self.users.values() if user.id == number), None)
