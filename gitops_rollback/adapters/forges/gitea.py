"""Gitea and Forgejo, by REST.

Source: contracts/forges.md, section 5; what a real Gitea 1.26 answered; Gitea's API, routers/api/v1/repo.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain, islice
from typing import ClassVar
from urllib.parse import quote

import structlog

from gitops_rollback.adapters.forges import gitea_merging
from gitops_rollback.adapters.forges.answer import Answer
from gitops_rollback.adapters.forges.client import GitHubStyle
from gitops_rollback.adapters.forges.exchange import Call, Exchange, Query
from gitops_rollback.adapters.forges.gitea_labels import with_labels
from gitops_rollback.adapters.forges.gitea_rules import rules
from gitops_rollback.adapters.forges.gitea_wire import (
    PERMISSIONS,
    own_permission,
    read_comment,
    read_methods,
    read_pull_request,
    trouble,
)
from gitops_rollback.adapters.forges.normal import among, read_status
from gitops_rollback.adapters.forges.paging import entries
from gitops_rollback.adapters.json_node import Node
from gitops_rollback.core.errors import CredentialsRejected, ForgeRefused, ForgeUnavailable
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

PAGE = 50
MOST_REVIEWS = 50  # whose comments of lines are read, each by a request of its own
LONGEST_DESCRIPTION = 255
MOST_OVER = 4 * PAGE  # closed ones that are looked through for a branch
BRANCH_PAUSES = (0.1, 0.3, 1.0, 2.0)  # seconds
log = structlog.get_logger()


class Gitea(GitHubStyle):
    """As `ports.forge.Forge`."""

    kind = "gitea"
    page: ClassVar[Query] = {"limit": PAGE}

    def __init__(self, exchange: Exchange) -> None:
        super().__init__(exchange, f"/repos/{quote(exchange.settings.repository)}")

    def facts(self) -> ForgeFacts:
        call = self._exchange.call("facts")
        version = call.get("/version").node().get("version").text()
        try:
            login = self._own_login(call)
        except CredentialsRejected:
            login = ""
        repository = call.repository(self._root).node()
        permission = own_permission(repository)
        return ForgeFacts(
            kind="forgejo" if "+gitea-" in version else self.kind,
            version=version,
            login=login,
            permission=permission,
            auto_merge=True,
            methods=read_methods(repository),
            trouble=tuple(trouble(repository, permission, login, self._settings.approvers)),
        )

    def rules(self, branch: str) -> BranchRules:
        return rules(self._exchange.call("rules"), self._root, branch)

    def open_pull_requests(self, base: str, since: datetime | None = None) -> tuple[PullRequest, ...]:
        call = self._exchange.call("open_pull_requests")
        found = []
        query: Query = {"state": "open", "base_branch": base, "sort": "recentupdate", "limit": PAGE}
        for node in entries(call, f"{self._root}/pulls", query):
            updated = node.get("updated_at").moment()
            if since is not None and updated is not None and updated < since:
                break
            found.append(read_pull_request(node, call.subject))
        # Servers before 1.24 do not know the filter.
        return tuple(sorted((one for one in found if one.base == base), key=lambda one: -one.number))

    def merge(self, number: int, head_sha: str, method: MergeMethod, message: str) -> Merged:
        call = self._exchange.call("merge")
        return gitea_merging.Merging(call, self._root, lambda: self._get(call, number), head_sha).now(method, message)

    def merge_when_ready(self, number: int, head_sha: str, method: MergeMethod, message: str) -> Merged:
        call = self._exchange.call("merge_when_ready")
        merging = gitea_merging.Merging(call, self._root, lambda: self._get(call, number), head_sha)
        return merging.when_ready(method, message)

    def cancel_merge(self, number: int) -> None:
        gitea_merging.cancel(self._exchange.call("cancel_merge"), self._root, number)

    def comments(self, number: int, since: datetime | None = None) -> tuple[Comment, ...]:
        call = self._exchange.call("comments")
        whole = self._comments(call, number, since)
        lines = self._comments_of_lines(call, number, since)
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
        del buttons  # it has none
        call = self._exchange.call("set_status")
        wanted = {"state": state.value, "description": description[:LONGEST_DESCRIPTION], "target_url": url}
        if self._status(call, sha, context) != wanted:
            call.write("POST", f"{self._root}/statuses/{sha}", {"context": context, **wanted})

    def status(self, sha: str, context: str) -> CommitStatus | None:
        found = self._status(self._exchange.call("status"), sha, context)
        return None if found is None else read_status(found["state"], found["description"])

    def permission(self, login: str) -> Permission:
        call = self._exchange.call("permission")
        path = f"{self._root}/collaborators/{quote(login, safe='')}/permission"
        answer = call.get(path, accept=(403, 404))
        if answer.status == 404:
            return Permission.NONE
        if answer.status == 403:  # told to administrators alone
            return among(login, self._settings.approvers)
        return PERMISSIONS.get(answer.node().get("permission").text(), Permission.UNKNOWN)

    def pull_requests_of(self, sha: str) -> tuple[PullRequest, ...]:
        """Gitea knows it of a merge's own commit; heads are looked for among those that changed of late."""
        call = self._exchange.call("pull_requests_of")
        answer = call.get(f"{self._root}/commits/{sha}/pull", accept=(404, 422))
        found = [read_pull_request(answer.node(), call.subject)] if answer.fine else []
        listed = call.get(f"{self._root}/pulls", {"state": "all", "sort": "recentupdate", "limit": PAGE}).node()
        for node in listed.items():
            one = read_pull_request(node, call.subject)
            if sha in (one.head_sha, one.merge_sha) and all(one.number != other.number for other in found):
                found.append(one)
        return tuple(found)

    def _confirm(self, call: Call) -> None:
        """Raises: ForgeRefused if the host is neither Gitea nor Forgejo."""
        answer = call.get("/version", accept=(404,))
        if list(answer.node().mapping()) != ["version"]:
            said = "its host answers neither as Gitea nor as Forgejo does: set forge.kind of this repository"
            raise ForgeRefused(call.subject, said, answer.status)

    def _own_login(self, call: Call) -> str:
        if not self._login:
            self._login = call.get("/user").node().get("login").text()
        return self._login

    def _get(self, call: Call, number: int) -> PullRequest:
        found = self._read(call.get(f"{self._root}/pulls/{number}").node(), call)
        closed = found.state is PullRequestState.CLOSED
        return replace(found, closed_by=self._closed_by(call, number)) if closed else found

    def _closed_by(self, call: Call, number: int) -> str:
        """Only the timeline says it; "" where that cannot be read."""
        try:
            events = list(entries(call, f"{self._root}/issues/{number}/timeline", {"limit": PAGE}))
        except (ForgeRefused, CredentialsRejected):
            return ""
        closing = [one.get("user", "login").text() for one in events if one.get("type").text() == "close"]
        return closing[-1] if closing else ""

    def _read(self, node: Node, call: Call) -> PullRequest:
        return read_pull_request(node, call.subject, self._settling)

    def _listed(self, call: Call, _head: str, base: str) -> Iterator[PullRequest]:
        """All that are open, since the list knows no filter by head; of the others those that changed of late."""
        pulls = f"{self._root}/pulls"
        query: Query = {"state": "open", "base_branch": base, "limit": PAGE}
        over = {**query, "state": "closed", "sort": "recentupdate"}
        for node in chain(entries(call, pulls, query), islice(entries(call, pulls, over), MOST_OVER)):
            yield read_pull_request(node, call.subject)

    def _create(self, call: Call, head: str, base: str, title: str, body: str, _labels: Sequence[str]) -> Answer:
        """A branch is known a moment after its push; until then the answer is that something is not there."""
        wanted = {"head": head, "base": base, "title": title, "body": body}
        for pause in BRANCH_PAUSES:
            answer = call.write("POST", f"{self._root}/pulls", wanted, accept=(404, 409))
            if answer.status != 404:
                return answer
            call.pause(pause)
        return call.write("POST", f"{self._root}/pulls", wanted, accept=(409,))

    def _close(self, call: Call, number: int) -> Answer:
        return call.write("PATCH", f"{self._root}/pulls/{number}", {"state": "closed"}, accept=(409, 412, 422))

    def _label(self, call: Call, number: int, labels: Sequence[str]) -> None:
        with_labels(call, self._root, self.repository.partition("/")[0], number, tuple(labels))

    def _read_comment(self, node: Node, call: Call) -> Comment:
        return read_comment(node, call.subject)

    def _discussion(self, call: Call, number: int) -> Iterator[Comment]:
        return self._comments(call, number)

    def _comments(self, call: Call, number: int, since: datetime | None = None) -> Iterator[Comment]:
        query: Query = {} if since is None else {"since": since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}
        nodes = entries(call, f"{self._root}/issues/{number}/comments", query)
        return (read_comment(node, call.subject) for node in nodes)

    def _comments_of_lines(self, call: Call, number: int, since: datetime | None) -> Iterator[Comment]:
        place = f"{self._root}/pulls/{number}/reviews"
        reviews = [node for node in entries(call, place, {"limit": PAGE}) if node.get("comments_count").number()]
        for review in reviews[-MOST_REVIEWS:]:
            for node in entries(call, f"{place}/{review.get('id').number()}/comments", {}):
                updated = node.get("updated_at").moment()
                if since is None or updated is None or updated >= since:
                    yield read_comment(node, call.subject)

    def _status(self, call: Call, sha: str, context: str) -> dict[str, str] | None:
        """The newest one of the context, as it would be written."""
        page, seen = 1, 0
        while page <= MOST_REVIEWS:
            told = call.get(f"{self._root}/commits/{sha}/status", {"page": page, "limit": PAGE}).node()
            statuses = list(told.get("statuses").items())
            for node in statuses:
                if node.get("context").text() == context:
                    texts = {key: node.get(key).text() for key in ("description", "target_url")}
                    return {"state": node.get("status").text(), **texts}
            seen += len(statuses)
            if not statuses or len(statuses) < PAGE:
                return None
            page += 1
        raise ForgeUnavailable(call.subject, f"has more than {seen} statuses of one commit")
