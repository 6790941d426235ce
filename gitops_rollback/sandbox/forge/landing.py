"""How does each forge put a pull request on its branch: which commits, whose, and in which words?

Source: docs.github.com "About pull request merges" and the merge endpoint; gitlabhq doc/user/project/merge_requests
(commit templates, squash, methods); go-gitea services/pull/merge*.go @000762f and the recorded merge commit.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gitops_rollback.sandbox.forge.merging import Commit, Conflict, Person, Repository
from gitops_rollback.sandbox.forge.state import Kind, Method, PullRequest, Scheduled, State

GITHUB = Person("GitHub", "noreply@github.com")  # what commits on the web


@dataclass(frozen=True)
class Landed:
    """What was made: the new head of the base branch, and which of its commits the forge names where."""

    tip: str
    merge_sha: str | None = None
    squash_sha: str | None = None


@dataclass(frozen=True)
class _Work:
    """All that the makers below need."""

    git: Repository
    state: State
    pull: PullRequest
    order: Scheduled
    base: str
    now: datetime

    @property
    def merger(self) -> Person:
        return person_of(self.state, self.order.by)

    @property
    def committer(self) -> Person:
        return GITHUB if self.state.kind is Kind.GITHUB else self.merger

    def commits(self) -> tuple[Commit, ...]:
        return self.git.commits(self.base, self.pull.head_sha)


def person_of(state: State, login: str) -> Person:
    """The name and the address that the forge writes into commits for somebody."""
    user = state.users.get(login)
    return Person(login, user.email if user else f"{login}@users.noreply.example")


def land(git: Repository, state: State, pull: PullRequest, order: Scheduled, base: str, now: datetime) -> Landed:
    """Make the commits; the branch is moved by who called. Raises: Conflict."""
    work = _Work(git, state, pull, order, base, now)
    if state.kind is Kind.GITLAB:
        return _gitlab(work)
    makers = {
        Method.MERGE: _merge,
        Method.SQUASH: _squash,
        Method.REBASE: _rebase,
        Method.REBASE_MERGE: _rebase_merge,
        Method.FAST_FORWARD: _fast_forward,
    }
    return makers[order.method](work)


def _merge(work: _Work) -> Landed:
    tree = work.git.merged_tree(work.base, work.pull.head_sha)
    made = _committed(work, tree, (work.base, work.pull.head_sha), merge_message(work.state, work.pull, work.order))
    return Landed(made, made)


def _squash(work: _Work) -> Landed:
    tree = work.git.merged_tree(work.base, work.pull.head_sha)
    message = squash_message(work.state, work.pull, work.order, work.commits())
    author = (person_of(work.state, work.pull.author), work.now)
    made = work.git.commit(tree, (work.base,), message, author, (work.committer, work.now))
    return Landed(made, made, made)


def _rebase(work: _Work) -> Landed:
    tip = work.git.rebased(work.base, work.pull.head_sha, (work.merger, work.now))
    return Landed(tip, tip)


def _rebase_merge(work: _Work) -> Landed:
    tip = work.git.rebased(work.base, work.pull.head_sha, (work.merger, work.now))
    message = merge_message(work.state, work.pull, work.order)
    made = _committed(work, work.git.tree(tip), (work.base, tip), message)
    return Landed(made, made)


def _fast_forward(work: _Work) -> Landed:
    if not work.git.contains(work.pull.head_sha, work.base):
        raise Conflict("not a fast-forward")
    return Landed(work.pull.head_sha, work.pull.head_sha)


def _gitlab(work: _Work) -> Landed:
    """The method is the project's; a squash is made first and merged as that method says."""
    tip, squashed = work.pull.head_sha, None
    if work.order.method is Method.SQUASH:
        parent = work.git.merge_base(work.base, tip)
        author = (person_of(work.state, work.pull.author), work.now)
        message = squash_message(work.state, work.pull, work.order, work.commits())
        tip = squashed = work.git.commit(work.git.tree(tip), (parent,), message, author, (work.merger, work.now))
    if work.state.settings.default_method is Method.FAST_FORWARD:
        if not work.git.contains(tip, work.base):
            raise Conflict("not a fast-forward")
        return Landed(tip, None, squashed)
    tree = work.git.merged_tree(work.base, tip)
    made = _committed(work, tree, (work.base, tip), merge_message(work.state, work.pull, work.order))
    return Landed(made, made, squashed)


def _committed(work: _Work, tree: str, parents: tuple[str, ...], message: str) -> str:
    return work.git.commit(tree, parents, message, (work.merger, work.now), (work.committer, work.now))


def merge_message(state: State, pull: PullRequest, order: Scheduled) -> str:
    """Of a merge commit: what was asked for, or the forge's own form."""
    if state.kind is Kind.GITHUB:
        head = f"{pull.fork or state.owner}".partition("/")[0]
        title = order.title or f"Merge pull request #{pull.number} from {head}/{pull.head}"
        return _joined(title, order.message or ("" if order.title else pull.title))
    if state.kind is Kind.GITLAB:
        own = f"Merge branch '{pull.head}' into '{pull.base}'\n\n{pull.title}\n\n"
        return _joined(order.message or f"{own}See merge request {state.repository}!{pull.number}", "")
    own = f"Merge pull request '{pull.title}' (#{pull.number}) from {pull.head} into {pull.base}"
    return _joined(order.title or own, order.message)


def squash_message(state: State, pull: PullRequest, order: Scheduled, commits: tuple[Commit, ...]) -> str:
    """Of a squash: one commit keeps its own words at GitHub, several become a list."""
    if state.kind is Kind.GITLAB:
        return _joined(order.title or pull.title, "")  # `title` is its words for the squash, `message` for the merge
    if state.kind is Kind.GITEA:
        return _joined(order.title or f"{pull.title} (#{pull.number})", order.message)
    alone = commits[0] if len(commits) == 1 else None
    title = order.title or f"{alone.subject if alone else pull.title} (#{pull.number})"
    listed = "\n\n".join(_joined(f"* {one.subject}", one.body).rstrip("\n") for one in reversed(commits))
    return _joined(title, order.message or (alone.body if alone else listed))


def _joined(title: str, body: str) -> str:
    return f"{title.strip()}\n\n{body.strip()}\n" if body.strip() else f"{title.strip()}\n"
