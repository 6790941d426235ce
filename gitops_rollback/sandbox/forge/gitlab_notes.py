"""GitLab's API of notes: comments on the whole and on lines, and what the server itself writes into the list.

Source: contracts/forges.md, sections 4 and 8; docs.gitlab.com/api/{notes,discussions,emoji_reactions}.
"""

from __future__ import annotations

from gitops_rollback.sandbox.forge.gitlab_views import PROJECT, Views, stamp
from gitops_rollback.sandbox.forge.gitlab_wire import error, forbidden, listed, not_found
from gitops_rollback.sandbox.forge.state import Access, Comment, PullRequest
from gitops_rollback.sandbox.forge.wire import Call, Refused, Reply, Route, route
from gitops_rollback.sandbox.rendering import Json

READS, WRITES = "read_api", "api"


class Notes:
    """The handlers."""

    def __init__(self, views: Views) -> None:
        self.views = views
        self.forge = views.forge
        self.state = views.state

    def routes(self, merge_request: str) -> list[Route]:
        note = f"{merge_request}/notes/{{n}}"
        return [
            route("GET", f"{merge_request}/notes", self.all, READS),
            route("POST", f"{merge_request}/notes", self.write, WRITES),
            route("GET", note, self.get, READS),
            route("PUT", note, self.edit, WRITES),
            route("DELETE", note, self.delete, WRITES),
            route("GET", f"{note}/award_emoji", self.reactions, READS),
            route("POST", f"{note}/award_emoji", self.react, WRITES),
            route("GET", f"{merge_request}/discussions", self.discussions, READS),
            route("POST", f"{merge_request}/discussions", self.discuss, WRITES),
        ]

    def _pull(self, call: Call) -> PullRequest:
        if call.parts[0] not in (str(PROJECT), self.state.repository):
            raise Refused(not_found("Project"))
        found = self.state.pulls.get(call.number(1))
        if found is None:
            raise Refused(not_found())
        return found

    def _note(self, call: Call) -> tuple[PullRequest, Comment]:
        pull = self._pull(call)
        found = next((note for note in pull.comments if note.id == call.number(2)), None)
        if found is None:
            raise Refused(not_found("Note"))
        return pull, found

    def all(self, call: Call) -> Reply:
        """The newest first, unless asked otherwise; there is no filter by time."""
        pull, updated = self._pull(call), call.one("order_by") == "updated_at"
        notes = sorted(
            pull.comments,
            key=lambda note: (note.updated_at if updated else note.created_at, note.id),
            reverse=call.one("sort", "desc") == "desc",
        )
        return listed(call, notes, self.state.knobs.page_limit, lambda note: self.views.note(pull, note))

    def write(self, call: Call) -> Reply:
        pull = self._pull(call)
        if not call.text("body"):
            return Reply(400, {"error": "body is missing"})
        return Reply(201, self.views.note(pull, self.forge.comment(pull.number, call.login, call.text("body"))))

    def get(self, call: Call) -> Reply:
        return Reply(200, self.views.note(*self._note(call)))

    def _own(self, call: Call) -> tuple[PullRequest, Comment]:
        pull, note = self._note(call)
        if note.system or (note.author != call.login and self.state.may(call.login) < Access.ADMIN):
            raise Refused(forbidden())
        return pull, note

    def edit(self, call: Call) -> Reply:
        pull, note = self._own(call)
        self.forge.edit_comment(pull, note, call.login, call.text("body"))
        return Reply(200, self.views.note(pull, note))

    def delete(self, call: Call) -> Reply:
        pull, note = self._own(call)
        self.forge.delete_comment(pull, note, call.login)
        return Reply(204)

    def react(self, call: Call) -> Reply:
        _, note = self._note(call)
        reaction = (call.login, call.text("name"))
        if reaction in note.reactions:
            return error(404, "404 Award Emoji Name has already been taken Not Found")
        note.reactions.append(reaction)
        return Reply(201, self._award(note, *reaction))

    def reactions(self, call: Call) -> Reply:
        _, note = self._note(call)
        return Reply(200, [self._award(note, login, name) for login, name in note.reactions])

    def _award(self, note: Comment, login: str, name: str) -> Json:
        number, at = note.reactions.index((login, name)) + 1, stamp(note.updated_at)
        shown = {"id": number, "name": name, "user": self.views.user(login), "created_at": at, "updated_at": at}
        return {**shown, "awardable_id": note.id, "awardable_type": "Note"}

    def discussions(self, call: Call) -> Reply:
        pull = self._pull(call)
        return listed(call, pull.comments, self.state.knobs.page_limit, lambda note: self._discussion(pull, note))

    def discuss(self, call: Call) -> Reply:
        """With a `position`: at a line."""
        pull, place = self._pull(call), call.body.get("position")
        position: Json = place if isinstance(place, dict) else {}
        path, line = str(position.get("new_path") or ""), int(position.get("new_line") or 0)
        note = self.forge.comment(pull.number, call.login, call.text("body"), path, line)
        return Reply(201, self._discussion(pull, note))

    def _discussion(self, pull: PullRequest, note: Comment) -> Json:
        return {"id": f"{note.id:040x}", "individual_note": not note.path, "notes": [self.views.note(pull, note)]}
