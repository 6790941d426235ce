"""Did a deployment bring an application anything, or only the name of a newer commit for what ran already?

An engine may deploy each commit of a repository: a Helm release whose chart has the commit in its version, or a
pipeline that asks for a sync at each push. Where nothing changed in git that the application renders from, such a
deployment is to blame for nothing, and belongs to the one before it. What is not known for certain brought something.
Source: safety.md, Definitions; contracts/flux-kubernetes.md (`reconcileStrategy: Revision`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gitops_rollback.adapters.git.kept import Kept
from gitops_rollback.app.closures import Closures, decided_by
from gitops_rollback.app.subject import Watched
from gitops_rollback.app.view import PolicyStore
from gitops_rollback.core.commit import Commit
from gitops_rollback.core.deployments import joined, our_revision
from gitops_rollback.core.errors import RollbackError
from gitops_rollback.core.paths import own_paths
from gitops_rollback.core.sync import ApplicationState, DeploymentRecord, Source
from gitops_rollback.ports import ConfigRepo

MAX_BETWEEN = 500  # commits between two deployments that are looked through
KEPT_PAIRS = 20_000

Feeds = Callable[[Source], bool]


class IdleSyncs:
    """Compares deployments by git. Thread-safe; what it found out about two commits is kept."""

    def __init__(self, repo: ConfigRepo, policies: PolicyStore, closures: Closures | None) -> None:
        self._repo = repo
        self._policies = policies
        self._closures = closures
        self._found: Kept[bool] = Kept(KEPT_PAIRS)

    def joined(
        self, watched: Watched, state: ApplicationState, records: Sequence[DeploymentRecord], feeds: Feeds
    ) -> tuple[DeploymentRecord, ...]:
        """`records` without the newest ones that brought nothing; never raises."""

        def brings_nothing(before: DeploymentRecord, after: DeploymentRecord) -> bool:
            old, new = our_revision(before, feeds), our_revision(after, feeds)
            if old is None or new is None or not _same_elsewhere(before, after, state, feeds):
                return False
            return self._brings_nothing(watched, state, old, new)

        return joined(records, brings_nothing)

    def _brings_nothing(self, watched: Watched, state: ApplicationState, old: str, new: str) -> bool:
        """Only a yes is kept: what could not be read may be there at the next look."""
        key = (state.id, watched.indexes, watched.own, decided_by(state), old, new)
        if self._found.get(key):
            return True
        try:
            return self._compared(watched, state, old, new) and self._found.put(key, True)
        except RollbackError:
            return False

    def _compared(self, watched: Watched, state: ApplicationState, old: str, new: str) -> bool:
        if not self._repo.on_first_parent(old, new):
            return False
        between = self._repo.commits(old, new, MAX_BETWEEN)
        if len(between) >= MAX_BETWEEN or any(self._judges_anew(watched, commit) for commit in between):
            return False
        paths = {path for commit in between for path in commit.paths}
        own = own_paths(state.sources, watched.indexes)
        if watched.own.of(paths) or own.of(paths) or self._closures is None:
            return False
        rendered = [self._closures.of(state, watched.indexes, end) for end in (old, new)]
        return not any(one.doubt or paths.intersection(one.why) for one in rendered)

    def _judges_anew(self, watched: Watched, commit: Commit) -> bool:
        """It changes what the policies say of the application: another word counts from that deployment on."""
        folder = self._policies.directory.rstrip("/") + "/"
        if not any(path.startswith(folder) for path in commit.paths):
            return False
        said = [self._policies.said(one, watched.id) for one in (commit.sha, *commit.parents[:1])]
        return len(said) < 2 or said[0] != said[1]


def _same_elsewhere(before: DeploymentRecord, after: DeploymentRecord, state: ApplicationState, feeds: Feeds) -> bool:
    """The same sources, as the application still has them, and the same of what is not in our repository."""
    if not before.sources == after.sources == state.sources:
        return False
    pairs = zip(before.revisions, after.revisions, before.sources, strict=False)
    return len(before.revisions) == len(after.revisions) and all(
        old == new or (feeds(source) and not source.chart) for old, new, source in pairs
    )
