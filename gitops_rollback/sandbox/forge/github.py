"""GitHub's API, but for pull requests and commits: accounts, the repository and its rules, labels, pushes.

Source: contracts/forges.md, sections 2 and 3; docs.github.com/rest (version 2022-11-28).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from gitops_rollback.sandbox.forge.dialect import Delivery, Dialect, basic, bearer
from gitops_rollback.sandbox.forge.events import Event
from gitops_rollback.sandbox.forge.github_app import Apps
from gitops_rollback.sandbox.forge.github_commits import Commits
from gitops_rollback.sandbox.forge.github_graphql import GraphQL
from gitops_rollback.sandbox.forge.github_hooks import deliveries
from gitops_rollback.sandbox.forge.github_pulls import Pulls
from gitops_rollback.sandbox.forge.github_views import Views
from gitops_rollback.sandbox.forge.github_wire import error, listed, not_found
from gitops_rollback.sandbox.forge.machine import Machine
from gitops_rollback.sandbox.forge.rules import Breach, Verdict
from gitops_rollback.sandbox.forge.state import Access, Rules, Token
from gitops_rollback.sandbox.forge.wire import Call, Refused, Reply, Route, route
from gitops_rollback.sandbox.git_door import ZERO, HookAnswer, HookCall, PageAnswer, RefChange
from gitops_rollback.sandbox.rendering import Json

READS, WRITES = "metadata=read", "contents=write"
LIMIT = 5000
RULESET = 1
BRANCH_DOCS = (
    "https://docs.github.com/repositories/configuring-branches-and-merges-in-your-repository/"
    "managing-protected-branches/about-protected-branches"
)
IN_QUEUE = """error: A pull request for this branch has been added to a merge queue. Branches that
are queued for merging cannot be updated. To modify this branch, dequeue the
associated pull request.
"""
VERSION = "3.17.2"


class GitHub(Dialect):
    """The dialect, as an Enterprise Server has it: the API is below `/api/v3`, GraphQL at `/api/graphql`."""

    refuses_each_ref = True
    git_reads, git_writes = frozenset({"contents=read"}), frozenset({WRITES})
    tags = True

    def __init__(self, forge: Machine, origin: str) -> None:
        super().__init__(forge, origin)
        self.views = Views(forge, origin)
        self.apps = Apps(forge)
        self.limit_left = LIMIT
        repo = f"/api/v3/repos/{self.state.repository}"
        self.routes = [
            route("GET", "/api/v3/meta", lambda _call: Reply(200, {"installed_version": VERSION})),
            route("GET", "/api/v3/rate_limit", self._limits),
            route("GET", "/api/v3/user", self._me),
            route("GET", "/api/v3/users/{}", self._user),
            *self.apps.routes(),
            route("POST", "/api/graphql", GraphQL(self.views).answer),
            route("GET", repo, self._repository, READS),
            route("GET", f"{repo}/branches/{{+}}/protection", self._protection, "administration=read"),
            route("GET", f"{repo}/rules/branches/{{+}}", self._rules, READS),
            route("GET", f"{repo}/rulesets/{{n}}", self._ruleset, READS),
            route("GET", f"{repo}/branches/{{+}}", self._branch, "contents=read"),
            route("DELETE", f"{repo}/git/refs/heads/{{+}}", self._delete_branch, WRITES),
            route("GET", f"{repo}/collaborators/{{}}/permission", self._permission, READS),
            route("GET", f"{repo}/labels", self._labels, "issues=read"),
            route("POST", f"{repo}/labels", self._create_label, "issues=write"),
            *Commits(self.views).routes(repo),
            *Pulls(self.views).routes(repo),
        ]

    def headers(self, token: Token | None, route: Route | None) -> dict[str, str]:
        self.limit_left = max(0, self.limit_left - 1)
        reset = int(self.forge.now().timestamp()) + 3600
        headers = {
            "X-GitHub-Media-Type": "github.v3; format=json",
            "X-GitHub-Request-Id": f"{self.limit_left:04X}:SANDBOX",
            "X-GitHub-Enterprise-Version": VERSION,
            "x-github-api-version-selected": "2022-11-28",
            "x-ratelimit-limit": str(LIMIT),
            "x-ratelimit-remaining": str(self.limit_left),
            "x-ratelimit-used": str(LIMIT - self.limit_left),
            "x-ratelimit-reset": str(reset),
            "x-ratelimit-resource": "core",
        }
        if route is not None and route.scope:
            headers["X-Accepted-GitHub-Permissions"] = route.scope
        return headers

    def who(self, headers: Mapping[str, str]) -> Token | None:
        if not headers.get("user-agent"):
            words = "Request forbidden by administrative rules. Please make sure your request has a User-Agent header"
            raise Refused(error(403, words))
        secret = bearer(headers, "token", "bearer") or basic(headers)[1]
        if not secret and not headers.get("authorization"):
            return None
        if secret.count(".") == 2:
            return self.apps.by_jwt(secret)
        token = self.state.tokens.get(secret)
        if token is None or self.apps.expired(secret):
            raise Refused(error(401, "Bad credentials"))
        return token

    def admit(self, user: str, password: str, writes: bool) -> str | PageAnswer:
        return self.unauthorized(True) if self.apps.expired(password) else super().admit(user, password, writes)

    def unknown(self, known_path: bool) -> Reply:
        return not_found()

    def broken(self, text: str) -> Reply:
        return error(400, "Problems parsing JSON")

    def check_scope(self, token: Token | None, route: Route) -> None:
        """A private repository is absent for who may not see it; a permission to write is one to read."""
        if not route.scope:
            return
        if self.state.may(token.login if token else "") < Access.READ:
            raise Refused(not_found())
        if token is None or token.scopes is None or route.scope == READS:
            return
        name = route.scope.partition("=")[0]
        if not token.scopes & {route.scope, f"{name}=write"}:
            raise Refused(forbidden(token.app))

    def deliveries(self, event: Event) -> list[Delivery]:
        return deliveries(self.views, event)

    # Pushes

    def unauthorized(self, wrong: bool) -> PageAnswer:
        words = b"Invalid username or token. Password authentication is not supported for Git operations.\n"
        return replace(super().unauthorized(wrong), body=words if wrong else b"Unauthorized\n")

    def no_write(self, login: str) -> str | PageAnswer:
        words = f"Permission to {self.state.repository}.git denied to {login}.\n"
        return PageAnswer(403, words.encode(), {"Content-Type": "text/plain"})

    def refuse_push(self, verdicts: list[Verdict], call: HookCall) -> HookAnswer:
        first = self._first_refusal(call)
        if first is not None:
            return first
        verdict = next(iter(verdicts), None)
        if verdict is None or not verdict.breaches:
            return HookAnswer()
        ref, lines = verdict.change.ref, [self._line(verdict, breach) for breach in verdict.breaches]
        said = "".join(f"\n- {line}\n" for line in dict.fromkeys(lines))
        if not verdict.refused:
            return HookAnswer(words=f"Bypassed rule violations for {ref}:\n{said}\n")
        if verdict.rules.ruleset:
            where = f"{self.views.web}/rules?ref={ref.replace('/', '%2F')}"
            words = (
                f"error: GH013: Repository rule violations found for {ref}.\nReview all repository rules at {where}\n"
            )
            return HookAnswer(1, f"{words}{said}\n", "push declined due to repository rule violations")
        return HookAnswer(
            1, f"error: GH006: Protected branch update failed for {ref}.\n{said}", "protected branch hook declined"
        )

    def _first_refusal(self, call: HookCall) -> HookAnswer | None:
        """What is looked for in every push, wherever it goes: a branch in the merge queue, workflows, secrets."""
        ref = call.changes[0].ref
        if any(pull.queued_at and f"refs/heads/{pull.head}" == ref for pull in self.state.open_pulls()):
            words = f"error: GH006: Protected branch update failed for {ref}.\n{IN_QUEUE}"
            return HookAnswer(1, words, "protected branch hook declined")
        if self.state.knobs.secret_in_push:
            words = f"error: GH013: Repository rule violations found for {ref}.\n\n- GITHUB PUSH PROTECTION\n"
            words += (
                "    Resolve the following violations before pushing again\n\n    - Push cannot contain secrets\n\n"
            )
            return HookAnswer(1, words, "push declined due to repository rule violations")
        tokens = [token for token in self.state.tokens.values() if token.login == call.login and token.scopes]
        if any("workflows=write" in (token.scopes or ()) for token in tokens) or not tokens:
            return None
        changed = [path for each in call.changes if each.new != ZERO for path in self._brought(each)]
        workflow = next((path for path in changed if path.startswith(".github/workflows/")), "")
        if not workflow:
            return None
        who = "GitHub App" if any(token.app for token in tokens) else "Personal Access Token"
        what = f"create or update workflow `{workflow}` without `workflows` permission"
        return HookAnswer(1, reason=f"refusing to allow a {who} to {what}")

    def _brought(self, change: RefChange) -> list[str]:
        """The paths that a push changes; of a new branch, those since it left the default one."""
        default = self.git.head(self.state.settings.default_branch)
        old = change.old if change.old != ZERO else self.git.merge_base(default, change.new)
        return [one.path for one in self.git.changes(old, change.new)]

    def _line(self, verdict: Verdict, breach: Breach) -> str:
        checks = verdict.rules.checks
        named = f'Required status check "{checks[0]}" is expected.' if len(checks) == 1 else ""
        return {
            Breach.NOT_ALLOWED: "Cannot update this protected branch."
            if verdict.rules.ruleset
            else f"You're not authorized to push to this branch. Visit {BRANCH_DOCS} for more information.",
            Breach.PULL_REQUEST: "Changes must be made through a pull request.",
            Breach.CHECKS: named or f"{len(checks)} of {len(checks)} required status checks are expected.",
            Breach.SIGNED: "Commits must have verified signatures.",
            Breach.LINEAR: "This branch must not contain merge commits.",
            Breach.QUEUE: "Changes must be made through the merge queue",
            Breach.REWRITES: "Cannot force-push to this branch",
            Breach.DELETES: "Cannot delete this protected branch",
        }[breach]

    def after_push(self, call: HookCall) -> str:
        words = ""
        for change in self.new_branches(call):
            branch = change.ref.removeprefix("refs/heads/")
            if set(change.old) == {"0"}:
                where = f"     {self.views.web}/pull/new/{branch}"
                words += f"\nCreate a pull request for '{branch}' on GitHub by visiting:\n{where}\n\n"
        return words

    # Accounts and the repository

    def _limits(self, call: Call) -> Reply:
        reset = int(self.forge.now().timestamp()) + 3600
        core = {"limit": LIMIT, "used": LIMIT - self.limit_left, "remaining": self.limit_left, "reset": reset}
        return Reply(200, {"resources": {"core": core}, "rate": core})

    def _me(self, call: Call) -> Reply:
        if not call.login:
            return error(401, "Requires authentication")
        if call.app:
            return forbidden(app=True)
        return Reply(200, self.views.me(self.state.users[call.login]))

    def _user(self, call: Call) -> Reply:
        user = self.state.users.get(call.parts[0])
        return Reply(200, self.views.user(user.login)) if user else not_found()

    def _repository(self, call: Call) -> Reply:
        return Reply(200, self.views.repo(call.login, whole=True))

    def _branch(self, call: Call) -> Reply:
        name = call.parts[0]
        head, rules = self.git.head(name), self.state.rules_of(name)
        if not head:
            return error(404, "Branch not found")
        checks = {"enforcement_level": "non_admins" if rules and rules.checks else "off"}
        body = {
            "name": name,
            "commit": self.views.commit(self.git.read_commit(head)),
            "protected": rules is not None,
            "protection": {
                "enabled": rules is not None and not rules.ruleset,
                "required_status_checks": {**checks, "contexts": list(rules.checks) if rules else []},
            },
            "protection_url": f"{self.views.api}/branches/{name}/protection",
        }
        return Reply(200, body)

    def _protection(self, call: Call) -> Reply:
        """For administrators alone; for others it is not even there."""
        rules = self.state.rules_of(call.parts[0])
        if self.state.may(call.login) < Access.ADMIN:
            return forbidden(call.app)
        return error(404, "Branch not protected") if rules is None or rules.ruleset else Reply(200, _protected(rules))

    def _rules(self, call: Call) -> Reply:
        """Those of rulesets, which everybody sees who sees the repository."""
        rules = self.state.rules_of(call.parts[0])
        return Reply(200, _ruleset(rules, self.state.repository) if rules is not None and rules.ruleset else [])

    def _ruleset(self, call: Call) -> Reply:
        """One, and whether who asks may pass by it."""
        rules = next((rules for rules in self.state.rules if rules.ruleset), None)
        if rules is None or call.number(0) != RULESET:
            return not_found()
        body = {
            "id": RULESET,
            "name": rules.pattern,
            "target": "branch",
            "source_type": "Repository",
            "source": self.state.repository,
            "enforcement": "active",
            "conditions": {"ref_name": {"include": [f"refs/heads/{rules.pattern}"], "exclude": []}},
            "rules": [{"type": rule["type"]} for rule in _ruleset(rules, self.state.repository)],
            "current_user_can_bypass": "always" if call.login in rules.bypass else "never",
        }
        return Reply(200, body)

    def _delete_branch(self, call: Call) -> Reply:
        needs_write(self.state.may(call.login), call.app)
        if self.state.rules_of(call.parts[0]) is not None:
            return error(422, "Cannot delete this protected branch")
        if self.forge.delete_branch(call.parts[0], call.login):
            return Reply(204)
        return error(422, "Reference does not exist")

    def _permission(self, call: Call) -> Reply:
        login = call.parts[0]
        if self.state.may(call.login) < Access.WRITE:
            return error(403, "Must have push access to view collaborator permission.")
        if login not in self.state.users:
            return error(404, f"{login} is not a user")
        word = self.state.may(login).name.lower()
        user = {**self.views.user(login), "permissions": {}, "role_name": word}
        return Reply(200, {"permission": word, "user": user, "role_name": word})

    def _labels(self, call: Call) -> Reply:
        return listed(call, list(self.state.labels.values()), self.state.knobs.page_limit, self.views.label)

    def _create_label(self, call: Call) -> Reply:
        needs_write(self.state.may(call.login), call.app)
        name = call.text("name")
        if name in self.state.labels:
            errors = [{"resource": "Label", "code": "already_exists", "field": "name"}]
            return error(422, "Validation Failed", errors=errors)
        return Reply(201, self.views.label(self.forge.create_label(name, call.text("color", "ededed"))))


def forbidden(app: bool = False) -> Reply:
    """The token may not do this."""
    return error(403, f"Resource not accessible by {'integration' if app else 'personal access token'}")


def needs_write(access: Access, app: bool) -> None:
    """Raises: Refused."""
    if access < Access.WRITE:
        raise Refused(forbidden(app))


def _protected(rules: Rules) -> Json:
    found: Json = {
        "enforce_admins": {"enabled": True},
        "required_linear_history": {"enabled": rules.linear},
        "required_signatures": {"enabled": rules.signed},
        "allow_force_pushes": {"enabled": False},
        "allow_deletions": {"enabled": False},
        "required_conversation_resolution": {"enabled": rules.discussions},
    }
    if rules.checks:
        found["required_status_checks"] = {"strict": rules.up_to_date, "contexts": list(rules.checks)}
    if rules.approvals or rules.code_owners or rules.pushers == frozenset():
        found["required_pull_request_reviews"] = {
            "dismiss_stale_reviews": rules.dismiss_stale,
            "require_code_owner_reviews": rules.code_owners,
            "required_approving_review_count": rules.approvals,
        }
    if rules.pushers:
        found["restrictions"] = {
            "users": [{"login": login} for login in sorted(rules.pushers)],
            "teams": [],
            "apps": [],
        }
    return found


def _ruleset(rules: Rules, repository: str) -> list[Json]:
    source = {"ruleset_source_type": "Repository", "ruleset_source": repository, "ruleset_id": RULESET}
    found: list[Json] = [{"type": "deletion"}, {"type": "non_fast_forward"}]
    if rules.pushers == frozenset() or rules.approvals or rules.code_owners:
        parameters = {
            "required_approving_review_count": rules.approvals,
            "dismiss_stale_reviews_on_push": rules.dismiss_stale,
            "require_code_owner_review": rules.code_owners,
            "require_last_push_approval": False,
            "required_review_thread_resolution": rules.discussions,
        }
        found.append({"type": "pull_request", "parameters": parameters})
    if rules.checks:
        checks = {
            "strict_required_status_checks_policy": rules.up_to_date,
            "required_status_checks": [{"context": name} for name in rules.checks],
        }
        found.append({"type": "required_status_checks", "parameters": checks})
    if rules.linear:
        found.append({"type": "required_linear_history"})
    if rules.signed:
        found.append({"type": "required_signatures"})
    if rules.queue:
        found.append({"type": "merge_queue", "parameters": {"merge_method": "MERGE", "max_entries_to_merge": 5}})
    if rules.pushers:
        found.append({"type": "update"})
    return [rule | source for rule in found]
