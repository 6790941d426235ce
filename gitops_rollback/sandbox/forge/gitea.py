"""Gitea's API, but for pull requests: accounts, the repository, branches, commits, labels, statuses, pushes.

Source: contracts/forges.md, sections 2 and 5; the recorded Gitea 1.26; go-gitea routers/api/v1 and routers/private
@000762f.
"""

from __future__ import annotations

from collections.abc import Mapping

from gitops_rollback.sandbox.forge.dialect import Delivery, Dialect, basic, bearer
from gitops_rollback.sandbox.forge.events import Event
from gitops_rollback.sandbox.forge.gitea_hooks import deliveries
from gitops_rollback.sandbox.forge.gitea_pulls import Pulls
from gitops_rollback.sandbox.forge.gitea_views import Views
from gitops_rollback.sandbox.forge.gitea_wire import ABSENT, error, listed, not_found
from gitops_rollback.sandbox.forge.machine import Machine
from gitops_rollback.sandbox.forge.rules import Breach, Verdict
from gitops_rollback.sandbox.forge.state import Access, Token
from gitops_rollback.sandbox.forge.wire import Call, Refused, Reply, Route, file_document, route
from gitops_rollback.sandbox.git_door import HookAnswer, HookCall, PageAnswer

VERSION = "1.26.0"
FORGEJO = "13.0.2+gitea-1.22.0"
READS = "read:repository"
WRITES = "write:repository"
NO_RIGHT = (
    "Only admins can query all permissions, repo admins can query all repo permissions, "
    "collaborators can query only their own"
)


