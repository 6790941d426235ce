"""The demo's stories: what happens in the world, and what must be true of git and the engine in the end.

A story says nothing about the controller's own words. Its claims are read from the bare repository and from Argo CD.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

from gitops_rollback.sandbox.services import FAILING
from gitops_rollback.sandbox.story_texts import CLAIM, FREEZE, PODS_TRIGGER, SMOKE_TEST, policy
from gitops_rollback.sandbox.telling import Claim, Story, Telling

SERVICE = "checkout-api"
APPLICATION = "checkout-api-prod"
DEPLOYMENT = f"apps/{SERVICE}/deployment.yaml"
OLD_TAG, NEW_TAG = "1.41.0", "1.42.0"
ANY_OF_THEM = "  suspects: {threshold: 0.3}\n"  # three deployments at once: the onset fits all of them
PULL_ALWAYS = "          imagePullPolicy: Always\n          image:"
LONGEST_WAIT_SECONDS = 30.0
LOOK_AGAIN_SECONDS = 0.05
IMAGE = re.compile(rf"shop/{SERVICE}:(\S+)")
PODS_COMPLETE = re.compile(r"\bpods (\d+) of \1 replicas are updated and available")


def release(telling: Telling, tag: str = NEW_TAG, more: Mapping[str, str] | None = None) -> None:
    """A developer lands a release; a webhook tells the engine."""
    text = telling.world.people.read(DEPLOYMENT)
    found = IMAGE.search(text)
    if found is None:
        raise ValueError(f"{DEPLOYMENT} names no image of {SERVICE}")
    files = {DEPLOYMENT: text.replace(found[0], f"shop/{SERVICE}:{tag}"), **(more or {})}
    telling.before = telling.world.people.head()
    now = telling.world.clock.now()
    telling.bad = telling.world.people.push(f"feat(payments): {SERVICE} v{tag}", files, now)
    telling.refresh()


def failing_release(telling: Telling) -> None:
    """A release whose requests fail."""
    telling.world.failing_tags.add(NEW_TAG)
    release(telling)


def until_deployed(telling: Telling, sha: str) -> None:
    """Returns once the engine runs this commit, or does not come to it."""
    until(lambda: telling.live_revision() == sha)


def until_healthy(telling: Telling) -> None:
    """Returns once Argo CD calls it healthy, or does not come to that."""
    until(lambda: bool(telling.live()["status"]["health"]["status"] == "Healthy"))


def until(holds: Callable[[], bool]) -> None:
    """Returns once it holds, or after `LONGEST_WAIT_SECONDS` real seconds."""
    deadline = time.monotonic() + LONGEST_WAIT_SECONDS
    while not holds() and time.monotonic() < deadline:
        time.sleep(LOOK_AGAIN_SECONDS)


# What is claimed


def tree_of(telling: Telling, revision: str, path: str = "") -> str:
    return telling.world.people.git("rev-parse", f"{revision}:{path}", check=False)


def one_revert(telling: Telling) -> list[Claim]:
    """Exactly one commit of ours, a descendant of the bad one, that puts the application back as it was."""
    reverts = telling.reverts()
    people = telling.world.people
    message = people.git("log", "-1", "--format=%B", reverts[0]) if reverts else ""
    path = f"apps/{SERVICE}"
    return [
        Claim("the branch has one commit of the controller", len(reverts) == 1),
        Claim("it names the bad commit", f"This reverts commit {telling.bad}." in message),
        Claim("the bad commit is still in the history", telling.bad in people.git("rev-list", "main").split()),
        Claim(
            f"{path} is as it was before",
            bool(reverts) and tree_of(telling, reverts[0], path) == tree_of(telling, telling.before, path),
        ),
    ]


def healthy_again(telling: Telling, commit: str = "") -> list[Claim]:
    """The engine runs a revision that holds `commit`, by default the newest one of the controller."""
    commit, revision = commit or next(iter(telling.reverts()), ""), telling.live_revision()
    contained = telling.world.people.git("rev-list", revision).split() if revision else []
    applied = commit in contained
    if telling.world.flux is not None:
        return [
            Claim("Flux has applied it", applied),
            Claim("Flux says Ready", telling.world.flux.seen(SERVICE).ready == "True"),
            Claim("all Pods run it", telling.world.flux.rolled_out(SERVICE)),
        ]
    status = telling.live()["status"]
    return [
        Claim("Argo CD has applied it", applied),
        Claim("Argo CD says Synced", status["sync"]["status"] == "Synced"),
        Claim("Argo CD says Healthy", status["health"]["status"] == "Healthy"),
        Claim("no operation is left running", "operation" not in telling.live()),
    ]


def journal_says(telling: Telling, outcome: str) -> list[Claim]:
    outcomes = [record["outcome"] for record in telling.records()]
    return [Claim(f"the journal holds one record, {outcome}", outcomes == [outcome])]


def rolled_back(telling: Telling) -> list[Claim]:
    return [*one_revert(telling), *healthy_again(telling), *journal_says(telling, "verified")]


def looked_up(telling: Telling) -> list[Claim]:
    """The image that came back was looked up, if there is a registry."""
    registry = telling.world.registry
    if registry is None:
        return rolled_back(telling)
    heads = [one.path for one in registry.asked if one.method == "HEAD" and one.authorization]
    text = telling.world.people.read(DEPLOYMENT)
    image = IMAGE.search(text)
    wanted = f"/v2/shop/{SERVICE}/manifests/{image[1]}" if image else ""
    return [*rolled_back(telling), Claim("the registry was asked for the image that came back", wanted in heads)]


def seen_in_pods(telling: Telling) -> list[Claim]:
    """What the Pods did was the only reason, and that good ones run again was seen in Pods, too."""
    people, reverts = telling.world.people, telling.reverts()
    trailer = "--format=%(trailers:key=Rollback-Trigger,valueonly)"
    fired = people.git("log", "-1", trailer, reverts[0]).split() if reverts else []
    found = [record["message"] for record in telling.records()]
    return [
        *rolled_back(telling),
        Claim("the Pods were the reason, and no metric", fired == [PODS_TRIGGER]),
        Claim("the rollout was seen to be complete", any(PODS_COMPLETE.search(message) for message in found)),
    ]


def nothing_written(telling: Telling) -> list[Claim]:
    """The branch holds what people landed, and nothing else."""
    return [
        Claim("the branch has no commit of the controller", not telling.reverts()),
        Claim(
            "the branch's head is what people landed",
            telling.world.people.head() in {telling.bad, *telling.landed.values()},
        ),
    ]


def decided(telling: Telling, reason: str) -> Claim:
    return Claim(f"the journal says why: {reason}", telling.has_decided(reason))


# Acts that need more than a release


def crashing_release(telling: Telling, trouble: str = "crash") -> None:
    """A release whose Pods are in a trouble of `kubernetes.pods`."""
    release(telling, f"{NEW_TAG}-{trouble}")


def add_smoke_test(telling: Telling) -> None:
    kustomization = telling.world.people.read(f"apps/{SERVICE}/kustomization.yaml")
    files = {
        f"apps/{SERVICE}/smoke-test.yaml": SMOKE_TEST,
        f"apps/{SERVICE}/kustomization.yaml": kustomization.rstrip() + "\n  - smoke-test.yaml\n",
    }
    telling.world.people.push("Test checkout-api after each sync", files, telling.world.clock.now())


def hanging_release(telling: Telling) -> None:
    """The smoke test of the bad release never ends, so the engine's operation never does either."""
    telling.world.failing_tags.add(NEW_TAG)
    release(telling, more={f"apps/{SERVICE}/smoke-test.yaml": SMOKE_TEST.replace("/healthz", "/v2/hang")})


