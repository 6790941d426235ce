"""A story about two services: one is released on top of the other's new API, and that one turns out to be bad."""

from __future__ import annotations

from datetime import datetime

from gitops_rollback.sandbox.rendering import Json
from gitops_rollback.sandbox.stories import (
    DEPLOYMENT,
    NEW_TAG,
    SERVICE,
    healthy_again,
    journal_says,
    release,
    until_deployed,
)
from gitops_rollback.sandbox.story_texts import TARGET, policy
from gitops_rollback.sandbox.telling import Claim, Story, Telling

DEPENDANT, DEPENDANTS_APPLICATION = "storefront", "storefront-prod"
DEPENDANTS_FILE = f"apps/{DEPENDANT}/deployment.yaml"
RULES = "  cascade: {mode: reverse-dependency-order, maxDepth: 1, result: ask}\n"


def policy_of_both() -> str:
    """The policy of the stories, with the storefront as a target that depends on the other."""
    text = policy(RULES)
    target = text[text.index(TARGET) : text.index("  triggers:")]
    needing = target.replace(SERVICE, DEPENDANT).replace("      data:", f"      dependsOn: [{SERVICE}]\n      data:")
    return text.replace(target, target + needing)


def release_on_release(telling: Telling) -> None:
    """A release brings a new API; the storefront is released right after it, and calls that. Then the API fails."""
    people, world = telling.world.people, telling.world
    world.failing_tags.add(NEW_TAG)
    release(telling)
    until_deployed(telling, telling.bad)
    image = f"registry.example/shop/{DEPENDANT}:"
    old = people.read(DEPENDANTS_FILE).partition(image)[2].split()[0]
    telling.landed[DEPENDANT] = people.edit(
        f"feat(web): {DEPENDANT} v4.0.0 calls the new checkout",
        DEPENDANTS_FILE, f"{image}{old}", f"{image}4.0.0", world.clock.now(),
    )  # fmt: skip
    telling.refresh(DEPENDANT if world.flux is not None else DEPENDANTS_APPLICATION)


def went_back_in_order(telling: Telling) -> list[Claim]:
    people, ours = telling.world.people, list(reversed(telling.reverts()))
    bodies = [people.git("log", "-1", "--format=%B", sha) for sha in ours]
    undone = [telling.landed[DEPENDANT], telling.bad]
    steps = [people.git("log", "-1", "--format=%(trailers:key=Rollback-Step,valueonly)", sha) for sha in ours]
    names = {people.git("log", "-1", "--format=%(trailers:key=Rollback-Id,valueonly)", sha) for sha in ours}
    named = [f"This reverts commit {sha}." in body for sha, body in zip(undone, bodies, strict=False)]
    return [
        Claim("two commits: what needs the new API goes back first, then the API", named == [True, True]),
        Claim("they are the steps of one rollback", steps == ["1/2", "2/2"] and len(names) == 1),
        Claim(f"{DEPENDANT} ran its old version before {SERVICE} went back", _applied_before(telling)),
        Claim(
            "both old images are back",
            all(people.read(one) == people.read(one, telling.before) for one in (DEPLOYMENT, DEPENDANTS_FILE)),
        ),
        *healthy_again(telling),
        *journal_says(telling, "verified"),
    ]


def _applied_before(telling: Telling) -> bool:
    """By the engine's own word, and the time at which the second commit was pushed."""
    records: list[Json] = telling.rollbacks()
    steps = records[0]["steps"] if records else []
    if len(steps) < 2:
        return False
    applied, pushed = _applied_at(telling, steps[0]["commit"]), datetime.fromisoformat(steps[1]["pushedAt"])
    return applied is not None and applied <= pushed


def _applied_at(telling: Telling, commit: str) -> datetime | None:
    """When the dependant got its old image: by Argo CD's history, or by the Deployment that Flux changed last."""
    argocd, flux = telling.world.argocd, telling.world.flux
    if flux is not None:
        return flux.set_at(DEPENDANT)
    if argocd is None:
        return None
    history = argocd.application(DEPENDANTS_APPLICATION)["status"]["history"]
    applied = next((one["deployedAt"] for one in history if one["revision"] == commit), "")
    return datetime.fromisoformat(applied) if applied else None


CASCADE_STORIES: tuple[Story, ...] = (
    Story(
        "cascade",
        "A release fails after a second service was built on it. That one goes back first, then the release.",
        act=release_on_release,
        ended=lambda telling: telling.is_done("verified"),
        claims=went_back_in_order,
        policy=policy_of_both(),
    ),
)
