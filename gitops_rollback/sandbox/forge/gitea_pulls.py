"""Gitea's API of pull requests: open, find, read, label, comment, review, merge.

Source: contracts/forges.md, section 5; the recorded Gitea 1.26; go-gitea routers/api/v1/repo/{pull,pull_review,
issue_comment}.go @000762f.
"""

from __future__ import annotations

from gitops_rollback.sandbox.forge.gitea_basics import stamp
from gitops_rollback.sandbox.forge.gitea_views import Views
from gitops_rollback.sandbox.forge.gitea_wire import error, listed, not_found
from gitops_rollback.sandbox.forge.merging import Conflict, Moved
from gitops_rollback.sandbox.forge.rules import may_merge
from gitops_rollback.sandbox.forge.state import Access, Block, Comment, Method, PullRequest, Scheduled
from gitops_rollback.sandbox.forge.wire import Call, Refused, Reply, Route, moment, route
from gitops_rollback.sandbox.rendering import Json

READS = "read:repository"
WRITES = "write:repository"
NO_CHANGES = "Invalid PullRequest: There are no changes between the head and the base"
# What stands against a merge, in the order in which it is looked for.
REFUSALS = {
    Block.CHECKS_MISSING: "Not all required status checks successful",
    Block.CHECKS_FAILED: "Not all required status checks successful",
    Block.APPROVALS: "Does not have enough approvals",
    Block.CODE_OWNERS: "Does not have enough approvals",
    Block.CHANGES_REQUESTED: "There are requested changes",
    Block.BEHIND: "The head branch is behind the base branch",
    Block.UNSIGNED: "branch is protected from unsigned commit",
}
DRAFTS = ("WIP:", "[WIP]")