def foreign_commit(telling: Telling) -> None:
    """Somebody changes the storefront; then checkout-api fails for a reason of its own."""
    people, now = telling.world.people, telling.world.clock.now()
    telling.before = people.head()
    telling.bad = people.edit(
        "Cache product pages for three minutes", "apps/storefront/deployment.yaml", '"120s"', '"180s"', now
    )
    telling.refresh()
    telling.world.services[SERVICE].behave(FAILING, now)


def silent_release(telling: Telling) -> None:
    release(telling)
    telling.world.services[SERVICE].silent = True


def already_failing(telling: Telling) -> None:
    """The payment provider fails; ten minutes later somebody lands an innocent release."""
    telling.world.failing_tags |= {NEW_TAG, "1.41.0"}
    telling.world.services[SERVICE].behave(FAILING, telling.world.clock.now() - timedelta(minutes=10))
    release(telling)


def raced_release(telling: Telling) -> None:
    """Three times somebody lands a commit just before the controller's push arrives."""
    left = ["one", "two", "three"]

    def race(_repository: Path) -> None:
        if left and telling.bad:
            name = left.pop(0)
            now = telling.world.clock.now()
            telling.landed[name] = telling.world.people.push(f"Write note {name}", {f"notes/{name}.md": name}, now)

    failing_release(telling)
    telling.world.git.before_push = race


