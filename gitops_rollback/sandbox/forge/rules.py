"""What do the rules of a branch say to a push, and to a merge?

Source: contracts/forges.md, sections 2 and 6; docs.github.com "About protected branches" and "About code owners",
docs.gitlab.com "Protected branches", docs.gitea.com "Protected branches".
"""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass
from enum import StrEnum

from gitops_rollback.sandbox.forge.merging import Repository
from gitops_rollback.sandbox.forge.state import Access, Block, Method, PullRequest, Rules, State
from gitops_rollback.sandbox.git_door import ZERO, HookCall, RefChange

OWNERS_FILES = (".github/CODEOWNERS", ".gitlab/CODEOWNERS", ".gitea/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")


class Breach(StrEnum):
    """What stands against a push to a protected branch."""

    NOT_ALLOWED = "not-allowed"  # who may push is listed, and this is somebody else
    PULL_REQUEST = "pull-request"
    CHECKS = "checks"
    SIGNED = "signed"
    LINEAR = "linear"
    QUEUE = "queue"
    REWRITES = "rewrites"  # not a descendant
    DELETES = "deletes"


@dataclass(frozen=True)
class Verdict:
    """Of one ref of a push."""

    change: RefChange
    rules: Rules
    breaches: tuple[Breach, ...]
    bypassed: bool  # there are breaches, and who pushes is above them

    @property
    def branch(self) -> str:
        return self.change.ref.removeprefix("refs/heads/")

    @property
    def refused(self) -> bool:
        return bool(self.breaches) and not self.bypassed


def judge_push(state: State, git: Repository, call: HookCall) -> list[Verdict]:
    """One for each protected branch that a push names."""
    found = []
    for change in call.changes:
        rules = state.rules_of(change.ref.removeprefix("refs/heads/"))
        if change.ref.startswith("refs/heads/") and rules is not None:
            breaches = _breaches(state, git, rules, change, call)
            found.append(Verdict(change, rules, breaches, call.login in rules.bypass))
    return found


def _breaches(state: State, git: Repository, rules: Rules, change: RefChange, call: HookCall) -> tuple[Breach, ...]:
    if change.new == ZERO:
        return (Breach.DELETES,)
    found = []
    listed = rules.pushers is not None and call.login in rules.pushers
    if rules.pushers is not None and not listed:
        found.append(Breach.NOT_ALLOWED if rules.pushers else Breach.PULL_REQUEST)
    if rules.queue and not listed:
        found.append(Breach.QUEUE)
    # A status can be on a commit before it is on the branch: then the push has all that is required.
    done = {name for name, word in state.checked(change.new).items() if word == "success"}
    if not listed and not set(rules.checks) <= done:
        found.append(Breach.CHECKS)
    names = ("GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_QUARANTINE_PATH")
    inside = tuple((name, call.environment[name]) for name in names if name in call.environment)
    commits = git.commits(change.old, change.new, inside)
    if rules.signed and any(not commit.signed for commit in commits):
        found.append(Breach.SIGNED)
    if rules.linear and any(len(commit.parents) > 1 for commit in commits):
        found.append(Breach.LINEAR)
    if change.old != ZERO and not _descends(git, change, dict(inside)):
        found.append(Breach.REWRITES)
    return tuple(found)


def _descends(git: Repository, change: RefChange, inside: dict[str, str]) -> bool:
    return git.run(["merge-base", "--is-ancestor", change.old, change.new], b"", inside).returncode == 0


def may_merge(state: State, login: str, branch: str) -> bool:
    """May somebody press the button?"""
    rules = state.rules_of(branch)
    if state.may(login) < Access.WRITE:
        return False
    return rules is None or rules.mergers is None or login in rules.mergers or login in rules.bypass


def may_push(state: State, login: str, branch: str) -> bool:
    """May somebody push straight to the branch, as far as accounts go?"""
    rules = state.rules_of(branch)
    if state.may(login) < Access.WRITE:
        return False
    return rules is None or rules.pushers is None or login in rules.pushers or login in rules.bypass


