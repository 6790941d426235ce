"""What does GitLab tell its webhooks? Source: docs.gitlab.com/user/project/integrations/webhook_events."""

from __future__ import annotations

from gitops_rollback.sandbox.forge.dialect import Delivery
from gitops_rollback.sandbox.forge.events import Event, What
from gitops_rollback.sandbox.forge.gitlab_views import PROJECT, Views
from gitops_rollback.sandbox.forge.merging import Commit
from gitops_rollback.sandbox.forge.rules import latest_reviews
from gitops_rollback.sandbox.forge.state import PullRequest
from gitops_rollback.sandbox.git_door import ZERO, RefChange
from gitops_rollback.sandbox.rendering import Json

COMMITS = 20
ACTIONS = {
    What.OPENED: "open",
    What.EDITED: "update",
    What.LABELED: "update",
    What.UNLABELED: "update",
    What.REVIEW_REQUESTED: "update",
    What.SYNCHRONIZED: "update",
    What.AUTO_MERGE_ENABLED: "update",
    What.AUTO_MERGE_DISABLED: "update",
    What.CLOSED: "close",
    What.MERGED: "merge",
    What.REOPENED: "reopen",
}
FIELDS = {"title": "title", "body": "description", "base": "target_branch", "draft": "draft"}


def deliveries(views: Views, event: Event) -> list[Delivery]:
    """The webhooks of one event: none, or one."""
    if event.what is What.PUSHED:
        return [Delivery("Push Hook", _push(views, event, event.change))]
    if event.what is What.BRANCH_DELETED:
        gone = RefChange(ZERO, ZERO, f"refs/heads/{event.text('branch')}")
        return [Delivery("Push Hook", _push(views, event, gone))]
    if event.what is What.STATUS:
        return [Delivery("Pipeline Hook", _pipeline(views, event))]
    if event.pull is None:
        return []
    if event.what in (What.COMMENTED, What.COMMENT_EDITED):
        return [Delivery("Note Hook", _note(views, event, event.pull))]
    if event.what is What.REVIEWED:
        action = _approval(views, event, event.pull)
        return [Delivery("Merge Request Hook", _merge_request(views, event, event.pull, action))] if action else []
    action = ACTIONS.get(event.what, "")
    return [Delivery("Merge Request Hook", _merge_request(views, event, event.pull, action))] if action else []


def _approval(views: Views, event: Event, pull: PullRequest) -> str:
    if event.review.state == "dismissed":
        return "unapproved"
    if event.review.state != "approved":
        return ""
    rules = views.state.rules_of(pull.base)
    given = [word for word in latest_reviews(views.state, pull).values() if word == "approved"]
    return "approved" if len(given) >= (rules.approvals if rules else 0) else "approval"


def _user(views: Views, login: str) -> Json:
    shown = views.user(login)
    return {**{name: shown[name] for name in ("id", "name", "username", "avatar_url")}, "email": "[REDACTED]"}


def _project(views: Views) -> Json:
    state = views.state
    return {
        "id": PROJECT,
        "name": state.name,
        "description": None,
        "web_url": views.web,
        "avatar_url": None,
        "git_http_url": f"{views.web}.git",
        "namespace": state.owner,
        "visibility_level": 0 if state.settings.private else 20,
        "path_with_namespace": state.repository,
        "default_branch": state.settings.default_branch,
        "homepage": views.web,
        "url": f"{views.web}.git",
    }


def _repository(views: Views) -> Json:
    return {"name": views.state.name, "url": f"{views.web}.git", "description": None, "homepage": views.web}


def _commit(views: Views, commit: Commit) -> Json:
    changes = views.git.changes(commit.parents[0] if commit.parents else "", commit.sha)
    return {
        "id": commit.sha,
        "message": commit.message,
        "title": commit.subject,
        "timestamp": commit.committed_at.isoformat(),
        "url": f"{views.web}/-/commit/{commit.sha}",
        "author": {"name": commit.author.name, "email": "[REDACTED]"},
        "added": [change.path for change in changes if change.status == "added"],
        "modified": [change.path for change in changes if change.status == "modified"],
        "removed": [change.path for change in changes if change.status == "removed"],
    }


