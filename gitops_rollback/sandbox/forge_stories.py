"""Stories of people at a forge: what they ask for by a pull request, and what becomes of it.

They are told with a forge before the repository. What is claimed is read from git, the engine and the forge itself.
"""

from __future__ import annotations

import time

from gitops_rollback.sandbox.forge import BOT, ForgeSandbox
from gitops_rollback.sandbox.stories import (
    DEPLOYED_WITHIN_SECONDS,
    LOOK_AGAIN_SECONDS,
    SERVICE,
    journal_says,
    release,
    tree_of,
)
from gitops_rollback.sandbox.story_texts import policy
from gitops_rollback.sandbox.telling import Claim, Story, Telling

BRANCH = "ask-for-checkout"
REQUEST_PATH = ".gitops-rollback/requests/checkout-eu.yaml"
REQUEST = f"""\
# +argocd:skip-file-rendering
apiVersion: gitops-rollback.dev/v1alpha1
kind: RollbackRequest
metadata: {{name: checkout-eu}}
spec:
  target: {{name: {SERVICE}}}
  to: {{lastHealthy: true}}
  reason: cards issued in the EU are charged twice, which no metric shows
  expires: 2h
"""
NUMBER = 1


def forge_of(telling: Telling) -> ForgeSandbox:
    """The story's forge."""
    if telling.world.forge is None:
        raise RuntimeError("the story has no forge")
    return telling.world.forge


def ask(telling: Telling) -> None:
    """A release whose fault no metric shows; somebody sees it, and asks for the way back by a pull request."""
    release(telling)
    deadline = time.monotonic() + DEPLOYED_WITHIN_SECONDS
    while telling.live_revision() != telling.bad and time.monotonic() < deadline:
        time.sleep(LOOK_AGAIN_SECONDS)
    people = forge_of(telling).people
    people.push("mara", BRANCH, "Ask for checkout-api to go back", {REQUEST_PATH: REQUEST})
    people.open("mara", BRANCH, "Roll back checkout-api")


def planned(telling: Telling) -> bool:
    """The revert is on the request's own branch."""
    return telling.world.people.git("log", "-1", "--format=%cn", BRANCH) != "mara"


def approve(telling: Telling) -> None:
    """Somebody else reads the plan, and approves the very head that was read."""
    head = telling.world.people.head(BRANCH)
    telling.landed["approved"] = head
    forge_of(telling).people.comment("jonas", NUMBER, f"The plan looks right.\n\n/rollback approve {head}")


def asked_and_done(telling: Telling) -> list[Claim]:
    """What was approved is what landed, and the comment is the proof."""
    pull = forge_of(telling).state.pulls[NUMBER]
    people, path, head = telling.world.people, f"apps/{SERVICE}", telling.landed.get("approved", "")
    said = "\n".join(one.body for one in pull.comments if one.author == BOT)
    records = telling.records()
    return [
        Claim("the pull request is merged", not pull.open and bool(pull.merge_sha)),
        Claim("it holds the very commit that was approved", head in people.git("rev-list", "main").split()),
        Claim(f"{path} is as it was before", tree_of(telling, "main", path) == tree_of(telling, telling.before, path)),
        Claim("the request stands as it was approved", people.read(REQUEST_PATH) == REQUEST),
        Claim("the comment is the proof", "| verified |" in said),
        Claim("the journal says who asked", [one["requestedBy"] for one in records] == ["mara"]),
        *journal_says(telling, "verified"),
    ]


FORGE_STORIES: tuple[Story, ...] = (
    Story(
        "request",
        "No metric shows the fault. A person asks by a pull request; the revert comes onto it, is approved and proved.",
        act=ask,
        ended=planned,
        then=approve,
        ended_again=lambda telling: telling.is_done("verified"),
        claims=asked_and_done,
        policy=policy(),
        engines=("argocd",),
        forge="github",
    ),
)
