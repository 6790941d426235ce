"""Stories about the right commit, and about the tree that a person would have made."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from gitops_rollback.sandbox.stories import (
    DEPLOYMENT,
    IMAGE,
    NEW_TAG,
    SERVICE,
    failing_release,
    healthy_again,
    journal_says,
    one_revert,
    tree_of,
)
from gitops_rollback.sandbox.story_texts import PROXY, policy, policy_of
from gitops_rollback.sandbox.telling import Claim, Story, Telling
from gitops_rollback.sandbox.world import SERVICES

BOT = "renovate[bot] <renovate@shop.example>"
BUMPED_TAG = "1.42.1"
IMAGE_PULL = "          imagePullPolicy: IfNotPresent\n"
EDGE = "base/edge"
CLUSTERS = tuple(f"edge-c{number:02}" for number in range(1, 31))
OTHER_SERVICE = "ledger-api"
BASE = "base/proxy"
BAD_PROXY = "2.4.0"
PENDING = timedelta(minutes=3)  # the trigger is true by then, and fires later
ALLOW_BUMPS = "  onSuperseded: allow-version-bumps\n"


def just_before_the_push(telling: Telling, land: str) -> None:
    """`land` names who comes first: the controller's push of its revert finds that on the branch.

    What it pushes before is its journal, and that only until the trigger is pending.
    """

    def first(_repository: Path) -> None:
        if telling.bad and land not in telling.landed and telling.settled(PENDING):
            if telling.world.argocd is not None:  # else it may deploy that before the revert is decided anew
                telling.world.argocd.look_only_when_asked()
            telling.landed[land] = LANDINGS[land](telling)

    failing_release(telling)
    telling.world.git.before_push = first


def _neighbour(telling: Telling) -> str:
    """A line right below the image: git's own merge stops there."""
    line = f"          image: registry.example/shop/{SERVICE}:{NEW_TAG}\n"
    now = telling.world.clock.now()
    return telling.world.people.edit("Pull images once only", DEPLOYMENT, line, line + IMAGE_PULL, now)


def _bump(telling: Telling) -> str:
    """The very same key again."""
    telling.world.failing_tags.add(BUMPED_TAG)
    now = telling.world.clock.now()
    return telling.world.people.edit(
        f"chore(deps): update {SERVICE} to {BUMPED_TAG}", DEPLOYMENT, f":{NEW_TAG}", f":{BUMPED_TAG}", now, BOT
    )


LANDINGS = {"neighbour": _neighbour, "bump": _bump}


def revert_message(telling: Telling) -> str:
    reverts = telling.reverts()
    return telling.world.people.git("log", "-1", "--format=%B", reverts[0]) if reverts else ""


def conflict_solved(telling: Telling) -> list[Claim]:
    text = telling.world.people.read(DEPLOYMENT)
    message = revert_message(telling)
    return [
        Claim("the branch has one commit of the controller", len(telling.reverts()) == 1),
        Claim("it names the bad commit", f"This reverts commit {telling.bad}." in message),
        Claim("it was merged by key", "Rollback-Rung: 3" in message),
        Claim("the old image is back", f"{SERVICE}:{NEW_TAG}" not in text and IMAGE.search(text) is not None),
        Claim("the line beside it, which landed meanwhile, is still there", IMAGE_PULL in text),
        Claim("no conflict marker is in the file", "<<<<" not in text),
        *healthy_again(telling),
        *journal_says(telling, "verified"),
    ]


def bump_superseded(telling: Telling) -> list[Claim]:
    text, before = (telling.world.people.read(DEPLOYMENT, at) for at in ("main", telling.before))
    superseded = [sha for record in telling.records() for sha in record["superseded"]]
    return [
        Claim("the branch has one commit of the controller", len(telling.reverts()) == 1),
        Claim("it set the key back to the last good state", "Rollback-Rung: 4" in revert_message(telling)),
        Claim("the image of before the bad release is back", text == before),
        Claim("the journal names the bot's bump as superseded", superseded == [telling.landed.get("bump")]),
        *healthy_again(telling),
        *journal_says(telling, "verified"),
    ]


def share_a_proxy(telling: Telling) -> None:
    """Two applications take the same base in, each under its own name."""
    people, now = telling.world.people, telling.world.clock.now()
    files = {
        f"{BASE}/kustomization.yaml": "resources:\n  - deployment.yaml\n",
        f"{BASE}/deployment.yaml": PROXY,
    }
    for service in (SERVICE, OTHER_SERVICE):
        kustomization = people.read(f"apps/{service}/kustomization.yaml")
        files[f"apps/{service}/kustomization.yaml"] = kustomization.rstrip() + "\n  - proxy\n"
        files[f"apps/{service}/proxy/kustomization.yaml"] = (
            f"namePrefix: {service}-\nresources:\n  - ../../../base/proxy\n"
        )
    people.push("Put a proxy before checkout-api and ledger-api", files, now)


def failing_base(telling: Telling) -> None:
    """The base gets a bad proxy; then somebody changes an application that has nothing to do with it."""
    people, now = telling.world.people, telling.world.clock.now()
    telling.world.failing_tags.add(BAD_PROXY)
    telling.before = people.head()
    telling.bad = people.edit("Update the proxy", f"{BASE}/deployment.yaml", ":2.3.0", f":{BAD_PROXY}", now)
    telling.landed["storefront"] = people.edit(
        "Cache product pages for three minutes", "apps/storefront/deployment.yaml", '"120s"', '"180s"', now
    )
    telling.refresh()


