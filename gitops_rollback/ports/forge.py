"""What the product needs from a forge: one repository at GitHub, GitLab, Gitea or Forgejo, behind one protocol.

Source: contracts/forges.md, section 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from gitops_rollback.core.pull_request import (
    BranchRules,
    Comment,
    CommitStatus,
    ForgeFacts,
    Merged,
    MergeMethod,
    Permission,
    PullRequest,
    StatusButtons,
    StatusState,
)


class Forge(Protocol):
    """One repository at one forge. A write whose answer is lost is looked for before it is written again.

    Every method raises ForgeUnavailable where waiting helps (no answer, 5xx, limited), CredentialsRejected where a
    token is wrong or lacks a scope, and ForgeRefused where a rule or the request itself stands against it.
    """

    kind: str
    repository: str  # the path at the forge: `owner/name`, `group/sub/name`
    web_url: str

    def facts(self) -> ForgeFacts:
        """What the forge says of itself, of us and of what we may do; cheap."""
        ...

    def rules(self, branch: str) -> BranchRules:
        """What its rules ask of a commit on `branch`, as far as we may see them."""
        ...

    def find(self, head: str, base: str) -> PullRequest | None:
        """The pull request of exactly these branches of this repository: the open one, else the newest that is over."""
        ...

    def open_pull_requests(self, base: str, since: datetime | None = None) -> tuple[PullRequest, ...]:
        """All that are open into `base`, the newest first; `since`: only those that changed then or later.

        A list may be a little old, and what it says of `mergeability` is not believed: see `get`.
        """
        ...

    def get(self, number: int) -> PullRequest:
        """One, fresh. Raises: ForgeRefused with status 404 if there is none."""
        ...

    def open(
        self, head: str, base: str, title: str, body: str, labels: Sequence[str] = (), reviewers: Sequence[str] = ()
    ) -> PullRequest:
        """Open one, or take the one that is open already. A label or reviewer that is refused is logged, no more."""
        ...

    def close(self, number: int) -> None:
        """Close it unmerged; one that is closed or merged already is no error."""
        ...

    def merge(self, number: int, head_sha: str, method: MergeMethod, message: str) -> Merged:
        """Merge it now, only if its head still is `head_sha`."""
        ...

    def merge_when_ready(self, number: int, head_sha: str, method: MergeMethod, message: str) -> Merged:
        """Let the forge merge it once nothing is missing; at once where nothing is."""
        ...

    def cancel_merge(self, number: int) -> None:
        """Take back `merge_when_ready`; none scheduled is no error."""
        ...

    def comments(self, number: int, since: datetime | None = None) -> tuple[Comment, ...]:
        """Those of the whole and of its lines, the oldest first; `since`: written or edited then or later."""
        ...

    def comment(self, number: int, marker: str, body: str) -> str:
        """Write our one comment whose first line is `<!-- {marker} -->`, or edit it; its id. Equal text writes nothing.

        `body` is what follows that line.
        """
        ...

    def react(self, number: int, comment: Comment, done: bool) -> None:
        """Show who wrote a command that it was taken (`done`) or not; best effort, never raises."""
        ...

    def set_status(
        self,
        sha: str,
        context: str,
        state: StatusState,
        description: str,
        url: str = "",
        buttons: StatusButtons | None = None,
    ) -> None:
        """Set our commit status; an equal one is not written again.

        With `buttons`, which may hold none, it is a check with them where the forge lets us write checks.
        """
        ...

    def status(self, sha: str, context: str) -> CommitStatus | None:
        """Anybody's newest commit status of this context, or check of this name; None where the commit has none."""
        ...

    def permission(self, login: str) -> Permission:
        """What `login` may do in the repository."""
        ...

    def pull_requests_of(self, sha: str) -> tuple[PullRequest, ...]:
        """Those that brought `sha`, or whose head it is; () where the forge knows none."""
        ...

    def read_file(self, sha: str, path: str, limit: int) -> bytes | None:
        """The file at `path` of a commit of the repository or of a pull request from a fork, without fetching that.

        None where there is none, and for one of more than `limit` bytes.
        """
        ...

    def changed_paths(self, number: int) -> tuple[str, ...]:
        """The files that it changes, old and new names; all pages, at most 3,000."""
        ...
