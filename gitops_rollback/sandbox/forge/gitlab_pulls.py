"""GitLab's API of merge requests: open, find, read, approve, merge. Notes are in `gitlab_notes`.

Source: contracts/forges.md, sections 4 and 6; docs.gitlab.com/api/merge_requests; gitlabhq lib/api/merge_requests.rb.
"""

from __future__ import annotations

from gitops_rollback.sandbox.forge.gitlab_notes import Notes
from gitops_rollback.sandbox.forge.gitlab_views import PROJECT, Views
from gitops_rollback.sandbox.forge.gitlab_wire import error, forbidden, listed, not_found
from gitops_rollback.sandbox.forge.merging import Conflict, Moved
from gitops_rollback.sandbox.forge.rules import latest_reviews, may_merge
from gitops_rollback.sandbox.forge.state import Access, Block, Method, PullRequest, Scheduled
from gitops_rollback.sandbox.forge.wire import Call, Refused, Reply, Route, moment, route

READS, WRITES = "read_api", "api"
DRAFTS = ("draft:", "[draft]", "(draft)")
CANNOT = "Branch cannot be merged"


class MergeRequests:
    """The handlers."""

    def __init__(self, views: Views) -> None:
        self.views = views
        self.forge = views.forge
        self.state = views.state
        self.git = views.git

    def routes(self, project: str) -> list[Route]:
        one = f"{project}/merge_requests/{{n}}"
        return [
            route("GET", f"{project}/merge_requests", self.all, READS),
            route("POST", f"{project}/merge_requests", self.open, WRITES),
            route("GET", one, self.get, READS),
            route("PUT", one, self.edit, WRITES),
            route("PUT", f"{one}/merge", self.merge, WRITES),
            route("PUT", f"{one}/rebase", self.rebase, WRITES),
            route("POST", f"{one}/cancel_merge_when_pipeline_succeeds", self.cancel, WRITES),
            route("GET", f"{one}/commits", self.commits, READS),
            route("GET", f"{one}/diffs", self.diffs, READS),
            route("GET", f"{one}/changes", self.changes, READS),
            route("GET", f"{one}/approvals", self.approvals, READS),
            route("POST", f"{one}/approve", self.approve, WRITES),
            route("POST", f"{one}/unapprove", self.unapprove, WRITES),
            *Notes(self.views).routes(one),
        ]

    def _pull(self, call: Call) -> PullRequest:
        self._named(call)
        found = self.state.pulls.get(call.number(1))
        if found is None:
            raise Refused(not_found())
        return found

    def _named(self, call: Call) -> None:
        if call.parts[0] not in (str(PROJECT), self.state.repository):
            raise Refused(not_found("Project"))

    def _shown(self, call: Call, pull: PullRequest) -> object:
        return self.views.merge_request(pull, call.login)

    # Open, find, read

    def open(self, call: Call) -> Reply:
        self._named(call)
        for name in ("source_branch", "target_branch", "title"):
            if not call.text(name):
                return Reply(400, {"error": f"{name} is missing"})
        if self.state.may(call.login) < Access.WRITE or self.state.settings.archived:
            return forbidden()
        head, base = call.text("source_branch"), call.text("target_branch")
        if head == base:
            return error(422, ["You can't use same project/branch for source and target"])
        there = self.forge.find(head, base)
        if there is not None:
            words = f"Another open merge request already exists for this source branch: !{there.number}"
            return error(409, [words])
        for field, name in (("source_branch", head), ("target_branch", base)):
            if not self.git.head(name):
                return error(400, {field: ["does not exist"]})
        title = call.text("title")
        draft = title.lower().startswith(DRAFTS)
        pull = self.forge.open(call.login, head, base, title, call.text("description"), draft)
        pull.remove_source_branch, pull.squash = call.flag("remove_source_branch"), call.flag("squash")
        self.forge.label(pull.number, call.login, _labels(call, "labels"))
        self.forge.ask_review(pull.number, call.login, self._reviewers(call))
        return Reply(201, self._shown(call, pull))

    def _reviewers(self, call: Call) -> list[str]:
        found = call.body.get("reviewer_ids")
        ids = found if isinstance(found, list) else []
        return [user.login for user in self.state.users.values() if user.id in ids or str(user.id) in ids]

    def all(self, call: Call) -> Reply:
        """Lists tell an old merge status, and newest first by when they were opened unless asked otherwise."""
        self._named(call)
        state, after = call.one("state", "all"), call.one("updated_after")
        order = call.one("order_by", "created_at")
        pulls = sorted(
            self.state.pulls.values(),
            key=lambda pull: (pull.updated_at if order == "updated_at" else pull.created_at, pull.number),
            reverse=call.one("sort", "desc") == "desc",
        )
        found = [
            pull
            for pull in pulls
            if state in ("all", {"open": "opened"}.get(pull.state, pull.state))
            and call.one("source_branch") in ("", pull.head)
            and call.one("target_branch") in ("", pull.base)
            and (not after or pull.updated_at >= moment(after))
        ]
        return listed(
            call, found, self.state.knobs.page_limit, lambda pull: self.views.merge_request(pull, call.login, True)
        )

    def get(self, call: Call) -> Reply:
        return Reply(200, self._shown(call, self._pull(call)))

    def edit(self, call: Call) -> Reply:
        pull = self._pull(call)
        if pull.author != call.login and self.state.may(call.login) < Access.WRITE:
            return forbidden()
        names = {"title": "title", "description": "body", "target_branch": "base"}
        fields: dict[str, object] = {ours: call.text(theirs) for theirs, ours in names.items() if theirs in call.body}
        if "title" in fields:
            fields["draft"] = str(fields["title"]).lower().startswith(DRAFTS)
        self.forge.edit(pull.number, call.login, **fields)
        self.forge.label(pull.number, call.login, _labels(call, "add_labels"))
        if "labels" in call.body:
            self.forge.label(pull.number, call.login, _labels(call, "labels"), replace_all=True)
        for name in _labels(call, "remove_labels"):
            self.forge.unlabel(pull.number, call.login, name)
        self.forge.ask_review(pull.number, call.login, self._reviewers(call))
        event = call.text("state_event")
        if event == "close" and pull.open:
            self.forge.close(pull.number, call.login)
        if event == "reopen" and pull.state == "closed":
            self.forge.reopen(pull.number, call.login)
        return Reply(200, self._shown(call, pull))

    def _base(self, pull: PullRequest) -> str:
        return self.git.merge_base(pull.base_sha or self.git.head(pull.base), pull.head_sha)

    def commits(self, call: Call) -> Reply:
        pull = self._pull(call)
        found = self.git.commits(self._base(pull), pull.head_sha)
        return listed(call, found, self.state.knobs.page_limit, self.views.commit)

    def diffs(self, call: Call) -> Reply:
        pull = self._pull(call)
        found = self.git.changes(self._base(pull), pull.head_sha)
        return listed(call, found, self.state.knobs.page_limit, self.views.diff)

    def changes(self, call: Call) -> Reply:
        pull = self._pull(call)
        found = [self.views.diff(change) for change in self.git.changes(self._base(pull), pull.head_sha)]
        return Reply(200, {**self.views.merge_request(pull, call.login), "changes": found, "overflow": False})

    # Merge

    def merge(self, call: Call) -> Reply:
        pull, later = self._pull(call), call.flag("auto_merge") or call.flag("merge_when_pipeline_succeeds")
        if not may_merge(self.state, call.login, pull.base):
            return error(401, "401 Unauthorized")
        found = self.forge.look(pull) if pull.open else ()
        waits = bool(set(found) - {Block.CONFLICT, Block.CHECKING, Block.BEHIND})
        pipeline = self.views.pipeline(pull.head_sha, pull.head)
        passed = pipeline is not None and pipeline["status"] == "success"
        if not pull.open or (waits and not later) or (later and not waits and not passed):
            return error(405, "405 Method Not Allowed")
        if {Block.CONFLICT, Block.CHECKING, Block.BEHIND} & set(found):
            return error(422, CANNOT)
        expected = call.text("sha")
        if expected and expected != pull.head_sha:
            return error(409, f"SHA does not match HEAD of source branch: {pull.head_sha}")
        if "merge_commit_message" in call.body and not call.text("merge_commit_message"):
            return error(422, CANNOT)
        order = self._order(call, pull)
        if waits:
            self.forge.schedule(pull, order)
            return Reply(200, self._shown(call, pull))
        try:
            self.forge.merge(pull, order)
        except (Conflict, Moved):
            return error(422, CANNOT)
        return Reply(200, self._shown(call, pull))

    def _order(self, call: Call, pull: PullRequest) -> Scheduled:
        squash = call.flag("squash") if "squash" in call.body else pull.squash
        removes = call.flag("should_remove_source_branch") or pull.remove_source_branch
        method = Method.SQUASH if squash else Method.MERGE
        words = (call.text("squash_commit_message"), call.text("merge_commit_message"))
        return Scheduled(call.login, method, *words, removes, pull.head_sha)

    def cancel(self, call: Call) -> Reply:
        pull = self._pull(call)
        if not may_merge(self.state, call.login, pull.base):
            return error(401, "401 Unauthorized")
        if not pull.open:
            return error(405, "405 Method Not Allowed")
        if not self.forge.unschedule(pull, call.login):
            return error(406, "Can't cancel the automatic merge")
        return Reply(201, self._shown(call, pull))

    def rebase(self, call: Call) -> Reply:
        """The source branch is put on the target's head. 202: it is done in the background."""
        pull = self._pull(call)
        if self.state.may(call.login) < Access.WRITE or pull.fork:
            return error(403, "403 Forbidden - Cannot push to source branch")
        try:
            self.forge.rebase(pull, call.login)
        except (Conflict, Moved):
            return error(409, "Rebase failed: Rebase locally, resolve all conflicts, then push the branch.")
        return Reply(202, {"rebase_in_progress": True})

    # Approvals

    def approvals(self, call: Call) -> Reply:
        return Reply(200, self.views.approvals(self._pull(call), call.login))

    def approve(self, call: Call) -> Reply:
        pull = self._pull(call)
        if self.state.may(call.login) < Access.WRITE or call.login == pull.author:
            return error(401, "401 Unauthorized")
        expected = call.text("sha")
        if expected and expected != pull.head_sha:
            return error(409, f"SHA does not match HEAD of source branch: {pull.head_sha}")
        self.forge.review(pull.number, call.login, "approved")
        return Reply(201, self.views.approvals(pull, call.login))

    def unapprove(self, call: Call) -> Reply:
        pull = self._pull(call)
        if latest_reviews(self.state, pull).get(call.login) != "approved":
            return not_found()
        self.forge.review(pull.number, call.login, "dismissed")
        return Reply(201, self.views.approvals(pull, call.login))


def _labels(call: Call, name: str) -> list[str]:
    """A text with commas, or a list."""
    found = call.body.get(name)
    parts = found if isinstance(found, list) else str(found or "").split(",")
    return [str(part).strip() for part in parts if str(part).strip()]