def incurable_release(telling: Telling) -> None:
    """Two settings were changed before; the release is not to blame: whatever runs from now on fails."""
    people, now = telling.world.people, telling.world.clock.now()
    people.edit("Log in debug", DEPLOYMENT, "value: info", "value: debug", now)
    telling.landed["pulls"] = people.edit("Pull always", DEPLOYMENT, "          image:", PULL_ALWAYS, now)
    telling.refresh()
    until_deployed(telling, telling.landed["pulls"])
    telling.world.failing_tags |= {NEW_TAG, "1.41.0"}
    release(telling)


def three_plans(telling: Telling) -> list[Claim]:
    """One rollback in vain; the next suspect, the whole range and its reapply wait for a person, and are paged."""
    failed = [record for record in telling.records() if record["outcome"] == "unverified"]
    waiting = {record["id"] for record in telling.records() if record["phase"] == "AwaitingApproval"}
    plans = [plan for record in failed for plan in record["evidence"].get("plans", [])]
    ways = [plan["way"] for plan in plans if plan["rollback"] in waiting]
    return [
        *one_revert(telling),
        Claim("the journal holds one rollback, unverified", len(failed) == 1),
        Claim("three plans wait for a person", ways == ["next-suspect", "whole-range", "reapply"]),
        Claim("nothing but these is open", len(waiting) == 3 and len(telling.records()) == 4),
        decided(telling, "StillBad"),
    ]


def release_with_claim(telling: Telling) -> None:
    telling.world.failing_tags.add(NEW_TAG)
    kustomization = telling.world.people.read(f"apps/{SERVICE}/kustomization.yaml")
    more = {
        f"apps/{SERVICE}/cache.yaml": CLAIM,
        f"apps/{SERVICE}/kustomization.yaml": kustomization.rstrip() + "\n  - cache.yaml\n",
    }
    release(telling, more=more)


def land_again(telling: Telling) -> None:
    """An image updater that was not told puts the bad tag back."""
    people = telling.world.people
    text = people.read(DEPLOYMENT)
    again = IMAGE.sub(f"shop/{SERVICE}:{NEW_TAG}", text)
    bot = "argocd-image-updater <noreply@argoproj.io>"
    telling.landed["again"] = people.push(
        "build: automatic update of checkout-api-prod", {DEPLOYMENT: again}, telling.world.clock.now(), bot
    )
    telling.refresh()


def raced(telling: Telling) -> list[Claim]:
    history = telling.world.people.git("rev-list", "main").split()
    kept = len(telling.landed) == 3 and all(sha in history for sha in telling.landed.values())
    return [*one_revert(telling), *healthy_again(telling), Claim("no commit of the others is lost", kept)]


