"""Stories about branches that something else writes: a rollback there lasts only where that reads it, too."""

from __future__ import annotations

from gitops_rollback.sandbox.argocd import AppSpec
from gitops_rollback.sandbox.stories import (
    APPLICATION,
    DEPLOYMENT,
    IMAGE,
    NEW_TAG,
    OLD_TAG,
    SERVICE,
    healthy_again,
    journal_says,
    release,
)
from gitops_rollback.sandbox.story_texts import policy
from gitops_rollback.sandbox.telling import Claim, Story, Telling
from gitops_rollback.sandbox.world import NAMESPACE

STAGING = f"staging/{SERVICE}/deployment.yaml"
PROMOTER = "promoter[bot] <promoter@shop.example>"
RENDERED = "environments/prod"
MANIFEST = f"{SERVICE}/manifest.yaml"
HYDRATED = AppSpec(
    APPLICATION, path=SERVICE, dry_path=f"apps/{SERVICE}", target_revision=RENDERED, destination_namespace=NAMESPACE
)
OTHERS = tuple(
    AppSpec(f"{name}-prod", path=f"apps/{name}", destination_namespace=NAMESPACE)
    for name in ("ledger-api", "storefront")
)
HYDRATES = "  promotion: {type: hydrate}\n"
PATIENT = "30m"  # a hydrator takes its time
COPIES = "  promotion: {type: copy, from: {paths: [staging/]}}\n"


def staged(telling: Telling) -> None:
    """What runs in production stands in staging, too."""
    world = telling.world
    world.people.push("Add staging", {STAGING: world.people.read(DEPLOYMENT)}, world.clock.now())


def promote(telling: Telling) -> str:
    """The promoter makes production what staging is; the commit, "" where it is that already."""
    people, text = telling.world.people, telling.world.people.read(STAGING)
    if text == people.read(DEPLOYMENT):
        return ""
    sha = people.push(f"Promote {SERVICE} to production", {DEPLOYMENT: text}, telling.world.clock.now(), PROMOTER)
    telling.refresh()
    return sha


def promoted(telling: Telling) -> None:
    """A release that fails in production only comes there through staging."""
    world, people = telling.world, telling.world.people
    world.failing_tags.add(NEW_TAG)
    text = people.read(STAGING)
    found = IMAGE.search(text)
    new = text.replace(found[0], f"shop/{SERVICE}:{NEW_TAG}") if found else text
    telling.landed["staging"] = people.push(f"Try {SERVICE} v{NEW_TAG}", {STAGING: new}, world.clock.now())
    telling.before = people.head()
    telling.bad = promote(telling)


def promoted_again(telling: Telling) -> None:
    telling.landed["again"] = promote(telling)


def taken_back_twice(telling: Telling) -> list[Claim]:
    """Both of them under one id, and the promoter finds nothing to promote."""
    people, ours = telling.world.people, list(reversed(telling.reverts()))
    bodies = [people.git("log", "-1", "--format=%B", sha) for sha in ours]
    names = {people.git("log", "-1", "--format=%(trailers:key=Rollback-Id,valueonly)", sha) for sha in ours}
    bad = [telling.bad, telling.landed["staging"]]
    said = [f"This reverts commit {sha}." in body for sha, body in zip(bad, bodies, strict=False)]
    return [
        Claim("two commits of one rollback: production first, then staging", len(ours) == 2 and len(names) == 1),
        Claim("each names the commit that it takes back", said == [True, True]),
        *(Claim(f"{path} has {OLD_TAG} again", f":{OLD_TAG}" in people.read(path)) for path in (DEPLOYMENT, STAGING)),
        Claim("the promoter, who looks again, has nothing to promote", telling.landed["again"] == ""),
        *healthy_again(telling, next(iter(ours), "")),
        *journal_says(telling, "verified"),
    ]


def hydrated_release(telling: Telling) -> None:
    """A release lands where the hydrator reads, and fails once that is rendered."""
    telling.world.failing_tags.add(NEW_TAG)
    before = telling.world.followed.head()
    release(telling)
    telling.landed["dry"] = telling.bad
    telling.before, telling.bad = before, telling.world.followed.head()


def next_release(telling: Telling) -> None:
    """Somebody changes something else where the hydrator reads, and it renders all of it again."""
    people, path = telling.world.people, f"apps/{SERVICE}/deployment.yaml"
    text = people.read(path).replace("replicas: 3", "replicas: 4")
    telling.landed["next"] = people.push("Run four of it", {path: text}, telling.world.clock.now())
    telling.refresh()


def lasts(telling: Telling) -> list[Claim]:
    """Quick on the rendered branch, lasting on the dry one, and what is rendered afterwards has the old image."""
    people, world, ours = telling.world.people, telling.world, list(reversed(telling.reverts()))
    quick = ours[0] if ours else ""
    log = people.git("log", "--format=%H %cn", f"{telling.landed['dry']}..main").splitlines()
    dry = [line.split()[0] for line in log if line.endswith(" gitops-rollback")]
    body = people.git("log", "-1", "--format=%B", dry[0]) if dry else ""
    ids = {people.git("log", "-1", "--format=%(trailers:key=Rollback-Id,valueonly)", sha) for sha in (*ours, *dry)}
    rendered = world.followed.read(MANIFEST)
    return [
        Claim(f"one commit on {RENDERED}, and one on main", (len(ours), len(dry)) == (1, 1)),
        Claim("they are of one rollback", len(ids) == 1),
        Claim("the one on main names the release", f"This reverts commit {telling.landed['dry']}." in body),
        Claim(f"{DEPLOYMENT} has {OLD_TAG} again", f":{OLD_TAG}" in people.read(DEPLOYMENT)),
        Claim("the next commit was rendered with it", f":{OLD_TAG}" in rendered and "replicas: 4" in rendered),
        *healthy_again(telling, quick),
        *journal_says(telling, "verified"),
    ]


WRITER_STORIES: tuple[Story, ...] = (
    Story(
        "promotion",
        "A release is promoted from staging, and fails. It is taken back in production at once, and then in staging.",
        prepare=staged,
        act=promoted,
        ended=lambda telling: telling.is_done("verified"),
        then=promoted_again,
        ended_again=lambda _telling: True,
        claims=taken_back_twice,
        policy=policy(COPIES, PATIENT),
        engines=("argocd",),
    ),
    Story(
        "hydrator",
        "A hydrator renders main. What it rendered goes back at once, and the release on main as well: so it lasts.",
        act=hydrated_release,
        ended=lambda telling: telling.is_done("verified"),
        then=next_release,
        ended_again=lambda telling: "replicas: 4" in telling.world.followed.read(MANIFEST),
        claims=lasts,
        policy=policy(HYDRATES, PATIENT),
        applications=(HYDRATED, *OTHERS),
        engines=("argocd",),
    ),
)
