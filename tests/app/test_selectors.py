"""One policy for many applications: each that its selector takes in is watched, and judged, as one of its own."""

from __future__ import annotations

from dataclasses import replace

from app_world import MINUTE, POLICIES, START, World, policy, running, ship

from gitops_rollback.app.tick import Tick


def fleet(selector: str = "{labels: {tier: web}}", name: str = "fleet") -> str:
    """A policy as of one application, for all that the selector takes in."""
    text = policy("web").replace("application: {namespace: argocd, name: web}", f"selector: {selector}")
    assert "selector" in text
    return text.replace("- name: web\n", "- name: $APPLICATION\n").replace(
        "metadata: {name: web}", f"metadata: {{name: {name}}}"
    )


def labelled(world: World, *names: str, **labels: str) -> None:
    for name in names:
        world.engine.states[name] = replace(world.engine.states[name], labels=labels)


def watched(tick: Tick) -> dict[str, str]:
    """Policy by application."""
    return {one.id.name: one.policy.name for one in tick.listing.watched}


def problems(tick: Tick) -> list[tuple[str, str]]:
    return [(one.reason.value, one.message) for one in tick.listing.problems]


def quiet(world: World, **policies: str) -> Tick:
    """One look at web, api and mail, where the first two are labelled."""
    running(world, "web", "api", "mail", extra={f"{POLICIES}/{name}.yaml": text for name, text in policies.items()})
    world.people.push(
        "One policy is enough", {f"{POLICIES}/{name}.yaml": None for name in ("web", "api", "mail")}, START
    )
    labelled(world, "web", "api", tier="web")
    return world.replica().tick(START + MINUTE)


def test_what_a_selector_takes_in_is_watched_by_its_own_name(world: World) -> None:
    tick = quiet(world, fleet=fleet())
    assert watched(tick) == {"web": "fleet", "api": "fleet"}
    assert sorted(one.target.name for one in tick.listing.watched) == ["api", "web"]
    assert all(one.policy.targets == (one.target,) for one in tick.listing.watched)
    assert problems(tick) == []


def test_a_bad_release_of_one_of_them_is_taken_back_and_the_others_are_left_alone(world: World) -> None:
    quiet(world, fleet=fleet())
    bad = ship(world, "web", START + MINUTE)
    one = world.replica("two")
    world.engine.deploy("web", bad, START + 2 * MINUTE)
    world.metrics.break_from("web", START + 3 * MINUTE)
    one.until(START + 2 * MINUTE, START + 8 * MINUTE)
    assert world.reverts() == 1
    (record,) = one.reconciler.see_now().journal.records.values()
    assert record.applications == ("default/Application/argocd/web",)
    assert record.policy.startswith("policies/fleet.yaml@")


def test_a_policy_that_names_an_application_goes_before_one_that_takes_it_in(world: World) -> None:
    own = policy("web").replace("metadata: {name: web}", "metadata: {name: own}")
    tick = quiet(world, fleet=fleet(), own=own)
    assert watched(tick) == {"web": "own", "api": "fleet"}


def test_two_selectors_that_take_in_one_application_judge_it_neither(world: World) -> None:
    tick = quiet(world, fleet=fleet(), other=fleet("{name: web}", "other"))
    assert watched(tick) == {"api": "fleet"}
    assert {reason for reason, _ in problems(tick)} == {"PolicyInvalid"}
    assert "take in argocd/web, so none of them judges it" in problems(tick)[0][1]


def test_a_selector_that_takes_in_nothing_is_told(world: World) -> None:
    tick = quiet(world, fleet=fleet("{project: nobody}"))
    assert watched(tick) == {}
    assert problems(tick) == [("EngineUnclear", "its selector takes in no application of this repository")]


def test_an_application_without_a_word_for_a_variable_is_told(world: World) -> None:
    text = fleet().replace("- name: $APPLICATION\n", "- name: $LABEL_team\n")
    tick = quiet(world, fleet=text)
    assert watched(tick) == {}
    assert [words for _, words in problems(tick)] == [
        f"argocd/{name} has no word for a variable of fleet/$LABEL_team, so it is not watched"
        for name in ("web", "api")
    ]


SOURCES = (
    "  metrics: [{clusters: [in-cluster], url: 'https://eu.example'}, {clusters: [us-1], url: 'https://us.example'}]\n"
)


def test_each_cluster_has_its_own_metric_source_and_one_that_has_none_is_told(world: World) -> None:
    text, own = fleet("{name: api}") + SOURCES, policy("web") + SOURCES
    own = own.replace("metadata: {name: web}", "metadata: {name: own}")
    tick = quiet(world, fleet=text, own=own)
    assert {one.id.name: one.policy.metrics.url for one in tick.listing.watched} == dict.fromkeys(
        ("web", "api"), "https://eu.example"
    )
    for name in ("web", "api"):
        world.engine.states[name] = replace(world.engine.states[name], destination="asia-1")
    tick = world.replica("two").tick(START + 2 * MINUTE)
    assert watched(tick) == {}
    assert sorted(words for _, words in problems(tick)) == [
        f"no metric source of the policy serves asia-1, where argocd/{name} runs" for name in ("api", "web")
    ]
