"""How does GitHub show users, repositories, pull requests, comments, statuses?

Source: contracts/forges.md, section 3; docs.github.com/rest (version 2022-11-28), the schemas of each resource.
"""

from __future__ import annotations

import base64
from datetime import datetime
from functools import lru_cache

from gitops_rollback.sandbox.forge.landing import GITHUB, merge_message, person_of
from gitops_rollback.sandbox.forge.machine import Machine
from gitops_rollback.sandbox.forge.merging import Change, Commit
from gitops_rollback.sandbox.forge.state import (
    Access,
    Block,
    Check,
    Comment,
    Label,
    Method,
    PullRequest,
    Review,
    Scheduled,
    Status,
    User,
)
from gitops_rollback.sandbox.rendering import Json

STATES = {"approved": "APPROVED", "changes_requested": "CHANGES_REQUESTED", "commented": "COMMENTED"}


def stamp(at: datetime | None) -> str | None:
    """A time as it is shown."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ") if at is not None else None


def node_id(kind: str, number: int) -> str:
    """The id of an object for GraphQL: opaque for clients."""
    return f"{kind}_{base64.urlsafe_b64encode(f'{kind}:{number}'.encode()).decode().rstrip('=')}"


class Views:
    """Of one forge, at the address at which it is asked."""

    def __init__(self, forge: Machine, origin: str) -> None:
        self.forge = forge
        self.state = forge.state
        self.git = forge.git
        self.origin = origin
        self.web = f"{origin}/{forge.state.repository}"
        self.api = f"{origin}/api/v3/repos/{forge.state.repository}"
        self._test_merge = lru_cache(maxsize=256)(self._make_test_merge)

    def user(self, login: str) -> Json:
        user = self.state.users.get(login)
        number, bot = (user.id, user.bot and login.endswith("[bot]")) if user else (0, False)
        kind = "Bot" if bot else "User"
        return {
            "login": login,
            "id": number,
            "node_id": node_id("U", number),
            "avatar_url": f"{self.origin}/avatars/u/{number}?v=4",
            "gravatar_id": "",
            "url": f"{self.origin}/api/v3/users/{login}",
            "html_url": f"{self.origin}/{login}",
            "type": kind,
            "site_admin": False,
        }

    def me(self, user: User) -> Json:
        """Somebody about himself."""
        return {**self.user(user.login), "name": user.login, "email": user.email, "created_at": stamp(user.joined)}

    def repo(self, viewer: str = "", whole: bool = False) -> Json:
        """`whole`: as asked by itself, with what may be done there."""
        state, settings, may = self.state, self.state.settings, self.state.may(viewer)
        basics: Json = {
            "id": 1,
            "node_id": node_id("R", 1),
            "name": state.name,
            "full_name": state.repository,
            "private": settings.private,
            "owner": self.user(state.owner),
            "html_url": self.web,
            "description": None,
            "fork": False,
            "url": self.api,
            "clone_url": f"{self.web}.git",
            "default_branch": settings.default_branch,
            "archived": settings.archived,
            "disabled": False,
            "visibility": "private" if settings.private else "public",
            "created_at": stamp(state.began),
            "updated_at": stamp(state.began),
            "pushed_at": stamp(state.began),
        }
        if not whole:
            return basics
        rights = {
            "admin": may >= Access.ADMIN,
            "maintain": may >= Access.ADMIN,
            "push": may >= Access.WRITE,
            "triage": may >= Access.WRITE,
            "pull": may >= Access.READ,
        }
        if may < Access.WRITE:
            return {**basics, "permissions": rights}
        return {
            **basics,
            "permissions": rights,
            "allow_merge_commit": Method.MERGE in settings.methods,
            "allow_squash_merge": Method.SQUASH in settings.methods,
            "allow_rebase_merge": Method.REBASE in settings.methods,
            "allow_auto_merge": settings.auto_merge,
            "delete_branch_on_merge": settings.delete_branch,
            "allow_update_branch": False,
        }

    def label(self, label: Label) -> Json:
        return {
            "id": label.id,
            "node_id": node_id("LA", label.id),
            "url": f"{self.api}/labels/{label.name}",
            "name": label.name,
            "color": label.color,
            "default": False,
            "description": None,
        }

    def pull(self, pull: PullRequest, listed: bool = False, asked: bool = True) -> Json:
        """`listed`: as lists show it, without mergeability and numbers. `asked`: somebody reads it by itself."""
        api, web = f"{self.api}/pulls/{pull.number}", f"{self.web}/pull/{pull.number}"
        merged = pull.state == "merged"
        shown: Json = {
            "url": api,
            "id": 1000 + pull.number,
            "node_id": node_id("PR", pull.number),
            "html_url": web,
            "diff_url": f"{web}.diff",
            "issue_url": f"{self.api}/issues/{pull.number}",
            "number": pull.number,
            "state": "open" if pull.open else "closed",
            "locked": False,
            "title": pull.title,
            "user": self.user(pull.author),
            "body": pull.body or None,
            "created_at": stamp(pull.created_at),
            "updated_at": stamp(pull.updated_at),
            "closed_at": stamp(pull.closed_at),
            "merged_at": stamp(pull.closed_at) if merged else None,
            "merge_commit_sha": pull.merge_sha if merged else self._test_merge_sha(pull),
            "assignee": None,
            "assignees": [self.user(login) for login in pull.assignees],
            "requested_reviewers": [self.user(login) for login in self._still_asked(pull)],
            "requested_teams": [],
            "labels": [self.label(self.state.labels[name]) for name in pull.labels],
            "milestone": None,
            "draft": pull.draft,
            "head": self._side(pull.head, pull.head_sha, pull.fork),
            "base": self._side(pull.base, pull.base_sha or self.git.head(pull.base)),
            "author_association": self._association(pull.author),
            "auto_merge": self._auto_merge(pull),
            "active_lock_reason": None,
        }
        return shown if listed else {**shown, **self._by_itself(pull, asked)}

    def _by_itself(self, pull: PullRequest, asked: bool) -> Json:
        mergeable, word = self.mergeability(pull, asked)
        base = self.git.merge_base(pull.base_sha or self.git.head(pull.base), pull.head_sha)
        changes = self.git.changes(base, pull.head_sha)
        return {
            "merged": pull.state == "merged",
            "mergeable": mergeable,
            "rebaseable": mergeable,
            "mergeable_state": word,
            "merged_by": self.user(pull.merged_by) if pull.merged_by else None,
            "comments": len([one for one in pull.comments if not one.path]),
            "review_comments": len([one for one in pull.comments if one.path]),
            "maintainer_can_modify": False,
            "commits": len(self.git.commits(base, pull.head_sha)),
            "additions": sum(change.additions for change in changes),
            "deletions": sum(change.deletions for change in changes),
            "changed_files": len(changes),
        }

    def mergeability(self, pull: PullRequest, asked: bool) -> tuple[bool | None, str]:
        """`mergeable` and `mergeable_state`."""
        if not pull.open:
            return None, "unknown"
        found = self.forge.look(pull, asked)
        if Block.CHECKING in found:
            return None, "unknown"
        if Block.CONFLICT in found:
            return False, "dirty"
        if Block.DRAFT in found:
            return True, "draft"
        if found:
            return True, "behind" if found == (Block.BEHIND,) else "blocked"
        words = set(self.state.checked(pull.head_sha).values())
        return True, "unstable" if words - {"success"} else "clean"

    def _test_merge_sha(self, pull: PullRequest) -> str | None:
        """The commit of a trial merge: it is on no branch, and yet it stands where the merge will."""
        base = self.git.head(pull.base)
        known = pull.looked_at == (pull.head_sha, base) and not pull.asks_left
        return self._test_merge(pull.number, base, pull.head_sha) if pull.open and known else None

    def _make_test_merge(self, number: int, base: str, head: str) -> str | None:
        if self.git.conflicts(base, head):
            return None
        pull = self.state.pulls[number]
        message = merge_message(self.state, pull, Scheduled(pull.author, Method.MERGE, f"Merge {head} into {base}"))
        who = (person_of(self.state, pull.author), pull.created_at)
        tree = self.git.merged_tree(base, head)
        made = self.git.commit(tree, (base, head), message, who, (GITHUB, pull.created_at))
        self.git.point(f"refs/pull/{number}/merge", made)
        return made

    def _still_asked(self, pull: PullRequest) -> list[str]:
        answered = {review.author for review in pull.reviews}
        return [login for login in pull.reviewers if login not in answered]

    def _side(self, branch: str, sha: str, fork: str = "") -> Json:
        repo = self.repo()
        if fork:
            repo |= {"id": 2, "full_name": fork, "fork": True, "owner": self.user(fork.partition("/")[0])}
        owner = (fork or self.state.repository).partition("/")[0]
        return {"label": f"{owner}:{branch}", "ref": branch, "sha": sha, "user": self.user(owner), "repo": repo}

    def _association(self, login: str) -> str:
        if login == self.state.owner:
            return "OWNER"
        return "COLLABORATOR" if self.state.access.get(login, Access.NONE) > Access.NONE else "NONE"

    def _auto_merge(self, pull: PullRequest) -> Json | None:
        order = pull.scheduled
        if order is None:
            return None
        return {
            "enabled_by": self.user(order.by),
            "merge_method": order.method.value,
            "commit_title": order.title or None,
            "commit_message": order.message or None,
        }

    def issue(self, pull: PullRequest) -> Json:
        """A pull request where comments stand."""
        api, web = f"{self.api}/pulls/{pull.number}", f"{self.web}/pull/{pull.number}"
        shown = self.pull(pull, listed=True)
        names = (
            "number",
            "title",
            "user",
            "labels",
            "state",
            "locked",
            "created_at",
            "updated_at",
            "closed_at",
            "body",
        )
        return {
            **{name: shown[name] for name in names},
            "url": f"{self.api}/issues/{pull.number}",
            "html_url": web,
            "id": 2000 + pull.number,
            "node_id": node_id("I", pull.number),
            "comments": len([one for one in pull.comments if not one.path]),
            "author_association": self._association(pull.author),
            "draft": pull.draft,
            "pull_request": {"url": api, "html_url": web, "merged_at": shown["merged_at"]},
        }

    def comment(self, pull: PullRequest, comment: Comment) -> Json:
        return {
            "url": f"{self.api}/issues/comments/{comment.id}",
            "html_url": f"{self.web}/pull/{pull.number}#issuecomment-{comment.id}",
            "issue_url": f"{self.api}/issues/{pull.number}",
            "id": comment.id,
            "node_id": node_id("IC", comment.id),
            "user": self.user(comment.author),
            "created_at": stamp(comment.created_at),
            "updated_at": stamp(comment.updated_at),
            "body": comment.body,
            "author_association": self._association(comment.author),
            "performed_via_github_app": None,
        }

    def line_comment(self, pull: PullRequest, comment: Comment) -> Json:
        api = f"{self.api}/pulls/comments/{comment.id}"
        return {
            "url": api,
            "pull_request_review_id": comment.review or None,
            "id": comment.id,
            "node_id": node_id("PRRC", comment.id),
            "diff_hunk": "",
            "path": comment.path,
            "line": comment.line,
            "side": "RIGHT",
            "commit_id": pull.head_sha,
            "original_commit_id": pull.head_sha,
            "user": self.user(comment.author),
            "body": comment.body,
            "created_at": stamp(comment.created_at),
            "updated_at": stamp(comment.updated_at),
            "html_url": f"{self.web}/pull/{pull.number}#discussion_r{comment.id}",
            "pull_request_url": f"{self.api}/pulls/{pull.number}",
            "author_association": self._association(comment.author),
        }

    def review(self, pull: PullRequest, review: Review) -> Json:
        return {
            "id": review.id,
            "node_id": node_id("PRR", review.id),
            "user": self.user(review.author),
            "body": review.body,
            "state": STATES.get(review.state, "DISMISSED"),
            "html_url": f"{self.web}/pull/{pull.number}#pullrequestreview-{review.id}",
            "pull_request_url": f"{self.api}/pulls/{pull.number}",
            "submitted_at": stamp(review.at),
            "commit_id": review.sha,
            "author_association": self._association(review.author),
        }

    def status(self, status: Status, creator: bool = True) -> Json:
        return {
            "url": f"{self.api}/statuses/{status.sha}",
            "avatar_url": f"{self.origin}/avatars/u/1?v=4",
            "id": status.id,
            "node_id": node_id("SC", status.id),
            "state": status.state,
            "description": status.description or None,
            "target_url": status.url or None,
            "context": status.context,
            "created_at": stamp(status.at),
            "updated_at": stamp(status.at),
            **({"creator": self.user(status.creator)} if creator else {}),
        }

    def check(self, check: Check) -> Json:
        completed = check.fields.get("conclusion") is not None
        output = check.fields.get("output")
        return {
            "id": check.id,
            "node_id": node_id("CR", check.id),
            "head_sha": check.sha,
            "name": check.name,
            "external_id": check.fields.get("external_id", ""),
            "details_url": check.fields.get("details_url"),
            "html_url": f"{self.web}/runs/{check.id}",
            "url": f"{self.api}/check-runs/{check.id}",
            "status": "completed" if completed else check.fields.get("status", "queued"),
            "conclusion": check.fields.get("conclusion"),
            "started_at": stamp(check.at),
            "completed_at": stamp(check.at) if completed else None,
            "output": {"title": None, "summary": None, "text": None, **(output if isinstance(output, dict) else {})},
        }

    def commit(self, commit: Commit) -> Json:
        api = f"{self.api}/commits/{commit.sha}"
        author, committer = (
            {"name": who.name, "email": who.email, "date": stamp(at)}
            for who, at in ((commit.author, commit.authored_at), (commit.committer, commit.committed_at))
        )
        return {
            "sha": commit.sha,
            "node_id": node_id("C", 0),
            "commit": {
                "author": author,
                "committer": committer,
                "message": commit.message.rstrip("\n"),
                "tree": {"sha": self.git.tree(commit.sha), "url": f"{self.api}/git/trees/{commit.sha}"},
                "url": f"{self.api}/git/commits/{commit.sha}",
                "comment_count": 0,
                "verification": {"verified": commit.signed, "reason": "valid" if commit.signed else "unsigned"},
            },
            "url": api,
            "html_url": f"{self.web}/commit/{commit.sha}",
            "parents": [{"sha": sha, "url": f"{self.api}/commits/{sha}"} for sha in commit.parents],
        }

    def file(self, change: Change, sha: str) -> Json:
        was = {"previous_filename": change.was} if change.was else {}
        return {
            "sha": sha,
            "filename": change.path,
            "status": change.status,
            "additions": change.additions,
            "deletions": change.deletions,
            "changes": change.additions + change.deletions,
            "blob_url": f"{self.web}/blob/{sha}/{change.path}",
            "raw_url": f"{self.web}/raw/{sha}/{change.path}",
            "contents_url": f"{self.api}/contents/{change.path}?ref={sha}",
            "patch": "",
            **was,
        }
