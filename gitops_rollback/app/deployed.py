"""What did the deployments under suspicion bring to an application, and which policy stood before all of it?

Suspects are looked for since the last good deployment, so the policy that judges them must be older than each of them,
not only than the newest sync. Whose files are the application's own is said by that policy, too.
Source: safety.md, Policy in force.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import timedelta
from itertools import takewhile

from gitops_rollback.app.closures import Closures
from gitops_rollback.app.view import PolicyStore
from gitops_rollback.core.commit import Commit
from gitops_rollback.core.deployments import HARD_END, last_good, our_revision
from gitops_rollback.core.paths import Paths, own_paths
from gitops_rollback.core.policy import Policy, Target, Timing
from gitops_rollback.core.rollback import RollbackRecord
from gitops_rollback.core.sync import ApplicationId, ApplicationState, DeploymentRecord, Source
from gitops_rollback.ports import ConfigRepo


@dataclass(frozen=True)
class Deployed:
    """What is live in one application: `revision` of our repository by `record`, after the other `records`."""

    state: ApplicationState
    indexes: tuple[int, ...]  # its sources in our repository
    record: DeploymentRecord
    records: tuple[DeploymentRecord, ...]
    revision: str
    feeds: Callable[[Source], bool]


@dataclass(frozen=True)
class Before:
    """The policy before all that may be to blame, the own files by its word, and the commits to them, newest first."""

    policy: tuple[Policy, Target] | None
    own: Paths
    commits: tuple[Commit, ...]


class PoliciesBefore:
    """Finds the policy that a deployment cannot have changed. Raises: ObjectMissing, RepositoryUnavailable."""

    def __init__(self, repo: ConfigRepo, policies: PolicyStore, closures: Closures | None = None) -> None:
        self._repo = repo
        self._policies = policies
        self._closures = closures

    def of(self, deployed: Deployed, marked: Collection[str]) -> Before:
        """Judged from before the widest range first: its policy says, by its window, how far the range reaches.

        `marked` are revisions that were rolled back. A window that a suspect wrote can so not hide that suspect.
        """
        since = self._good(deployed, marked, HARD_END)
        line = self._repo.commits(since, deployed.revision) if since else (self._repo.commit(deployed.revision),)
        widest = self._before(since, line, deployed)
        if widest.policy is None:
            widest = self._first_policy(line, deployed) or widest
        window = widest.policy[0].timing.window if widest.policy else Timing().window
        nearer = self._good(deployed, marked, window)
        if nearer is not None and nearer != since:
            line = _since(nearer, line)
            widest = self._before(nearer, line, deployed)
        return widest if widest.policy is not None else self._first_policy(line, deployed) or widest

    def _first_policy(self, line: tuple[Commit, ...], deployed: Deployed) -> Before | None:
        """Where nobody had a policy at the start of the range: the first one that stood before a later deployment.

        There was nothing that it could weaken. Suspects that are older than it are still never automatic.
        """
        inside = {commit.sha for commit in line} - {deployed.revision}
        for record in deployed.records:
            revision = our_revision(record, deployed.feeds)
            if revision is None or revision not in inside:
                continue
            before = self._before(revision, _since(revision, line), deployed)
            if before.policy is not None:
                return before
        return None

    def brought_by_suspect(self, commits: tuple[Commit, ...], head: str, application: ApplicationId) -> bool:
        """True if the newest change up to `head` of what the policies say of the application is one of `commits`.

        Other changes of the same file or directory do not make it somebody else's word.
        """
        if not commits or not commits[-1].parents:
            return False
        folder = self._policies.directory.rstrip("/") + "/"
        for commit in self._repo.commits(commits[-1].parents[0], head):
            if not commit.parents or not any(path.startswith(folder) for path in commit.paths):
                continue
            if self._policies.said(commit.sha, application) != self._policies.said(commit.parents[0], application):
                return any(commit.sha == suspect.sha for suspect in commits)
        return False

    def _good(self, deployed: Deployed, marked: Collection[str], window: timedelta) -> str | None:
        found = last_good(
            deployed.records,
            deployed.record,
            in_repository=deployed.feeds,
            window=window,
            marked=marked,
            on_line=lambda revision: self._repo.on_first_parent(revision, deployed.revision),
        )
        revision = our_revision(found, deployed.feeds) if found else None
        return None if revision == deployed.revision else revision

    def _before(self, since: str | None, line: tuple[Commit, ...], deployed: Deployed) -> Before:
        start = since or (line[-1].parents[0] if line and line[-1].parents else deployed.revision)
        own = self._inputs(self._policies.naming(start, deployed.state.id), start, line, deployed)
        commits = tuple(commit for commit in line if own.of(commit.paths))
        judged_from = commits[-1].parents[0] if commits and commits[-1].parents else start
        policy = self._policies.naming(judged_from, deployed.state.id)
        own = self._inputs(policy, start, line, deployed)
        return Before(policy, own, tuple(commit for commit in line if own.of(commit.paths)))

    def _inputs(
        self, found: tuple[Policy, Target] | None, start: str, line: tuple[Commit, ...], deployed: Deployed
    ) -> Paths:
        """The own files, and where a policy was changed all that it renders from: whoever changes both judges himself.

        Without a change of policies it is the same policy at each commit of the line, so nothing hangs on it.
        """
        globs = found[1].paths if found else ()
        own = own_paths(deployed.state.sources, deployed.indexes, globs)
        folder = self._policies.directory.rstrip("/") + "/"
        changed = any(path.startswith(folder) for commit in line for path in commit.paths)
        if globs or not changed or self._closures is None:
            return own
        followed = [self._closures.of(deployed.state, deployed.indexes, one) for one in (start, deployed.revision)]
        return own.with_files(path for one in followed for path in one.why)


def _since(revision: str, line: tuple[Commit, ...]) -> tuple[Commit, ...]:
    """The commits of `line`, which is newest first, after `revision`."""
    return tuple(takewhile(lambda commit: commit.sha != revision, line))


def marked_revisions(records: Iterable[RollbackRecord]) -> set[str]:
    """Revisions that may not come back by themselves: rolled back ones, and rollbacks that did not help, or not yet."""
    marked: set[str] = set()
    for record in records:
        if record.commit is None:
            continue
        marked |= {record.bad_revision, *record.halfway}
        if record.did_not_help:
            marked.add(record.commit)
    return marked
