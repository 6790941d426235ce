"""How does GitLab show users, the project, merge requests, notes, statuses?

Source: contracts/forges.md, sections 4 and 6; docs.gitlab.com/api/{projects,branches,merge_requests,notes,commits}.
"""

from __future__ import annotations

from datetime import datetime

from gitops_rollback.sandbox.forge.machine import Machine
from gitops_rollback.sandbox.forge.merging import Change, Commit
from gitops_rollback.sandbox.forge.rules import latest_reviews, may_merge, may_push
from gitops_rollback.sandbox.forge.state import Access, Block, Comment, Method, PullRequest, Rules, Status
from gitops_rollback.sandbox.rendering import Json

PROJECT = 1
LEVELS = {Access.NONE: 0, Access.READ: 20, Access.WRITE: 30, Access.ADMIN: 50}
NAMES = {0: "No one", 30: "Developers + Maintainers", 40: "Maintainers"}
METHODS = {Method.FAST_FORWARD: "ff", Method.REBASE_MERGE: "rebase_merge"}
# One reason at a time, the first of these that holds.
WORDS = {
    Block.DRAFT: "draft_status",
    Block.DISCUSSIONS: "discussions_not_resolved",
    Block.CHANGES_REQUESTED: "requested_changes",
    Block.APPROVALS: "not_approved",
    Block.CODE_OWNERS: "not_approved",
    Block.CHECKS_FAILED: "ci_must_pass",
    Block.CHECKS_MISSING: "ci_must_pass",
    Block.CONFLICT: "conflict",
    Block.BEHIND: "need_rebase",
    Block.UNSIGNED: "policies_denied",
}
RUNNING = ("pending", "running")