def base_taken_back(telling: Telling) -> list[Claim]:
    people = telling.world.people
    same = tree_of(telling, "main", BASE) == tree_of(telling, telling.before, BASE)
    evidence = [text for record in telling.records() for text in record["evidence"].get("suspects", [])]
    return [
        Claim("the branch has one commit of the controller", len(telling.reverts()) == 1),
        Claim("it names the commit to the base", f"This reverts commit {telling.bad}." in revert_message(telling)),
        Claim(f"{BASE} is as it was before", same),
        Claim("the storefront's change is still there", '"180s"' in people.read("apps/storefront/deployment.yaml")),
        Claim("the journal says why the base counts", any(f"{BASE}/kustomization.yaml" in one for one in evidence)),
        *healthy_again(telling),
        *journal_says(telling, "verified"),
    ]


def two_changes(telling: Telling) -> None:
    """A release, and a setting that is innocent; the engine takes both in one sync."""
    people, now = telling.world.people, telling.world.clock.now()
    telling.world.failing_tags.add(NEW_TAG)
    telling.before = people.head()
    text = people.read(DEPLOYMENT)
    telling.landed["release"] = people.push(
        f"feat(payments): {SERVICE} v{NEW_TAG}", {DEPLOYMENT: IMAGE.sub(f"shop/{SERVICE}:{NEW_TAG}", text)}, now
    )
    telling.bad = people.edit("Log in debug", DEPLOYMENT, "value: info", "value: debug", now)
    telling.refresh()


def both_taken_back(telling: Telling) -> list[Claim]:
    message = revert_message(telling)
    evidence = [text for record in telling.records() for text in record["evidence"].get("suspects", [])]
    chances = [float(text.split()[1]) for text in evidence]
    both = (telling.landed.get("release", ""), telling.bad)
    return [
        *one_revert(telling),
        Claim("it names both suspects", all(f"This reverts commit {sha}." in message for sha in both)),
        Claim("the journal ranks both", len(chances) == 2 and 0 < sum(chances) < 1 and chances[0] >= chances[1]),
        *healthy_again(telling),
        *journal_says(telling, "verified"),
    ]


def many_clusters(telling: Telling) -> None:
    """One base for all clusters; each has a folder of its own that takes it in."""
    telling.application = f"{CLUSTERS[0]}-prod"
    files = {
        f"{EDGE}/kustomization.yaml": "resources:\n  - deployment.yaml\n",
        f"{EDGE}/deployment.yaml": PROXY.replace("proxy", "edge"),
    }
    for name in CLUSTERS:
        files[f"apps/{name}/kustomization.yaml"] = f"namePrefix: {name}-\nresources:\n  - ../../{EDGE}\n"
    telling.world.people.push("Run the edge in thirty clusters", files, telling.world.clock.now())


def failing_everywhere(telling: Telling) -> None:
    people, now = telling.world.people, telling.world.clock.now()
    telling.world.failing_tags.add(BAD_PROXY)
    telling.before = people.head()
    telling.bad = people.edit("Update the edge", f"{EDGE}/deployment.yaml", ":2.3.0", f":{BAD_PROXY}", now)
    for name in CLUSTERS:
        telling.refresh(f"{name}-prod")


def one_incident(telling: Telling) -> list[Claim]:
    records, reverts = telling.records(), telling.reverts()
    named = {name.rpartition("/")[2] for record in records for name in record["applications"]}
    contained = set(telling.world.people.git("rev-list", reverts[0]).split()) if reverts else set()
    live = [telling.live_revision(f"{name}-prod") for name in CLUSTERS]
    return [
        Claim("the branch has one commit of the controller", len(reverts) == 1),
        Claim("it names the commit to the base", f"This reverts commit {telling.bad}." in revert_message(telling)),
        Claim("one record speaks for all thirty", named == {f"{name}-prod" for name in CLUSTERS}),
        Claim("every cluster runs the revert", bool(reverts) and set(live) == {reverts[0]}),
        Claim("the bad commit is still in the history", telling.bad in contained),
        *journal_says(telling, "verified"),
    ]


JUDGEMENT_STORIES: tuple[Story, ...] = (
    Story(
        "conflict",
        "Somebody edits the line beside the bad one before the revert lands. Both edits are told apart by key.",
        act=lambda telling: just_before_the_push(telling, "neighbour"),
        ended=lambda telling: telling.is_done("verified"),
        claims=conflict_solved,
        policy=policy(),
    ),
    Story(
        "bot-bumped-again",
        "A bot moves the same tag on before the revert lands. The last good one comes back, and the bump is named.",
        act=lambda telling: just_before_the_push(telling, "bump"),
        ended=lambda telling: telling.is_done("verified"),
        claims=bump_superseded,
        policy=policy(ALLOW_BUMPS),
    ),
    Story(
        "shared-base",
        "A commit to a base that two applications share breaks them. It is found outside of their directories.",
        prepare=share_a_proxy,
        act=failing_base,
        ended=lambda telling: telling.is_done("verified"),
        claims=base_taken_back,
        policy=policy(),
    ),
    Story(
        "two-suspects",
        "Two commits came with one sync. Both are ranked, and both go back: that state ran here, and was quiet.",
        act=two_changes,
        ended=lambda telling: telling.is_done("verified"),
        claims=both_taken_back,
        policy=policy(),
    ),
    Story(
        "one-commit-thirty-clusters",
        "A commit breaks thirty applications, and others stay quiet. That is one incident: one commit puts all back.",
        prepare=many_clusters,
        act=failing_everywhere,
        ended=lambda telling: telling.is_done("verified"),
        claims=one_incident,
        policy=policy_of((*SERVICES, *CLUSTERS)),
        engines=("argocd",),
        services=CLUSTERS,
    ),
)
