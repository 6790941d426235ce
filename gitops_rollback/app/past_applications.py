"""Which applications of the policies can be looked at in the past: their files, their commits, and when those came?

From the engines' own word where engines are set, else from the objects that git holds, else from the policy's `paths`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from gitops_rollback.app.closures import Closures
from gitops_rollback.app.past_engine import deployments_of, state_in_git
from gitops_rollback.app.repositories import Opened
from gitops_rollback.app.surveying import tree_at
from gitops_rollback.app.target_index import names
from gitops_rollback.core.commit import Commit
from gitops_rollback.core.paths import Paths, own_paths
from gitops_rollback.core.policy import Policy, Target
from gitops_rollback.core.selecting import each, placed, selectable
from gitops_rollback.core.survey import Found, Ours, survey
from gitops_rollback.core.sync import ApplicationId, ApplicationState, DeploymentRecord, Source
from gitops_rollback.ports import Engine

BEFORE = timedelta(days=30)  # of git history that explains what ran when the time under test began
MOST_COMMITS = 50_000


@dataclass(frozen=True)
class Tested:
    """One application of a policy, with the commits that change its inputs, oldest first, each with its time."""

    policy: Policy
    target: Target
    state: ApplicationState
    own: Paths
    commits: tuple[Commit, ...]
    records: tuple[DeploymentRecord, ...]

    @property
    def name(self) -> str:
        return str(self.state.id)


class Line:
    """The mainline with the time since which each commit was the head: no commit is older than its parent."""

    def __init__(self, newest_first: Sequence[Commit]) -> None:
        self.commits: list[Commit] = []
        for commit in reversed(newest_first):
            earliest = self.commits[-1].committed_at if self.commits else commit.committed_at
            self.commits.append(replace(commit, committed_at=max(commit.committed_at, earliest)))
        self._times = [one.committed_at for one in self.commits]

    def head_at(self, at: datetime) -> str | None:
        """The newest commit at an instant; None before the first."""
        place = bisect_right(self._times, at)
        return self.commits[place - 1].sha if place else None


@dataclass
class PastApplications:
    """Looks in one repository, whose branch ends at `head`. `left_out` says of a target why nothing is known of it."""

    opened: Opened
    engines: Sequence[Engine]
    head: str
    left_out: list[str] = field(default_factory=list)

    def line(self, since: datetime) -> Line:
        """The mainline from long before `since` on."""
        limit = 500
        while True:
            found = self.opened.repo.commits(None, self.head, limit)
            if len(found) < limit or found[-1].committed_at < since - BEFORE or limit >= MOST_COMMITS:
                return Line(found)
            limit *= 4

    def of(self, policies: Sequence[Policy], line: Line, at: datetime) -> Iterator[Tested]:
        """Each target of the policies that is known. Raises: EngineUnavailable; CredentialsRejected."""
        told = [state for engine in self.engines for state in engine.applications()]
        repo = self.opened.repo
        ours = Ours((repo.url, *self.opened.settings.aliases), repo.branch)
        seen = survey(tree_at(repo, self.head), ours, repo.name).found
        closures = Closures(repo, self.opened.settings.aliases)
        facts = [*map(selectable, told), *(one.facts for one in seen if one.facts is not None)]
        for policy, target in each(policies, {(one.id.kind, one.id.name): one for one in reversed(facts)}.values()):
            state = self._told(target, told) or self._in_git(target, seen, at)
            if state is None:
                self.left_out.append(f"target {target.name}: {_unknown(target)}")
                continue
            at_cluster = placed(policy, state.destination)
            if at_cluster is None:
                self.left_out.append(f"target {target.name}: no metric source of its policy serves {state.destination}")
                continue
            yield self._with_commits(at_cluster, target, state, line, closures)

    def _with_commits(
        self, policy: Policy, target: Target, state: ApplicationState, line: Line, closures: Closures
    ) -> Tested:
        indexes = range(len(state.sources))
        own = own_paths(state.sources, indexes, target.paths)
        if not target.paths:
            own = own.with_files(closures.of(state, indexes, self.head).why)
        commits = tuple(one for one in line.commits if own.of(one.paths))
        records = deployments_of(state, [(one.sha, one.committed_at) for one in commits])
        return Tested(policy, target, state, own, commits, records)

    def _told(self, target: Target, states: Iterable[ApplicationState]) -> ApplicationState | None:
        """The engine's application in full, as far as its sources lie here."""
        for state in states:
            if names(target, state.id):
                engine = next(one for one in self.engines if state in one.applications())
                return engine.application(state.id, state.project)
        return None

    def _in_git(self, target: Target, seen: Sequence[Found], at: datetime) -> ApplicationState | None:
        ref = target.application
        same = [one for one in seen if (one.kind, one.name) == (ref.kind, ref.name)]
        found = next((one for one in same if ref.namespace in ("", one.namespace) or not one.namespace), None)
        folders = found.folders if found else ()
        if not folders and target.paths:
            folders = (_folder(target.paths[0]),)
        if not folders:
            return None
        repo = self.opened.repo
        namespace = target.workload.namespace if target.workload else ""
        if not namespace and found is not None and found.workload is not None:
            namespace = found.workload.namespace
        id = ApplicationId(ref.instance or "default", ref.kind, ref.namespace or "argocd", ref.name)
        sources = [Source(repo.url, folder, repo.branch) for folder in folders]
        return state_in_git(id, sources, namespace, at)


def _unknown(target: Target) -> str:
    ref = target.application
    return (
        f"no engine was asked, and no object {ref.kind} {ref.name} stands in this repository; set ARGOCD_SERVER or "
        f"KUBECONFIG, or name its files as `paths` of the target"
    )


def _folder(pattern: str) -> str:
    """The directories of a pattern before its first wildcard."""
    parts = pattern.strip("/").split("/")
    fixed = [part for part in parts if not any(sign in part for sign in "*?[")]
    return "/".join(fixed if len(fixed) < len(parts) else fixed[:-1] or fixed)
