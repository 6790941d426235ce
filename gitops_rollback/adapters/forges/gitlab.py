"""GitLab, by REST: its merge requests are pull requests here, and `iid` is the number.

Source: contracts/forges.md, section 4; GitLab REST API v4.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from urllib.parse import quote

import structlog

from gitops_rollback.adapters.forges import gitlab_merging, gitlab_rules
from gitops_rollback.adapters.forges.answer import Answer
from gitops_rollback.adapters.forges.client import MOST_PATHS, ForgeClient
from gitops_rollback.adapters.forges.exchange import Call, Exchange, Query
from gitops_rollback.adapters.forges.gitlab_wire import (
    STATUS_WORDS,
    by_level,
    own_level,
    read_merge_request,
    read_methods,
    read_note,
    trouble,
)
from gitops_rollback.adapters.forges.marking import upsert
from gitops_rollback.adapters.forges.normal import read_status
from gitops_rollback.adapters.forges.paging import entries
from gitops_rollback.adapters.json_node import Node
from gitops_rollback.core.errors import CredentialsRejected, ForgeRefused, RollbackError
from gitops_rollback.core.pull_request import (
    BranchRules,
    Comment,
    CommitStatus,
    ForgeFacts,
    Merged,
    MergeMethod,
    Permission,
    PullRequest,
    StatusButtons,
    StatusState,
)

PAGE = 100
LONGEST_DESCRIPTION = 255
log = structlog.get_logger()


class GitLab(ForgeClient):
    """As `ports.forge.Forge`."""

    kind = "gitlab"

    def __init__(self, exchange: Exchange) -> None:
        super().__init__(exchange, f"/projects/{quote(exchange.settings.repository, safe='')}")
        self._version: str | None = None

    def facts(self) -> ForgeFacts:
        call = self._exchange.call("facts")
        login, project = self._own_login(call), call.repository(self._root).node()
        level = own_level(project)
        return ForgeFacts(
            kind=self.kind,
            version=self._server(call),
            login=login,
            permission=by_level(level),
            methods=read_methods(project),
            trouble=tuple(trouble(project, level, self._scopes(call))),
        )

    def rules(self, branch: str) -> BranchRules:
        return gitlab_rules.rules(self._exchange.call("rules"), self._root, branch)

    def open_pull_requests(self, base: str, since: datetime | None = None) -> tuple[PullRequest, ...]:
        call = self._exchange.call("open_pull_requests")
        query: dict[str, str | int] = {"state": "opened", "target_branch": base, "per_page": PAGE}
        if since is not None:
            query["updated_after"] = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        nodes = entries(call, f"{self._root}/merge_requests", query)
        return tuple(sorted((read_merge_request(one, call.subject) for one in nodes), key=lambda one: -one.number))

    def merge(self, number: int, head_sha: str, method: MergeMethod, message: str) -> Merged:
        call = self._exchange.call("merge")
        return self._merging(call, number, head_sha).now(method, message)

    def merge_when_ready(self, number: int, head_sha: str, method: MergeMethod, message: str) -> Merged:
        call = self._exchange.call("merge_when_ready")
        return self._merging(call, number, head_sha).when_ready(method, message, self._server(call))

    def cancel_merge(self, number: int) -> None:
        call = self._exchange.call("cancel_merge")
        path = f"{self._place(number)}/cancel_merge_when_pipeline_succeeds"
        answer = call.write("POST", path, accept=(401, 404, 405, 406))
        if not answer.fine and self._get(call, number).auto_merge:
            raise answer.refusal()

    def comments(self, number: int, since: datetime | None = None) -> tuple[Comment, ...]:
        call = self._exchange.call("comments")
        found = []
        query: dict[str, str | int] = {"sort": "desc", "order_by": "updated_at", "per_page": PAGE}
        for node in entries(call, f"{self._place(number)}/notes", query):
            updated = node.get("updated_at").moment()
            if since is not None and updated is not None and updated < since:
                break
            if not node.get("system").flag():
                found.append(read_note(node, call.subject))
        return tuple(sorted(found, key=lambda one: (one.created_at, int(one.id))))

    def comment(self, number: int, marker: str, body: str) -> str:
        call = self._exchange.call("comment")
        place = f"{self._place(number)}/notes"

        def create(text: str) -> str:
            return read_note(call.write("POST", place, {"body": text}).node(), call.subject).id

        def edit(identity: str, text: str) -> None:
            call.write("PUT", f"{place}/{identity}", {"body": text})

        return upsert(marker, body, self._own_login(call), lambda: self._notes(call, place), create, edit)

    def react(self, number: int, comment: Comment, done: bool) -> None:
        path = f"{self._place(number)}/notes/{quote(comment.id)}/award_emoji"
        try:
            name = "thumbsup" if done else "confused"
            self._exchange.call("react").write("POST", path, {"name": name}, accept=(404,))
        except RollbackError as error:
            log.info("a comment got no reaction", number=number, error=error.message)

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
        word, said = STATUS_WORDS[state], description[:LONGEST_DESCRIPTION]
        former = self._status(call, sha, context)
        told = former is not None and (former.get("description").text(), former.get("target_url").text())
        old = former.get("status").text() if former is not None else ""
        same = old == word or (state is StatusState.PENDING and old == "running")
        if same and told == (said, url):
            return
        if same and old == "pending":
            word = "running"  # the text of a status changes with its state alone, and both are pending for us
        body = {"state": word, "name": context, "description": said, **({"target_url": url} if url else {})}
        answer = call.write("POST", f"{self._root}/statuses/{sha}", body, accept=(400,))
        if answer.fine:
            return
        if not (same and "cannot transition" in answer.words().lower()):
            raise answer.refusal()
        log.info("GitLab keeps the former text of a status", sha=sha, context=context, state=word)

    def status(self, sha: str, context: str) -> CommitStatus | None:
        found = self._status(self._exchange.call("status"), sha, context)
        return None if found is None else read_status(found.get("status").text(), found.get("description").text())

    def permission(self, login: str) -> Permission:
        call = self._exchange.call("permission")
        users = list(entries(call, "/users", {"username": login}))
        wanted = (one for one in users if one.get("username").text().casefold() == login.casefold())
        user = next(wanted, Node(None)).get("id").number()
        if user is None:
            return Permission.NONE
        answer = call.get(f"{self._root}/members/all/{user}", accept=(404,))
        member = answer.node()
        if answer.status == 404 or member.get("state").text("active") != "active":
            return Permission.NONE
        return by_level(member.get("access_level").number())

    def pull_requests_of(self, sha: str) -> tuple[PullRequest, ...]:
        call = self._exchange.call("pull_requests_of")
        try:
            found = list(entries(call, f"{self._root}/repository/commits/{sha}/merge_requests", {"per_page": PAGE}))
        except ForgeRefused as error:
            if error.status == 404:  # no such commit there
                return ()
            raise
        return tuple(read_merge_request(node, call.subject) for node in found)

    def _contents(self, path: str) -> str:
        return f"{self._root}/repository/files/{quote(path, safe='')}"

    def changed_paths(self, number: int) -> tuple[str, ...]:
        call = self._exchange.call("changed_paths")
        try:
            files = list(islice(entries(call, f"{self._place(number)}/diffs", {"per_page": PAGE}), MOST_PATHS))
        except ForgeRefused as error:
            if error.status != 404:
                raise
            # Before 15.7 there is only the list that is not paged.
            files = list(islice(call.get(f"{self._place(number)}/changes").node().get("changes").items(), MOST_PATHS))
        names = (one.get(key).text() for one in files for key in ("old_path", "new_path"))
        return tuple(dict.fromkeys(name for name in names if name))

    def _confirm(self, call: Call) -> None:
        """Raises: ForgeRefused if the host is no GitLab."""
        answer = call.get("/version", accept=(404,))
        if not {"version", "revision"} <= answer.node().mapping().keys():
            said = "its host does not answer as GitLab does: set forge.kind of this repository"
            raise ForgeRefused(call.subject, said, answer.status)

    def _place(self, number: int) -> str:
        return f"{self._root}/merge_requests/{number}"

    def _own_login(self, call: Call) -> str:
        if not self._login:
            self._login = call.get("/user").node().get("username").text()
        return self._login

    def _server(self, call: Call) -> str:
        if self._version is None:
            answer = call.get("/version", accept=(401, 403, 404))
            self._version = answer.node().get("version").text() if answer.fine else ""
        return self._version

    def _scopes(self, call: Call) -> tuple[str, ...] | None:
        """Of our token; None where it does not tell (before 15.5, or a token that is none of a person or project)."""
        answer = call.get("/personal_access_tokens/self", accept=(400, 401, 403, 404))
        return answer.node().get("scopes").texts() if answer.fine else None

    def _get(self, call: Call, number: int) -> PullRequest:
        return self._read(call.get(self._place(number)).node(), call)

    def _read(self, node: Node, call: Call) -> PullRequest:
        return read_merge_request(node, call.subject, self._settling)

    def _listed(self, call: Call, head: str, base: str) -> Iterator[PullRequest]:
        query: Query = {"source_branch": head, "target_branch": base, "per_page": PAGE}
        for node in entries(call, f"{self._root}/merge_requests", query):
            yield read_merge_request(node, call.subject)

    def _merging(self, call: Call, number: int, head_sha: str) -> gitlab_merging.Merging:
        def methods() -> tuple[MergeMethod, ...]:
            return read_methods(call.get(self._root).node())

        return gitlab_merging.Merging(call, self._place(number), lambda: self._get(call, number), head_sha, methods)

    def _create(self, call: Call, head: str, base: str, title: str, body: str, labels: Sequence[str]) -> Answer:
        wanted = {"source_branch": head, "target_branch": base, "title": title, "description": body}
        if labels:
            wanted["labels"] = ",".join(labels)
        return call.write("POST", f"{self._root}/merge_requests", wanted, accept=(409,))

    def _close(self, call: Call, number: int) -> Answer:
        refused = (400, 405, 409, 422)
        return call.write("PUT", self._place(number), {"state_event": "close"}, accept=refused)

    def _dressed(self, call: Call, opened: PullRequest, labels: Sequence[str], reviewers: Sequence[str]) -> PullRequest:
        """With its labels and reviewers, as far as GitLab takes them."""
        change: dict[str, object] = {}
        missing = [label for label in labels if label not in opened.labels]
        if missing:
            change["add_labels"] = ",".join(missing)
        asked = [user for one in reviewers if (user := self._user(call, one.removeprefix("@"))) is not None]
        if asked:
            change["reviewer_ids"] = asked
        try:
            return self._read(call.write("PUT", self._place(opened.number), change).node(), call) if change else opened
        except (ForgeRefused, CredentialsRejected) as error:
            log.warning("labels or reviewers were not taken", number=opened.number, error=error.message)
            return opened

    def _user(self, call: Call, login: str) -> int | None:
        found = (one.get("id").number() for one in entries(call, "/users", {"username": login}))
        user = next(found, None)
        if user is None:
            log.warning("a reviewer was not asked: no such user", reviewer=login)
        return user

    def _notes(self, call: Call, place: str) -> Iterator[Comment]:
        query: Query = {"sort": "asc", "order_by": "created_at", "per_page": PAGE}
        return (read_note(node, call.subject) for node in entries(call, place, query) if not node.get("system").flag())

    def _status(self, call: Call, sha: str, context: str) -> Node | None:
        """The newest one of the name."""
        query: Query = {"name": context, "per_page": PAGE, "order_by": "id", "sort": "desc"}
        nodes = entries(call, f"{self._root}/repository/commits/{sha}/statuses", query)
        found = [node for node in nodes if node.get("name").text() == context]
        return max(found, key=lambda one: one.get("id").number() or 0, default=None)