def stamp(at: datetime | None) -> str | None:
    """A time as it is shown."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.000Z") if at is not None else None


class Views:
    """Of one forge, at the address at which it is asked."""

    def __init__(self, forge: Machine, origin: str) -> None:
        self.forge = forge
        self.state = forge.state
        self.git = forge.git
        self.origin = origin
        self.web = f"{origin}/{forge.state.repository}"

    def user(self, login: str) -> Json:
        user = self.state.users.get(login)
        return {
            "id": user.id if user else 0,
            "username": login,
            "public_email": "",
            "name": login,
            "state": "active",
            "locked": False,
            "avatar_url": None,
            "web_url": f"{self.origin}/{login}",
        }

    def me(self, login: str) -> Json:
        user = self.state.users[login]
        more = {"bot": user.bot, "email": user.email, "created_at": stamp(user.joined), "is_admin": False}
        return {**self.user(login), **more}

    def project(self, viewer: str) -> Json:
        state, settings, rules = (
            self.state,
            self.state.settings,
            self.state.rules_of(self.state.settings.default_branch),
        )
        access = state.access.get(viewer)
        return {
            "id": PROJECT,
            "description": None,
            "name": state.name,
            "name_with_namespace": state.repository.replace("/", " / "),
            "path": state.name,
            "path_with_namespace": state.repository,
            "created_at": stamp(state.began),
            "default_branch": settings.default_branch,
            "http_url_to_repo": f"{self.web}.git",
            "web_url": self.web,
            "namespace": {"id": 1, "name": state.owner, "path": state.owner, "kind": "group", "full_path": state.owner},
            "archived": settings.archived,
            "visibility": "private" if settings.private else "public",
            "merge_requests_enabled": True,
            "merge_requests_access_level": "enabled",
            "only_allow_merge_if_pipeline_succeeds": bool(rules and rules.checks),
            "allow_merge_on_skipped_pipeline": False,
            "only_allow_merge_if_all_discussions_are_resolved": bool(rules and rules.discussions),
            "remove_source_branch_after_merge": settings.delete_branch,
            "merge_method": METHODS.get(settings.default_method, "merge"),
            "merge_trains_enabled": bool(rules and rules.queue),
            "squash_option": "default_off" if Method.SQUASH in settings.methods else "never",
            "permissions": {
                "project_access": {"access_level": LEVELS[access], "notification_level": 3} if access else None,
                "group_access": None,
            },
        }

    def branch(self, name: str, viewer: str) -> Json:
        rules = self.state.rules_of(name)
        return {
            "name": name,
            "commit": self.commit(self.git.read_commit(self.git.head(name))),
            "merged": False,
            "protected": rules is not None,
            "developers_can_push": rules is not None and rules.pushers is None,
            "developers_can_merge": rules is not None and rules.mergers is None,
            "can_push": may_push(self.state, viewer, name),
            "default": name == self.state.settings.default_branch,
            "web_url": f"{self.web}/-/tree/{name}",
        }

    def protection(self, rules: Rules) -> Json:
        return {
            "id": 1,
            "name": rules.pattern,
            "push_access_levels": self._levels(rules.pushers),
            "merge_access_levels": self._levels(rules.mergers),
            "allow_force_push": False,
            "unprotect_access_levels": [],
            "code_owner_approval_required": rules.code_owners,
        }

    def _levels(self, logins: frozenset[str] | None) -> list[Json]:
        """Everybody who may write, nobody, or people by name."""
        if logins:
            users = (self.state.users[login] for login in sorted(logins) if login in self.state.users)
            return [
                {"id": user.id, "access_level": None, "access_level_description": user.login, "user_id": user.id}
                for user in users
            ]
        level = 30 if logins is None else 0
        return [{"id": 1, "access_level": level, "access_level_description": NAMES[level], "user_id": None}]

    def commit(self, commit: Commit) -> Json:
        return {
            "id": commit.sha,
            "short_id": commit.sha[:8],
            "created_at": stamp(commit.committed_at),
            "parent_ids": list(commit.parents),
            "title": commit.subject,
            "message": commit.message,
            "author_name": commit.author.name,
            "author_email": commit.author.email,
            "authored_date": stamp(commit.authored_at),
            "committer_name": commit.committer.name,
            "committer_email": commit.committer.email,
            "committed_date": stamp(commit.committed_at),
            "trailers": {},
            "web_url": f"{self.web}/-/commit/{commit.sha}",
        }

    def merge_request(self, pull: PullRequest, viewer: str = "", listed: bool = False) -> Json:
        """`listed`: as lists show it; its merge status may be an old one."""
        merged, closed = pull.state == "merged", pull.state == "closed"
        word = self.merge_status(pull, asked=not listed)
        merger = self.user(pull.merged_by) if pull.merged_by else None
        whole = self.state.repository
        shown: Json = {
            "id": 1000 + pull.number,
            "iid": pull.number,
            "project_id": PROJECT,
            "title": pull.title,
            "description": pull.body or None,
            "state": {"open": "opened"}.get(pull.state, pull.state),
            "created_at": stamp(pull.created_at),
            "updated_at": stamp(pull.updated_at),
            "merged_by": merger,
            "merge_user": self.user(pull.scheduled.by) if pull.scheduled else merger,
            "merged_at": stamp(pull.closed_at) if merged else None,
            "closed_by": self.user(pull.closed_by) if closed else None,
            "closed_at": stamp(pull.closed_at) if closed else None,
            "target_branch": pull.base,
            "source_branch": pull.head,
            "user_notes_count": len([note for note in pull.comments if not note.system]),
            "author": self.user(pull.author),
            "assignees": [self.user(login) for login in pull.assignees],
            "assignee": self.user(pull.assignees[0]) if pull.assignees else None,
            "reviewers": [self.user(login) for login in pull.reviewers],
            "source_project_id": 2 if pull.fork else PROJECT,
            "target_project_id": PROJECT,
            "labels": sorted(pull.labels),
            "draft": pull.draft,
            "work_in_progress": pull.draft,
            "milestone": None,
            "merge_when_pipeline_succeeds": pull.scheduled is not None,
            "merge_status": _old_word(word),
            "detailed_merge_status": word,
            "sha": pull.head_sha,
            "merge_commit_sha": pull.merge_sha,
            "squash_commit_sha": pull.squash_sha,
            "discussion_locked": None,
            "should_remove_source_branch": pull.scheduled.delete_branch if pull.scheduled else None,
            "force_remove_source_branch": pull.remove_source_branch,
            "reference": f"!{pull.number}",
            "references": {"short": f"!{pull.number}", "relative": f"!{pull.number}", "full": f"{whole}!{pull.number}"},
            "web_url": f"{self.web}/-/merge_requests/{pull.number}",
            "squash": pull.squash,
            "has_conflicts": word == "conflict",
            "blocking_discussions_resolved": not pull.unresolved,
        }
        return shown if listed else {**shown, **self._by_itself(pull, viewer)}

    def _by_itself(self, pull: PullRequest, viewer: str) -> Json:
        base = self.git.merge_base(pull.base_sha or self.git.head(pull.base), pull.head_sha)
        pipeline = self.pipeline(pull.head_sha, pull.head)
        return {
            "subscribed": False,
            "changes_count": str(len(self.git.changes(base, pull.head_sha))),
            "pipeline": pipeline,
            "head_pipeline": pipeline,
            "diff_refs": {"base_sha": base, "head_sha": pull.head_sha, "start_sha": base},
            "merge_error": None,
            "user": {"can_merge": may_merge(self.state, viewer, pull.base)},
        }

    def merge_status(self, pull: PullRequest, asked: bool) -> str:
        """`detailed_merge_status`. In a list it is what was last found: it may be old."""
        if not pull.open:
            return "not_open"
        if not asked and pull.last_found is not None:
            return self._word(pull, pull.last_found)
        if not asked:
            return "unchecked"
        if not pull.fork and not self.git.head(pull.head):
            return "commits_status"
        return self._word(pull, self.forge.look(pull))

    def _word(self, pull: PullRequest, found: tuple[Block, ...]) -> str:
        if Block.CHECKING in found:
            return "checking"
        states = {status.state for status in self.state.statuses_of(pull.head_sha).values()}
        word = next((word for block, word in WORDS.items() if block in found), "mergeable")
        return "ci_still_running" if word == "ci_must_pass" and states & set(RUNNING) else word

    def pipeline(self, sha: str, ref: str) -> Json | None:
        """External statuses make one; without any there is none."""
        words = [status.state for status in self.state.statuses_of(sha).values()]
        if not words:
            return None
        first = next((word for word in ("failed", "canceled", "running", "pending") if word in words), "success")
        ident = min(status.id for status in self.state.statuses if status.sha == sha)
        web = f"{self.web}/-/pipelines/{ident}"
        return {
            "id": ident,
            "iid": ident,
            "project_id": PROJECT,
            "sha": sha,
            "ref": ref,
            "status": first,
            "web_url": web,
        }

    def note(self, pull: PullRequest, note: Comment) -> Json:
        place = {"base_sha": "", "head_sha": pull.head_sha, "position_type": "text", "new_path": note.path}
        position = {"position": {**place, "old_path": note.path, "new_line": note.line}} if note.path else {}
        return {
            "id": note.id,
            "type": "DiffNote" if note.path else None,
            "body": note.body,
            "author": self.user(note.author),
            "created_at": stamp(note.created_at),
            "updated_at": stamp(note.updated_at),
            "system": note.system,
            "noteable_id": 1000 + pull.number,
            "noteable_type": "MergeRequest",
            "project_id": PROJECT,
            **position,
            "resolvable": bool(note.path),
            "confidential": False,
            "internal": False,
            "noteable_iid": pull.number,
            "commands_changes": {},
        }

    def status(self, status: Status) -> Json:
        done = status.state not in RUNNING
        return {
            "id": status.id,
            "sha": status.sha,
            "ref": status.ref,
            "status": status.state,
            "name": status.context,
            "target_url": status.url or None,
            "description": status.description or None,
            "created_at": stamp(status.at),
            "started_at": None,
            "finished_at": stamp(status.at) if done else None,
            "allow_failure": False,
            "coverage": None,
            "pipeline_id": min(one.id for one in self.state.statuses if one.sha == status.sha),
            "author": self.user(status.creator),
        }

    def approvals(self, pull: PullRequest, viewer: str) -> Json:
        rules = self.state.rules_of(pull.base)
        required = rules.approvals if rules else 0
        given = [login for login, word in latest_reviews(self.state, pull).items() if word == "approved"]
        return {
            "id": 1000 + pull.number,
            "iid": pull.number,
            "project_id": PROJECT,
            "title": pull.title,
            "state": {"open": "opened"}.get(pull.state, pull.state),
            "approved": len(given) >= required,
            "approvals_required": required,
            "approvals_left": max(0, required - len(given)),
            "approved_by": [{"user": self.user(login)} for login in given],
            "user_has_approved": viewer in given,
            "user_can_approve": self.state.may(viewer) >= Access.WRITE and viewer not in (pull.author, *given),
        }

    def diff(self, change: Change) -> Json:
        return {
            "old_path": change.was or change.path,
            "new_path": change.path,
            "a_mode": "0" if change.status == "added" else "100644",
            "b_mode": "0" if change.status == "removed" else "100644",
            "diff": "",
            "new_file": change.status == "added",
            "renamed_file": change.status == "renamed",
            "deleted_file": change.status == "removed",
            "generated_file": False,
        }

    def label(self, name: str) -> Json:
        label = self.state.labels[name]
        more = {"description": None, "text_color": "#FFFFFF", "is_project_label": True}
        return {"id": label.id, "name": name, "color": f"#{label.color}", **more}


def _old_word(word: str) -> str:
    """`merge_status`, which knows only of conflicts."""
    if word in ("unchecked", "checking"):
        return word
    return "cannot_be_merged" if word in ("conflict", "commits_status") else "can_be_merged"
