"""GitHub's API of comments: those of the whole pull request, which are an issue's, and those of a line.

Source: contracts/forges.md, sections 3 and 8; docs.github.com/rest/issues/comments, /pulls/comments, /reactions.
"""

from __future__ import annotations

from gitops_rollback.sandbox.forge.github_views import Views, stamp
from gitops_rollback.sandbox.forge.github_wire import error, invalid, listed, not_found
from gitops_rollback.sandbox.forge.state import Access, Comment, PullRequest
from gitops_rollback.sandbox.forge.wire import Call, Refused, Reply, Route, moment, route

READS, WRITES = "issues=read", "issues=write"
LONGEST = 65_536
REACTIONS = ("+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes")


class Comments:
    """The handlers."""

    def __init__(self, views: Views) -> None:
        self.views = views
        self.forge = views.forge
        self.state = views.state

    def routes(self, repo: str) -> list[Route]:
        one, line = f"{repo}/issues/comments/{{n}}", f"{repo}/pulls/comments/{{n}}"
        return [
            route("GET", f"{repo}/issues/{{n}}/comments", self.all, READS),
            route("POST", f"{repo}/issues/{{n}}/comments", self.write, WRITES),
            route("GET", one, self.get, READS),
            route("PATCH", one, self.edit, WRITES),
            route("DELETE", one, self.delete, WRITES),
            route("POST", f"{one}/reactions", self.react, WRITES),
            route("GET", f"{one}/reactions", self.reactions, READS),
            route("GET", f"{repo}/pulls/{{n}}/comments", self.lines, "pull_requests=read"),
            route("POST", f"{repo}/pulls/{{n}}/comments", self.write_line, "pull_requests=write"),
            route("PATCH", line, self.edit, "pull_requests=write"),
            route("POST", f"{line}/reactions", self.react, "pull_requests=write"),
        ]

    def _pull(self, call: Call) -> PullRequest:
        found = self.state.pulls.get(call.number(0))
        if found is None:
            raise Refused(not_found())
        return found

    def _one(self, call: Call) -> tuple[PullRequest, Comment]:
        found = self.state.comment(call.number(0))
        if found is None or bool(found[1].path) != ("/pulls/comments/" in call.url):
            raise Refused(not_found())
        return found

    def _shown(self, pull: PullRequest, comment: Comment) -> object:
        return self.views.line_comment(pull, comment) if comment.path else self.views.comment(pull, comment)

    def _since(self, call: Call, comments: list[Comment]) -> list[Comment]:
        since = call.one("since")
        return [one for one in comments if not since or one.updated_at >= moment(since)]

    def all(self, call: Call) -> Reply:
        pull = self._pull(call)
        found = self._since(call, [one for one in pull.comments if not one.path])
        return listed(call, found, self.state.knobs.page_limit, lambda one: self.views.comment(pull, one))

    def lines(self, call: Call) -> Reply:
        pull = self._pull(call)
        found = self._since(call, [one for one in pull.comments if one.path])
        return listed(call, found, self.state.knobs.page_limit, lambda one: self.views.line_comment(pull, one))

    def write(self, call: Call) -> Reply:
        pull, body = self._pull(call), self._body(call)
        return Reply(201, self.views.comment(pull, self.forge.comment(pull.number, call.login, body)))

    def write_line(self, call: Call) -> Reply:
        pull, body = self._pull(call), self._body(call)
        line = int(call.text("line", "1"))
        made = self.forge.comment(pull.number, call.login, body, call.text("path"), line)
        return Reply(201, self.views.line_comment(pull, made))

    def _body(self, call: Call) -> str:
        body = call.text("body")
        if not body:
            errors = [{"resource": "IssueComment", "code": "missing_field", "field": "body"}]
            raise Refused(error(422, "Validation Failed", errors=errors))
        if len(body) > LONGEST:
            words = f"body is too long (maximum is {LONGEST} characters)"
            raise Refused(invalid("IssueComment", words, field="body"))
        return body

    def get(self, call: Call) -> Reply:
        return Reply(200, self._shown(*self._one(call)))

    def _own(self, call: Call) -> tuple[PullRequest, Comment]:
        """One's own, or anybody's for who may write."""
        pull, comment = self._one(call)
        if comment.author != call.login and self.state.may(call.login) < Access.WRITE:
            raise Refused(error(403, "Must have admin rights to Repository."))
        return pull, comment

    def edit(self, call: Call) -> Reply:
        pull, comment = self._own(call)
        self.forge.edit_comment(pull, comment, call.login, self._body(call))
        return Reply(200, self._shown(pull, comment))

    def delete(self, call: Call) -> Reply:
        pull, comment = self._own(call)
        self.forge.delete_comment(pull, comment, call.login)
        return Reply(204)

    def react(self, call: Call) -> Reply:
        _, comment = self._one(call)
        what = call.text("content")
        if what not in REACTIONS:
            return invalid("Reaction", field="content")
        known = (call.login, what) in comment.reactions
        if not known:
            comment.reactions.append((call.login, what))
        return Reply(200 if known else 201, self._reaction(call.login, what, comment))

    def reactions(self, call: Call) -> Reply:
        _, comment = self._one(call)
        return Reply(200, [self._reaction(login, what, comment) for login, what in comment.reactions])

    def _reaction(self, login: str, what: str, comment: Comment) -> dict[str, object]:
        number = comment.reactions.index((login, what)) + 1
        return {"id": number, "user": self.views.user(login), "content": what, "created_at": stamp(comment.updated_at)}
