"""GitLab's API, but for merge requests: accounts, the project, branches, commits, statuses, labels, pushes.

Source: contracts/forges.md, sections 2 and 4; docs.gitlab.com/api; gitlabhq lib/gitlab/checks/branch_check.rb.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from gitops_rollback.sandbox.forge.dialect import Delivery, Dialect, basic, bearer
from gitops_rollback.sandbox.forge.events import Event
from gitops_rollback.sandbox.forge.gitlab_hooks import deliveries
from gitops_rollback.sandbox.forge.gitlab_pulls import MergeRequests
from gitops_rollback.sandbox.forge.gitlab_views import LEVELS, PROJECT, RUNNING, Views
from gitops_rollback.sandbox.forge.gitlab_wire import error, forbidden, listed, not_found
from gitops_rollback.sandbox.forge.machine import Machine
from gitops_rollback.sandbox.forge.rules import Breach, Verdict, may_merge
from gitops_rollback.sandbox.forge.state import Access, Method, Scheduled, Status, Token
from gitops_rollback.sandbox.forge.wire import Call, Refused, Reply, Route, file_document, route
from gitops_rollback.sandbox.git_door import HookAnswer, HookCall, PageAnswer

VERSION = {"version": "18.6.0-ee", "revision": "2e9b3fa1c7d"}
ANY_HEX = re.compile(r"^[0-9a-fA-F]{40}(-|/|$)")
STATES = {"pending": "enqueue", "running": "run", "success": "success", "failed": "drop", "canceled": "cancel"}
WORDS = {
    Breach.NOT_ALLOWED: "You are not allowed to push code to protected branches on this project.",
    Breach.PULL_REQUEST: "You are not allowed to push code to protected branches on this project.",
    Breach.REWRITES: "You are not allowed to force push code to a protected branch on this project.",
    Breach.DELETES: "You are not allowed to delete protected branches from this project. "
    "Only a project maintainer or owner can delete a protected branch.",
    Breach.SIGNED: "Commit must be signed with a GPG key",
}
NO_MERGE = "You are not allowed to merge code into protected branches on this project."


class GitLab(Dialect):
    """The dialect."""

    content_type = "application/json"
    push_options = True
    git_reads, git_writes = frozenset({"read_repository", "api"}), frozenset({"write_repository", "api"})
    tags = True

    def __init__(self, forge: Machine, origin: str) -> None:
        super().__init__(forge, origin)
        self.views = Views(forge, origin)
        one = "/api/v4/projects/{}"
        commit = f"{one}/repository/commits/{{}}"
        self.routes = [
            route("GET", "/api/v4/version", lambda _call: Reply(200, VERSION), "read_user"),
            route("GET", "/api/v4/metadata", lambda _call: Reply(200, VERSION), "read_user"),
            route("GET", "/api/v4/user", self._me, "read_user"),
            route("GET", "/api/v4/users", self._users, "read_user"),
            route("GET", "/api/v4/personal_access_tokens/self", self._token, "read_user"),
            route("GET", one, self._project, "read_api"),
            route("GET", f"{one}/approvals", self._approvals, "read_api"),
            route("GET", f"{one}/approval_rules", self._approval_rules, "read_api"),
            route("GET", f"{one}/push_rule", self._push_rule, "read_api"),
            route("GET", f"{one}/members/all/{{n}}", self._member, "read_api"),
            route("GET", f"{one}/repository/branches/{{}}", self._branch, "read_api"),
            route("DELETE", f"{one}/repository/branches/{{}}", self._delete_branch, "api"),
            route("GET", f"{one}/protected_branches", self._protections, "read_api"),
            route("GET", f"{one}/protected_branches/{{}}", self._protection, "read_api"),
            route("GET", f"{one}/labels", self._labels, "read_api"),
            route("POST", f"{one}/labels", self._create_label, "api"),
            route("GET", f"{one}/repository/files/{{}}", self._file, "read_api"),
            route("GET", commit, self._commit, "read_api"),
            route("GET", f"{commit}/statuses", self._statuses, "read_api"),
            route("GET", f"{commit}/merge_requests", self._merge_requests, "read_api"),
            route("POST", f"{one}/statuses/{{}}", self._set_status, "api"),
            *MergeRequests(self.views).routes(one),
        ]

    def headers(self, token: Token | None, route: Route | None) -> dict[str, str]:
        return {"X-Gitlab-Meta": '{"correlation_id":"SANDBOX","version":"1"}', "Vary": "Origin"}

    def who(self, headers: Mapping[str, str]) -> Token | None:
        secret = headers.get("private-token") or bearer(headers, "bearer") or basic(headers)[1]
        if not secret:
            return None
        token = self.state.tokens.get(secret)
        if token is None:
            raise Refused(error(401, "401 Unauthorized"))
        return token

    def unknown(self, known_path: bool) -> Reply:
        return Reply(405, {"error": "405 Not Allowed"}) if known_path else Reply(404, {"error": "404 Not Found"})

    def broken(self, text: str) -> Reply:
        return Reply(400, {"error": "The request body is not valid JSON"})

    def check_scope(self, token: Token | None, route: Route) -> None:
        """`api` has every other in it; a private project is absent for who may not see it."""
        if token is None and route.scope == "read_user":
            raise Refused(error(401, "401 Unauthorized"))
        if "/projects/" in route.pattern.pattern and self.state.may(token.login if token else "") < Access.READ:
            raise Refused(not_found("Project"))
        if token is None and route.scope == "api":
            raise Refused(error(401, "401 Unauthorized"))
        if token is None or token.scopes is None or token.scopes & {"api", route.scope}:
            return
        if route.scope == "read_user" and "read_api" in token.scopes:
            return
        words = "The request requires higher privileges than provided by the access token."
        raise Refused(Reply(403, {"error": "insufficient_scope", "error_description": words, "scope": route.scope}))

    def deliveries(self, event: Event) -> list[Delivery]:
        return deliveries(self.views, event)

    # Pushes

    def unauthorized(self, wrong: bool) -> PageAnswer:
        words = b"HTTP Basic: Access denied. If a password was provided for Git authentication, it was incorrect.\n"
        return replace(super().unauthorized(wrong), body=words)

    def no_write(self, login: str) -> str | PageAnswer:
        words = b"You are not allowed to push code to this project.\n"
        return PageAnswer(403, words, {"Content-Type": "text/plain"})

    def refuse_push(self, verdicts: list[Verdict], call: HookCall) -> HookAnswer:
        for change in call.changes:
            if ANY_HEX.match(change.ref.removeprefix("refs/heads/")):
                return _refusal("You cannot create a branch with a SHA-1 or SHA-256 branch name")
        for verdict in verdicts:
            breach = next((breach for breach in WORDS if breach in verdict.breaches), None)
            if breach is None or verdict.bypassed:
                continue
            if breach in (Breach.NOT_ALLOWED, Breach.PULL_REQUEST) and self._is_merge(verdict, call.login):
                return _refusal(NO_MERGE)
            return _refusal(WORDS[breach])
        return HookAnswer()

    def _is_merge(self, verdict: Verdict, login: str) -> bool:
        """What is pushed is what a merge request would bring, and who pushes may not merge it."""
        pulls = (pull for pull in self.state.open_pulls() if pull.base == verdict.branch)
        heads = {pull.head_sha for pull in pulls}
        return verdict.change.new in heads and not may_merge(self.state, login, verdict.branch)

    def after_push(self, call: HookCall) -> str:
        self._by_options(call)
        words = ""
        for change in self.new_branches(call):
            branch = change.ref.removeprefix("refs/heads/")
            pull = next((pull for pull in self.state.open_pulls() if pull.head == branch), None)
            if pull is not None:
                words += f"\nView merge request for {branch}:\n  {self.views.web}/-/merge_requests/{pull.number}\n\n"
            elif set(change.old) == {"0"}:
                where = f"{self.views.web}/-/merge_requests/new?merge_request%5Bsource_branch%5D="
                words += f"\nTo create a merge request for {branch}, visit:\n  {where}{branch.replace('/', '%2F')}\n\n"
        return words

    def _by_options(self, call: HookCall) -> None:
        """`merge_request.create` and its companions: a merge request without any call of the API."""
        found = [option.partition("=")[::2] for option in call.options]
        options = {name.removeprefix("merge_request."): value for name, value in found if name.startswith("merge_re")}
        if "create" not in options:
            return
        for change in self.new_branches(call):
            branch = change.ref.removeprefix("refs/heads/")
            target = options.get("target", self.state.settings.default_branch)
            pull = self.forge.find(branch, target)
            if pull is None:
                title = options.get("title") or self.git.read_commit(change.new).subject
                draft = "draft" in options or title.startswith("Draft:")
                title = f"Draft: {title}" if draft and not title.startswith("Draft:") else title
                pull = self.forge.open(call.login, branch, target, title, options.get("description", ""), draft)
            self.forge.label(pull.number, call.login, [v for n, v in found if n == "merge_request.label"])
            pull.remove_source_branch = pull.remove_source_branch or "remove_source_branch" in options
            if "auto_merge" in options or "merge_when_pipeline_succeeds" in options:
                self.forge.schedule(pull, Scheduled(call.login, Method.MERGE, head_sha=pull.head_sha))

    # Accounts and the project

    def _me(self, call: Call) -> Reply:
        return Reply(200, self.views.me(call.login))

    def _users(self, call: Call) -> Reply:
        name = call.one("username")
        found = [user for user in self.state.users.values() if name in ("", user.login)]
        return listed(call, found, self.state.knobs.page_limit, lambda user: self.views.user(user.login))

    def _token(self, call: Call) -> Reply:
        scopes = sorted(call.scopes) if call.scopes is not None else ["api", "write_repository"]
        return Reply(200, {"id": 1, "name": call.login, "revoked": False, "scopes": scopes, "active": True})

    def _named(self, call: Call) -> None:
        """The project by its id or path. Raises: Refused for another."""
        if call.parts[0] not in (str(PROJECT), self.state.repository):
            raise Refused(not_found("Project"))

    def _project(self, call: Call) -> Reply:
        self._named(call)
        return Reply(200, self.views.project(call.login))

    def _approvals(self, call: Call) -> Reply:
        self._named(call)
        rules = self.state.rules_of(self.state.settings.default_branch)
        body = {
            "approvals_before_merge": rules.approvals if rules else 0,
            "reset_approvals_on_push": bool(rules and rules.dismiss_stale),
            "merge_requests_author_approval": False,
        }
        return Reply(200, body)

    def _approval_rules(self, call: Call) -> Reply:
        self._needs(call, Access.WRITE)
        found = [
            {
                "id": number,
                "name": "All Members",
                "rule_type": "any_approver",
                "approvals_required": rules.approvals,
                "protected_branches": [{"id": number, "name": rules.pattern}],
                "applies_to_all_protected_branches": False,
            }
            for number, rules in enumerate(self.state.rules, 1)
            if rules.approvals
        ]
        return listed(call, found, self.state.knobs.page_limit, lambda rule: rule)

    def _push_rule(self, call: Call) -> Reply:
        self._needs(call, Access.ADMIN)
        signed = any(rules.signed for rules in self.state.rules)
        return Reply(200, {"id": 1, "project_id": PROJECT, "reject_unsigned_commits": signed})

    def _member(self, call: Call) -> Reply:
        self._named(call)
        user = self.state.user_by_id(call.number(1))
        access = self.state.access.get(user.login, Access.NONE) if user else Access.NONE
        if user is None or access is Access.NONE:
            return not_found()
        more = {"access_level": LEVELS[access], "expires_at": None, "membership_state": "active"}
        return Reply(200, {**self.views.user(user.login), **more})

    def _branch(self, call: Call) -> Reply:
        self._named(call)
        if not self.git.head(call.parts[1]):
            return not_found("Branch")
        return Reply(200, self.views.branch(call.parts[1], call.login))

    def _delete_branch(self, call: Call) -> Reply:
        self._needs(call, Access.WRITE)
        if self.state.rules_of(call.parts[1]) is not None:
            return error(403, "403 Protected branch cannot be removed")
        return Reply(204) if self.forge.delete_branch(call.parts[1], call.login) else not_found("Branch")

    def _protections(self, call: Call) -> Reply:
        self._needs(call, Access.ADMIN)
        return listed(call, self.state.rules, self.state.knobs.page_limit, self.views.protection)

    def _protection(self, call: Call) -> Reply:
        self._needs(call, Access.ADMIN)
        rules = next((rules for rules in self.state.rules if rules.pattern == call.parts[1]), None)
        return Reply(200, self.views.protection(rules)) if rules else not_found()

    def _needs(self, call: Call, access: Access) -> None:
        self._named(call)
        if self.state.may(call.login) < access:
            raise Refused(forbidden())

    def _labels(self, call: Call) -> Reply:
        self._named(call)
        return listed(call, sorted(self.state.labels), self.state.knobs.page_limit, self.views.label)

    def _create_label(self, call: Call) -> Reply:
        self._needs(call, Access.WRITE)
        name = call.text("name")
        if name in self.state.labels:
            return error(409, "Label already exists")
        self.forge.create_label(name, call.text("color", "428bca"))
        return Reply(201, self.views.label(name))

    # Commits

    def _sha(self, call: Call) -> str:
        self._named(call)
        found = self.git.head(call.parts[1]) or (call.parts[1] if self.git.has(call.parts[1]) else "")
        if not found:
            raise Refused(not_found("Commit"))
        return self.git.git("rev-parse", found)

    def _commit(self, call: Call) -> Reply:
        return Reply(200, self.views.commit(self.git.read_commit(self._sha(call))))

    def _file(self, call: Call) -> Reply:
        path, ref = call.parts[1], call.one("ref")
        text = self.git.read(ref, path) if ref else None
        if text is None:
            return not_found("Commit" if ref and not self.git.has(ref) else "File")
        told = file_document(path, text)
        name = told.pop("name")
        content = told["content"].replace("\n", "")
        return Reply(200, {**told, "content": content, "file_name": name, "file_path": told.pop("path"), "ref": ref})

    def _merge_requests(self, call: Call) -> Reply:
        """Those that brought the commit, by whichever name, or would."""
        sha = self._sha(call)
        found = [
            pull
            for pull in self.state.pulls.values()
            if sha in (pull.merge_sha, pull.squash_sha, pull.head_sha)
            or sha in {one.sha for one in self.git.commits(pull.base_sha or self.git.head(pull.base), pull.head_sha)}
        ]
        return listed(
            call, found, self.state.knobs.page_limit, lambda pull: self.views.merge_request(pull, listed=True)
        )

    def _statuses(self, call: Call) -> Reply:
        sha = self._sha(call)
        every = [status for status in self.state.statuses if status.sha == sha]
        newest = every if call.one("all") == "true" else list(self.state.statuses_of(sha).values())
        return listed(call, newest, self.state.knobs.page_limit, self.views.status)

    def _set_status(self, call: Call) -> Reply:
        self._needs(call, Access.WRITE)
        sha, state = self._sha(call), call.text("state")
        if state not in STATES:
            return Reply(400, {"error": "state does not have a valid value"})
        name = call.text("name") or call.text("context") or "default"
        last = self.state.statuses_of(sha).get(name)
        if last is not None and last.state in RUNNING and _stuck(last, state):
            event = STATES[state]
            reason = f'Status cannot transition via "{event}"'
            return error(400, f"Cannot transition status via :{event} from :{last.state} (Reason(s): {reason})")
        if len(call.text("description")) > 255:
            return error(400, {"description": ["is too long (maximum is 255 characters)"]})
        about = (call.text("description"), call.text("target_url"), call.text("ref"))
        return Reply(201, self.views.status(self.forge.set_status(sha, name, state, call.login, *about)))


def _stuck(last: Status, state: str) -> bool:
    """A status that has not ended can only go on: it is neither enqueued nor run a second time."""
    return state == "pending" or state == last.state


def _refusal(words: str) -> HookAnswer:
    return HookAnswer(1, f"GitLab: {words}\n")
