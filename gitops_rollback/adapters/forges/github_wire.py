"""GitHub's JSON as our types: pull requests, comments, statuses, what a repository allows.

Source: contracts/forges.md, sections 3 and 6; GitHub REST API 2022-11-28, Pulls, Issues, Commits, Collaborators.
"""

from __future__ import annotations

from collections.abc import Mapping

from gitops_rollback.adapters.forges.normal import Settling, by_word, checked, open_or_closed
from gitops_rollback.adapters.json_node import Node
from gitops_rollback.core.errors import ForgeUnavailable
from gitops_rollback.core.pull_request import (
    Comment,
    Mergeability,
    MergeMethod,
    Permission,
    PullRequest,
    PullRequestState,
)

STATES: Mapping[str, Mergeability] = {
    "clean": Mergeability.READY,
    "unstable": Mergeability.READY,  # a check that is not required has failed
    "has_hooks": Mergeability.READY,
    "unknown": Mergeability.CHECKING,
    "blocked": Mergeability.BLOCKED,
    "behind": Mergeability.BLOCKED,
    "dirty": Mergeability.CONFLICT,
    "draft": Mergeability.DRAFT,
}
METHODS = {
    "allow_merge_commit": MergeMethod.MERGE,
    "allow_squash_merge": MergeMethod.SQUASH,
    "allow_rebase_merge": MergeMethod.REBASE,
}
PERMISSIONS: Mapping[str, Permission] = {
    "admin": Permission.ADMIN,
    "maintain": Permission.WRITE,
    "write": Permission.WRITE,
    "triage": Permission.READ,
    "read": Permission.READ,
    "none": Permission.NONE,
}


def read_pull_request(node: Node, subject: str, settling: Settling | None = None) -> PullRequest:
    """One pull request; without `settling` it comes from a list, which does not say whether it can be merged.

    Raises: ForgeUnavailable for what has no number, head or base.
    """
    number, head, base = node.get("number").number(), node.get("head"), node.get("base")
    if number is None or not head.get("sha").text() or not base.get("ref").text():
        raise ForgeUnavailable(subject, "answers what is no pull request")
    state = _state(node, subject)
    mergeability, why = _mergeability(node, number, settling)
    merged = state is PullRequestState.MERGED
    home = base.get("repo", "id").value
    found = PullRequest(
        number=number,
        url=node.get("html_url").text(),
        title=node.get("title").text(),
        author=node.get("user", "login").text(),
        head=head.get("ref").text(),
        head_sha=head.get("sha").text(),
        base=base.get("ref").text(),
        state=state,
        mergeability=mergeability,
        draft=node.get("draft").flag(),
        labels=tuple(label.get("name").text() for label in node.get("labels").items()),
        created_at=node.get("created_at").moment(),
        # Before the merge it is the commit of a trial merge, and later versions of the API leave it out.
        merge_sha=(node.get("merge_commit_sha").text() or None) if merged else None,
        merged_by=node.get("merged_by", "login").text(),
        auto_merge=bool(node.get("auto_merge")),
        from_fork=head.get("repo", "id").value != home,  # a fork that was deleted is null
        why=why,
    )
    checked(node, subject, "pull request")
    return found


def _state(node: Node, subject: str) -> PullRequestState:
    if node.get("merged").flag() or node.get("merged_at").value is not None:
        return PullRequestState.MERGED
    return open_or_closed(node.get("state").text(), subject)


def _mergeability(node: Node, number: int, settling: Settling | None) -> tuple[Mergeability, str]:
    if node.get("draft").flag():
        return Mergeability.DRAFT, "it is a draft"
    if settling is None or node.get("mergeable").value is None:
        return Mergeability.CHECKING, ""
    word = node.get("mergeable_state").text()
    found = by_word(word, STATES, settling, number, node.get("head", "sha").text())
    return found, "" if found is Mergeability.READY else word


def read_comment(node: Node, subject: str) -> Comment:
    """A comment of the whole, or of a line, which has a `path`. Raises: ForgeUnavailable for what is none."""
    identity, created = node.get("id").number(), node.get("created_at").moment()
    if identity is None or created is None:
        raise ForgeUnavailable(subject, "answers what is no comment")
    updated, user = node.get("updated_at").moment(), node.get("user")
    return Comment(
        id=str(identity),
        author=user.get("login").text(),
        body=node.get("body").text(),
        created_at=created,
        edited=updated is not None and updated != created,
        by_bot=user.get("type").text() == "Bot" or bool(node.get("performed_via_github_app")),
        path=node.get("path").text(),
    )


def read_methods(repository: Node) -> tuple[MergeMethod, ...]:
    """The ways of merging that the repository allows; () where it does not tell."""
    return tuple(method for key, method in METHODS.items() if repository.get(key).flag())


def read_permission(node: Node) -> Permission:
    """What a collaborator may do. A role of the organisation's own counts by the permission that it builds on."""
    return PERMISSIONS.get(node.get("permission").text(), Permission.UNKNOWN)


def own_permission(repository: Node, app: Mapping[str, str]) -> Permission:
    """Ours. `app`: what an installation was granted, which the repository does not tell."""
    if app:
        contents = app.get("contents", "")
        return {"write": Permission.WRITE, "read": Permission.READ}.get(contents, Permission.NONE)
    told = repository.get("permissions")
    if not told:
        return Permission.UNKNOWN
    if told.get("admin").flag():
        return Permission.ADMIN
    if told.get("push").flag():
        return Permission.WRITE
    return Permission.READ if told.get("pull").flag() else Permission.NONE
