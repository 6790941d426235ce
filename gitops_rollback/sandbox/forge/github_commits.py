"""GitHub's API of commits: statuses, checks, and which pull requests a commit is in.

Source: contracts/forges.md, section 3; docs.github.com/rest/commits, /rest/checks/runs.
"""

from __future__ import annotations

from gitops_rollback.sandbox.forge.github_views import Views
from gitops_rollback.sandbox.forge.github_wire import error, invalid, listed, not_found
from gitops_rollback.sandbox.forge.state import Access, Check, PullRequest
from gitops_rollback.sandbox.forge.wire import Call, Refused, Reply, Route, file_document, route

STATES = ("error", "failure", "pending", "success")
MOST = 1000  # statuses of one commit and context
ACTIONS = 3
WORDS = {"label": 20, "description": 40, "identifier": 20}


class Commits:
    """The handlers."""

    def __init__(self, views: Views) -> None:
        self.views = views
        self.forge = views.forge
        self.state = views.state
        self.git = views.git

    def routes(self, repo: str) -> list[Route]:
        return [
            route("POST", f"{repo}/statuses/{{}}", self.set_status, "statuses=write"),
            route("GET", f"{repo}/commits/{{+}}/status", self.combined, "statuses=read"),
            route("GET", f"{repo}/commits/{{+}}/statuses", self.statuses, "statuses=read"),
            route("GET", f"{repo}/commits/{{+}}/check-runs", self.checks, "checks=read"),
            route("GET", f"{repo}/commits/{{}}/pulls", self.pulls, "pull_requests=read"),
            route("GET", f"{repo}/commits/{{+}}", self.commit, "contents=read"),
            route("GET", f"{repo}/contents/{{+}}", self.contents, "contents=read"),
            route("POST", f"{repo}/check-runs", self.create_check, "checks=write"),
            route("PATCH", f"{repo}/check-runs/{{n}}", self.update_check, "checks=write"),
        ]

    def _sha(self, call: Call) -> str:
        name = call.parts[0]
        found = self.git.head(name.removeprefix("heads/")) or (name if self.git.has(name) else "")
        if not found:
            raise Refused(error(422, f"No commit found for SHA: {name}"))
        return self.git.git("rev-parse", found)

    def commit(self, call: Call) -> Reply:
        return Reply(200, self.views.commit(self.git.read_commit(self._sha(call))))

    def contents(self, call: Call) -> Reply:
        ref = call.one("ref", "HEAD")
        text = self.git.read(ref, call.parts[0])
        if text is None:
            return error(404, "Not Found" if self.git.has(ref) else f"No commit found for the ref {ref}")
        return Reply(200, {**file_document(call.parts[0], text), "type": "file"})

    def set_status(self, call: Call) -> Reply:
        if self.state.may(call.login) < Access.WRITE:
            return not_found()
        sha, context, state = self._sha(call), call.text("context", "default"), call.text("state")
        if state not in STATES:
            return invalid("Status", f"{state} is not included in the list", field="state")
        if len(call.text("description")) > 140:
            return invalid("Status", "description is too long (maximum is 140 characters)", field="description")
        if len([one for one in self.state.statuses if (one.sha, one.context) == (sha, context)]) >= MOST:
            words = "This SHA and context has reached the maximum number of statuses."
            return invalid("Status", words)
        about = (call.text("description"), call.text("target_url"))
        return Reply(201, self.views.status(self.forge.set_status(sha, context, state, call.login, *about)))

    def statuses(self, call: Call) -> Reply:
        sha = self._sha(call)
        found = [status for status in reversed(self.state.statuses) if status.sha == sha]
        return listed(call, found, self.state.knobs.page_limit, self.views.status)

    def combined(self, call: Call) -> Reply:
        sha = self._sha(call)
        newest = list(self.state.statuses_of(sha).values())
        words = {status.state for status in newest}
        bad, pending = words & {"error", "failure"}, not words or "pending" in words
        body = {
            "state": "failure" if bad else "pending" if pending else "success",
            "statuses": [self.views.status(status, creator=False) for status in newest],
            "sha": sha,
            "total_count": len(newest),
            "repository": self.views.repo(),
            "commit_url": f"{self.views.api}/commits/{sha}",
            "url": f"{self.views.api}/commits/{sha}/status",
        }
        return Reply(200, body)

    def pulls(self, call: Call) -> Reply:
        """Open ones that hold the commit, and merged ones that brought it, by whichever name; none closed unmerged."""
        sha = self._sha(call)
        found = [
            pull
            for pull in self.state.pulls.values()
            if pull.state != "closed" and (sha in (pull.merge_sha, pull.head_sha) or sha in self._brought_by(pull))
        ]
        return listed(call, found, self.state.knobs.page_limit, lambda pull: self.views.pull(pull, listed=True))

    def _brought_by(self, pull: PullRequest) -> set[str]:
        base = pull.base_sha or self.git.head(pull.base)
        return {one.sha for one in self.git.commits(base, pull.head_sha)}

    def checks(self, call: Call) -> Reply:
        sha = self._sha(call)
        name = call.one("check_name")
        checks = [one for one in self.state.checks if one.sha == sha and name in ("", one.name)]
        found = [self.views.check(check) for check in checks]
        return Reply(200, {"total_count": len(found), "check_runs": found})

    def create_check(self, call: Call) -> Reply:
        if not call.app:
            return error(403, "You must authenticate via a GitHub App.")
        sha = call.text("head_sha")
        if not self.git.has(sha):
            return error(422, f"No commit found for SHA: {sha}")
        self._validate(call)
        check = Check(self.state.next("check"), sha, call.text("name"), self.forge.now(), dict(call.body))
        self.state.checks.append(check)
        return Reply(201, self.views.check(check))

    def update_check(self, call: Call) -> Reply:
        check = next((one for one in self.state.checks if one.id == call.number(0)), None)
        if check is None:
            return not_found()
        self._validate(call)
        check.fields.update(call.body)
        return Reply(200, self.views.check(check))

    def _validate(self, call: Call) -> None:
        """Raises: Refused for too many buttons, or too long words on them."""
        actions = call.body.get("actions")
        buttons = actions if isinstance(actions, list) else []
        if len(buttons) > ACTIONS:
            raise Refused(error(422, "Invalid request.\n\nNo more than 3 items are allowed; more were supplied."))
        for button in buttons:
            for name, most in WORDS.items():
                if len(str(button.get(name, ""))) > most:
                    raise Refused(
                        error(422, f"Invalid request.\n\nOnly {most} characters are allowed; {name} is longer.")
                    )
