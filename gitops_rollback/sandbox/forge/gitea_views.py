"""How does Gitea show pull requests, comments, statuses, branches and commits? Every field that the recorded one sends.

Source: the recorded answers of a Gitea 1.26; go-gitea services/convert/*.go @000762f.
"""

from __future__ import annotations

from gitops_rollback.sandbox.forge.gitea_basics import NEVER, Basics, stamp
from gitops_rollback.sandbox.forge.merging import Change, Commit
from gitops_rollback.sandbox.forge.rules import may_merge, may_push
from gitops_rollback.sandbox.forge.state import (
    Access,
    Block,
    Comment,
    PullRequest,
    Review,
    Status,
)
from gitops_rollback.sandbox.rendering import Json

UNSIGNED = "gpg.error.not_signed_commit"
WORDS = {"approved": "APPROVED", "changes_requested": "REQUEST_CHANGES", "commented": "COMMENT"}


class Views(Basics):
    """What has to do with pull requests and commits."""

    def pull(self, pull: PullRequest, viewer: str, listed: bool = False, asked: bool = True) -> Json:
        """`listed`: as lists show it, without the numbers of its diff. `asked`: somebody reads it by itself."""
        base_head = self.git.head(pull.base)
        merge_base = self.git.merge_base(pull.base_sha or base_head, pull.head_sha)
        web = f"{self.web}/pulls/{pull.number}"
        changes = self.git.changes(merge_base, pull.head_sha) if not listed else ()
        comments = [comment for comment in pull.comments if not comment.review]
        assignees = [self.user(login) for login in pull.assignees]
        numbers: Json = (
            {}
            if listed
            else {
                "additions": sum(change.additions for change in changes),
                "deletions": sum(change.deletions for change in changes),
                "changed_files": len(changes),
            }
        )
        reviewed = {"review_comments": len(pull.reviews)} if pull.reviews else {}
        return {
            "id": pull.number,
            "url": web,
            "number": pull.number,
            "user": self.user(pull.author, viewer),
            "title": pull.title,
            "body": pull.body,
            "labels": self.labels(pull.labels),
            "milestone": None,
            "assignee": assignees[0] if assignees else None,
            "assignees": assignees,
            "requested_reviewers": [self.user(login) for login in pull.reviewers],
            "requested_reviewers_teams": None if listed else [],
            "state": "open" if pull.open else "closed",
            "draft": pull.draft,
            "is_locked": False,
            "comments": len(comments),
            **reviewed,
            **numbers,
            "html_url": web,
            "diff_url": f"{web}.diff",
            "patch_url": f"{web}.patch",
            "mergeable": self._mergeable(pull, asked and not listed),
            "merged": pull.state == "merged",
            "merged_at": stamp(pull.closed_at) if pull.state == "merged" else None,
            "merge_commit_sha": pull.merge_sha,
            "merged_by": self.user(pull.merged_by) if pull.merged_by else None,
            "allow_maintainer_edit": False,
            "base": self._side(pull.base, base_head, viewer),
            "head": self._side(pull.head, pull.head_sha, viewer, pull.fork),
            "merge_base": merge_base,
            "due_date": None,
            "created_at": stamp(pull.created_at),
            "updated_at": stamp(pull.updated_at),
            "closed_at": stamp(pull.closed_at),
            "pin_order": 0,
        }

    def _side(self, branch: str, sha: str, viewer: str, fork: str = "") -> Json:
        repo = self.repo(viewer)
        if fork:
            repo |= {"id": 2, "full_name": fork, "fork": True, "owner": self.user(fork.partition("/")[0])}
        return {"label": branch, "ref": branch, "sha": sha, "repo_id": 2 if fork else 1, "repo": repo}

    def _mergeable(self, pull: PullRequest, asked: bool) -> bool:
        """Only of git and of a draft: a missing approval or check is not in it."""
        if pull.state == "merged":
            return True
        if not pull.open:
            return pull.found_for == pull.looked_at and Block.CONFLICT not in (pull.last_found or ())
        return not {Block.CONFLICT, Block.CHECKING, Block.DRAFT} & set(self.forge.look(pull, asked))

    def comment(self, pull: PullRequest, comment: Comment, viewer: str = "", hook: bool = False) -> Json:
        return {
            "id": comment.id,
            "html_url": f"{self.web}/pulls/{pull.number}#issuecomment-{comment.id}",
            "pull_request_url": f"{self.web}/pulls/{pull.number}",
            "issue_url": "",
            "user": self.user(comment.author, viewer, hook),
            "original_author": "",
            "original_author_id": 0,
            "body": comment.body,
            "assets": [],
            "created_at": stamp(comment.created_at),
            "updated_at": stamp(comment.updated_at),
        }

    def line_comment(self, pull: PullRequest, comment: Comment) -> Json:
        """One of a review, at a line."""
        return {
            "id": comment.id,
            "body": comment.body,
            "user": self.user(comment.author),
            "resolver": None,
            "pull_request_review_id": comment.review,
            "created_at": stamp(comment.created_at),
            "updated_at": stamp(comment.updated_at),
            "path": comment.path,
            "commit_id": pull.head_sha,
            "original_commit_id": "",
            "diff_hunk": "",
            "position": comment.line,
            "original_position": 0,
            "html_url": f"{self.web}/pulls/{pull.number}/files#issuecomment-{comment.id}",
            "pull_request_url": f"{self.web}/pulls/{pull.number}",
        }

    def review(self, pull: PullRequest, review: Review, viewer: str) -> Json:
        lines = [comment for comment in pull.comments if comment.review == review.id]
        return {
            "id": review.id,
            "user": self.user(review.author, viewer if viewer == review.author else ""),
            "team": None,
            "state": WORDS.get(review.state, "APPROVED"),
            "body": review.body,
            "commit_id": review.sha,
            "stale": review.sha != pull.head_sha,
            "official": self.state.may(review.author) >= Access.WRITE,
            "dismissed": review.state == "dismissed",
            "comments_count": len(lines),
            "submitted_at": stamp(review.at),
            "updated_at": stamp(review.at),
            "html_url": f"{self.web}/pulls/{pull.number}#issuecomment-{review.id}",
            "pull_request_url": f"{self.web}/pulls/{pull.number}",
        }

    def asked_review(self, pull: PullRequest, login: str) -> Json:
        """A review that somebody is asked for."""
        asked = Review(0, login, "asked", "", pull.head_sha, pull.updated_at)
        return {**self.review(pull, asked, ""), "state": "REQUEST_REVIEW"}

    def status(self, status: Status) -> Json:
        return {
            "id": status.id,
            "status": status.state,
            "target_url": status.url,
            "description": status.description,
            "url": f"{self.api}/statuses/{status.sha}",
            "context": status.context,
            "creator": self.user(status.creator),
            "created_at": stamp(status.at),
            "updated_at": stamp(status.at),
        }

    def branch(self, name: str, viewer: str) -> Json:
        rules = self.state.rules_of(name)
        return {
            "name": name,
            "commit": {
                **self.pushed_commit(self.git.read_commit(self.git.head(name)), names=False),
                "verification": _verification(False),
            },
            "protected": rules is not None,
            "required_approvals": rules.approvals if rules else 0,
            "enable_status_check": bool(rules and rules.checks),
            "status_check_contexts": list(rules.checks) if rules else [],
            "user_can_push": may_push(self.state, viewer, name),
            "user_can_merge": may_merge(self.state, viewer, name),
            "effective_branch_protection_name": "",
        }

    def pushed_commit(self, commit: Commit, names: bool = True) -> Json:
        """As pushes and branches show it. `names`: with the files that it touches."""
        changes = self.git.changes(commit.parents[0] if commit.parents else "", commit.sha) if names else ()
        author, committer = ({"name": one.name, "email": one.email} for one in (commit.author, commit.committer))
        return {
            "id": commit.sha,
            "message": commit.message,
            "url": f"{self.web}/commit/{commit.sha}",
            "author": {**author, "username": self._login(commit.author.email)},
            "committer": {**committer, "username": self._login(commit.committer.email)},
            "verification": None,
            "timestamp": stamp(commit.committed_at),
            "added": [change.path for change in changes if change.status == "added"] if names else None,
            "removed": [change.path for change in changes if change.status == "removed"] if names else None,
            "modified": [change.path for change in changes if change.status == "modified"] if names else None,
        }

    def _login(self, email: str) -> str:
        return next((user.login for user in self.state.users.values() if user.email == email), "")

    def commit(self, commit: Commit, files: bool = True, stat: bool = True) -> Json:
        """As the commits of the API show it."""
        changes = self.git.changes(commit.parents[0] if commit.parents else "", commit.sha) if files or stat else ()
        api, at = f"{self.api}/git/commits/{commit.sha}", stamp(commit.committed_at)
        author, committer = self._login(commit.author.email), self._login(commit.committer.email)
        added, deleted = sum(c.additions for c in changes), sum(c.deletions for c in changes)
        return {
            "url": api,
            "sha": commit.sha,
            "created": at,
            "html_url": f"{self.web}/commit/{commit.sha}",
            "commit": {
                "url": api,
                "author": _signature(commit.author.name, commit.author.email, stamp(commit.authored_at)),
                "committer": _signature(commit.committer.name, commit.committer.email, at),
                "message": commit.message,
                "tree": {"url": f"{self.api}/git/trees/{commit.sha}", "sha": commit.sha, "created": at},
                "verification": _verification(commit.signed),
            },
            "author": self.user(author) if author else None,
            "committer": self.user(committer) if committer else None,
            "parents": [
                {"url": f"{self.api}/git/commits/{parent}", "sha": parent, "created": NEVER}
                for parent in commit.parents
            ],
            "files": [{"filename": c.path, "status": c.status} for c in changes] if files else None,
            "stats": {"total": added + deleted, "additions": added, "deletions": deleted} if stat else None,
        }

    def file(self, change: Change, sha: str) -> Json:
        """A file of a pull request."""
        was = {"previous_filename": change.was} if change.was else {}
        return {
            "filename": change.path,
            **was,
            "status": {"modified": "changed", "removed": "deleted"}.get(change.status, change.status),
            "additions": change.additions,
            "deletions": change.deletions,
            "changes": change.additions + change.deletions,
            "html_url": f"{self.web}/src/commit/{sha}/{change.path}",
            "contents_url": f"{self.api}/contents/{change.path}?ref={sha}",
            "raw_url": f"{self.web}/raw/commit/{sha}/{change.path}",
        }


def _signature(name: str, email: str, at: str | None) -> Json:
    return {"name": name, "email": email, "date": at}


def _verification(signed: bool) -> Json:
    return {
        "verified": signed,
        "reason": "" if signed else UNSIGNED,
        "signature": "",
        "signer": None,
        "payload": "",
    }
