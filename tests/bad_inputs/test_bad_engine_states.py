"""Engine answers E5, E8 and E9, readable and yet odd: a clear answer each, and nobody is rolled back for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from app_world import MINUTE, POLICIES, START, Replica, World, policy, running, ship

from gitops_rollback.app.subject import Watched
from gitops_rollback.app.tick import Sight
from gitops_rollback.core.errors import RollbackError

UNKNOWN = "e" * 40
LATER = START + 3 * MINUTE


def isolated(one: Replica) -> Replica:
    """As the runtime wires it: what one application's look raises is told and stays with it."""

    def look_at(look: Callable[[Watched], Sight | None], watched: Watched) -> Sight | None:
        try:
            return look(watched)
        except RollbackError as error:
            one.reconciler.executor.fail(watched.name, error, page=False)
            return None

    one.reconciler.side_by_side = lambda look, items: tuple(
        found for item in items if (found := look_at(look, item)) is not None
    )
    return one


def test_e5_a_revision_that_the_repository_does_not_have_is_never_guessed_at(world: World) -> None:
    running(world, "web", "cart")
    one = isolated(world.replica())
    world.engine.deploy("web", UNKNOWN, START)
    world.engine.deploy("cart", ship(world, "cart", START - MINUTE), START)
    for name in ("web", "cart"):
        world.metrics.break_from(name, START + MINUTE)
    last = one.until(START, LATER)[-1]
    assert world.commits()[0].startswith('Revert "Ship cart')
    assert [record.applications for record in last.view.journal.records.values()] == [
        ("default/Application/argocd/cart",)
    ]
    told = [message for message in one.told.messages if message.application == "default/Application/argocd/web"]
    assert told
    assert UNKNOWN in told[0].text


def test_e8_one_name_in_two_namespaces_is_two_applications(world: World) -> None:
    running(world, "web")
    twin = replace(world.engine.states["web"].id, namespace="team-b")
    world.engine.states["twin"] = replace(world.engine.states["web"], id=twin, uid="uid-twin", project="team-b")
    last = world.replica().tick(START)
    assert [sight.watched.name for sight in last.sights] == ["default/Application/argocd/web"]
    assert {fed.name for fed in last.listing.fed} == {"default/Application/argocd/web", str(twin)}


def test_e8_a_policy_that_means_two_applications_by_one_name_judges_each_alone(world: World) -> None:
    running(world, "web")
    anywhere = policy("web").replace("namespace: argocd, ", "")
    first = world.people.push("Watch both", {f"{POLICIES}/web.yaml": anywhere}, START - 30 * MINUTE)
    world.engine.deploy("web", first, START - 29 * MINUTE)
    twin = replace(world.engine.states["web"].id, namespace="team-b")
    world.engine.states["twin"] = replace(world.engine.states["web"], id=twin, uid="uid-twin", project="team-b")
    names = {sight.watched.name for sight in world.replica().tick(START).sights}
    assert names == {"default/Application/argocd/web", "default/Application/team-b/web"}


def test_e9_ten_thousand_history_entries_change_nothing(world: World) -> None:
    running(world, "web")
    bad = ship(world, "web", START - MINUTE)
    one = world.replica()
    world.engine.deploy("web", bad, START)
    state = world.engine.states["web"]
    oldest = state.history[0]
    span = (START - 60 * MINUTE) - (START - 6000 * MINUTE)
    many = [
        replace(oldest, revisions=(f"{number:040x}",), history_id=number, started_at=START - span - number * MINUTE)
        for number in range(9_998, 0, -1)
    ]
    world.engine.states["web"] = replace(state, history=(*many, *state.history))
    world.metrics.break_from("web", START + MINUTE)
    one.until(START, LATER)
    assert world.reverts() == 1
