"""GitLab's JSON as our types: merge requests, notes, what a project allows.

Source: contracts/forges.md, sections 4 and 6; GitLab REST API, Merge requests, Notes, Projects, Members.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta

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
    StatusState,
)

STATES: Mapping[str, Mergeability] = {
    "mergeable": Mergeability.READY,
    "can_be_merged": Mergeability.READY,  # of `merge_status`, which servers before 15.6 have alone
    "unchecked": Mergeability.CHECKING,
    "checking": Mergeability.CHECKING,
    "preparing": Mergeability.CHECKING,
    "approvals_syncing": Mergeability.CHECKING,
    "ci_still_running": Mergeability.CHECKING,
    "cannot_be_merged_recheck": Mergeability.CHECKING,
    "cannot_be_merged_rechecking": Mergeability.CHECKING,
    "ci_must_pass": Mergeability.BLOCKED,
    "not_approved": Mergeability.BLOCKED,
    "discussions_not_resolved": Mergeability.BLOCKED,
    "requested_changes": Mergeability.BLOCKED,
    "need_rebase": Mergeability.BLOCKED,
    "external_status_checks": Mergeability.BLOCKED,
    "status_checks_must_pass": Mergeability.BLOCKED,
    "policies_denied": Mergeability.BLOCKED,
    "security_policy_violations": Mergeability.BLOCKED,
    "blocked_status": Mergeability.BLOCKED,
    "merge_request_blocked": Mergeability.BLOCKED,
    "jira_association_missing": Mergeability.BLOCKED,
    "locked_paths": Mergeability.BLOCKED,
    "locked_lfs_files": Mergeability.BLOCKED,
    "merge_time": Mergeability.BLOCKED,
    "title_regex": Mergeability.BLOCKED,
    "commits_status": Mergeability.BLOCKED,
    "not_open": Mergeability.BLOCKED,
    "conflict": Mergeability.CONFLICT,
    "broken_status": Mergeability.CONFLICT,
    "cannot_be_merged": Mergeability.CONFLICT,
    "draft_status": Mergeability.DRAFT,
}
STATUS_WORDS: Mapping[StatusState, str] = {
    StatusState.PENDING: "pending",
    StatusState.SUCCESS: "success",
    StatusState.FAILURE: "failed",
    StatusState.ERROR: "failed",
}
READER, DEVELOPER, MAINTAINER = 10, 30, 40
# How GitLab names the users that it makes for tokens and services.
_BOT = re.compile(r"(?:project|group)_\d+_bot(?:_\w+)?|service_account_\w+|ghost|alert-bot|support-bot")


def read_merge_request(node: Node, subject: str, settling: Settling | None = None) -> PullRequest:
    """One merge request; without `settling` it comes from a list, whose word on merging may be old.

    Raises: ForgeUnavailable for what has no number, source or target.
    """
    number, head = node.get("iid").number(), node.get("source_branch").text()
    if number is None or not head or not node.get("target_branch").text():
        raise ForgeUnavailable(subject, "answers what is no merge request")
    state = _state(node, subject)
    mergeability, why = _mergeability(node, number, settling)
    found = PullRequest(
        number=number,
        url=node.get("web_url").text(),
        title=node.get("title").text(),
        author=node.get("author", "username").text(),
        head=head,
        head_sha=node.get("sha").text(),
        base=node.get("target_branch").text(),
        state=state,
        mergeability=mergeability,
        draft=_draft(node),
        labels=node.get("labels").texts(),
        created_at=node.get("created_at").moment(),
        merge_sha=_merge_sha(node) if state is PullRequestState.MERGED else None,
        merged_by=(node.get("merge_user") or node.get("merged_by")).get("username").text(),
        closed_by=node.get("closed_by", "username").text() if state is PullRequestState.CLOSED else "",
        auto_merge=node.get("merge_when_pipeline_succeeds").flag(),
        from_fork=node.get("source_project_id").value != node.get("target_project_id").value,
        why=why,
    )
    checked(node, subject, "merge request")
    return found


def _state(node: Node, subject: str) -> PullRequestState:
    word = node.get("state").text()
    if word == "merged":
        return PullRequestState.MERGED
    # `locked` is a merge that is being done.
    return open_or_closed("open" if word in ("opened", "locked", "reopened") else word, subject)


def _merge_sha(node: Node) -> str | None:
    """What came onto the branch: a merge commit, a squashed one, or, forwarded fast, the head itself."""
    found = [node.get(key).text() for key in ("merge_commit_sha", "squash_commit_sha", "sha")]
    return next((sha for sha in found if sha), None)


def _draft(node: Node) -> bool:
    return node.get("draft").flag() or node.get("work_in_progress").flag()


def _mergeability(node: Node, number: int, settling: Settling | None) -> tuple[Mergeability, str]:
    if _draft(node):
        return Mergeability.DRAFT, "it is a draft"
    word = node.get("detailed_merge_status").text() or node.get("merge_status").text()
    if settling is None:
        return Mergeability.CHECKING, ""
    found = by_word(word, STATES, settling, number, node.get("sha").text())
    return found, "" if found is Mergeability.READY else word


def read_note(node: Node, subject: str) -> Comment:
    """A note that a person or a bot wrote. Raises: ForgeUnavailable for what is none.

    A reaction moves `updated_at` as an edit does, so a note with one counts as edited.
    """
    identity, created = node.get("id").number(), node.get("created_at").moment()
    if identity is None or created is None:
        raise ForgeUnavailable(subject, "answers what is no note")
    updated, author = node.get("updated_at").moment(), node.get("author", "username").text()
    position = node.get("position")
    return Comment(
        id=str(identity),
        author=author,
        body=node.get("body").text(),
        created_at=created,
        edited=updated is not None and updated - created >= timedelta(seconds=1),
        by_bot=_BOT.fullmatch(author) is not None,
        path=position.get("new_path").text() or position.get("old_path").text(),
    )


def read_methods(project: Node) -> tuple[MergeMethod, ...]:
    """The ways of merging that the project allows; () where it does not tell."""
    way, squash = project.get("merge_method").text(), project.get("squash_option").text()
    if not way:
        return ()
    plain = () if squash == "always" else (MergeMethod.REBASE if way == "ff" else MergeMethod.MERGE,)
    return (*plain, *((MergeMethod.SQUASH,) if squash != "never" else ()))


def by_level(level: int | None) -> Permission:
    """Of an access level; a custom role has that of the role that it builds on."""
    if level is None or level < READER:
        return Permission.NONE
    if level < DEVELOPER:
        return Permission.READ
    return Permission.WRITE if level < MAINTAINER else Permission.ADMIN


def own_level(project: Node) -> int | None:
    """Our access level: the higher one of the project's and the group's; None if we are no member."""
    found = [project.get("permissions", one, "access_level").number() for one in ("project_access", "group_access")]
    return max((level for level in found if level is not None), default=None)


def trouble(project: Node, level: int | None, scopes: tuple[str, ...] | None) -> Iterator[str]:
    """What is missing for our work, a sentence each."""
    if project.get("archived").flag():
        yield "the project is archived: nothing can be written there"
    if level is None or level < DEVELOPER:
        yield "it may not write there: give its token the role Developer, or Maintainer for protected branches"
    if scopes is not None and "api" not in scopes:
        yield f"the token has the scopes {', '.join(scopes) or '(none)'}, and needs api"
    if project.get("merge_requests_access_level").text() == "disabled":
        yield "merge requests are switched off in this project"
