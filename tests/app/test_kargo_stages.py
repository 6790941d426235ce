"""What Kargo promoted is reverted at once where the policy says so, and verified once its Stage carries another one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pytest
from app_world import MINUTE, POLICIES, START, Replica, World, deployment, policy

from gitops_rollback.core.infrastructure import RunObject
from gitops_rollback.core.rollback import RollbackRecord
from gitops_rollback.core.sync import ApplicationState

FILE, STAGE = "apps/web/web.yaml", RunObject("kargo.akuity.io/v1alpha1", "Stage", "shop", "prod")
GOOD, BAD = "1111111aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "2222222bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
KARGO, ULID = "Kargo <kargo@example.com>", "01j0z6y1m3k4n5p6q7r8s9t0v"


@dataclass
class Cluster:
    """`ports.Objects` with one Stage, or none that can be seen."""

    freight: str = BAD
    promoting: bool = False
    seen: bool = True
    asked: list[str] = field(default_factory=list)

    def find(
        self, application: ApplicationState, named: Sequence[RunObject]
    ) -> Mapping[RunObject, Mapping[str, object]]:
        self.asked.append(application.destination)
        items = {"Warehouse/web": {"name": self.freight, "images": []}}
        status: dict[str, object] = {"freightHistory": [{"id": "x", "items": items}, {"id": "y", "items": {}}]}
        status |= {"currentPromotion": {"name": "prod.01j.1111111"}} if self.promoting else {}
        return {one: {"status": status} for one in named if self.seen and one == STAGE}

    def serves(self, application: ApplicationState, api_version: str, kind: str) -> bool | None:
        return None


def promoted(world: World, cluster: Cluster, says: str = "{type: kargo}", subject: str = "") -> None:
    """Kargo's Stage `shop:prod` has brought a bad version of web, and errors begin."""
    world.objects = cluster
    said = f"  promotion: {says}\n" if says else ""
    world.first(
        {FILE: deployment("web", "0.9"), f"{POLICIES}/web.yaml": policy("web").replace("spec:\n", f"spec:\n{said}")}
    )
    message = f"Promote\n\nprod.{ULID}1.{GOOD[:7]}\n"
    good = world.people.push(
        message, {FILE: deployment("web", "1.0")}, START - 80 * MINUTE, "Kargo <kargo@example.com>"
    )
    message = subject or f"Promote\n\nprod.{ULID}2.{BAD[:7]}\n"
    bad = world.people.push(message, {FILE: deployment("web", "2.0")}, START - MINUTE, KARGO)
    world.engine.add("web")
    world.engine.deploy("web", good, START - 60 * MINUTE)
    annotations = {"kargo.akuity.io/authorized-stage": "shop:prod"}
    world.engine.states["web"] = replace(world.engine.states["web"], annotations=annotations)
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE, START + 4 * MINUTE)


def record_of(one: Replica) -> RollbackRecord:
    (record,) = one.reconciler.see_now().journal.records.values()
    return record


COMMAND = "kargo promote --project shop --stage prod --freight PREVIOUS, whose name begins with 1111111"


def test_the_revert_is_at_once_and_verified_when_a_person_has_promoted_another_freight(world: World) -> None:
    cluster = Cluster()
    promoted(world, cluster)
    one = world.replica()
    one.until(START, START + 4 * MINUTE)
    assert world.people.read(FILE) == deployment("web", "1.0")
    pages = [message for message in one.told.messages if message.page]
    assert sum(COMMAND in message.text for message in pages) == 1, "once"
    assert record_of(one).open, "Kargo would write it again"
    cluster.promoting = True
    cluster.freight = GOOD
    one.until(START + 4 * MINUTE, START + 5 * MINUTE)
    assert record_of(one).open, "its promotion is under way"
    cluster.promoting = False
    one.until(START + 5 * MINUTE, START + 8 * MINUTE)
    assert record_of(one).outcome == "verified"
    assert "Kargo's Stage shop:prod carries Freight 1111111" in record_of(one).message
    assert world.reverts() == 1
    assert set(cluster.asked) == {"in-cluster"}


@pytest.mark.parametrize("cluster", [Cluster(), Cluster(seen=False)], ids=["carried still", "not seen"])
def test_without_that_it_ends_unverified_and_pages(world: World, cluster: Cluster) -> None:
    promoted(world, cluster)
    one = world.replica()
    one.until(START, START + 12 * MINUTE)
    record = record_of(one)
    assert (record.outcome, record.reason) == ("unverified", "WrittenByAnother")
    assert one.told.messages[-1].page


ASKS = {
    "no-word-of-the-policy": ("", "", "Kargo stage shop:prod writes"),
    "no-promotion-named": ("{type: kargo}", "Update prod", "no Promotion's name stands in the commit's message"),
}


@pytest.mark.parametrize(("says", "subject", "words"), ASKS.values(), ids=ASKS)
def test_what_is_not_known_asks_a_person(world: World, says: str, subject: str, words: str) -> None:
    promoted(world, Cluster(), says, subject)
    one = world.replica()
    one.until(START, START + 4 * MINUTE)
    assert world.reverts() == 0
    (answer,) = [guard for guard in record_of(one).guards if guard["guard"] == "another-writer"]
    assert answer["result"] == "ask"
    assert words in answer["message"]
    assert "kargo promote --project shop --stage prod" in answer["remedy"]
