"""A chart that takes its version from the commit is released at each commit: which of those releases brought anything?

The engine for Flux tells of the sandbox's HelmRelease with `reconcileStrategy: Revision`, and git is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest
from flux_cluster import FakeCluster, flux_for
from sandbox_flux_world import FLUX, URL, FluxFleet, chart, helm_release

from gitops_rollback.adapters.engines.flux import Flux
from gitops_rollback.adapters.git.remote import RepositorySettings
from gitops_rollback.adapters.git.repository import GitConfigRepo
from gitops_rollback.app.closures import Closures
from gitops_rollback.app.idle_syncs import IdleSyncs
from gitops_rollback.app.subject import Watched
from gitops_rollback.app.view import PolicyStore
from gitops_rollback.core.deployments import deployments, our_revision
from gitops_rollback.core.paths import own_paths
from gitops_rollback.core.sync import ApplicationId, ApplicationState, DeploymentRecord, Source
from gitops_rollback.sandbox.kubernetes.kinds import (
    GIT_REPOSITORY,
    HELM_CHART,
    HELM_RELEASE,
    HELM_REPOSITORY,
    KUSTOMIZATION,
)

POLICIES = ".gitops-rollback/policies"
POLICY = f"""\
apiVersion: gitops-rollback.dev/v1alpha1
kind: RollbackPolicy
metadata: {{name: bill}}
spec:
  targets: [{{name: bill, application: {{namespace: {FLUX}, name: bill, kind: HelmRelease}}}}]
  triggers: [{{name: errors, query: errors, comparison: greater_than, threshold: 1, for: 1m, severity: auto_rollback}}]
"""


class Fleet(FluxFleet):
    """One chart, released by a HelmRelease that a Kustomization brings (`owned`), or that nobody does."""

    def __init__(self, folder: Path, owned: bool) -> None:
        super().__init__(folder, ())
        self.owned = owned
        path, text = next(iter(helm_release("bill", "v1").items()))
        release = str(text).replace("charts/bill,", "charts/bill, reconcileStrategy: Revision,")
        self.push({f"{POLICIES}/bill.yaml": POLICY, **chart("bill"), **({path: release} if owned else {})})
        self.source()
        self.until(lambda: "artifact" in self.status("fleet", GIT_REPOSITORY))
        if owned:
            self.kustomization("bill")
        else:
            self.helm_release("bill")
        self.until(self.released)
        self._cluster = FakeCluster()
        self.engine: Flux = flux_for(self._cluster, self.clock.now)
        self.bill = ApplicationId(self.engine.instance, "HelmRelease", FLUX, "bill")
        self.state = self._look()

    def released(self) -> bool:
        there = self.store.find(HELM_RELEASE, "bill", FLUX) is not None
        return there and self.ready("bill", HELM_RELEASE)[0] == "True"

    def land(self, files: Mapping[str, str | None]) -> str:
        """Push, and let Flux release it, under the eyes of the engine."""
        sha = self.push(files)
        for kind, name in ((GIT_REPOSITORY, "fleet"), *([(KUSTOMIZATION, "bill")] if self.owned else [])):
            self.request(kind, name, sha)
            for _ in range(12):
                self.let_pass(10)
                self.state = self._look()
        return sha

    def _look(self) -> ApplicationState:
        for kind in (GIT_REPOSITORY, HELM_REPOSITORY, HELM_CHART, HELM_RELEASE, KUSTOMIZATION):
            for held in self.store.held_at(kind)[1]:
                self._cluster.put(kind.plural, held)
        found = self.engine.application(self.bill, FLUX)
        assert found is not None
        return found


def _feeds(source: Source) -> bool:
    return source.repo_url == URL


def _joined(fleet: Fleet, folder: Path) -> list[str | None]:
    settings = RepositorySettings("fleet", f"file://{folder}/fleet.git", folder / "clone", allow_file=True)
    with closing(GitConfigRepo(settings)) as repo:
        policies, head = PolicyStore(repo, POLICIES), repo.fetch().branch
        named = policies.naming(head, fleet.bill)
        assert named is not None
        indexes = tuple(index for index, source in enumerate(fleet.state.sources) if _feeds(source))
        watched = Watched(*named, fleet.engine, fleet.state, indexes, own_paths(fleet.state.sources, indexes))
        records: tuple[DeploymentRecord, ...] = deployments(fleet.state)
        found = IdleSyncs(repo, policies, Closures(repo)).joined(watched, fleet.state, records, _feeds)
        return [our_revision(one, _feeds) for one in found]


@pytest.mark.parametrize("owned", [True, False], ids=["with-a-kustomization", "alone"])
def test_releases_of_commits_to_other_files_are_one_with_the_release_before_them(tmp_path: Path, owned: bool) -> None:
    fleet = Fleet(tmp_path, owned)
    first = fleet.people.head()
    bad = fleet.land(chart("bill", "v2"))
    fleet.land({"README.md": "one\n"})
    fleet.land({"charts/other/Chart.yaml": "name: other\nversion: 1.0.0\n"})
    assert len(deployments(fleet.state)) == 4
    assert _joined(fleet, tmp_path) == [first, bad]


def test_a_release_of_another_value_stands_for_itself(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, owned=False)
    first, bad = fleet.people.head(), fleet.land(chart("bill", "v2"))
    noted, worse = fleet.land({"README.md": "one\n"}), fleet.land(chart("bill", "v3"))
    assert _joined(fleet, tmp_path) == [first, bad, noted, worse]
