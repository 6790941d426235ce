"""What has happened at the forge, before any dialect words it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gitops_rollback.sandbox.forge.state import Comment, PullRequest, Review, Status
from gitops_rollback.sandbox.git_door import RefChange


class What(StrEnum):
    PUSHED = "pushed"
    BRANCH_CREATED = "branch-created"
    BRANCH_DELETED = "branch-deleted"
    OPENED = "opened"
    EDITED = "edited"
    LABELED = "labeled"
    UNLABELED = "unlabeled"
    ASSIGNED = "assigned"
    REVIEW_REQUESTED = "review-requested"
    COMMENTED = "commented"
    COMMENT_EDITED = "comment-edited"
    COMMENT_DELETED = "comment-deleted"
    REVIEWED = "reviewed"
    SYNCHRONIZED = "synchronized"
    CLOSED = "closed"
    REOPENED = "reopened"
    MERGED = "merged"
    STATUS = "status"
    AUTO_MERGE_ENABLED = "auto-merge-enabled"
    AUTO_MERGE_DISABLED = "auto-merge-disabled"
    QUEUED = "queued"
    BUTTON = "button"  # somebody pressed a button of a check


@dataclass(frozen=True)
class Event:
    """One happening. `about` has what its kind needs; the properties below read it."""

    what: What
    actor: str
    pull: PullRequest | None = None
    about: Mapping[str, object] = field(default_factory=dict)

    def text(self, name: str) -> str:
        return str(self.about.get(name, ""))

    @property
    def change(self) -> RefChange:
        found = self.about["change"]
        assert isinstance(found, RefChange)
        return found

    @property
    def comment(self) -> Comment:
        found = self.about["comment"]
        assert isinstance(found, Comment)
        return found

    @property
    def review(self) -> Review:
        found = self.about["review"]
        assert isinstance(found, Review)
        return found

    @property
    def status(self) -> Status:
        found = self.about["status"]
        assert isinstance(found, Status)
        return found

    @property
    def names(self) -> list[str]:
        """The labels that were put or taken, the people who were assigned."""
        for key in ("added", "removed", "assignees"):
            found = self.about.get(key)
            if isinstance(found, list):
                return [str(one) for one in found]
        return []

    @property
    def before(self) -> Mapping[str, object]:
        """What the changed fields were."""
        found = self.about.get("before")
        return found if isinstance(found, dict) else {}