def came_back(telling: Telling) -> list[Claim]:
    return [
        *one_revert(telling),
        decided(telling, "CameBack"),
        Claim(
            "the returned release was not reverted again", telling.world.people.head() == telling.landed.get("again")
        ),
    ]


STORIES: tuple[Story, ...] = (
    Story(
        "bad-release",
        "A release fails one request in thirteen. It is found, reverted and verified.",
        act=failing_release,
        ended=lambda telling: telling.is_done("verified"),
        claims=looked_up,
        policy=policy(),
        images=(f"shop/{SERVICE}:{OLD_TAG}",),
    ),
    Story(
        "crash-loop",
        "The Pods of a release crash again and again. That is seen in them, before any metric could tell.",
        act=crashing_release,
        ended=lambda telling: telling.is_done("verified"),
        claims=seen_in_pods,
        policy=policy(watch_pods=True),
    ),
    Story(
        "stuck-hook",
        "A sync operation hangs on the bad revision. It is ended first, or the revert would never be applied.",
        prepare=add_smoke_test,
        act=hanging_release,
        ended=lambda telling: telling.is_done("verified"),
        claims=rolled_back,
        policy=policy(),
        engines=("argocd",),
    ),
    Story(
        "foreign-commit",
        "A commit to another application lands just before checkout-api fails. It is not blamed.",
        act=foreign_commit,
        ended=lambda telling: telling.settled(timedelta(minutes=8)),
        claims=lambda telling: [*nothing_written(telling), decided(telling, "NoRecentSync")],
        policy=policy(),
    ),
    Story(
        "no-data",
        "After a release Prometheus has no series of the service. Nothing is done, and a person is told.",
        act=silent_release,
        ended=lambda telling: telling.has_decided("NoData", "TelemetryLost") and telling.paged(),
        claims=lambda telling: [*nothing_written(telling), Claim("a person was paged", telling.paged())],
        policy=policy(),
    ),
    Story(
        "bad-before",
        "The error rate was already high before the sync. The release is not blamed.",
        act=already_failing,
        ended=lambda telling: telling.has_decided("NotOurs"),
        claims=lambda telling: [*nothing_written(telling), decided(telling, "NotOurs")],
        policy=policy(),
    ),
    Story(
        "push-race",
        "Others land commits at the same moment. The revert is decided anew each time, and nobody's work is lost.",
        act=raced_release,
        ended=lambda telling: telling.is_done("verified"),
        claims=raced,
        policy=policy(),
    ),
    Story(
        "still-bad",
        "The rollback does not help. A person is paged with three plans; nothing else is done by itself.",
        act=incurable_release,
        ended=lambda telling: any(record["outcome"] == "unverified" for record in telling.records()),
        claims=three_plans,
        policy=policy(verify_for="4m") + ANY_OF_THEM,
    ),
    Story(
        "asks-first",
        "The bad commit also added a volume claim. Nothing is written; a person gets the finished plan.",
        act=release_with_claim,
        ended=lambda telling: telling.has_decided("Irreversible"),
        claims=lambda telling: [*nothing_written(telling), decided(telling, "Irreversible"), *waiting(telling)],
        policy=policy(),
    ),
    Story(
        "frozen",
        "The policy forbids acting at this hour. Nothing is written; a person gets the finished plan.",
        act=failing_release,
        ended=lambda telling: telling.has_decided("Schedule"),
        claims=lambda telling: [*nothing_written(telling), decided(telling, "Schedule"), *waiting(telling)],
        policy=policy(FREEZE),
    ),
    Story(
        "came-back",
        "After the rollback a bot lands the same release again. It is held, not reverted a second time.",
        act=failing_release,
        ended=lambda telling: telling.is_done("verified"),
        then=land_again,
        ended_again=lambda telling: telling.has_decided("CameBack"),
        claims=came_back,
        policy=policy(),
    ),
)


def waiting(telling: Telling) -> list[Claim]:
    phases = [record["phase"] for record in telling.records()]
    return [Claim("the finished plan waits for a person", phases == ["AwaitingApproval"])]
