"""What a release may have done that a revert cannot undo, and what nobody may do twice."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from live_world import NEW_TAG, SERVICE, Live, living

from gitops_rollback.sandbox.stories import DEPLOYMENT, IMAGE, land_again

FOLDER = f"apps/{SERVICE}"
KUSTOMIZATION = f"{FOLDER}/kustomization.yaml"


def job(name: str, hook: str, image: str) -> str:
    return f"""\
apiVersion: batch/v1
kind: Job
metadata:
  name: {name}
  annotations:
    argocd.argoproj.io/hook: {hook}
    argocd.argoproj.io/hook-delete-policy: BeforeHookCreation
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: {name}
          image: {image}
"""


def current_image(live: Live) -> str:
    found = IMAGE.search(live.people.read(DEPLOYMENT))
    assert found is not None
    return f"registry.example/{found[0]}"


def with_one_tag(live: Live, job_text: str) -> None:
    """Deployment and Job name their images; which tag they run stands in the kustomization alone."""
    name, _, tag = current_image(live).rpartition(":")
    listed = live.people.read(KUSTOMIZATION).rstrip()
    listed += f'\n  - job.yaml\nimages:\n  - name: {name}\n    newTag: "{tag}"\n'
    live.people.push("Run a Job at each sync", {f"{FOLDER}/job.yaml": job_text, KUSTOMIZATION: listed}, live.now())


def fail_by_tag(live: Live) -> None:
    """A release that changes the one line with the tag, and nothing else."""
    tag = current_image(live).rpartition(":")[2]
    live.world.failing_tags.add(NEW_TAG)
    live.telling.before = live.people.head()
    live.telling.acted_at = live.now()
    live.telling.bad = live.people.edit("Release", KUSTOMIZATION, f'"{tag}"', f'"{NEW_TAG}"', live.now())
    live.refresh()


def started(tmp_path: Path, image: str) -> Live:
    live = Live(tmp_path)
    with_one_tag(live, job("before", "PreSync", image or current_image(live)))
    live.start_world()
    live.start_controller()
    return live


def test_a_release_whose_own_image_ran_before_the_sync_is_not_undone_by_itself(tmp_path: Path) -> None:
    """Only the image changes; the Job before the sync runs that image, so it may have migrated the data."""
    live = started(tmp_path, "")
    try:
        fail_by_tag(live)
        live.until(lambda: live.telling.has_decided("MigrationRan"), "it asks because of the migration")
        live.let_pass(timedelta(minutes=2), lambda: bool(live.telling.reverts()), "a revert of a migration")
        assert live.people.head() == live.telling.bad
        assert len(live.pages("MigrationRan")) == 1
        assert [record["phase"] for record in live.telling.records()] == ["AwaitingApproval"]
    finally:
        live.close()


def test_a_release_beside_a_test_job_of_another_image_is_rolled_back(tmp_path: Path) -> None:
    live = started(tmp_path, "registry.example/shop/smoke-test:2.3.1")
    try:
        fail_by_tag(live)
        live.until_verified()
        assert len(live.telling.reverts()) == 1
    finally:
        live.close()


def test_what_was_rolled_back_once_is_not_rolled_back_again_when_it_is_deployed_again(tmp_path: Path) -> None:
    with living(tmp_path) as live:
        live.fail()
        live.until_verified()
        land_again(live.telling)
        live.until(lambda: live.telling.has_decided("CameBack", "AlreadyRolledBack"), "it is held")
        live.let_pass(timedelta(minutes=4), lambda: len(live.telling.reverts()) != 1, "a second rollback")
        assert live.people.head() == live.telling.landed["again"]
        assert len(live.pages()) == 1
