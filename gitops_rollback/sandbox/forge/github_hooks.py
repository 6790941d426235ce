"""What does GitHub tell its webhooks? Source: docs.github.com/webhooks/webhook-events-and-payloads."""

from __future__ import annotations

from gitops_rollback.sandbox.forge.dialect import Delivery
from gitops_rollback.sandbox.forge.events import Event, What
from gitops_rollback.sandbox.forge.github_views import Views, stamp
from gitops_rollback.sandbox.forge.merging import Commit
from gitops_rollback.sandbox.forge.queue import Group
from gitops_rollback.sandbox.forge.state import Check, PullRequest
from gitops_rollback.sandbox.git_door import ZERO
from gitops_rollback.sandbox.rendering import Json

COMMITS = 2048
PULLS = {
    What.OPENED: "opened",
    What.CLOSED: "closed",
    What.MERGED: "closed",
    What.REOPENED: "reopened",
    What.SYNCHRONIZED: "synchronize",
    What.REVIEW_REQUESTED: "review_requested",
    What.AUTO_MERGE_ENABLED: "auto_merge_enabled",
    What.AUTO_MERGE_DISABLED: "auto_merge_disabled",
}
COMMENTS = {What.COMMENTED: "created", What.COMMENT_EDITED: "edited", What.COMMENT_DELETED: "deleted"}


def deliveries(views: Views, event: Event) -> list[Delivery]:
    """The webhooks of one event; several labels are several."""
    if event.what is What.PUSHED:
        return [Delivery("push", _push(views, event))]
    if event.what in (What.BRANCH_CREATED, What.BRANCH_DELETED):
        name = "create" if event.what is What.BRANCH_CREATED else "delete"
        about = {"ref": event.text("branch"), "ref_type": "branch", "pusher_type": "user"}
        more = {"master_branch": views.state.settings.default_branch, "description": None} if name == "create" else {}
        return [Delivery(name, {**about, **more, **_ends(views, event)})]
    if event.what is What.STATUS:
        return [Delivery("status", _status(views, event))]
    if event.what is What.QUEUED and event.pull is not None:
        return [Delivery("merge_group", _group(views, event, event.pull)), *_enqueued(views, event, event.pull)]
    if event.what is What.BUTTON:
        return [Delivery("check_run", _button(views, event))]
    if event.pull is None:
        return []
    if event.what in COMMENTS:
        return [_comment(views, event, event.pull)]
    if event.what is What.REVIEWED:
        review = views.review(event.pull, event.review)
        body = {"action": "submitted", "review": {**review, "state": str(review["state"]).lower()}}
        shown = views.pull(event.pull, listed=True)
        return [Delivery("pull_request_review", {**body, "pull_request": shown, **_ends(views, event)})]
    return [Delivery("pull_request", body) for body in _pulls(views, event, event.pull)]


def _ends(views: Views, event: Event) -> Json:
    return {"repository": views.repo(), "sender": views.user(event.actor)}


def _pulls(views: Views, event: Event, pull: PullRequest) -> list[Json]:
    body: Json = {"number": pull.number, "pull_request": views.pull(pull, asked=False), **_ends(views, event)}
    if event.what in (What.LABELED, What.UNLABELED):
        action = "labeled" if event.what is What.LABELED else "unlabeled"
        return [{"action": action, **body, "label": views.label(views.state.labels[name])} for name in event.names]
    if event.what is What.EDITED:
        return _edited(event, body)
    if event.what not in PULLS:
        return []
    more: Json = {}
    if event.what is What.SYNCHRONIZED:
        more = {"before": event.text("before"), "after": event.text("after")}
    if event.what is What.REVIEW_REQUESTED:
        more = {"requested_reviewer": views.user(event.text("reviewer"))}
    return [{"action": PULLS[event.what], **body, **more}]


def _edited(event: Event, body: Json) -> list[Json]:
    found: list[Json] = []
    if "draft" in event.before:
        found.append({"action": "ready_for_review" if event.before["draft"] else "converted_to_draft", **body})
    changes: Json = {name: {"from": was} for name, was in event.before.items() if name in ("title", "body")}
    if "base" in event.before:
        changes["base"] = {"ref": {"from": event.before["base"]}}
    return [*found, {"action": "edited", "changes": changes, **body}] if changes else found