class Pulls:
    """The handlers, over the views of one address."""

    def __init__(self, views: Views) -> None:
        self.views = views
        self.forge = views.forge
        self.state = views.state
        self.git = views.git
        self.origin = views.origin

    def routes(self, repo: str) -> list[Route]:
        """Paths, verbs and who answers."""
        pull, issue = f"{repo}/pulls/{{n}}", f"{repo}/issues/{{n}}"
        return [
            route("GET", f"{repo}/pulls", self.all, READS),
            route("POST", f"{repo}/pulls", self.open, WRITES),
            route("GET", pull, self.get, READS),
            route("PATCH", pull, self.edit, WRITES),
            route("GET", f"{pull}/files", self.files, READS),
            route("GET", f"{pull}/commits", self.commits, READS),
            route("GET", f"{pull}/merge", self.is_merged, READS),
            route("POST", f"{pull}/merge", self.merge, WRITES),
            route("DELETE", f"{pull}/merge", self.cancel, WRITES),
            route("GET", f"{pull}/reviews", self.reviews, READS),
            route("POST", f"{pull}/reviews", self.review, WRITES),
            route("GET", f"{pull}/reviews/{{n}}/comments", self.review_comments, READS),
            route("POST", f"{pull}/requested_reviewers", self.ask_review, WRITES),
            route("GET", f"{repo}/pulls/{{}}/{{+}}", self.find, READS),
            route("GET", f"{issue}/comments", self.comments, "read:issue"),
            route("POST", f"{issue}/comments", self.comment, "write:issue"),
            route("GET", f"{issue}/timeline", self.timeline, "read:issue"),
            route("GET", f"{repo}/issues/comments/{{n}}", self.get_comment, "read:issue"),
            route("PATCH", f"{repo}/issues/comments/{{n}}", self.edit_comment, "write:issue"),
            route("DELETE", f"{repo}/issues/comments/{{n}}", self.delete_comment, "write:issue"),
            route("POST", f"{repo}/issues/comments/{{n}}/reactions", self.react, "write:issue"),
            route("GET", f"{repo}/issues/comments/{{n}}/reactions", self.reactions, "read:issue"),
            route("GET", f"{issue}/labels", self.labels, "read:issue"),
            route("POST", f"{issue}/labels", self.add_labels, "write:issue"),
            route("DELETE", f"{issue}/labels/{{n}}", self.remove_label, "write:issue"),
        ]

    def _pull(self, call: Call) -> PullRequest:
        found = self.state.pulls.get(call.number(0))
        if found is None:
            raise Refused(not_found(self.origin))
        return found

    def _needs_write(self, call: Call, pull: PullRequest | None = None) -> None:
        author = pull is not None and pull.author == call.login
        if not author and self.state.may(call.login) < Access.WRITE:
            raise Refused(error(403, "user should have a permission to write to a repo", self.origin))
        if self.state.settings.archived:
            raise Refused(error(423, f"{self.state.repository} is archived", self.origin))

    def _comment(self, call: Call) -> tuple[PullRequest, Comment]:
        found = self.state.comment(call.number(0))
        if found is None:
            raise Refused(not_found(self.origin))
        return found

    # Open, find, read

    def open(self, call: Call) -> Reply:
        head, base = call.text("head"), call.text("base")
        if self.state.settings.archived:
            return error(423, f"{self.state.repository} is archived", self.origin)
        if head == base:
            return error(422, NO_CHANGES, self.origin)
        if not self.git.head(head) or not self.git.head(base):
            return not_found(self.origin)
        there = self.forge.find(head, base)
        if there is not None:
            ids = f"id: {there.number}, issue_id: {there.number}, head_repo_id: 1, base_repo_id: 1"
            words = f"pull request already exists for these targets [{ids}, head_branch: {head}, base_branch: {base}]"
            return error(409, words, self.origin)
        title = call.text("title")
        if not title:
            return error(422, "[Title]: Required", self.origin)
        pull = self.forge.open(call.login, head, base, title, call.text("body"), title.upper().startswith(DRAFTS))
        self.forge.assign(pull.number, call.login, _texts(call.body.get("assignees")))
        self.forge.ask_review(pull.number, call.login, _texts(call.body.get("reviewers")))
        self.forge.label(pull.number, call.login, self._names(call))
        return Reply(201, self.views.pull(pull, call.login))

    def all(self, call: Call) -> Reply:
        state, base = call.one("state", "open"), call.one("base_branch")
        pulls = sorted(self.state.pulls.values(), key=lambda pull: -pull.number)
        if call.one("sort") == "recentupdate":
            pulls.sort(key=lambda pull: pull.updated_at, reverse=True)
        found = [
            pull for pull in pulls if (state == "all" or pull.open == (state == "open")) and base in ("", pull.base)
        ]
        return listed(
            call,
            found,
            self.state.knobs.page_limit,
            shown=lambda pull: self.views.pull(pull, call.login, listed=True),
        )

    def get(self, call: Call) -> Reply:
        return Reply(200, self.views.pull(self._pull(call), call.login))

    def find(self, call: Call) -> Reply:
        found = self.forge.find(call.parts[1], call.parts[0])
        return Reply(200, self.views.pull(found, call.login)) if found else not_found(self.origin)

    def edit(self, call: Call) -> Reply:
        pull = self._pull(call)
        self._needs_write(call, pull)
        fields: dict[str, object] = {name: call.text(name) for name in ("title", "body", "base") if name in call.body}
        if "title" in fields:
            fields["draft"] = str(fields["title"]).upper().startswith(DRAFTS)
        self.forge.edit(pull.number, call.login, **fields)
        wanted = call.text("state")
        if wanted == "closed" and pull.open:
            self.forge.close(pull.number, call.login)
        elif wanted == "open" and pull.state == "merged":
            return error(412, "cannot change state of this pull request, it was already merged", self.origin)
        elif wanted == "open" and not pull.open:
            self.forge.reopen(pull.number, call.login)
        return Reply(201, self.views.pull(pull, call.login))

    def files(self, call: Call) -> Reply:
        pull = self._pull(call)
        base = self.git.merge_base(pull.base_sha or self.git.head(pull.base), pull.head_sha)
        found = [self.views.file(change, pull.head_sha) for change in self.git.changes(base, pull.head_sha)]
        return listed(call, found, self.state.knobs.page_limit, counted=True)

    def commits(self, call: Call) -> Reply:
        pull = self._pull(call)
        base = self.git.merge_base(pull.base_sha or self.git.head(pull.base), pull.head_sha)
        found = [self.views.commit(commit) for commit in self.git.commits(base, pull.head_sha)]
        return listed(call, found, self.state.knobs.page_limit, counted=True)

    # Merge

    def is_merged(self, call: Call) -> Reply:
        return Reply(204) if self._pull(call).state == "merged" else not_found(self.origin)

    def merge(self, call: Call) -> Reply:
        pull, later = self._pull(call), call.flag("merge_when_checks_succeed")
        self._mergeable(call, pull, later)
        word = call.text("Do", "merge")
        methods = {method.value: method for method in Method}
        method = methods.get(word)
        if later:
            scheduled = self._schedule(call, pull, method or Method.MERGE)
            if scheduled is not None:
                return scheduled
        if method is None or method not in self.state.settings.methods:
            return error(405, f"{word} is not allowed an allowed merge style for this repository", self.origin)
        expected = call.text("head_commit_id")
        if expected and expected != pull.head_sha:
            return error(409, "head out of date", self.origin)
        try:
            self.forge.merge(pull, self._order(call, method))
        except Conflict:
            return error(409, f"Merge Conflict Error: merging [{pull.head}] into [{pull.base}]", self.origin)
        except Moved:
            return error(409, "merge push out of date", self.origin)
        return Reply(200)

    def _mergeable(self, call: Call, pull: PullRequest, later: bool) -> None:
        """Raises: Refused with the first thing that is against it; a scheduled merge may wait for what rules want."""
        refused = self._refusal(call, pull)
        if self.state.settings.archived:
            raise Refused(error(423, f"{self.state.repository} is archived", self.origin))
        if pull.state == "closed":
            raise Refused(not_found(self.origin))
        if refused:
            raise Refused(error(405, refused, self.origin))
        found = self.forge.look(pull)
        if {Block.CHECKING, Block.CONFLICT} & set(found):
            raise Refused(error(405, "Please try again later", self.origin))
        above = call.flag("force_merge") and self.state.may(call.login) is Access.ADMIN
        missing = next((words for block, words in REFUSALS.items() if block in found), "")
        if missing and not later and not above:
            raise Refused(error(405, missing, self.origin))

    def _refusal(self, call: Call, pull: PullRequest) -> str:
        if pull.state == "merged":
            return "The PR is already merged"
        if not may_merge(self.state, call.login, pull.base):
            return "User not allowed to merge PR"
        return "Work in progress PRs cannot be merged" if pull.draft else ""

    def _schedule(self, call: Call, pull: PullRequest, method: Method) -> Reply | None:
        """None: there is nothing to wait for."""
        if pull.scheduled is not None:
            words = f"pull request is already scheduled to auto merge when checks succeed [pull_id: {pull.number}]"
            return error(409, words, self.origin)
        if not self.forge.look(pull):
            return None
        self.forge.schedule(pull, self._order(call, method))
        return Reply(201)

    def _order(self, call: Call, method: Method) -> Scheduled:
        words = (call.text("MergeTitleField"), call.text("MergeMessageField"))
        return Scheduled(call.login, method, *words, call.flag("delete_branch_after_merge"))

    def cancel(self, call: Call) -> Reply:
        pull = self._pull(call)
        if pull.scheduled is None:
            return not_found(self.origin)
        if pull.scheduled.by != call.login and self.state.may(call.login) < Access.ADMIN:
            return error(403, "no permission to cancel the scheduled auto merge", self.origin)
        self.forge.unschedule(pull, call.login)
        return Reply(204)

    # Reviews

    def reviews(self, call: Call) -> Reply:
        pull = self._pull(call)
        found = [self.views.review(pull, review, call.login) for review in pull.reviews]
        return listed(call, found, self.state.knobs.page_limit)

    def review(self, call: Call) -> Reply:
        pull, event = self._pull(call), call.text("event")
        words = {"APPROVED": "approved", "REQUEST_CHANGES": "changes_requested", "COMMENT": "commented"}
        if event != "COMMENT" and pull.author == call.login:
            what = "approve" if event == "APPROVED" else "reject"
            return error(422, f"{what} your own pull is not allowed", self.origin)
        if event not in words:
            return error(422, f"unknown review event {event}", self.origin)
        made = self.forge.review(pull.number, call.login, words[event], call.text("body"), call.text("commit_id"))
        for line in _objects(call.body.get("comments")):
            place = int(line.get("new_position") or line.get("old_position") or 0)
            self.forge.comment(pull.number, call.login, str(line["body"]), str(line["path"]), place, made.id)
        return Reply(200, self.views.review(pull, made, call.login))

    def review_comments(self, call: Call) -> Reply:
        pull = self._pull(call)
        found = [comment for comment in pull.comments if comment.review == call.number(1)]
        return Reply(200, [self.views.line_comment(pull, comment) for comment in found])

    def ask_review(self, call: Call) -> Reply:
        pull = self._pull(call)
        self._needs_write(call, pull)
        for login in _texts(call.body.get("reviewers")):
            if login not in self.state.users:
                return error(404, f"user does not exist [uid: 0, name: {login}]", self.origin)
            if self.state.may(login) < Access.READ or login == pull.author:
                words = f"reviewer can't be added [user: {login}, reason: poster or no read access]"
                return error(422, words, self.origin)
        asked = self.forge.ask_review(pull.number, call.login, _texts(call.body.get("reviewers")))
        return Reply(201, [self.views.asked_review(pull, login) for login in asked])

    # Comments

    def comments(self, call: Call) -> Reply:
        pull, since = self._pull(call), call.one("since")
        found = [comment for comment in pull.comments if not comment.review and _not_before(comment, since)]
        headers = {"X-Total-Count": str(len(found)), "Access-Control-Expose-Headers": "X-Total-Count"}
        return Reply(200, [self.views.comment(pull, comment) for comment in found], headers)

    def comment(self, call: Call) -> Reply:
        pull = self._pull(call)
        if not call.text("body"):
            return error(422, "[Body]: Required", self.origin)
        made = self.forge.comment(pull.number, call.login, call.text("body"))
        return Reply(201, self.views.comment(pull, made))

    def timeline(self, call: Call) -> Reply:
        """Comments, and who closed it; nothing of what else happened."""
        pull = self._pull(call)
        events = [self.views.comment(pull, one) | {"type": "comment"} for one in pull.comments if not one.review]
        if pull.closed_at is not None:
            at, who = stamp(pull.closed_at), self.views.user(pull.closed_by)
            events.append({"id": 0, "type": "close", "user": who, "body": "", "created_at": at, "updated_at": at})
        return listed(call, events, self.state.knobs.page_limit)

    def get_comment(self, call: Call) -> Reply:
        return Reply(200, self.views.comment(*self._comment(call)))

    def edit_comment(self, call: Call) -> Reply:
        pull, comment = self._own_comment(call)
        self.forge.edit_comment(pull, comment, call.login, call.text("body"))
        return Reply(200, self.views.comment(pull, comment))

    def delete_comment(self, call: Call) -> Reply:
        pull, comment = self._own_comment(call)
        self.forge.delete_comment(pull, comment, call.login)
        return Reply(204)

    def _own_comment(self, call: Call) -> tuple[PullRequest, Comment]:
        pull, comment = self._comment(call)
        if comment.author != call.login and self.state.may(call.login) < Access.ADMIN:
            raise Refused(Reply(403))
        return pull, comment

    def react(self, call: Call) -> Reply:
        _, comment = self._comment(call)
        reaction = (call.login, call.text("content"))
        known = reaction in comment.reactions
        if not known:
            comment.reactions.append(reaction)
        return Reply(200 if known else 201, self._reaction(*reaction, comment))

    def reactions(self, call: Call) -> Reply:
        _, comment = self._comment(call)
        return Reply(200, [self._reaction(login, what, comment) for login, what in comment.reactions])

    def _reaction(self, login: str, what: str, comment: Comment) -> Json:
        at = comment.updated_at.strftime("%Y-%m-%dT%H:%M:%SZ")
        return {"user": self.views.user(login), "content": what, "created_at": at}

    # Labels

    def labels(self, call: Call) -> Reply:
        return Reply(200, self.views.labels(self._pull(call).labels))

    def add_labels(self, call: Call) -> Reply:
        pull = self._pull(call)
        self._needs_write(call)
        self.forge.label(pull.number, call.login, self._names(call))
        return Reply(200, self.views.labels(pull.labels))

    def remove_label(self, call: Call) -> Reply:
        pull = self._pull(call)
        self._needs_write(call)
        names = [label.name for label in self.state.labels.values() if label.id == call.number(1)]
        return Reply(204) if names and self.forge.unlabel(pull.number, call.login, names[0]) else not_found(self.origin)

    def _names(self, call: Call) -> list[str]:
        """By id, or by name as newer ones take too; what is unknown is passed over without a word."""
        wanted = call.body.get("labels")
        asked = wanted if isinstance(wanted, list) else []
        return [label.name for label in self.state.labels.values() if label.id in asked or label.name in asked]


def _texts(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []


def _objects(value: object) -> list[Json]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _not_before(comment: Comment, since: str) -> bool:
    return not since or comment.updated_at >= moment(since)