def blocks(state: State, git: Repository, pull: PullRequest) -> tuple[Block, ...]:
    """All that stands against a merge of what is there now, but for who asks and how he wants to merge."""
    found = [Block.DRAFT] if pull.draft else []
    base = git.head(pull.base)
    if not base or not git.has(pull.head_sha) or git.conflicts(base, pull.head_sha):
        found.append(Block.CONFLICT)
        return tuple(found)
    rules = state.rules_of(pull.base)
    behind = not git.contains(pull.head_sha, base)
    if behind and state.settings.default_method in (Method.FAST_FORWARD, Method.REBASE_MERGE):
        found.append(Block.BEHIND)
    if rules is not None:
        found += _rule_blocks(state, git, rules, pull, behind)
    return tuple(dict.fromkeys(found))


def _rule_blocks(state: State, git: Repository, rules: Rules, pull: PullRequest, behind: bool) -> list[Block]:
    found = []
    words = state.checked(pull.head_sha)
    states = [words.get(name, "missing") for name in rules.checks]
    if any(word in ("failure", "error", "failed", "canceled") for word in states):
        found.append(Block.CHECKS_FAILED)
    if any(word not in ("success", "failure", "error", "failed", "canceled") for word in states):
        found.append(Block.CHECKS_MISSING)
    verdicts = latest_reviews(state, pull)
    if "changes_requested" in verdicts.values():
        found.append(Block.CHANGES_REQUESTED)
    approvers = [login for login, verdict in verdicts.items() if verdict == "approved"]
    if len(approvers) < rules.approvals:
        found.append(Block.APPROVALS)
    if rules.code_owners and missing_owners(git, pull, approvers):
        found.append(Block.CODE_OWNERS)
    if rules.up_to_date and behind:
        found.append(Block.BEHIND)
    if rules.discussions and pull.unresolved:
        found.append(Block.DISCUSSIONS)
    commits = git.commits(git.head(pull.base), pull.head_sha)
    if rules.signed and any(not commit.signed for commit in commits):
        found.append(Block.UNSIGNED)
    return found


def latest_reviews(state: State, pull: PullRequest) -> dict[str, str]:
    """The last verdict of each person that counts: who may write, and is not the author."""
    found: dict[str, str] = {}
    for review in pull.reviews:
        counts = review.author != pull.author and state.may(review.author) >= Access.WRITE
        if counts and review.state != "commented":
            found[review.author] = review.state
    return found


def missing_owners(git: Repository, pull: PullRequest, approvers: list[str]) -> list[str]:
    """Paths that the pull request changes and of whose owners none has approved."""
    base = git.head(pull.base)
    owners = owners_of(git, pull.base)
    changes = git.changes(git.merge_base(base, pull.head_sha), pull.head_sha)
    return [
        change.path
        for change in changes
        if (mine := _owners_of_path(owners, change.path)) and not set(mine) & {pull.author, *approvers}
    ]


def code_owners(git: Repository, pull: PullRequest) -> list[str]:
    """Who is asked for a review when it is opened: the owners of what it changes."""
    owners = owners_of(git, pull.base)
    changes = git.changes(git.merge_base(git.head(pull.base), pull.head_sha), pull.head_sha) if owners else ()
    return list(dict.fromkeys(login for change in changes for login in _owners_of_path(owners, change.path)))


def owners_of(git: Repository, branch: str) -> list[tuple[str, tuple[str, ...]]]:
    """The rules of the first CODEOWNERS file of a branch: a pattern and its logins, in their order."""
    texts = (git.read(f"refs/heads/{branch}", path) for path in OWNERS_FILES)
    text = next((text for text in texts if text is not None), "")
    lines = (line.split("#")[0].split() for line in text.splitlines())
    return [(parts[0], tuple(part.removeprefix("@") for part in parts[1:])) for parts in lines if parts]


def _owners_of_path(owners: list[tuple[str, tuple[str, ...]]], path: str) -> tuple[str, ...]:
    """Of the last pattern that fits: `*`, a folder, or a glob from the root or anywhere."""
    found: tuple[str, ...] = ()
    for pattern, logins in owners:
        bare = pattern.strip("/")
        inside = path == bare or path.startswith(f"{bare}/")
        somewhere = not pattern.startswith("/") and fnmatch.fnmatchcase(path, f"*/{bare}")
        if pattern == "*" or inside or fnmatch.fnmatchcase(path, bare) or somewhere:
            found = logins
    return found
