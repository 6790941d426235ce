"""Gitea's and Forgejo's JSON as our types.

Source: contracts/forges.md, sections 5 and 6; what a real Gitea 1.26 answered.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gitops_rollback.adapters.forges.normal import Settling, checked, open_or_closed
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

METHODS = {
    "allow_merge_commits": MergeMethod.MERGE,
    "allow_squash_merge": MergeMethod.SQUASH,
    "allow_rebase": MergeMethod.REBASE,
}
PERMISSIONS: Mapping[str, Permission] = {
    "owner": Permission.ADMIN,
    "admin": Permission.ADMIN,
    "write": Permission.WRITE,
    "read": Permission.READ,
    "none": Permission.NONE,
}
BOTS = ("gitea-actions", "forgejo-actions", "ghost")


def read_pull_request(node: Node, subject: str, settling: Settling | None = None) -> PullRequest:
    """One pull request; without `settling` it comes from a list, which says little of merging.

    Raises: ForgeUnavailable for what has no number, head or base.
    """
    number, head, base = node.get("number").number(), node.get("head"), node.get("base")
    if number is None or not base.get("ref").text():
        raise ForgeUnavailable(subject, "answers what is no pull request")
    state = _state(node, subject)
    mergeability, why = _mergeability(node, number, settling)
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
        draft=_draft(node),
        labels=tuple(label.get("name").text() for label in node.get("labels").items()),
        created_at=node.get("created_at").moment(),
        merge_sha=(node.get("merge_commit_sha").text() or None) if state is PullRequestState.MERGED else None,
        merged_by=node.get("merged_by", "login").text(),
        from_fork=head.get("repo_id").value != base.get("repo_id").value,
        why=why,
    )
    checked(node, subject, "pull request")
    return found


def _state(node: Node, subject: str) -> PullRequestState:
    if node.get("merged").flag():
        return PullRequestState.MERGED
    return open_or_closed(node.get("state").text(), subject)


def _draft(node: Node) -> bool:
    # Before 1.19 only the title says it.
    title = node.get("title").text().strip().upper()
    return node.get("draft").flag() or title.startswith(("WIP:", "[WIP]"))


def _mergeability(node: Node, number: int, settling: Settling | None) -> tuple[Mergeability, str]:
    """`mergeable` is false while it is worked out, after each push of either branch, and for a conflict."""
    if _draft(node):
        return Mergeability.DRAFT, "it is a draft"
    if settling is None:
        return Mergeability.CHECKING, ""
    key = (number, node.get("head", "sha").text(), node.get("base", "sha").text())
    if node.get("mergeable").flag():
        settling.over(key)
        return Mergeability.READY, ""
    if settling.still(key):
        return Mergeability.CHECKING, ""
    return Mergeability.CONFLICT, "it cannot be merged: there is a conflict"


def read_comment(node: Node, subject: str) -> Comment:
    """A comment of the whole, or of a line, which has a `path`. Raises: ForgeUnavailable for what is none."""
    identity, created = node.get("id").number(), node.get("created_at").moment()
    if identity is None or created is None:
        raise ForgeUnavailable(subject, "answers what is no comment")
    updated, user = node.get("updated_at").moment(), node.get("user")
    login = user.get("login").text()
    return Comment(
        id=str(identity),
        author=login,
        body=node.get("body").text(),
        created_at=created,
        edited=updated is not None and updated != created,
        by_bot=login in BOTS or (user.get("id").number() or 1) < 0,  # its own users have numbers below zero
        path=node.get("path").text(),
    )


def read_methods(repository: Node) -> tuple[MergeMethod, ...]:
    """The ways of merging that the repository allows; () where it does not tell."""
    return tuple(method for key, method in METHODS.items() if repository.get(key).flag())


def own_permission(repository: Node) -> Permission:
    """Ours."""
    told = repository.get("permissions")
    if not told:
        return Permission.UNKNOWN
    if told.get("admin").flag():
        return Permission.ADMIN
    if told.get("push").flag():
        return Permission.WRITE
    return Permission.READ if told.get("pull").flag() else Permission.NONE


def trouble(repository: Node, permission: Permission, login: str, approvers: tuple[str, ...]) -> Iterator[str]:
    """What is missing for our work, a sentence each."""
    if not login:
        yield "the token lacks the scope read:user: our own comments cannot be told from others'"
    if repository.get("archived").flag():
        yield "the repository is archived: nothing can be written there"
    if not repository.get("has_pull_requests").flag(default=True):
        yield "pull requests are switched off in this repository"
    if not permission.may_write:
        yield "it may not write there: make it a collaborator who may write, with the scope write:repository"
    elif permission is not Permission.ADMIN and not approvers:
        yield (
            "what others may do is told to administrators of the repository alone, so that nobody's command counts:"
            " make it one, or name the logins in forge.approvers"
        )
