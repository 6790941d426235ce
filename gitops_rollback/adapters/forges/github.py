"""GitHub and GitHub Enterprise Server, by REST; what only GraphQL can do is `github_merging`'s.

Source: contracts/forges.md, section 3; GitHub REST API 2022-11-28.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import ClassVar
from urllib.parse import quote

import structlog

from gitops_rollback.adapters.forges import github_merging, github_rules
from gitops_rollback.adapters.forges.answer import Answer
from gitops_rollback.adapters.forges.client import GitHubStyle
from gitops_rollback.adapters.forges.exchange import Call, Exchange, Query
from gitops_rollback.adapters.forges.github_checks import check_run, read_check, set_check
from gitops_rollback.adapters.forges.github_wire import (
    own_permission,
    read_comment,
    read_methods,
    read_permission,
    read_pull_request,
)
from gitops_rollback.adapters.forges.normal import among, read_status
from gitops_rollback.adapters.forges.paging import entries
from gitops_rollback.adapters.json_node import Node
from gitops_rollback.core.errors import ForgeRefused
from gitops_rollback.core.pull_request import (
    BranchRules,
    Comment,
    CommitStatus,
    ForgeFacts,
    Merged,
    MergeMethod,
    Permission,
    PullRequest,
    PullRequestState,
    StatusButtons,
    StatusState,
)

PAGE = 100
LONGEST_DESCRIPTION = 140
log = structlog.get_logger()


class GitHub(GitHubStyle):
    """As `ports.forge.Forge`."""

    kind = "github"
    page: ClassVar[Query] = {"per_page": PAGE}

    def __init__(self, exchange: Exchange) -> None:
        super().__init__(exchange, f"/repos/{quote(exchange.settings.repository)}")

    def facts(self) -> ForgeFacts:
        call = self._exchange.call("facts")
        login = self._own_login(call)
        answer = call.repository(self._root)
        repository, granted = answer.node(), self._exchange.credentials.permissions()
        permission = own_permission(repository, granted)
        allowed = repository.get("allow_auto_merge")
        return ForgeFacts(
            kind=self.kind,
            version=answer.headers.get("x-github-enterprise-version", ""),
            login=login,
            permission=permission,
            auto_merge=None if allowed.value is None else allowed.flag(),
            methods=read_methods(repository),
            trouble=tuple(_trouble(repository, permission, granted, answer.headers.get("x-oauth-scopes"))),
        )

    def rules(self, branch: str) -> BranchRules:
        return github_rules.rules(self._exchange.call("rules"), self._root, branch)

    def open_pull_requests(self, base: str, since: datetime | None = None) -> tuple[PullRequest, ...]:
        call = self._exchange.call("open_pull_requests")
        query: Query = {"state": "open", "base": base, "sort": "updated", "direction": "desc", "per_page": PAGE}
        found = []
        for node in entries(call, f"{self._root}/pulls", query):
            updated = node.get("updated_at").moment()
            if since is not None and updated is not None and updated < since:
                break
            found.append(read_pull_request(node, call.subject))
        return tuple(sorted((one for one in found if one.base == base), key=lambda one: -one.number))

    def merge(self, number: int, head_sha: str, method: MergeMethod, message: str) -> Merged:
        call = self._exchange.call("merge")
        return github_merging.merge(call, self._root, lambda: self._get(call, number), head_sha, method, message)

    def merge_when_ready(self, number: int, head_sha: str, method: MergeMethod, message: str) -> Merged:
        call = self._exchange.call("merge_when_ready")
        return github_merging.merge_when_ready(
            call, self._root, lambda: self._get(call, number), head_sha, method, message
        )

    def cancel_merge(self, number: int) -> None:
        call = self._exchange.call("cancel_merge")
        github_merging.cancel(call, self._root, self._get(call, number))

    def comments(self, number: int, since: datetime | None = None) -> tuple[Comment, ...]:
        call = self._exchange.call("comments")
        query = _since(since)
        whole = self._comments(call, f"{self._root}/issues/{number}/comments", query)
        lines = self._comments(call, f"{self._root}/pulls/{number}/comments", query)
        return tuple(sorted((*whole, *lines), key=lambda one: (one.created_at, int(one.id))))

    def set_status(
        self,
        sha: str,
        context: str,
        state: StatusState,
        description: str,
        url: str = "",
        buttons: StatusButtons | None = None,
    ) -> None:
        call = self._exchange.call("set_status")
        if buttons is not None and self._may_check(call):
            set_check(call, self._root, sha, check_run(context, state, description, url, buttons))
            return
        wanted = {"state": state.value, "description": description[:LONGEST_DESCRIPTION], "target_url": url}
        if self._status(call, sha, context) == wanted:
            return
        body = {"context": context, **{key: text for key, text in wanted.items() if text}}
        answer = call.write("POST", f"{self._root}/statuses/{sha}", body, accept=(422,))
        if answer.fine:
            return
        if "maximum" not in answer.words().lower():
            raise answer.refusal()
        log.warning("a status is not written: the commit has as many as it may have", sha=sha, context=context)

    def _may_check(self, call: Call) -> bool:
        """An App's own token alone says what it may do, and it is known once there is one."""
        self._exchange.credentials.headers(call.left())
        return self._exchange.credentials.permissions().get("checks") == "write"

    def status(self, sha: str, context: str) -> CommitStatus | None:
        call = self._exchange.call("status")
        found = self._status(call, sha, context)
        if found is None:
            return read_check(call, self._root, sha, context)
        return read_status(found["state"], found["description"])

    def permission(self, login: str) -> Permission:
        call = self._exchange.call("permission")
        path = f"{self._root}/collaborators/{quote(login, safe='')}/permission"
        answer = call.get(path, accept=(403, 404))
        if answer.status == 404:
            return Permission.NONE
        if answer.status == 403:  # only who may write is told what others may do
            return among(login, self._settings.approvers)
        return read_permission(answer.node())

    def pull_requests_of(self, sha: str) -> tuple[PullRequest, ...]:
        call = self._exchange.call("pull_requests_of")
        try:
            found = list(entries(call, f"{self._root}/commits/{sha}/pulls", {"per_page": PAGE}))
        except ForgeRefused as error:
            if error.status in (404, 422):  # no such commit there
                return ()
            raise
        return tuple(read_pull_request(node, call.subject) for node in found)

    def _confirm(self, call: Call) -> None:
        """Raises: ForgeRefused if the host is no GitHub."""
        answer = call.get("/meta", accept=(404,))
        if not {"verifiable_password_authentication", "installed_version"} & answer.node().mapping().keys():
            said = "its host does not answer as GitHub does: set forge.kind of this repository"
            raise ForgeRefused(call.subject, said, answer.status)

    def _own_login(self, call: Call) -> str:
        if not self._login:
            self._login = self._exchange.credentials.login(call.left()) or self._login_of_token(call)
        return self._login

    def _login_of_token(self, call: Call) -> str:
        answer = call.get("/user", accept=(403,))
        if answer.fine:
            return answer.node().get("login").text()
        # A token of a workflow is no user's; GraphQL knows its name all the same.
        told = github_merging.graph(call, "query { viewer { login } }", {})
        return told.get("data", "viewer", "login").text()

    def _get(self, call: Call, number: int) -> PullRequest:
        found = self._read(call.get(f"{self._root}/pulls/{number}").node(), call)
        if found.state is not PullRequestState.CLOSED:
            return found
        issue = call.get(f"{self._root}/issues/{number}", accept=(403, 404))  # which alone says who closed it
        return replace(found, closed_by=issue.node().get("closed_by", "login").text() if issue.fine else "")

    def _read(self, node: Node, call: Call) -> PullRequest:
        return read_pull_request(node, call.subject, self._settling)

    def _listed(self, call: Call, head: str, base: str) -> Iterator[PullRequest]:
        owner = self.repository.partition("/")[0]
        query: Query = {"state": "all", "head": f"{owner}:{head}", "base": base, "per_page": PAGE}
        for node in entries(call, f"{self._root}/pulls", query):
            yield read_pull_request(node, call.subject)

    def _create(self, call: Call, head: str, base: str, title: str, body: str, _labels: Sequence[str]) -> Answer:
        wanted = {"title": title, "head": head, "base": base, "body": body, "maintainer_can_modify": False}
        return call.write("POST", f"{self._root}/pulls", wanted, accept=(422,))

    def _may_exist(self, refused: Answer) -> bool:
        return "already exists" in refused.words().lower()

    def _close(self, call: Call, number: int) -> Answer:
        return call.write("PATCH", f"{self._root}/pulls/{number}", {"state": "closed"}, accept=(422,))

    def _label(self, call: Call, number: int, labels: Sequence[str]) -> None:
        call.write("POST", f"{self._root}/issues/{number}/labels", {"labels": list(labels)})

    def _room(self, comment: Comment) -> str:
        return "pulls" if comment.path else "issues"

    def _read_comment(self, node: Node, call: Call) -> Comment:
        return read_comment(node, call.subject)

    def _discussion(self, call: Call, number: int) -> Iterator[Comment]:
        return self._comments(call, f"{self._root}/issues/{number}/comments", _since(None))

    def _comments(self, call: Call, place: str, query: Query) -> Iterator[Comment]:
        return (read_comment(node, call.subject) for node in entries(call, place, query))

    def _status(self, call: Call, sha: str, context: str) -> dict[str, str] | None:
        """The newest one of the context, as it would be written; they come newest first."""
        for node in entries(call, f"{self._root}/commits/{sha}/statuses", {"per_page": PAGE}):
            if node.get("context").text().casefold() == context.casefold():
                return {key: node.get(key).text() for key in ("state", "description", "target_url")}
        return None


def _since(since: datetime | None) -> Query:
    query: dict[str, str | int] = {"per_page": PAGE}
    return query if since is None else {**query, "since": since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}


def _trouble(repository: Node, permission: Permission, granted: Mapping[str, str], scopes: str | None) -> Iterator[str]:
    if repository.get("archived").flag():
        yield "the repository is archived: nothing can be written there"
    if not permission.may_write and permission is not Permission.UNKNOWN:
        yield "it may not write there: give it Contents: write"
    for name in ("pull_requests", "statuses"):
        if granted and granted.get(name) != "write":
            yield f"the App lacks the permission {name}: write"
    if (
        scopes is not None
        and scopes.strip()
        and not {"repo", "public_repo"} & {one.strip() for one in scopes.split(",")}
    ):
        yield f"the token has the scopes {scopes}, and needs repo"