def _comment(views: Views, event: Event, pull: PullRequest) -> Delivery:
    changes = {"changes": {"body": {"from": event.text("before")}}} if event.what is What.COMMENT_EDITED else {}
    action = {"action": COMMENTS[event.what], **changes}
    if event.comment.path:
        line = {"comment": views.line_comment(pull, event.comment), "pull_request": views.pull(pull, listed=True)}
        return Delivery("pull_request_review_comment", {**action, **line, **_ends(views, event)})
    whole = {"issue": views.issue(pull), "comment": views.comment(pull, event.comment)}
    return Delivery("issue_comment", {**action, **whole, **_ends(views, event)})


def _push(views: Views, event: Event) -> Json:
    change = event.change
    default = views.git.head(views.state.settings.default_branch)
    known = change.old if change.old != ZERO else ("" if default == change.new else default)
    commits = views.git.commits(known, change.new)[:COMMITS][::-1]
    user = views.state.users.get(event.actor)
    return {
        "ref": change.ref,
        "before": change.old,
        "after": change.new,
        "repository": views.repo(),
        "pusher": {"name": event.actor, "email": user.email if user else None},
        "sender": views.user(event.actor),
        "created": change.old == ZERO,
        "deleted": False,
        "forced": change.old != ZERO and not views.git.contains(change.new, change.old),
        "base_ref": None,
        "compare": f"{views.web}/compare/{(known or change.old)[:12]}...{change.new[:12]}",
        "commits": [_commit(views, commit) for commit in commits],
        "head_commit": _commit(views, views.git.read_commit(change.new)),
    }


def _commit(views: Views, commit: Commit) -> Json:
    changes = views.git.changes(commit.parents[0] if commit.parents else "", commit.sha)
    return {
        "id": commit.sha,
        "tree_id": views.git.tree(commit.sha),
        "distinct": True,
        "message": commit.message.rstrip("\n"),
        "timestamp": commit.committed_at.isoformat(),
        "url": f"{views.web}/commit/{commit.sha}",
        "author": {"name": commit.author.name, "email": commit.author.email},
        "committer": {"name": commit.committer.name, "email": commit.committer.email},
        "added": [change.path for change in changes if change.status == "added"],
        "removed": [change.path for change in changes if change.status == "removed"],
        "modified": [change.path for change in changes if change.status == "modified"],
    }


def _status(views: Views, event: Event) -> Json:
    status = event.status
    heads = {name: sha for name, sha in views.git.branches().items() if sha == status.sha}
    return {
        "id": status.id,
        "sha": status.sha,
        "name": views.state.repository,
        "target_url": status.url or None,
        "context": status.context,
        "description": status.description or None,
        "state": status.state,
        "commit": views.commit(views.git.read_commit(status.sha)),
        "branches": [{"name": name, "commit": {"sha": sha}, "protected": False} for name, sha in heads.items()],
        "created_at": stamp(status.at),
        "updated_at": stamp(status.at),
        **_ends(views, event),
    }


def _group(views: Views, event: Event, pull: PullRequest) -> Json:
    """Checks are asked for on what would land."""
    group = event.about["group"]
    assert isinstance(group, Group)
    shown = {
        "head_sha": group.landed.tip,
        "head_ref": f"refs/heads/{group.branch}",
        "base_sha": group.base,
        "base_ref": f"refs/heads/{pull.base}",
        "head_commit": _commit(views, views.git.read_commit(group.landed.tip)),
    }
    return {"action": "checks_requested", "merge_group": shown, **_ends(views, event)}


def _enqueued(views: Views, event: Event, pull: PullRequest) -> list[Delivery]:
    body = {"action": "enqueued", "number": pull.number, "pull_request": views.pull(pull, asked=False)}
    return [Delivery("pull_request", {**body, **_ends(views, event)})]


def _button(views: Views, event: Event) -> Json:
    check = event.about["check"]
    shown = views.check(check) if isinstance(check, Check) else {}
    pressed = {"identifier": event.text("identifier")}
    return {"action": "requested_action", "check_run": shown, "requested_action": pressed, **_ends(views, event)}
