"""The sandbox's helm-controller against the recorded one: the same writes, in the same order, with the same fields."""

from __future__ import annotations

from pathlib import Path

import pytest
from sandbox_flux_recordings import RECORDED_TIMING, Recording, assert_same, land, ours
from sandbox_flux_world import FluxFleet, chart

from gitops_rollback.sandbox.kubernetes.kinds import GIT_REPOSITORY, HELM_CHART, HELM_RELEASE

pytestmark = pytest.mark.shared


@pytest.fixture
def fleet(tmp_path: Path) -> FluxFleet:
    fleet = FluxFleet(tmp_path, (), RECORDED_TIMING)
    fleet.push(chart("bill"))
    fleet.source()
    fleet.until(lambda: "artifact" in fleet.status("fleet", GIT_REPOSITORY))
    return fleet


def reconciling(fleet: FluxFleet) -> str:
    conditions = fleet.status("bill", HELM_RELEASE)["conditions"]
    return next((str(one["message"]) for one in conditions if one["type"] == "Reconciling"), "")


def test_a_failed_upgrade_that_flux_takes_back_and_the_revert_of_it(fleet: FluxFleet, shared: Path) -> None:
    recording = Recording(shared, "helm-release-remediated")
    start = fleet.store.version
    remediation = {"retries": 0, "remediateLastFailure": True}
    fleet.helm_release("bill", timeout="15s", upgrade={"remediation": remediation})
    fleet.until(lambda: fleet.status("bill", HELM_RELEASE).get("observedGeneration") == 1)
    bad = land(fleet, 13, chart("bill", "slow"))
    fleet.until(lambda: fleet.ready("bill", HELM_RELEASE) == ("False", "UpgradeFailed"))
    fleet.until(lambda: fleet.ready("bill", HELM_RELEASE) == ("False", "RollbackSucceeded"))
    fleet.let_pass(1)
    revert = land(fleet, 14, chart("bill"))
    fleet.until(lambda: fleet.ready("bill", HELM_RELEASE) == ("True", "UpgradeSucceeded"))
    fleet.until(lambda: reconciling(fleet) == "Fulfilling prerequisites")  # the chart had called it twice
    pushed = (bad, revert)
    for kind, name in ((HELM_CHART, "flux-system-bill"), (HELM_RELEASE, "bill")):
        assert_same(ours(fleet, kind, name, start, pushed), recording.writes(kind, name))
