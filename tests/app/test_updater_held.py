"""Argo CD Image Updater is kept at the tag that comes back, by a commit, and let go again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pytest
from app_world import MINUTE, POLICIES, START, Replica, World, deployment, policy

from gitops_rollback.app.executor import Executor
from gitops_rollback.app.requesting import HoldRequests, Requests, landed
from gitops_rollback.core.rollback import RollbackRecord
from gitops_rollback.core.sync import ApplicationState

FILE, UPDATERS = "apps/web/web.yaml", "argocd/updaters.yaml"
FIELD = "ImageUpdater/shop: spec.applicationRefs[0].images[alias=web].commonUpdateSettings.allowTags"
BOT = "argocd-image-updater <noreply@argoproj.io>"
UPDATER = """\
apiVersion: argocd-image-updater.argoproj.io/v1alpha1
kind: ImageUpdater
metadata: {name: shop, namespace: argocd}
spec:
  writeBackConfig: {method: git}
  applicationRefs:
    - namePattern: "*"
      images:
        - alias: web
          imageName: registry.example/web
          commonUpdateSettings:
            updateStrategy: semver
"""
SAID = UPDATER + '            allowTags: "regexp:^1[.]"\n'
KEPT = 'allowTags: "regexp:^1\\\\.0\\\\.0$"'


@dataclass
class Updaters:
    """`ports.lookups.ImageUpdaters` with one object, or none that can be seen."""

    found: tuple[Mapping[str, object], ...] = ()

    def beside(self, application: ApplicationState) -> tuple[Mapping[str, object], ...]:
        return self.found


def begun(world: World, said: str = SAID, more: str = "") -> Replica:
    """It has brought a bad version, whose errors have begun."""
    spoken = more or f"  onImageAutomation: hold\n  imageUpdater: {{file: {UPDATERS}, field: '{FIELD}'}}\n"
    text = policy("web").replace("spec:\n", f"spec:\n{spoken}")
    first = world.first({FILE: deployment("web", "1.0.0"), UPDATERS: said, f"{POLICIES}/web.yaml": text})
    world.engine.add("web")
    world.engine.deploy("web", first, START - 60 * MINUTE)
    bad = updated(world, "1.0.0", "1.1.0")
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE, START + 4 * MINUTE)
    return world.replica()


def updated(world: World, before: str, tag: str) -> str:
    message = f"build: automatic update of web\n\nupdates image registry.example/web tag '{before}' to '{tag}'\n"
    return world.people.push(message, {FILE: deployment("web", tag)}, START - MINUTE, BOT)


def only_record(one: Replica) -> RollbackRecord:
    (record,) = one.reconciler.see_now().journal.records.values()
    return record


def verified(world: World, said: str = SAID) -> Replica:
    one = begun(world, said)
    one.until(START, START + 10 * MINUTE)
    assert only_record(one).outcome == "verified"
    return one


@pytest.mark.parametrize("said", [SAID, UPDATER], ids=["told before", "told nothing"])
def test_it_may_take_no_other_tag_by_the_very_commit_of_the_revert(world: World, said: str) -> None:
    one = verified(world, said)

    assert world.people.read(FILE) == deployment("web", "1.0.0")
    assert KEPT in world.people.read(UPDATERS)
    assert sorted(world.people.git("diff", "--name-only", "main~1", "main").split()) == [FILE, UPDATERS]
    assert f"Rollback-Holds: argocd-image-updater {UPDATERS}" in world.people.git("log", "-1", "--format=%B", "main")
    (answer,) = [guard for guard in only_record(one).guards if guard["guard"] == "branch-is-lever"]
    assert "registry.example/web:1.1.0 by argocd-image-updater in argocd/updaters.yaml is held" in answer["message"]


@pytest.mark.parametrize("said", [SAID, UPDATER], ids=["told before", "told nothing"])
def test_a_persons_word_lets_it_go_and_the_file_is_as_it_was(world: World, said: str) -> None:
    one = verified(world, said)
    executor = one.reconciler.executor
    assert isinstance(executor, Executor)
    requests = HoldRequests(Requests(one.repo, one.reconciler, executor, world.clock))

    assert landed(requests.carry_out(requests.prepare("web", "ann", "1.1.1 is out")))

    assert world.people.read(UPDATERS) == said, "to the byte"
    assert world.people.read(FILE) == deployment("web", "1.0.0")
    assert world.commits()[0] == "Let image policies write again: argocd-image-updater"


def test_it_is_let_go_once_somebody_lands_a_newer_version(world: World) -> None:
    one = verified(world)
    world.people.push("Ship 1.1.1", {FILE: deployment("web", "1.1.1")}, START + 10 * MINUTE)

    one.until(START + 11 * MINUTE, START + 12 * MINUTE)

    assert world.people.read(UPDATERS) == SAID
    assert world.people.read(FILE) == deployment("web", "1.1.1")
    assert (only_record(one).outcome, len(world.commits())) == ("verified", 5)


def test_who_changes_what_it_may_take_has_taken_over(world: World) -> None:
    one = verified(world)
    mine = SAID.replace("^1[.]", "^1[.]0[.]")
    world.people.push("Keep to 1.0", {UPDATERS: mine}, START + 10 * MINUTE)

    one.until(START + 11 * MINUTE, START + 13 * MINUTE)

    assert world.people.read(UPDATERS) == mine


def test_a_day_later_a_person_is_asked(world: World) -> None:
    one = verified(world)

    one.until(START + 25 * 60 * MINUTE, START + (25 * 60 + 1) * MINUTE)

    assert any(message.title.startswith("A held image needs a word") for message in one.told.messages)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (SAID.replace("alias: web", "alias: cart"), "what it belongs to does not stand there once"),
        (SAID.replace("name: shop", "name: other"), "what it belongs to does not stand there once"),
    ],
    ids=["another image", "another object"],
)
def test_where_it_cannot_be_kept_off_a_person_is_asked(world: World, said: str, why: str) -> None:
    one = begun(world, said)
    one.until(START, START + 4 * MINUTE)

    assert world.reverts() == 0
    (answer,) = [guard for guard in only_record(one).guards if guard["guard"] == "another-writer"]
    assert answer["result"] == "ask"
    assert why in answer["message"]


def test_what_an_image_updater_object_manages_is_known_whoever_committed_it(world: World) -> None:
    reference = {
        "namePattern": "we*",
        "writeBackConfig": {"method": "git"},
        "images": [{"alias": "web", "imageName": "registry.example/web:~1"}],
    }
    seen = {"metadata": {"name": "shop", "namespace": "argocd"}, "spec": {"applicationRefs": [reference]}}
    world.updaters = Updaters((seen,))
    first = world.first({FILE: deployment("web", "1.0.0"), f"{POLICIES}/web.yaml": policy("web")})
    world.engine.add("web")
    world.engine.deploy("web", first, START - 60 * MINUTE)
    bad = world.people.push("Ship 1.1", {FILE: deployment("web", "1.1.0")}, START - MINUTE)
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE, START + 4 * MINUTE)
    one = world.replica()
    one.until(START, START + 4 * MINUTE)

    assert world.reverts() == 0
    (answer,) = [guard for guard in only_record(one).guards if guard["guard"] == "another-writer"]
    assert "and would write registry.example/web:1.1.0 again" in answer["message"]
    way = "spec.applicationRefs[0].images[alias=web].commonUpdateSettings.allowTags"
    assert f"`regexp:^1\\.0\\.0$` at `{way}` of ImageUpdater argocd/shop" in answer["message"] + answer["remedy"]


@pytest.mark.parametrize(("alias", "reverts"), [("web", 1), ("shop", 0)])
def test_it_is_not_kept_off_where_it_never_looks(world: World, alias: str, reverts: int) -> None:
    image = {"alias": alias, "imageName": "registry.example/web:~1"}
    reference = {"namePattern": "we*", "writeBackConfig": {"method": "git"}, "images": [image]}
    seen = {"metadata": {"name": "shop", "namespace": "argocd"}, "spec": {"applicationRefs": [reference]}}
    world.updaters = Updaters((seen,))
    one = begun(world)
    one.until(START, START + 4 * MINUTE)

    assert world.reverts() == reverts
    said = [guard["message"] for guard in only_record(one).guards if guard["guard"] == "another-writer"]
    assert ("images[alias=shop]" in said[0]) == (reverts == 0)
