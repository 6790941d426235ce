"""GitHub's API of pull requests: open, find, read, label, ask for reviews, review, merge.

Source: contracts/forges.md, section 3; docs.github.com/rest/pulls, /rest/issues.
"""

from __future__ import annotations

from gitops_rollback.sandbox.forge.github_comments import Comments
from gitops_rollback.sandbox.forge.github_views import Views
from gitops_rollback.sandbox.forge.github_wire import error, invalid, listed, not_found
from gitops_rollback.sandbox.forge.merging import Conflict, Moved
from gitops_rollback.sandbox.forge.rules import blocks, may_merge
from gitops_rollback.sandbox.forge.state import Access, Block, Method, PullRequest, Rules, Scheduled
from gitops_rollback.sandbox.forge.wire import Call, Refused, Reply, Route, route

READS, WRITES = "pull_requests=read", "pull_requests=write"
NOT_MERGEABLE = "Pull Request is not mergeable"
MODIFIED = "branch was modified. Review and try the merge again."
EVENTS = {"APPROVE": "approved", "REQUEST_CHANGES": "changes_requested", "COMMENT": "commented"}
FILES = 3000  # more it never tells of


class Pulls:
    """The handlers."""

    def __init__(self, views: Views) -> None:
        self.views = views
        self.forge = views.forge
        self.state = views.state
        self.git = views.git

    def routes(self, repo: str) -> list[Route]:
        pull, issue = f"{repo}/pulls/{{n}}", f"{repo}/issues/{{n}}"
        return [
            route("GET", f"{repo}/pulls", self.all, READS),
            route("POST", f"{repo}/pulls", self.open, WRITES),
            route("GET", pull, self.get, READS),
            route("PATCH", pull, self.edit, WRITES),
            route("GET", issue, self.as_issue, READS),
            route("PATCH", issue, self.edit, WRITES),
            route("GET", f"{pull}/files", self.files, READS),
            route("GET", f"{pull}/commits", self.commits, READS),
            route("GET", f"{pull}/merge", self.is_merged, READS),
            route("PUT", f"{pull}/merge", self.merge, WRITES),
            route("GET", f"{pull}/reviews", self.reviews, READS),
            route("POST", f"{pull}/reviews", self.review, WRITES),
            route("POST", f"{pull}/requested_reviewers", self.ask_review, WRITES),
            route("GET", f"{issue}/labels", self.labels, "issues=read"),
            route("POST", f"{issue}/labels", self.add_labels, "issues=write"),
            route("DELETE", f"{issue}/labels/{{}}", self.remove_label, "issues=write"),
            *Comments(self.views).routes(repo),
        ]

    def _pull(self, call: Call) -> PullRequest:
        found = self.state.pulls.get(call.number(0))
        if found is None:
            raise Refused(not_found())
        return found

    def _needs_write(self, call: Call, pull: PullRequest | None = None) -> None:
        """The author may change his own."""
        if self.state.settings.archived:
            raise Refused(error(403, "Repository was archived so is read-only."))
        author = pull is not None and pull.author == call.login
        if not author and self.state.may(call.login) < Access.WRITE:
            raise Refused(error(403, "Must have write access to the repository."))

    # Open, find, read

    def open(self, call: Call) -> Reply:
        self._needs_write(call)
        head, base = call.text("head").rpartition(":")[2], call.text("base")
        for field, name in (("base", base), ("head", head)):
            if not self.git.head(name):
                errors = [{"resource": "PullRequest", "field": field, "code": "invalid"}]
                return error(422, "Validation Failed", errors=errors)
        if self.forge.find(head, base) is not None:
            words = f"A pull request already exists for {self.state.owner}:{head}."
            return invalid("PullRequest", words)
        if self.git.contains(self.git.head(base), self.git.head(head)):
            return invalid("PullRequest", f"No commits between {base} and {head}")
        if not call.text("title"):
            errors = [{"resource": "PullRequest", "code": "missing_field", "field": "title"}]
            return error(422, "Validation Failed", errors=errors)
        pull = self.forge.open(
            call.login, head, base, call.text("title"), call.text("body"), call.body.get("draft") is True
        )
        return Reply(201, self.views.pull(pull, asked=False))

    def all(self, call: Call) -> Reply:
        """A head without an owner before it filters nothing, as at the real one."""
        state, base, head = call.one("state", "open"), call.one("base"), call.one("head")
        owner, _, branch = head.rpartition(":")
        by_update = call.one("sort") == "updated"
        pulls = sorted(
            self.state.pulls.values(),
            key=lambda pull: (pull.updated_at if by_update else pull.created_at, pull.number),
        )
        downwards = call.one("direction", "desc" if call.one("sort", "created") == "created" else "asc") == "desc"
        found = [
            pull
            for pull in (reversed(pulls) if downwards else pulls)
            if (state == "all" or pull.open == (state == "open"))
            and base in ("", pull.base)
            and (not owner or (pull.head == branch and (pull.fork or self.state.repository).startswith(f"{owner}/")))
        ]
        return listed(call, found, self.state.knobs.page_limit, lambda pull: self.views.pull(pull, listed=True))

    def get(self, call: Call) -> Reply:
        return Reply(200, self.views.pull(self._pull(call)))

    def as_issue(self, call: Call) -> Reply:
        """Which alone says who closed it."""
        pull = self._pull(call)
        shown = self.views.pull(pull, asked=False)
        kept = ("number", "node_id", "title", "body", "user", "labels", "state", "created_at", "updated_at")
        who = None if pull.open else self.views.user(pull.merged_by or pull.closed_by)
        about = {"url": shown["url"], "html_url": shown["html_url"], "merged_at": shown["merged_at"]}
        fields = {"closed_at": shown["closed_at"], "closed_by": who, "pull_request": about}
        return Reply(200, {key: shown[key] for key in kept} | fields)

    def edit(self, call: Call) -> Reply:
        pull = self._pull(call)
        self._needs_write(call, pull)
        fields = {name: call.text(name) for name in ("title", "body", "base") if call.body.get(name) is not None}
        self.forge.edit(pull.number, call.login, **fields)
        wanted = call.text("state")
        if wanted == "closed" and pull.open:
            self.forge.close(pull.number, call.login)
        elif wanted == "open" and not pull.open:
            if pull.state == "merged" or not self.git.head(pull.head):
                return invalid("PullRequest", "state cannot be changed.", field="state")
            self.forge.reopen(pull.number, call.login)
        return Reply(200, self.views.pull(pull, asked=False))

    def _base(self, pull: PullRequest) -> str:
        return self.git.merge_base(pull.base_sha or self.git.head(pull.base), pull.head_sha)

    def files(self, call: Call) -> Reply:
        pull = self._pull(call)
        found = self.git.changes(self._base(pull), pull.head_sha)[:FILES]
        return listed(call, found, self.state.knobs.page_limit, lambda change: self.views.file(change, pull.head_sha))

    def commits(self, call: Call) -> Reply:
        pull = self._pull(call)
        found = self.git.commits(self._base(pull), pull.head_sha)[::-1]
        return listed(call, found, self.state.knobs.page_limit, self.views.commit)

    # Merge

    def is_merged(self, call: Call) -> Reply:
        return Reply(204) if self._pull(call).state == "merged" else not_found()

    def merge(self, call: Call) -> Reply:
        pull = self._pull(call)
        self._needs_write(call)
        methods = {"merge": Method.MERGE, "squash": Method.SQUASH, "rebase": Method.REBASE}
        method = methods.get(call.text("merge_method", "merge"))
        if method is None:
            return error(422, "Invalid request.\n\nFor 'properties/merge_method', value is not a possible value.")
        refused = self._refusal(call, pull, method)
        if refused is not None:
            return refused
        order = Scheduled(call.login, method, call.text("commit_title"), call.text("commit_message"))
        try:
            self.forge.merge(pull, order)
        except Conflict:
            return error(405, "This branch can't be rebased" if method is Method.REBASE else NOT_MERGEABLE)
        except Moved:
            return error(405, f"Base {MODIFIED}")
        return Reply(200, {"sha": pull.merge_sha, "merged": True, "message": "Pull Request successfully merged"})

    def _refusal(self, call: Call, pull: PullRequest, method: Method) -> Reply | None:
        """The first thing that is against it; who may bypass the rules is held by none of theirs."""
        expected = call.text("sha")
        if not pull.open:
            return error(405, NOT_MERGEABLE)
        if expected and expected != pull.head_sha:
            return error(409, f"Head {MODIFIED}")
        found, rules = self.forge.look(pull), self.state.rules_of(pull.base)
        if Block.CHECKING in found:
            return error(405, f"Base {MODIFIED}")
        if Block.DRAFT in found:
            return error(405, "Pull Request is still a draft")
        if Block.CONFLICT in found:
            return error(405, NOT_MERGEABLE)
        linear = rules is not None and rules.linear and method is Method.MERGE
        if method not in self.state.settings.methods or (linear and rules and not rules.ruleset):
            name = {Method.MERGE: "Merge commits", Method.SQUASH: "Squash merges"}.get(method, "Rebase merges")
            return error(405, f"{name} are not allowed on this repository.")
        if rules is None or call.login in rules.bypass:
            return None
        lines = self._lines(pull, rules, linear)
        if not may_merge(self.state, call.login, pull.base):
            lines.append("You're not authorized to push to this branch.")
        if not lines:
            return None
        if rules.ruleset:
            return error(405, "Repository rule violations found\n\n" + "".join(f"{line}\n\n" for line in lines))
        return error(405, " ".join(lines))

    def _lines(self, pull: PullRequest, rules: Rules, linear: bool) -> list[str]:
        """What the rules want, in GitHub's words."""
        found = blocks(self.state, self.git, pull)
        said = self.state.checked(pull.head_sha)
        missing = [name for name in rules.checks if said.get(name, "pending") == "pending"]
        failing = [name for name in rules.checks if name not in missing and said[name] != "success"]
        checks = [f'Required status check "{name}" is expected.' for name in missing]
        if len(missing) > 1:
            checks = [f"{len(missing)} of {len(rules.checks)} required status checks are expected."]
        checks += [f'Required status check "{name}" is failing.' for name in failing]
        approvals = "s are" if rules.approvals > 1 else " is"
        words = {
            Block.APPROVALS: f"At least {rules.approvals} approving review{approvals} required by reviewers with "
            "write access.",
            Block.CHANGES_REQUESTED: "Changes have been requested by reviewers with write access.",
            Block.CODE_OWNERS: "Waiting on code owner review.",
            Block.BEHIND: "The head branch is not up to date with the base branch.",
            Block.DISCUSSIONS: "A conversation must be resolved before this pull request can be merged.",
            Block.UNSIGNED: "Commits must have verified signatures.",
        }
        lines = [*checks, *(line for block, line in words.items() if block in found)]
        lines += ["This branch must not contain merge commits."] if linear else []
        return lines + (["Changes must be made through the merge queue"] if rules.queue else [])

    # Reviews and labels

    def reviews(self, call: Call) -> Reply:
        pull = self._pull(call)
        shown = self.views.review
        return listed(call, pull.reviews, self.state.knobs.page_limit, lambda review: shown(pull, review))

    def review(self, call: Call) -> Reply:
        pull, event = self._pull(call), call.text("event")
        if event not in EVENTS:
            return invalid("PullRequestReview", "Event is not a possible value", field="event")
        if event != "COMMENT" and pull.author == call.login:
            what = "approve" if event == "APPROVE" else "request changes on"
            return error(422, "Unprocessable Entity", errors=[f"Can not {what} your own pull request"])
        made = self.forge.review(pull.number, call.login, EVENTS[event], call.text("body"), call.text("commit_id"))
        return Reply(200, self.views.review(pull, made))

    def ask_review(self, call: Call) -> Reply:
        pull = self._pull(call)
        self._needs_write(call)
        wanted = call.body.get("reviewers")
        logins = [str(login) for login in wanted] if isinstance(wanted, list) else []
        strangers = [login for login in logins if self.state.access.get(login, Access.NONE) < Access.READ]
        if strangers:
            words = "Reviews may only be requested from collaborators. One or more of the users or teams you specified"
            return error(422, f"{words} is not a collaborator of the {self.state.repository} repository.")
        if pull.author in logins:
            return error(422, "Review cannot be requested from pull request author.")
        self.forge.ask_review(pull.number, call.login, logins)
        return Reply(201, self.views.pull(pull, listed=True))

    def labels(self, call: Call) -> Reply:
        pull = self._pull(call)
        return Reply(200, [self.views.label(self.state.labels[name]) for name in pull.labels])

    def add_labels(self, call: Call) -> Reply:
        """A name that the repository has not yet becomes a label of it."""
        pull = self._pull(call)
        self._needs_write(call)
        wanted = call.body.get("labels")
        self.forge.label(pull.number, call.login, [str(one) for one in wanted] if isinstance(wanted, list) else [])
        return self.labels(call)

    def remove_label(self, call: Call) -> Reply:
        pull = self._pull(call)
        self._needs_write(call)
        if not self.forge.unlabel(pull.number, call.login, call.parts[1]):
            return error(404, "Label does not exist")
        return self.labels(call)