def _push(views: Views, event: Event, change: RefChange) -> Json:
    gone = change.new == ZERO
    default = views.git.head(views.state.settings.default_branch)
    known = change.old if change.old != ZERO else ("" if default == change.new else default)
    commits = () if gone else views.git.commits(known, change.new)
    branch = change.ref.removeprefix("refs/heads/")
    user = views.user(event.actor)
    return {
        "object_kind": "push",
        "event_name": "push",
        "before": change.old,
        "after": change.new,
        "ref": change.ref,
        "ref_protected": views.state.rules_of(branch) is not None,
        "checkout_sha": None if gone else change.new,
        "message": None,
        "user_id": user["id"],
        "user_name": user["name"],
        "user_username": user["username"],
        "user_email": None,
        "user_avatar": None,
        "project_id": PROJECT,
        "project": _project(views),
        "commits": [_commit(views, commit) for commit in commits[:COMMITS][::-1]],
        "total_commits_count": len(commits),
        "push_options": {},
        "repository": _repository(views),
    }


def _attributes(views: Views, pull: PullRequest) -> Json:
    """A merge request, as hooks show it: not as the API does."""
    shown = views.merge_request(pull, listed=True)
    same = ("id", "iid", "title", "description", "state", "created_at", "updated_at", "target_branch", "source_branch")
    more = ("source_project_id", "target_project_id", "merge_status", "detailed_merge_status", "merge_commit_sha")
    last = ("draft", "work_in_progress", "merge_when_pipeline_succeeds", "blocking_discussions_resolved")
    author = views.state.users.get(pull.author)
    return {
        **{name: shown[name] for name in (*same, *more, *last)},
        "author_id": author.id if author else 0,
        "assignee_ids": [],
        "url": shown["web_url"],
        "source": _project(views),
        "target": _project(views),
        "last_commit": _commit(views, views.git.read_commit(pull.head_sha)),
        "labels": [{**views.label(name), "title": name} for name in pull.labels],
    }


def _merge_request(views: Views, event: Event, pull: PullRequest, action: str) -> Json:
    changes: Json = {
        FIELDS[name]: {"previous": was, "current": getattr(pull, name)}
        for name, was in event.before.items()
        if name in FIELDS
    }
    old = {"oldrev": event.text("before")} if event.what is What.SYNCHRONIZED else {}
    if event.what in (What.LABELED, What.UNLABELED):
        current = [{"title": name} for name in pull.labels]
        before = [{"title": name} for name in pull.labels if name not in event.names]
        changes["labels"] = {"previous": before, "current": current}
    return {
        "object_kind": "merge_request",
        "event_type": "merge_request",
        "user": _user(views, event.actor),
        "project": _project(views),
        "object_attributes": {**_attributes(views, pull), "action": action, **old},
        "labels": [{**views.label(name), "title": name} for name in pull.labels],
        "changes": changes,
        "repository": _repository(views),
        "reviewers": [_user(views, login) for login in pull.reviewers],
    }


def _note(views: Views, event: Event, pull: PullRequest) -> Json:
    note = views.note(pull, event.comment)
    author = views.state.users.get(event.comment.author)
    attributes = {
        **{name: note[name] for name in ("id", "noteable_type", "created_at", "updated_at", "system", "noteable_id")},
        "note": event.comment.body,
        "type": note["type"],
        "author_id": author.id if author else 0,
        "project_id": PROJECT,
        "position": note.get("position"),
        "action": "create" if event.what is What.COMMENTED else "update",
        "url": f"{views.web}/-/merge_requests/{pull.number}#note_{event.comment.id}",
    }
    return {
        "object_kind": "note",
        "event_type": "note",
        "user": _user(views, event.actor),
        "project_id": PROJECT,
        "project": _project(views),
        "repository": _repository(views),
        "object_attributes": attributes,
        "merge_request": _attributes(views, pull),
    }


def _pipeline(views: Views, event: Event) -> Json:
    status = event.status
    pipeline = views.pipeline(status.sha, status.ref) or {}
    attributes = {**pipeline, "detailed_status": pipeline.get("status"), "source": "external", "tag": False}
    return {
        "object_kind": "pipeline",
        "object_attributes": attributes,
        "merge_request": None,
        "user": _user(views, event.actor),
        "project": _project(views),
        "commit": _commit(views, views.git.read_commit(status.sha)),
        "builds": [],
    }
