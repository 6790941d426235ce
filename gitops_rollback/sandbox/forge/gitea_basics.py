"""How does Gitea show users, the repository, labels and rules of branches? Every field that the recorded one sends.

Source: the recorded answers of a Gitea 1.26; go-gitea services/convert/*.go @000762f.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime

from gitops_rollback.sandbox.forge.machine import Machine
from gitops_rollback.sandbox.forge.state import Access, Label, Method, Rules
from gitops_rollback.sandbox.rendering import Json

NEVER = "0001-01-01T00:00:00Z"
EPOCH = "1970-01-01T00:00:00Z"
# What is the same in each user, repository and protection here.
USER: Json = {
    **dict.fromkeys(("login_name", "full_name", "language", "location", "website", "description"), ""),
    **dict.fromkeys(("source_id", "followers_count", "following_count", "starred_repos_count"), 0),
    **dict.fromkeys(("restricted", "prohibit_login"), False),
    "visibility": "public",
}
REPOSITORY: Json = {
    **dict.fromkeys(
        ("description", "language", "link", "original_url", "website", "avatar_url", "mirror_interval"), ""
    ),
    **dict.fromkeys(("stars_count", "forks_count", "open_issues_count", "release_counter"), 0),
    **dict.fromkeys(("fork", "template", "mirror", "internal", "allow_manual_merge", "autodetect_manual_merge"), False),
    **dict.fromkeys(("ignore_whitespace_conflicts", "default_allow_maintainer_edit"), False),
    **dict.fromkeys(("has_code", "has_issues", "has_wiki", "has_pull_requests", "has_projects", "has_releases"), True),
    **dict.fromkeys(("has_packages", "has_actions", "allow_rebase_update"), True),
    "watchers_count": 1,
    "size": 28,
    "archived_at": EPOCH,
    "mirror_updated": NEVER,
    "projects_mode": "all",
    "default_merge_style": "merge",
    "object_format_name": "sha1",
    "internal_tracker": {
        "enable_time_tracker": True,
        "allow_only_contributors_to_track_time": True,
        "enable_issue_dependencies": True,
    },
}
PROTECTION: Json = {
    "priority": 1,
    **dict.fromkeys(("push_whitelist_deploy_keys", "enable_force_push", "enable_force_push_allowlist"), False),
    **dict.fromkeys(("force_push_allowlist_deploy_keys", "enable_approvals_whitelist"), False),
    **dict.fromkeys(("block_on_official_review_requests", "ignore_stale_approvals"), False),
    **dict.fromkeys(("block_admin_merge_override",), False),
    "block_on_rejected_reviews": True,
    **dict.fromkeys(("protected_file_patterns", "unprotected_file_patterns"), ""),
}
NO_NAMES = (
    *("push_whitelist_teams", "force_push_allowlist_usernames", "force_push_allowlist_teams", "merge_whitelist_teams"),
    *("approvals_whitelist_username", "approvals_whitelist_teams"),
)


def stamp(at: datetime | None) -> str | None:
    """A time as it is shown."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ") if at is not None else None


class Basics:
    """Of one forge, at the address at which it is asked."""

    def __init__(self, forge: Machine, origin: str) -> None:
        self.forge = forge
        self.state = forge.state
        self.git = forge.git
        self.origin = origin
        self.web = f"{origin}/{forge.state.repository}"
        self.api = f"{origin}/api/v1/repos/{forge.state.repository}"

    def user(self, login: str, viewer: str = "", hook: bool = False) -> Json:
        """`viewer`: who looks; one sees more of oneself, and the owner of the site of everybody."""
        user = self.state.users.get(login)
        number = user.id if user else -1
        full = bool(viewer) and (viewer == login or self.state.may(viewer) is Access.ADMIN)
        email = user.email if user and not hook else f"{number}+{login}@noreply.localhost"
        return {
            **USER,
            "id": number,
            "login": login,
            "email": email,
            "avatar_url": f"{self.origin}/avatars/{hashlib.md5(email.encode(), usedforsecurity=False).hexdigest()}",
            "html_url": f"{self.origin}/{login}",
            "is_admin": full and self.state.may(login) is Access.ADMIN,
            "last_login": EPOCH if full else NEVER,
            "created": stamp(user.joined) if user else EPOCH,
            "active": full,
            "username": login,
        }

    def repo(self, viewer: str) -> Json:
        state, began, may = self.state, stamp(self.state.began), self.state.may(viewer)
        allowed = state.settings.methods
        return {
            **REPOSITORY,
            "id": 1,
            "owner": self.user(state.owner.partition("/")[0]),
            "name": state.name,
            "full_name": state.repository,
            "empty": not self.git.branches(),
            "private": state.settings.private,
            "languages_url": f"{self.api}/languages",
            "html_url": self.web,
            "url": self.api,
            "ssh_url": f"git@localhost:{state.repository}.git",
            "clone_url": f"{self.web}.git",
            "open_pr_counter": len(state.open_pulls()),
            "default_branch": state.settings.default_branch,
            "archived": state.settings.archived,
            "created_at": began,
            "updated_at": began,
            "permissions": {
                "admin": may >= Access.ADMIN,
                "push": may >= Access.WRITE,
                "pull": may >= Access.READ,
            },
            "allow_merge_commits": Method.MERGE in allowed,
            "allow_rebase": Method.REBASE in allowed,
            "allow_rebase_explicit": Method.REBASE_MERGE in allowed,
            "allow_squash_merge": Method.SQUASH in allowed,
            "allow_fast_forward_only_merge": Method.FAST_FORWARD in allowed,
            "default_delete_branch_after_merge": state.settings.delete_branch,
            "topics": [],
            "licenses": [],
        }

    def label(self, label: Label) -> Json:
        return {
            "id": label.id,
            "name": label.name,
            "exclusive": False,
            "is_archived": False,
            "color": label.color,
            "description": "",
            "url": f"{self.api}/labels/{label.id}",
        }

    def labels(self, names: Iterable[str]) -> list[Json]:
        return [self.label(self.state.labels[name]) for name in names]

    def protection(self, rules: Rules) -> Json:
        began = stamp(self.state.began)
        return {
            **PROTECTION,
            **{name: [] for name in NO_NAMES},
            "branch_name": rules.pattern,
            "rule_name": rules.pattern,
            "enable_push": rules.pushers is None or bool(rules.pushers),
            "enable_push_whitelist": bool(rules.pushers),
            "push_whitelist_usernames": sorted(rules.pushers or ()),
            "enable_merge_whitelist": rules.mergers is not None,
            "merge_whitelist_usernames": sorted(rules.mergers or ()),
            "enable_status_check": bool(rules.checks),
            "status_check_contexts": list(rules.checks),
            "required_approvals": rules.approvals,
            "block_on_outdated_branch": rules.up_to_date,
            "dismiss_stale_approvals": rules.dismiss_stale,
            "require_signed_commits": rules.signed,
            "created_at": began,
            "updated_at": began,
        }
