"""The commit to blame may change what an application renders from far outside of its own directory."""

from __future__ import annotations

from dataclasses import replace

from app_world import MINUTE, POLICIES, START, World, deployment, policy, running, ship

from gitops_rollback.core.journal import plain

LATER = START + 6 * MINUTE
BASE = "base/limits.yaml"
ON_BASE = "resources: [../../base, {name}.yaml]\n"
LIMITS = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: limits}}\ndata: {{MOST: "{most}"}}\n'
SHARED = {"base/kustomization.yaml": "resources: [limits.yaml]\n", BASE: LIMITS.format(most=9)}


def on_base(*names: str) -> dict[str, str]:
    """Files that make these applications overlays of one base."""
    return SHARED | {f"apps/{name}/kustomization.yaml": ON_BASE.format(name=name) for name in names}


def change_base(world: World, most: int = 0) -> str:
    return world.people.push("Lower the limit", {BASE: LIMITS.format(most=most)}, START - MINUTE)


def watch(world: World, name: str, bad: str) -> list[str]:
    """Deploy it, let it hurt, and give the reasons of all that people were told."""
    one = world.replica()
    world.engine.deploy(name, bad, START)
    world.metrics.break_from(name, START + MINUTE, START + 3 * MINUTE)
    one.until(START, LATER)
    return one.told.reasons


def test_a_commit_to_a_shared_base_is_taken_back(world: World) -> None:
    running(world, "web", extra=on_base("web"))
    bad = change_base(world)
    watch(world, "web", bad)
    assert world.reverts() == 1
    assert 'MOST: "9"' in world.people.read(BASE)


def test_the_journal_says_why_the_base_counts_and_how_likely_its_commit_is(world: World) -> None:
    running(world, "web", extra=on_base("web"))
    bad = change_base(world)
    one = world.replica()
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE)
    ticks = one.until(START, START + 3 * MINUTE)
    (record,) = ticks[-1].view.journal.records.values()
    told = str(plain(record.evidence["suspects"]))
    assert f"{bad[:12]} 0.97 Lower the limit" in told
    assert "base/limits.yaml (resources of base/kustomization.yaml)" in told


def test_a_commit_to_a_base_that_the_application_does_not_read_is_not_blamed(world: World) -> None:
    running(world, "web", "cart", extra=on_base("cart"))
    bad = change_base(world)
    reasons = watch(world, "web", bad)
    assert world.reverts() == 0
    assert reasons == ["OutsideInputs"]


def test_a_base_that_the_application_does_not_read_holds_nothing_back(world: World) -> None:
    running(world, "web", "cart", extra=on_base("cart"))
    change_base(world)
    bad = ship(world, "web", START - MINUTE / 2)
    watch(world, "web", bad)
    assert world.reverts() == 1
    assert 'MOST: "0"' in world.people.read(BASE)


def test_what_cannot_be_followed_leaves_a_base_to_a_person(world: World) -> None:
    unreadable = {**SHARED, "apps/web/kustomization.yaml": "resources: [../../base, {{ .name }}.yaml]\n"}
    running(world, "web", extra=unreadable)
    change_base(world)
    bad = ship(world, "web", START - MINUTE / 2)
    reasons = watch(world, "web", bad)
    assert world.reverts() == 0
    assert reasons == ["SharedInputsChanged"]


def test_an_input_that_is_named_and_not_there_leaves_a_base_to_a_person(world: World) -> None:
    dangling = {**SHARED, "apps/web/kustomization.yaml": "resources: [../../vendor/base, web.yaml]\n"}
    running(world, "web", extra=dangling)
    change_base(world)
    bad = ship(world, "web", START - MINUTE / 2)
    reasons = watch(world, "web", bad)
    assert world.reverts() == 0
    assert reasons == ["SharedInputsChanged"]


def test_what_a_plugin_renders_by_the_engines_word_leaves_a_base_to_a_person(world: World) -> None:
    running(world, "web", extra=SHARED)
    world.engine.states["web"] = replace(world.engine.states["web"], plugin=True)
    change_base(world)
    bad = ship(world, "web", START - MINUTE / 2)
    reasons = watch(world, "web", bad)
    assert world.reverts() == 0
    assert reasons == ["SharedInputsChanged"]


def test_a_base_and_the_own_files_of_one_sync_go_back_together_to_what_ran(world: World) -> None:
    running(world, "web", extra=on_base("web"))
    change_base(world)
    bad = ship(world, "web", START - MINUTE / 2)
    watch(world, "web", bad)
    assert 'MOST: "9"' in world.people.read(BASE)
    assert ":1.0" in world.people.read("apps/web/web.yaml")


def test_an_application_on_the_same_base_is_waited_for_too(world: World) -> None:
    running(world, "web", "cart", extra=on_base("web", "cart"))
    bad = change_base(world)
    world.engine.deploy("cart", bad, START)
    watch(world, "web", bad)
    assert {"web", "cart"} <= set(world.engine.synced)


def test_a_base_that_a_plugin_may_read_goes_back_only_by_a_person(world: World) -> None:
    running(world, "web", "cart", extra=on_base("web"))
    state = world.engine.states["cart"]
    source = replace(state.sources[0], parameters='{"plugin":{"name":"x"}}')
    world.engine.states["cart"] = replace(state, sources=(source,))
    bad = change_base(world)
    reasons = watch(world, "web", bad)
    assert world.reverts() == 0
    assert reasons == ["SharedInputsChanged"]


OBJECT = """apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {{name: {name}}}
spec: {{project: {project}}}
"""


def test_a_file_of_many_applications_concerns_only_those_that_change_in_it(world: World) -> None:
    both = OBJECT.format(name="web", project="a") + "---\n" + OBJECT.format(name="cart", project="a")
    running(world, "web", "cart", extra={"root/all.yaml": both})
    others = OBJECT.format(name="web", project="a") + "---\n" + OBJECT.format(name="cart", project="b")
    world.people.push("Move the cart", {"root/all.yaml": others}, START - MINUTE)
    bad = ship(world, "web", START - MINUTE / 2)
    watch(world, "web", bad)
    assert world.reverts() == 1
    assert world.people.read("root/all.yaml") == others
    assert world.people.read("apps/web/web.yaml") == deployment("web", "1.0")


def test_a_change_of_its_own_object_beside_others_is_suspected(world: World) -> None:
    both = OBJECT.format(name="web", project="a") + "---\n" + OBJECT.format(name="cart", project="a")
    running(world, "web", "cart", extra={"root/all.yaml": both})
    bad = world.people.push(
        "Move the web", {"root/all.yaml": both.replace("project: a", "project: b", 1)}, START - MINUTE
    )
    assert watch(world, "web", bad) == ["Irreversible"]


def test_a_commit_to_a_base_cannot_bring_the_policy_that_judges_it(world: World) -> None:
    running(world, "web", extra=on_base("web"))
    disarming = {BASE: LIMITS.format(most=0), f"{POLICIES}/web.yaml": policy("web", threshold=9)}
    bad = world.people.push("Lower the limit", disarming, START - MINUTE)
    watch(world, "web", bad)
    assert world.reverts() == 1


def test_a_policy_that_stood_unchanged_before_the_base_judges_it(world: World) -> None:
    running(world, "web", extra=on_base("web"))
    change_base(world)
    world.people.push("Watch the cart", {f"{POLICIES}/cart.yaml": policy("cart")}, START - MINUTE / 2)
    bad = ship(world, "web", START - MINUTE / 3)
    watch(world, "web", bad)
    assert world.reverts() == 1
