"""What the sandbox's image automation writes into a real repository, when it does not, and who is faster."""

from __future__ import annotations

from pathlib import Path

import pytest
from sandbox_flux_world import FLUX, FluxFleet

from gitops_rollback.sandbox.kubernetes import By
from gitops_rollback.sandbox.kubernetes.kinds import IMAGE_POLICY, IMAGE_UPDATE_AUTOMATION

PATH = "apps/shop/image.yaml"
MARKED = 'image: registry.example/shop:{tag} # {{"$imagepolicy": "flux-system:shop"}}\n'


@pytest.fixture
def fleet(tmp_path: Path) -> FluxFleet:
    fleet = FluxFleet(tmp_path, ("shop",))
    fleet.source()
    fleet.push({PATH: MARKED.format(tag="1.0.0")})
    fleet.create(IMAGE_POLICY, "shop", {})
    git = {"checkout": {"ref": {"branch": "main"}}, "commit": {"author": {"email": "flux@example.org"}}}
    source = {"kind": "GitRepository", "name": "fleet"}
    spec = {"interval": "1m", "sourceRef": source, "git": git, "update": {"path": "./apps"}}
    fleet.create(IMAGE_UPDATE_AUTOMATION, "images", spec)
    fleet.let_pass(5)
    return fleet


def selects(fleet: FluxFleet, tag: str) -> None:
    latest = {"name": "registry.example/shop", "tag": tag}
    by = By("image-reflector-controller", status=True)
    fleet.store.change(IMAGE_POLICY, "shop", FLUX, lambda body: body.update(status={"latestRef": latest}), by)


def suspend(fleet: FluxFleet, suspended: bool) -> None:
    change = {"suspend": suspended}
    fleet.store.change(IMAGE_UPDATE_AUTOMATION, "images", FLUX, lambda body: body["spec"].update(change), By("kubectl"))


def test_a_suspended_automation_writes_nothing_and_acknowledges_nothing(fleet: FluxFleet) -> None:
    suspend(fleet, True)
    selects(fleet, "1.1.0")
    fleet.request(IMAGE_UPDATE_AUTOMATION, "images", "now")
    fleet.let_pass(120)
    assert fleet.people.read(PATH) == MARKED.format(tag="1.0.0")
    assert "lastHandledReconcileAt" not in fleet.status("images", IMAGE_UPDATE_AUTOMATION)
    suspend(fleet, False)
    fleet.let_pass(5)
    assert fleet.people.read(PATH) == MARKED.format(tag="1.1.0")
    assert fleet.status("images", IMAGE_UPDATE_AUTOMATION)["lastHandledReconcileAt"] == "now"


def test_whoever_lands_between_its_clone_and_its_push_is_faster_and_it_looks_again(fleet: FluxFleet) -> None:
    selects(fleet, "1.1.0")
    fleet.let_pass(0.1)  # it has cloned, and works out what to write
    taken_off = fleet.push({PATH: "image: registry.example/shop:1.0.0\n"})
    fleet.let_pass(1)
    assert fleet.people.head() == taken_off
    assert fleet.ready("images", IMAGE_UPDATE_AUTOMATION) == ("False", "GitOperationFailed")
    fleet.let_pass(120)
    assert fleet.people.head() == taken_off
    assert fleet.ready("images", IMAGE_UPDATE_AUTOMATION) == ("True", "Succeeded")