class Gitea(Dialect):
    """The dialect."""

    content_type = "application/json;charset=utf-8"
    git_reads, git_writes = frozenset({READS, "all"}), frozenset({WRITES, "all"})

    def __init__(self, forge: Machine, origin: str) -> None:
        super().__init__(forge, origin)
        self.views = Views(forge, origin)
        repo = f"/api/v1/repos/{self.state.repository}"
        self.routes = [
            route("GET", "/api/v1/version", self._version),
            route("GET", "/api/v1/user", self._me, "read:user"),
            route("GET", "/api/v1/users/{}", self._user, "read:user"),
            route("GET", repo, self._repository, READS),
            route("GET", f"{repo}/branches", self._branches, READS),
            route("GET", f"{repo}/branches/{{+}}", self._branch, READS),
            route("DELETE", f"{repo}/branches/{{+}}", self._delete_branch, WRITES),
            route("GET", f"{repo}/branch_protections", self._protections, READS),
            route("GET", f"{repo}/branch_protections/{{+}}", self._protection, READS),
            route("GET", f"{repo}/collaborators/{{}}/permission", self._permission, READS),
            route("GET", f"{repo}/labels", self._labels, "read:issue"),
            route("POST", f"{repo}/labels", self._create_label, "write:issue"),
            route("GET", f"{repo}/commits", self._commits, READS),
            route("GET", f"{repo}/git/commits/{{}}", self._commit, READS),
            route("GET", f"{repo}/commits/{{}}/pull", self._pull_of_commit, READS),
            route("GET", f"{repo}/commits/{{+}}/status", self._combined, READS),
            route("GET", f"{repo}/commits/{{+}}/statuses", self._statuses, READS),
            route("GET", f"{repo}/contents/{{+}}", self._contents, READS),
            route("GET", f"{repo}/statuses/{{}}", self._statuses, READS),
            route("POST", f"{repo}/statuses/{{}}", self._set_status, WRITES),
            *Pulls(self.views).routes(repo),
        ]

    def headers(self, token: Token | None, route: Route | None) -> dict[str, str]:
        return {
            "Cache-Control": "max-age=0, private, must-revalidate, no-transform",
            "X-Content-Type-Options": "nosniff",
        }

    def who(self, headers: Mapping[str, str]) -> Token | None:
        secret = bearer(headers, "token", "bearer") or basic(headers)[1]
        if not secret and not headers.get("authorization"):
            return None
        token = self.state.tokens.get(secret)
        if token is None:
            raise Refused(error(401, "invalid username, password or token", self.origin))
        self.state.users[token.login].seen = True
        return token

    def unknown(self, known_path: bool) -> Reply:
        return Reply(405) if known_path else not_found(self.origin)

    def broken(self, text: str) -> Reply:
        word = f"[]: invalid character '{text.strip()[:1]}' looking for beginning of value"
        return error(422, word, self.origin)

    def check_scope(self, token: Token | None, route: Route) -> None:
        """A private repository is absent for who may not see it; a scope for writing has the one for reading in it."""
        if not route.scope:
            return
        if token is None and "user" in route.scope:
            raise Refused(error(401, "token is required", self.origin))
        if "user" not in route.scope and self.state.may(token.login if token else "") < Access.READ:
            raise Refused(not_found(self.origin))
        if token is None or token.scopes is None or "all" in token.scopes:
            return
        if not token.scopes & {route.scope, route.scope.replace("read:", "write:")}:
            have = ",".join(sorted(token.scopes))
            words = (
                f"token does not have at least one of required scope(s), required=[{route.scope}], token scope={have}"
            )
            raise Refused(error(403, words, self.origin))

    def deliveries(self, event: Event) -> list[Delivery]:
        return deliveries(self.views, event)

    # Pushes

    def no_write(self, login: str) -> str | PageAnswer:
        """They come as far as the hook, since a reader may push a proposal (`refs/for/`)."""
        return login

    def refuse_push(self, verdicts: list[Verdict], call: HookCall) -> HookAnswer:
        if self.state.may(call.login) < Access.WRITE:
            return _refusal("User permission denied for writing.")
        refused = next((verdict for verdict in verdicts if verdict.refused), None)
        if refused is None:
            return HookAnswer()
        words = {
            Breach.SIGNED: f"branch {refused.branch} is protected from unsigned commit",
            Breach.REWRITES: f"branch {refused.branch} is protected from force push",
            Breach.DELETES: f"branch {refused.branch} is protected from deletion",
        }
        hard = [words[breach] for breach in refused.breaches if breach in words]
        soft = {Breach.NOT_ALLOWED, Breach.PULL_REQUEST} & set(refused.breaches)
        if not hard and not soft:
            return HookAnswer()  # required checks hold for merges alone
        return _refusal(hard[0] if hard else f"Not allowed to push to protected branch {refused.branch}")

    def after_push(self, call: HookCall) -> str:
        words = ""
        for change in self.new_branches(call):
            branch = change.ref.removeprefix("refs/heads/")
            pull = self.forge.find(branch, self.state.settings.default_branch)
            words += f"\nVisit the existing pull request:\n  {self.views.web}/pulls/{pull.number}\n" if pull else ""
            words += (
                ""
                if pull
                else (f"\nCreate a new pull request for '{branch}':\n  {self.views.web}/pulls/new/{branch}\n")
            )
        count = len(call.changes)
        end = f". Processing {count} references\nProcessed {count} references in total\n"
        return f"{words}\n{end}" if words else end

    # The repository

    def _version(self, call: Call) -> Reply:
        return Reply(200, {"version": FORGEJO if self.state.settings.forgejo else VERSION})

    def _me(self, call: Call) -> Reply:
        return Reply(200, self.views.user(call.login, call.login))

    def _user(self, call: Call) -> Reply:
        if call.parts[0] not in self.state.users:
            return error(404, f"user does not exist [uid: 0, name: {call.parts[0]}]", self.origin)
        return Reply(200, self.views.user(call.parts[0], call.login))

    def _repository(self, call: Call) -> Reply:
        return Reply(200, self.views.repo(call.login))

    def _branches(self, call: Call) -> Reply:
        names = sorted(self.git.branches())
        return listed(call, [self.views.branch(name, call.login) for name in names], self.state.knobs.page_limit)

    def _branch(self, call: Call) -> Reply:
        if not self.git.head(call.parts[0]):
            return not_found(self.origin)
        return Reply(200, self.views.branch(call.parts[0], call.login))

    def _delete_branch(self, call: Call) -> Reply:
        self._needs_write(call)
        branch = call.parts[0]
        if self.state.rules_of(branch) is not None or branch == self.state.settings.default_branch:
            return error(403, "branch protected", self.origin)
        return Reply(204) if self.forge.delete_branch(branch, call.login) else not_found(self.origin)

    def _protections(self, call: Call) -> Reply:
        self._needs_admin(call)
        return Reply(200, [self.views.protection(rules) for rules in self.state.rules])

    def _protection(self, call: Call) -> Reply:
        self._needs_admin(call)
        found = (rules for rules in self.state.rules if rules.pattern == call.parts[0])
        rules = next(found, None)
        return Reply(200, self.views.protection(rules)) if rules else not_found(self.origin)

    def _needs_admin(self, call: Call) -> None:
        if self.state.may(call.login) < Access.ADMIN:
            words = "user should be an owner or a collaborator with admin write of a repository"
            raise Refused(error(403, words, self.origin))

    def _needs_write(self, call: Call) -> None:
        if self.state.may(call.login) < Access.WRITE:
            words = "user should have a permission to write to a repo"
            raise Refused(error(403, words, self.origin))

    def _permission(self, call: Call) -> Reply:
        login = call.parts[0]
        if login != call.login and self.state.may(call.login) < Access.ADMIN:
            return error(403, NO_RIGHT, self.origin)
        if login not in self.state.users:
            return error(404, f"user does not exist [uid: 0, name: {login}]", self.origin)
        owner = login == self.state.owner
        word = "owner" if owner else self.state.may(login).name.lower()
        return Reply(200, {"permission": word, "role_name": word, "user": self.views.user(login, call.login)})

    def _labels(self, call: Call) -> Reply:
        return listed(call, [self.views.label(one) for one in self.state.labels.values()], self.state.knobs.page_limit)

    def _create_label(self, call: Call) -> Reply:
        self._needs_write(call)
        name = call.text("name")
        if not name:
            return error(422, "[Name]: Required", self.origin)
        if name in self.state.labels:
            return error(422, f"label already exists [name: {name}]", self.origin)
        return Reply(201, self.views.label(self.forge.create_label(name, call.text("color", "ffffff"))))

    def _commits(self, call: Call) -> Reply:
        head = self.git.git("rev-parse", "--quiet", "--verify", call.one("sha", "HEAD"), check=False)
        if not head:
            return not_found(self.origin)
        shas = self.git.git("rev-list", "--topo-order", head).split()
        wanted = [call.one(name, "true") != "false" for name in ("files", "stat")]
        return listed(
            call,
            shas,
            self.state.knobs.page_limit,
            default=30,
            counted=True,
            more={"X-Total": str(len(shas))},
            shown=lambda sha: self.views.commit(self.git.read_commit(sha), *wanted),
        )

    def _commit(self, call: Call) -> Reply:
        if not self.git.has(call.parts[0]):
            return not_found(self.origin)
        return Reply(200, self.views.commit(self.git.read_commit(call.parts[0])))

    def _contents(self, call: Call) -> Reply:
        text = self.git.read(call.one("ref", "HEAD"), call.parts[0])
        if text is None:
            return not_found(self.origin)
        told = file_document(call.parts[0], text)
        return Reply(200, {**told, "type": "file", "content": told["content"].replace("\n", "")})

    def _pull_of_commit(self, call: Call) -> Reply:
        """Only the one whose merge commit it is."""
        for pull in self.state.pulls.values():
            if pull.merge_sha == call.parts[0]:
                return Reply(200, self.views.pull(pull, call.login))
        return error(404, f"pull request does not exist {ABSENT}", self.origin)

    # Statuses

    def _sha(self, call: Call) -> str:
        found = self.git.head(call.parts[0]) or (call.parts[0] if self.git.has(call.parts[0]) else "")
        if not found:
            raise Refused(not_found(self.origin))
        return self.git.git("rev-parse", found)

    def _set_status(self, call: Call) -> Reply:
        self._needs_write(call)
        sha = self._sha(call)
        about = (call.text("description"), call.text("target_url"))
        made = self.forge.set_status(sha, call.text("context", "default"), call.text("state"), call.login, *about)
        return Reply(201, self.views.status(made))

    def _statuses(self, call: Call) -> Reply:
        sha = self._sha(call)
        found = [self.views.status(one) for one in reversed(self.state.statuses) if one.sha == sha]
        return listed(call, found, self.state.knobs.page_limit)

    def _combined(self, call: Call) -> Reply:
        sha = self._sha(call)
        newest = list(self.state.statuses_of(sha).values())
        words = [status.state for status in newest]
        worst = next((word for word in ("error", "failure", "warning", "pending") if word in words), "success")
        body = {
            "state": worst if newest else "",
            "sha": sha,
            "total_count": len(newest),
            "statuses": [self.views.status(status) for status in newest] or None,
            "repository": self.views.repo(call.login),
            "commit_url": f"{self.views.api}/commits/{sha}",
            "url": f"{self.views.api}/commits/{sha}/status",
        }
        headers = {"Access-Control-Expose-Headers": "X-Total-Count", "X-Total-Count": str(len(newest))}
        return Reply(200, body, headers)


def _refusal(words: str) -> HookAnswer:
    return HookAnswer(1, f"\nerror:\nerror: {words}\nerror:\n")
