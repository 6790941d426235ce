"""What does Gitea tell its webhooks? Events, finer kinds and bodies as the recorded one sent them.

Source: the recorded webhooks of a Gitea 1.26; go-gitea services/webhook/notifier.go, modules/structs/hook.go @000762f.
"""

from __future__ import annotations

from gitops_rollback.sandbox.forge.dialect import Delivery
from gitops_rollback.sandbox.forge.events import Event, What
from gitops_rollback.sandbox.forge.gitea_basics import stamp
from gitops_rollback.sandbox.forge.gitea_views import Views
from gitops_rollback.sandbox.forge.state import PullRequest
from gitops_rollback.sandbox.git_door import ZERO
from gitops_rollback.sandbox.rendering import Json

COMMITS = 30  # a push names at most so many; `total_commits` counts them all
PULLS = {  # action, and the finer kind
    What.OPENED: ("opened", "pull_request"),
    What.EDITED: ("edited", "pull_request"),
    What.CLOSED: ("closed", "pull_request"),
    What.MERGED: ("closed", "pull_request"),
    What.REOPENED: ("reopened", "pull_request"),
    What.SYNCHRONIZED: ("synchronized", "pull_request_sync"),
    What.LABELED: ("label_updated", "pull_request_label"),
    What.UNLABELED: ("label_updated", "pull_request_label"),
    What.ASSIGNED: ("assigned", "pull_request_assign"),
    What.REVIEW_REQUESTED: ("review_requested", "pull_request_review_request"),
}
COMMENTS = {What.COMMENTED: "created", What.COMMENT_EDITED: "edited", What.COMMENT_DELETED: "deleted"}
REVIEWS = {"approved": "approved", "changes_requested": "rejected", "commented": "comment"}


def deliveries(views: Views, event: Event) -> list[Delivery]:
    """The webhooks of one event: none, or one."""
    if event.what is What.PUSHED:
        return [Delivery("push", _push(views, event), "push")]
    if event.what in (What.BRANCH_CREATED, What.BRANCH_DELETED):
        return [_branch(views, event)]
    if event.what is What.STATUS:
        return [Delivery("status", _status(views, event), "status")]
    if event.pull is None:
        return []
    if event.what in PULLS:
        action, kind = PULLS[event.what]
        body = _pull(views, event, event.pull, action)
        if event.what is What.EDITED:
            body["changes"] = {name: {"from": was} for name, was in event.before.items() if name in ("title", "body")}
        return [Delivery("pull_request", body, kind)]
    if event.what in COMMENTS and not event.comment.review:
        return [Delivery("issue_comment", _comment(views, event, event.pull), "pull_request_comment")]
    if event.what is What.REVIEWED and event.review.state in REVIEWS:
        word = REVIEWS[event.review.state]
        body = _pull(views, event, event.pull, "reviewed")
        body["requested_reviewer"] = views.user(event.actor, hook=True)
        body["review"] = {"type": f"pull_request_review_{word}", "content": event.review.body}
        return [Delivery(f"pull_request_{word}", body, f"pull_request_review_{word}")]
    return []


def _pull(views: Views, event: Event, pull: PullRequest, action: str) -> Json:
    asked = event.text("reviewer")
    return {
        "action": action,
        "number": pull.number,
        "pull_request": views.pull(pull, event.actor, asked=False),
        "requested_reviewer": views.user(asked, hook=True) if asked else None,
        "repository": views.repo(event.actor),
        "sender": views.user(event.actor, hook=True),
        "commit_id": "",
        "review": None,
    }


def _push(views: Views, event: Event) -> Json:
    change = event.change
    default = views.git.head(views.state.settings.default_branch)
    known = change.old if change.old != ZERO else ("" if default == change.new else default)
    commits = views.git.commits(known, change.new)
    shown = [views.pushed_commit(commit) for commit in commits[:COMMITS]]
    compare = f"{views.web}/compare/{known}...{change.new}" if known else f"{views.origin}/"
    who = views.user(event.actor, hook=True)
    return {
        "ref": change.ref,
        "before": change.old,
        "after": change.new,
        "compare_url": compare,
        "commits": shown,
        "total_commits": len(commits),
        "head_commit": views.pushed_commit(views.git.read_commit(change.new)),
        "repository": views.repo(views.state.owner),
        "pusher": who,
        "sender": who,
    }


def _branch(views: Views, event: Event) -> Delivery:
    about = {"ref": event.text("branch"), "ref_type": "branch"}
    ends = {"repository": views.repo(event.actor), "sender": views.user(event.actor, hook=True)}
    if event.what is What.BRANCH_CREATED:
        return Delivery("create", {"sha": event.text("sha"), **about, **ends}, "create")
    return Delivery("delete", {**about, "pusher_type": "user", **ends}, "delete")


def _status(views: Views, event: Event) -> Json:
    status = event.status
    return {
        "commit": views.pushed_commit(views.git.read_commit(status.sha)),
        "context": status.context,
        "created_at": stamp(status.at),
        "description": status.description,
        "id": status.id,
        "repository": views.repo(views.state.owner),
        "sender": views.user(event.actor, hook=True),
        "sha": status.sha,
        "state": status.state,
        "target_url": status.url or f"{views.origin}/",
        "updated_at": stamp(status.at),
    }


def _comment(views: Views, event: Event, pull: PullRequest) -> Json:
    edited: Json = {}
    if event.what is What.COMMENT_EDITED:
        changes = {"body": {"from": event.text("before")}, "added_labels": None, "removed_labels": None}
        edited = {"changes": changes}
    return {
        "action": COMMENTS[event.what],
        "issue": _issue(views, pull, event.actor),
        "pull_request": views.pull(pull, event.actor, asked=False),
        "comment": views.comment(pull, event.comment, hook=True),
        **edited,
        "repository": views.repo(event.actor),
        "sender": views.user(event.actor, hook=True),
        "is_pull": True,
    }


def _issue(views: Views, pull: PullRequest, viewer: str) -> Json:
    shown = views.pull(pull, viewer, listed=True)
    same = ("id", "html_url", "number", "user", "title", "body", "labels", "milestone", "assignee", "assignees")
    more = ("state", "is_locked", "comments", "created_at", "updated_at", "closed_at", "due_date", "pin_order")
    return {
        **{name: shown[name] for name in (*same, *more)},
        "url": f"{views.api}/issues/{pull.number}",
        "original_author": "",
        "original_author_id": 0,
        "ref": "",
        "assets": [],
        "time_estimate": 0,
        "pull_request": {name: shown[name] for name in ("merged", "merged_at", "draft", "html_url")},
        "repository": {
            "id": 1,
            "name": views.state.name,
            "owner": views.state.owner,
            "full_name": views.state.repository,
        },
    }
