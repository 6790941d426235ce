"""A rollback whose Pods would need a Secret that is gone is held; before it is needed, people hear of that, too."""

from __future__ import annotations

from dataclasses import dataclass, field

from app_world import MINUTE, START, Replica, World, running, ship

from gitops_rollback.app.beforehand import watch_images
from gitops_rollback.app.checkup_images import of_images
from gitops_rollback.core.images import Found
from gitops_rollback.core.references import Reference, ReferencePresence
from gitops_rollback.core.sync import ApplicationState

WORKER = "apps/web/worker.yaml"
NEEDS = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web-worker}
spec:
  template:
    spec: {containers: [{name: a, image: "registry.example/a:18.0.0", envFrom: [{secretRef: {name: key}}]}]}
"""


@dataclass
class Cluster:
    """`ports.References`: what a cluster would say, and what it was asked for."""

    says: Found
    asked: list[str] = field(default_factory=list)

    def look_up(self, application: ApplicationState, reference: Reference) -> ReferencePresence:
        self.asked.append(f"{reference}")
        return ReferencePresence(reference, self.says, "answers 403: forbidden" if self.says is Found.UNKNOWN else "")


def shipped(world: World, says: Found) -> Cluster:
    """A cluster that says so, and a release of web, whose worker reads a Secret before and after."""
    world.references = cluster = Cluster(says)
    running(world, "web", extra={WORKER: NEEDS})
    bad = ship(world, "web", START - MINUTE, files={WORKER: NEEDS.replace("18.0.0", "18.1.0")})
    world.engine.deploy("web", bad, START)
    return cluster


def broken(world: World) -> Replica:
    world.metrics.break_from("web", START + MINUTE, START + 4 * MINUTE)
    one = world.replica()
    one.until(START, START + 3 * MINUTE)
    return one


def answer(replica: Replica) -> dict[str, str]:
    (record,) = replica.reconciler.see_now().journal.records.values()
    return next(dict(one) for one in record.guards if one["guard"] == "references")


def test_a_secret_that_is_gone_holds_the_rollback_and_people_are_told_which(world: World) -> None:
    cluster = shipped(world, Found.MISSING)
    one = broken(world)
    assert world.reverts() == 0
    assert (answer(one)["reason"], answer(one)["message"]) == ("ReferenceMissing", "gone: Secret key")
    assert any("gone: Secret key" in message.text for message in one.told.messages)
    assert set(cluster.asked) == {"Secret key"}


def test_a_secret_that_is_there_lets_it_go_on(world: World) -> None:
    shipped(world, Found.PRESENT)
    one = broken(world)
    assert world.reverts() == 1
    assert answer(one)["message"] == "there: Secret key"


def test_a_secret_that_nobody_may_see_is_not_called_gone_and_holds_nothing(world: World) -> None:
    shipped(world, Found.UNKNOWN)
    one = broken(world)
    assert world.reverts() == 1
    assert answer(one)["result"] == "not evaluated"
    assert "Secret key (answers 403: forbidden)" in answer(one)["message"]


def pages(replica: Replica) -> list[tuple[bool, bool]]:
    return [(message.page, message.over) for message in replica.told.messages if "gone-references" in message.topic]


def test_one_that_goes_and_comes_back_is_told_while_nothing_is_wrong(world: World) -> None:
    cluster = shipped(world, Found.PRESENT)
    one, shown = world.replica(), dict[str, bool | None]()
    watch_images(one.reconciler, lambda name, there: shown.update({name.rpartition("/")[2]: there}))
    one.tick(START)
    assert pages(one) == []
    cluster.says = Found.MISSING
    one.tick(START + 11 * MINUTE)
    assert (shown, pages(one)) == ({"web": False}, [(True, False)])
    assert "could not be rolled back since" in one.told.messages[-1].text
    (told,) = [each for each in of_images(one.reconciler, START + 12 * MINUTE) if each.part.startswith("references")]
    assert (told.well, told.message) == (False, "gone: Secret key")
    cluster.says = Found.UNKNOWN
    one.tick(START + 22 * MINUTE)
    assert len(pages(one)) == 1, "what nobody may see any more is not back for that"
    cluster.says = Found.PRESENT
    one.tick(START + 33 * MINUTE)
    assert pages(one) == [(True, False), (False, True)]
