"""What the sandbox's helm-controller does where no recording was made, as its source says.

Source: helm-controller internal/reconcile, internal/action, api/v2; docs/spec/v2/helmreleases.md.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sandbox_flux_world import FLUX, FluxFleet, chart

from gitops_rollback.sandbox.kubernetes import By
from gitops_rollback.sandbox.kubernetes.kinds import (
    CONFIG_MAP,
    DEPLOYMENT,
    GIT_REPOSITORY,
    HELM_CHART,
    HELM_RELEASE,
    SECRET,
)

Json = dict[str, Any]
TEST_HOOK = """\
apiVersion: v1
kind: Pod
metadata: {{name: ask, annotations: {{helm.sh/hook: test}}}}
spec: {{containers: [{{name: ask, image: "registry.example/ask:{tag}"}}]}}
"""


@pytest.fixture
def fleet(tmp_path: Path) -> FluxFleet:
    fleet = FluxFleet(tmp_path, ())
    fleet.push(chart("bill"))
    fleet.source()
    fleet.until(lambda: "artifact" in fleet.status("fleet", GIT_REPOSITORY))
    return fleet


def status(fleet: FluxFleet) -> Json:
    return fleet.status("bill", HELM_RELEASE)


def conditions(fleet: FluxFleet) -> dict[str, tuple[str, str]]:
    return {one["type"]: (one["status"], one["reason"]) for one in status(fleet)["conditions"]}


def message(fleet: FluxFleet, kind: str) -> str:
    return next(str(one["message"]) for one in status(fleet)["conditions"] if one["type"] == kind)


def moved(fleet: FluxFleet, kind: str) -> str:
    return next(str(one["lastTransitionTime"]) for one in status(fleet)["conditions"] if one["type"] == kind)


def history(fleet: FluxFleet) -> list[tuple[int, str, str]]:
    return [(one["version"], one["status"], one.get("action", "")) for one in status(fleet).get("history") or ()]


def is_settled(fleet: FluxFleet) -> bool:
    found = conditions(fleet)
    return "Reconciling" not in found and ("Ready" in found or "Stalled" in found)


def settle(fleet: FluxFleet) -> None:
    fleet.let_pass(1)
    fleet.until(lambda: is_settled(fleet))


def released(fleet: FluxFleet, **more: Any) -> None:
    """The release is there for the first time."""
    fleet.helm_release("bill", timeout="30s", **more)
    fleet.until(lambda: bool(status(fleet).get("history")))
    settle(fleet)


def land(fleet: FluxFleet, tag: str, version: str = "0.1.0") -> None:
    fleet.request(GIT_REPOSITORY, "fleet", fleet.push(chart("bill", tag, version)))
    settle(fleet)


def change(fleet: FluxFleet, alter: Callable[[Json], object]) -> None:
    fleet.store.change(HELM_RELEASE, "bill", FLUX, alter, By("kubectl"))


def ask(fleet: FluxFleet, token: str, *more: str) -> None:
    names = ("requestedAt", *more)
    wanted = {f"reconcile.fluxcd.io/{name}": token for name in names}
    change(fleet, lambda body: body["metadata"].setdefault("annotations", {}).update(wanted))
    fleet.until(lambda: status(fleet).get("lastHandledReconcileAt") == token)


def image(fleet: FluxFleet) -> str:
    live = fleet.store.find(DEPLOYMENT, "bill", "fleet")
    return str(live["spec"]["template"]["spec"]["containers"][0]["image"]).rpartition(":")[2] if live else ""


# When an upgrade fails


def test_without_remediation_the_bad_release_stays_until_something_else_is_asked_for(fleet: FluxFleet) -> None:
    released(fleet)
    land(fleet, "slow")
    assert conditions(fleet)["Ready"] == ("False", "UpgradeFailed")
    assert message(fleet, "Stalled") == "Failed to upgrade after 1 attempt(s)"
    assert "Remediated" not in conditions(fleet)
    assert (history(fleet), image(fleet)) == ([(2, "failed", "upgrade"), (1, "deployed", "")], "slow")
    fleet.let_pass(3600)
    assert status(fleet)["upgradeFailures"] == 1
    land(fleet, "v1")
    assert conditions(fleet)["Ready"] == ("True", "UpgradeSucceeded")
    assert (image(fleet), "Stalled" in conditions(fleet), "failures" in status(fleet)) == ("v1", False, False)


def test_each_try_that_is_left_is_taken_and_each_failure_is_taken_back(fleet: FluxFleet) -> None:
    released(fleet, upgrade={"remediation": {"retries": 1}})
    land(fleet, "slow")
    assert [one[0] for one in history(fleet)] == [5, 4, 3]
    assert history(fleet)[:2] == [(5, "deployed", "rollback"), (4, "failed", "upgrade")]
    assert (status(fleet)["upgradeFailures"], status(fleet)["failures"]) == (2, 2)
    assert message(fleet, "Stalled") == "Failed to upgrade after 2 attempt(s)"
    assert (conditions(fleet)["Remediated"], image(fleet)) == (("True", "RollbackSucceeded"), "v1")


def test_between_two_tries_it_says_that_it_will_try_again(fleet: FluxFleet) -> None:
    released(fleet, upgrade={"remediation": {"retries": 1}})
    fleet.request(GIT_REPOSITORY, "fleet", fleet.push(chart("bill", "slow")))
    fleet.until(lambda: conditions(fleet).get("Reconciling") == ("True", "ProgressingWithRetry"))
    assert conditions(fleet)["Ready"] == ("False", "RollbackSucceeded")
    assert message(fleet, "Reconciling") == message(fleet, "Ready")
    assert status(fleet)["upgradeFailures"] == 1


def test_the_strategy_uninstall_takes_all_away_and_the_next_try_installs(fleet: FluxFleet) -> None:
    released(fleet, upgrade={"remediation": {"retries": 1, "strategy": "uninstall"}})
    fleet.request(GIT_REPOSITORY, "fleet", fleet.push(chart("bill", "slow")))
    fleet.until(lambda: conditions(fleet).get("Remediated") == ("True", "UninstallSucceeded"))
    fleet.let_pass(0.1)
    assert history(fleet)[0] == (2, "uninstalling", "uninstall-remediation")
    assert (image(fleet), conditions(fleet)["Ready"]) == ("", ("False", "UpgradeFailed"))
    settle(fleet)
    assert (history(fleet), status(fleet)["lastAttemptedReleaseAction"]) == ([(1, "failed", "install")], "install")
    assert message(fleet, "Stalled") == "Failed to install after 1 attempt(s)"


def test_an_install_that_fails_is_uninstalled_and_tried_again(fleet: FluxFleet) -> None:
    fleet.push(chart("bill", "slow"))
    fleet.request(GIT_REPOSITORY, "fleet", "x")
    fleet.let_pass(1)
    released(fleet, install={"remediation": {"retries": 1, "remediateLastFailure": False}})
    fleet.until(lambda: "Stalled" in conditions(fleet))
    assert (status(fleet)["installFailures"], history(fleet)) == (2, [(1, "failed", "install")])
    assert conditions(fleet)["Ready"] == ("False", "InstallFailed")
    assert message(fleet, "Ready").endswith("timeout waiting for: [Deployment/fleet/bill status: 'InProgress']")


def test_what_flux_went_back_to_and_is_wanted_again_needs_no_helm_action(fleet: FluxFleet) -> None:
    released(fleet, strategy="ChartVersion", upgrade={"remediation": {"retries": 0, "remediateLastFailure": True}})
    change(fleet, lambda body: body["spec"].update(values={"tag": "slow"}))
    settle(fleet)
    assert conditions(fleet)["Remediated"] == ("True", "RollbackSucceeded")
    before, since = status(fleet)["history"][0], moved(fleet, "Remediated")
    fleet.let_pass(60)
    change(fleet, lambda body: body["spec"].pop("values"))
    settle(fleet)
    assert moved(fleet, "Released") == since < moved(fleet, "Ready")
    assert (status(fleet)["history"][0], image(fleet)) == (before, "v1")
    assert conditions(fleet) == {"Ready": ("True", "UpgradeSucceeded"), "Released": ("True", "UpgradeSucceeded")}
    assert status(fleet)["observedGeneration"] == 3


def test_without_a_good_release_before_there_is_nothing_to_go_back_to(fleet: FluxFleet) -> None:
    fleet.request(GIT_REPOSITORY, "fleet", fleet.push(chart("bill", "slow")))
    fleet.let_pass(1)
    released(fleet, upgrade={"remediation": {"retries": 0, "remediateLastFailure": True}})
    land(fleet, "slow-too")
    assert conditions(fleet)["Stalled"] == ("True", "MissingRollbackTarget")


# What is tried again, and when


def test_a_reset_lets_it_try_again_once(fleet: FluxFleet) -> None:
    released(fleet)
    land(fleet, "slow")
    ask(fleet, "one")
    settle(fleet)
    assert history(fleet)[0][0] == 2
    ask(fleet, "two", "resetAt")
    settle(fleet)
    assert (history(fleet)[0], status(fleet)["lastHandledResetAt"]) == ((3, "failed", "upgrade"), "two")
    assert status(fleet)["upgradeFailures"] == 1


def test_a_forced_release_is_made_though_nothing_changed(fleet: FluxFleet) -> None:
    released(fleet)
    ask(fleet, "one", "forceAt")
    settle(fleet)
    assert (history(fleet)[0], status(fleet)["lastHandledForceAt"]) == ((2, "deployed", "upgrade"), "one")
    change(fleet, lambda body: body["metadata"]["annotations"].update({"reconcile.fluxcd.io/requestedAt": "two"}))
    settle(fleet)
    assert history(fleet)[0][0] == 2


def test_a_chart_that_cannot_be_rendered_leaves_no_release_behind(fleet: FluxFleet) -> None:
    released(fleet)
    broken = {**chart("bill", "v2"), "charts/bill/templates/deployment.yaml": "a: {{ include `x` . }}"}
    fleet.request(GIT_REPOSITORY, "fleet", fleet.push(broken))
    fleet.until(lambda: conditions(fleet)["Ready"] == ("False", "UpgradeFailed"))
    fleet.let_pass(10)
    assert "the sandbox knows no function include" in message(fleet, "Ready")
    assert (history(fleet), "upgradeFailures" in status(fleet)) == ([(1, "deployed", "install")], False)
    assert status(fleet)["failures"] > 1
    land(fleet, "v1")
    assert conditions(fleet)["Ready"] == ("True", "UpgradeSucceeded")


def test_by_chart_version_only_a_new_version_is_released(fleet: FluxFleet) -> None:
    released(fleet, strategy="ChartVersion")
    land(fleet, "v2")
    assert (history(fleet)[0][0], image(fleet), status(fleet)["lastAttemptedRevision"]) == (1, "v1", "0.1.0")
    observed = fleet.status("flux-system-bill", HELM_CHART)["observedSourceArtifactRevision"]
    assert observed == f"main@sha1:{fleet.people.head()}"
    land(fleet, "v3", "0.2.0")
    assert (history(fleet)[0][0], image(fleet), status(fleet)["lastAttemptedRevision"]) == (2, "v3", "0.2.0")


# What it waits for


def test_a_suspended_one_acknowledges_and_does_nothing(fleet: FluxFleet) -> None:
    released(fleet)
    change(fleet, lambda body: body["spec"].update(suspend=True, values={"tag": "v2"}))
    ask(fleet, "one")
    assert (status(fleet)["observedGeneration"], image(fleet)) == (2, "v1")
    change(fleet, lambda body: body["spec"].update(suspend=False))
    settle(fleet)
    assert image(fleet) == "v2"


def test_a_dependency_is_waited_for(fleet: FluxFleet) -> None:
    fleet.helm_release("bill", dependsOn=[{"name": "base"}])
    fleet.until(lambda: bool(status(fleet).get("conditions")) and "Ready" in conditions(fleet))
    assert conditions(fleet)["Ready"] == ("False", "DependencyNotReady")
    assert message(fleet, "Ready").startswith("unable to get 'flux-system/base' dependency")
    fleet.push(chart("base"))
    fleet.request(GIT_REPOSITORY, "fleet", "x")
    fleet.helm_release("base")
    fleet.until(lambda: conditions(fleet)["Ready"] == ("True", "InstallSucceeded"))


def test_a_chart_that_is_not_there_is_no_failure_of_the_release(fleet: FluxFleet) -> None:
    released(fleet)
    fleet.request(GIT_REPOSITORY, "fleet", fleet.push({"charts/bill/Chart.yaml": None}))
    fleet.let_pass(2)
    ask(fleet, "one")
    assert conditions(fleet)["Ready"] == ("False", "SourceNotReady")
    assert "HelmChart 'flux-system/flux-system-bill' is not ready: invalid chart reference" in message(fleet, "Ready")
    assert (history(fleet), image(fleet)) == ([(1, "deployed", "install")], "v1")
    land(fleet, "v2")
    assert image(fleet) == "v2"


def test_values_come_from_references_and_the_spec_goes_before_them(fleet: FluxFleet) -> None:
    fleet.helm_release("bill", valuesFrom=[{"kind": "ConfigMap", "name": "bill"}])
    fleet.until(lambda: bool(status(fleet).get("conditions")) and "Ready" in conditions(fleet))
    fleet.until(lambda: conditions(fleet)["Ready"] == ("False", "ValuesError"))
    metadata = {"name": "bill", "namespace": FLUX}
    fleet.store.create(CONFIG_MAP, {"metadata": metadata, "data": {"values.yaml": "tag: v7\n"}})
    fleet.until(lambda: conditions(fleet)["Ready"] == ("True", "InstallSucceeded"))
    assert image(fleet) == "v7"
    change(fleet, lambda body: body["spec"].update(values={"tag": "v8"}))
    settle(fleet)
    assert image(fleet) == "v8"


@pytest.mark.parametrize("labels", [{}, {"reconcile.fluxcd.io/watch": "Enabled"}])
def test_values_that_change_wake_it_where_their_label_says_so(fleet: FluxFleet, labels: dict[str, str]) -> None:
    metadata = {"name": "bill", "namespace": FLUX, "labels": labels}
    fleet.store.create(SECRET, {"metadata": metadata, "data": {"values.yaml": b64encode(b"tag: v7").decode()}})
    released(fleet, valuesFrom=[{"kind": "Secret", "name": "bill"}])
    data = {"values.yaml": b64encode(b"tag: v8").decode()}
    fleet.store.change(SECRET, "bill", FLUX, lambda body: body.update(data=data), By("kubectl"))
    settle(fleet)
    assert image(fleet) == ("v8" if labels else "v7")
    fleet.let_pass(600)
    assert image(fleet) == "v8"


def test_values_files_make_a_version_of_their_own_with_each_generation(fleet: FluxFleet) -> None:
    files = {"charts/bill/prod.yaml": "tag: v4\n"}
    fleet.request(GIT_REPOSITORY, "fleet", fleet.push(files))
    fleet.let_pass(1)
    source = {"kind": "GitRepository", "name": "fleet"}
    wanted = {"chart": "./charts/bill", "valuesFiles": ["charts/bill/prod.yaml"], "sourceRef": source}
    fleet.create(HELM_RELEASE, "bill", {"chart": {"spec": wanted}, "interval": "10m", "targetNamespace": "fleet"})
    fleet.until(lambda: bool(status(fleet).get("history")))
    settle(fleet)
    assert (status(fleet)["lastAttemptedRevision"], image(fleet)) == ("0.1.0+1", "v4")


def test_a_chart_object_of_its_own_may_be_named(fleet: FluxFleet) -> None:
    source = {"kind": "GitRepository", "name": "fleet"}
    fleet.create(HELM_CHART, "shared", {"chart": "charts/bill", "interval": "1h", "sourceRef": source})
    reference = {"kind": "HelmChart", "name": "shared"}
    fleet.create(HELM_RELEASE, "bill", {"chartRef": reference, "interval": "10m", "targetNamespace": "fleet"})
    fleet.until(lambda: bool(status(fleet).get("history")))
    settle(fleet)
    land(fleet, "v2", "0.2.0")
    assert (status(fleet).get("helmChart"), image(fleet), history(fleet)[0][0]) == (None, "v2", 2)


def test_without_a_wait_what_never_gets_ready_is_released(fleet: FluxFleet) -> None:
    released(fleet, upgrade={"disableWait": True})
    land(fleet, "slow")
    assert (conditions(fleet)["Ready"], image(fleet)) == (("True", "UpgradeSucceeded"), "slow")


def test_a_history_that_is_kept_tells_of_the_uninstall(fleet: FluxFleet) -> None:
    strategy = {"remediation": {"retries": 0, "strategy": "uninstall", "remediateLastFailure": True}}
    released(fleet, upgrade=strategy, uninstall={"keepHistory": True})
    land(fleet, "slow")
    assert history(fleet)[0] == (2, "uninstalled", "uninstall-remediation")
    assert conditions(fleet)["Stalled"] == ("True", "RetriesExceeded")
    land(fleet, "v1")
    assert (history(fleet), image(fleet)) == ([(3, "deployed", "install")], "v1")


# Tests, drift, the end


@pytest.mark.parametrize(("tag", "ready"), [("v1", ("True", "TestSucceeded")), ("v1-fail", ("False", "TestFailed"))])
def test_the_charts_tests_decide_with_the_release(fleet: FluxFleet, tag: str, ready: tuple[str, str]) -> None:
    fleet.push({"charts/bill/templates/ask.yaml": TEST_HOOK.format(tag=tag)})
    fleet.request(GIT_REPOSITORY, "fleet", "x")
    fleet.let_pass(1)
    released(fleet, test={"enable": True})
    fleet.until(lambda: conditions(fleet)["Ready"] == ready)
    settle(fleet)
    assert conditions(fleet)["TestSuccess"] == ready
    assert [one["phase"] for one in status(fleet)["history"][0]["testHooks"].values()] == [
        "Failed" if "fail" in tag else "Succeeded"
    ]
    assert status(fleet).get("installFailures") == (1 if "fail" in tag else None)


IMAGE = "/spec/template/spec/containers/0/image"


@pytest.mark.parametrize(
    ("asked", "then"),
    [
        ({"mode": "enabled"}, "v1"),
        ({"mode": "enabled", "ignore": [{"paths": [IMAGE]}]}, "v5"),
        ({"mode": "enabled", "ignore": [{"paths": ["/spec/replicas"]}]}, "v1"),
        ({"mode": "warn"}, "v5"),
        ({"mode": "disabled"}, "v5"),
    ],
)
def test_drift_is_corrected_where_that_is_asked_for(fleet: FluxFleet, asked: Json, then: str) -> None:
    released(fleet, driftDetection=asked)

    def edit(body: Json) -> None:
        body["spec"]["template"]["spec"]["containers"][0]["image"] = "registry.example/bill:v5"

    fleet.store.change(DEPLOYMENT, "bill", "fleet", edit, By("kubectl"))
    fleet.let_pass(5)
    ask(fleet, "one")
    settle(fleet)
    assert (image(fleet), history(fleet)[0][0], conditions(fleet)["Ready"][0]) == (then, 1, "True")


def test_a_deleted_release_is_uninstalled_and_a_suspended_one_is_not(fleet: FluxFleet) -> None:
    released(fleet)
    fleet.store.delete(HELM_RELEASE, "bill", FLUX)
    fleet.until(lambda: fleet.store.find(HELM_RELEASE, "bill", FLUX) is None)
    fleet.let_pass(1)
    assert (image(fleet), fleet.store.find(HELM_CHART, "flux-system-bill", FLUX)) == ("", None)
    released(fleet)
    change(fleet, lambda body: body["spec"].update(suspend=True))
    fleet.store.delete(HELM_RELEASE, "bill", FLUX)
    fleet.until(lambda: fleet.store.find(HELM_RELEASE, "bill", FLUX) is None)
    assert image(fleet) == "v1"


def test_a_release_that_is_to_be_elsewhere_is_uninstalled_first(fleet: FluxFleet) -> None:
    released(fleet)
    change(fleet, lambda body: body["spec"].update(targetNamespace="other"))
    fleet.let_pass(1)
    settle(fleet)
    assert (image(fleet), history(fleet)) == ("", [(1, "deployed", "install")])
    assert fleet.store.find(DEPLOYMENT, "bill", "other") is not None
