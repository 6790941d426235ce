"""Which applications does the repository feed, whose files are whose, and what does a long list cost?"""

from __future__ import annotations

from unittest.mock import patch

from app_world import MINUTE, POLICIES, START, World, policy, running, ship

from gitops_rollback.app import directory, target_index
from gitops_rollback.core.policy import ApplicationRef, Policy, Target
from gitops_rollback.core.sync import ApplicationId

LATER = START + 3 * MINUTE
BASE = {"base/limits.yaml": "kind: ConfigMap\nmetadata: {name: limits}\n"}


def test_where_inputs_are_not_known_a_commit_cannot_give_a_shared_base_to_another_application(world: World) -> None:
    running(world, "web", "cart", extra={"apps/web/kustomization.yaml": "resources: [{{ .base }}, web.yaml]\n"})
    taking = {f"{POLICIES}/cart.yaml": policy("cart", paths=["apps/cart/**", "base/**"]), **BASE}
    bad = ship(world, "web", START - MINUTE, files=taking)
    one = world.replica()
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE)
    one.until(START, LATER)
    assert world.reverts() == 0
    assert "SharedInputsChanged" in one.told.reasons


def test_a_rollback_is_not_verified_without_an_application_whose_policy_hides_its_files(world: World) -> None:
    running(world, "web", "cart")
    hiding = {f"{POLICIES}/cart.yaml": policy("cart", paths=["elsewhere/**"])}
    text = world.people.read("apps/cart/cart.yaml").replace(":1.0", ":1.1")
    bad = ship(world, "web", START - MINUTE, files={"apps/cart/cart.yaml": text})
    one = world.replica()
    world.engine.deploy("cart", bad, START)
    world.engine.deploy("web", bad, START)
    world.people.push("Hide", hiding, START + MINUTE / 2)
    world.metrics.break_from("web", START + MINUTE)
    one.until(START, LATER)
    world.metrics.mend("web", LATER)
    one.until(LATER, START + 8 * MINUTE)
    assert "cart" in world.engine.synced


def test_ten_thousand_applications_and_a_thousand_targets_are_not_compared_each_with_each(world: World) -> None:
    names = [f"app{number}" for number in range(40)]
    running(world, *names)
    for number in range(400):
        world.engine.add(f"other{number}", auto_sync=False)
    one = world.replica()
    compared = patch.object(directory, "names", side_effect=directory.names)
    found = patch.object(target_index, "names", side_effect=target_index.names)
    with compared as one_way, found as other_way:
        one.tick(START)
    assert one_way.call_count + other_way.call_count < 1000


def test_a_kustomization_and_a_helm_release_of_one_name_are_two_applications() -> None:
    release = ApplicationId("flux", "HelmRelease", "shop", "cart")
    kustomization = ApplicationId("flux", "Kustomization", "shop", "cart")
    named = [
        ("all", ApplicationRef("", "cart", "Kustomization")),
        ("chart", ApplicationRef("shop", "cart", "HelmRelease")),
    ]
    index = target_index.TargetIndex(
        [Policy(name, f"{name}.yaml", "a" * 40, (Target(name, "flux", ref),), ()) for name, ref in named]
    )
    found = {one: index.naming(one) for one in (release, kustomization)}
    assert {one.kind: pair[0].name for one, pair in found.items() if pair} == {
        "HelmRelease": "chart",
        "Kustomization": "all",
    }
