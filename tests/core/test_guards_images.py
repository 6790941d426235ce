"""Is an image that comes back still there? Which ones are looked up, and what the answers mean for a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from plan_facts import DEPLOYMENT, a_file, a_policy, facts, live

from gitops_rollback.core.errors import Reason
from gitops_rollback.core.guards.images import coming_back, judge_images
from gitops_rollback.core.guards.rules import judge_rule
from gitops_rollback.core.images import Found, Image, Kept, Presence, kept_at, parse_image
from gitops_rollback.core.policy import GuardResult, GuardRule

OLD = "registry.example/checkout:1.41.2"
ALLOW, ASK, DENY, NOT_EVALUATED = GuardResult.ALLOW, GuardResult.ASK, GuardResult.DENY, GuardResult.NOT_EVALUATED
RULE = GuardRule("image-exists", "image", DENY)


def presence(found: Found, reference: str = OLD, message: str = "") -> Presence:
    return Presence(parse_image(reference), found, message)


THERE, GONE = presence(Found.PRESENT), presence(Found.MISSING)
SILENT = presence(Found.NO_ANSWER, "ghcr.io/a/b:1", "no answer within 5 s")
ELSEWHERE = presence(Found.NOT_ASKED, "ecr.example/a:1", "the settings name no registry ecr.example")
COPIED = replace(GONE, copies=("mirror.example/shop/web@sha256:" + "a" * 64,))
LEFT = replace(GONE, older=("1.40.0", "1.39.2"))
ANSWERS: dict[str, tuple[tuple[Presence, ...] | None, GuardResult, Reason | None, str]] = {
    "all-there": ((THERE,), ALLOW, None, OLD),
    "none-comes-back": ((), ALLOW, None, "no image comes back"),
    "one-gone": ((THERE, GONE), ASK, Reason.IMAGE_MISSING, f"gone: {OLD}"),
    "gone-outweighs-silence": ((SILENT, GONE), ASK, Reason.IMAGE_MISSING, OLD),
    "no-answer": ((THERE, SILENT), ASK, Reason.IMAGE_UNKNOWN, "ghcr.io/a/b:1 (no answer within 5 s)"),
    "silence-outweighs-not-asked": ((ELSEWHERE, SILENT), ASK, Reason.IMAGE_UNKNOWN, "ghcr.io"),
    "of-no-registry-of-ours": ((THERE, ELSEWHERE), NOT_EVALUATED, None, "name no registry ecr.example"),
    "refused": ((presence(Found.UNKNOWN, OLD, "refused"),), ASK, Reason.IMAGE_UNKNOWN, f"{OLD} (refused)"),
    "files-unseen": (None, ASK, Reason.IMAGE_UNKNOWN, "cannot be seen"),
    "mirrored": ((COPIED,), ASK, Reason.IMAGE_MISSING, f"gone: {OLD}"),
    "many-gone": ((GONE,) * 5, ASK, Reason.IMAGE_MISSING, "and 2 more"),
}


@pytest.mark.parametrize(("images", "result", "reason", "words"), ANSWERS.values(), ids=ANSWERS)
def test_a_plan_waits_for_an_image_that_is_not_known_to_be_there(
    images: tuple[Presence, ...] | None, result: GuardResult, reason: Reason | None, words: str
) -> None:
    found = judge_images(facts(images=images))
    assert (found.guard, found.result, found.reason) == ("image", result, reason)
    assert words in found.message
    assert bool(found.remedy) == (reason is not None)


def test_what_a_person_can_do_is_said_for_what_is_gone() -> None:
    """The very command where a mirror has all of it; else what is still there."""
    command = f"`crane copy {COPIED.copies[0]} {OLD}`"
    assert command in judge_images(facts(images=(COPIED, THERE))).remedy
    mixed = judge_images(facts(images=(COPIED, LEFT))).remedy
    assert "crane" not in mixed
    assert "registry.example/checkout:1.40.0, registry.example/checkout:1.39.2" in mixed
    assert "earlier versions" not in judge_images(facts(images=(GONE,))).remedy


def test_without_a_registry_nothing_is_looked_up_and_that_is_said() -> None:
    given = facts(asks_registries=False, images=None)
    found = judge_images(given)
    assert (found.result, found.reason) == (NOT_EVALUATED, None)
    assert "name no registry" in found.message
    assert judge_rule(given, RULE).result is NOT_EVALUATED


def test_a_rule_of_the_policy_denies_what_is_gone_and_asks_about_what_nobody_could_tell() -> None:
    strict = a_policy(RULE)
    assert judge_images(facts(images=(GONE,), policy=strict)).result is DENY
    assert judge_images(facts(images=(SILENT,), policy=strict)).result is ASK
    assert "by the guard `image`" in judge_rule(facts(images=(GONE,), policy=strict), RULE).message


def running(image: str) -> Mapping[str, object]:
    return {"kind": "Deployment", "spec": {"template": {"spec": {"containers": [{"name": "a", "image": image}]}}}}


KUSTOMIZED = "images: [{name: web, newName: ghcr.io/a/web, newTag: '%s'}]"
BACK: dict[str, tuple[str | None, str | None, str, str, tuple[str, ...] | None]] = {
    "a-tag": (DEPLOYMENT, DEPLOYMENT.replace("1.42.0", "1.41.2"), "a.yaml", "", (OLD,)),
    "what-runs-already": (DEPLOYMENT, DEPLOYMENT.replace("1.42.0", "1.41.2"), "a.yaml", OLD, ()),
    "nothing-of-an-image": (DEPLOYMENT, DEPLOYMENT.replace("replicas: 3", "replicas: 4"), "a.yaml", "", ()),
    "a-file-that-goes": (DEPLOYMENT, None, "a.yaml", "", ()),
    "a-file-that-comes-back": (None, DEPLOYMENT, "a.yaml", "", ("registry.example/checkout:1.42.0",)),
    "a-kustomization": (KUSTOMIZED % 2, KUSTOMIZED % 1, "kustomization.yaml", "", ("ghcr.io/a/web:1",)),
    "a-tag-of-what-runs": (
        "image: {tag: '2'}",
        "image: {tag: '1'}",
        "values.yaml",
        "ghcr.io/a/b:2",
        ("ghcr.io/a/b:1",),
    ),
    "a-tag-of-nothing-known": ("image: {tag: '2'}", "image: {tag: '1'}", "values.yaml", "c:3", (":1",)),
    "a-file-that-cannot-be-read": (DEPLOYMENT, "{{ x", "a.yaml", "", None),
    "no-manifest": ("image: a:2", "{{ x", "README.md", "", ()),
}


@pytest.mark.parametrize(("before", "after", "path", "live_image", "wanted"), BACK.values(), ids=BACK)
def test_what_the_plan_newly_names_and_nothing_runs_is_looked_up(
    before: str | None, after: str | None, path: str, live_image: str, wanted: tuple[str, ...] | None
) -> None:
    objects = (live(dict(running(live_image))),) if live_image else None
    found = coming_back((a_file(before, after, path),), objects)
    assert (found and tuple(f"{one.name}:{one.version}" for one in found)) == (wanted or found)
    assert (found is None) == (wanted is None)


DIGEST = f"sha256:{'a' * 64}"
PLACES: dict[str, Kept | None] = {
    "nginx:1": Kept("docker.io", "library/nginx", "1"),
    "docker.io/library/nginx:1": Kept("docker.io", "library/nginx", "1"),
    "index.docker.io/a/b:1": Kept("docker.io", "a/b", "1"),
    "a/b:1": Kept("docker.io", "a/b", "1"),
    "ghcr.io/a/b/c:v1.2-rc.3": Kept("ghcr.io", "a/b/c", "v1.2-rc.3"),
    "localhost/a:1": Kept("localhost", "a", "1"),
    "localhost:5000/a:1": Kept("localhost:5000", "a", "1"),
    "GHCR.io/a:1": Kept("ghcr.io", "a", "1"),
    "[::1]:5000/a:1": Kept("[::1]:5000", "a", "1"),
    f"ghcr.io/a@{DIGEST}": Kept("ghcr.io", "a", DIGEST),
    f"ghcr.io/a:1@{DIGEST}": Kept("ghcr.io", "a", DIGEST),
    "ghcr.io/a": None,
    "ghcr.io/A:1": None,
    "ghcr.io/a/../b:1": None,
    "ghcr.io//b:1": None,
    "ghcr.io/a:$(TAG)": None,
    "user@ghcr.io/a:1": None,
    "ghcr.io/a@sha256:abc": None,
    "${REGISTRY}/a:1": None,
    f"ghcr.io/{'a' * 250}:1": None,
    "": None,
}


@pytest.mark.parametrize(("reference", "kept"), PLACES.items(), ids=[name[:40] for name in PLACES])
def test_where_an_image_is_kept(reference: str, kept: Kept | None) -> None:
    assert kept_at(parse_image(reference)) == kept


def test_an_image_is_told_as_people_write_it() -> None:
    assert str(parse_image(f"ghcr.io/a:1@{DIGEST}")) == f"ghcr.io/a@{DIGEST}"
    assert str(Image("nginx", "")) == "nginx:latest"
