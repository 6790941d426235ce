"""Stories about images: what a rollback would bring back is gone from its registry."""

from __future__ import annotations

from gitops_rollback.sandbox.services import FAILING
from gitops_rollback.sandbox.stories import (
    NEW_TAG,
    OLD_TAG,
    SERVICE,
    nothing_written,
    release,
    until,
    until_deployed,
    waiting,
)
from gitops_rollback.sandbox.story_texts import policy
from gitops_rollback.sandbox.telling import Claim, Story, Telling
from gitops_rollback.sandbox.world import MIRROR, REGISTRY

KEPT = f"shop/{SERVICE}"


def failing_once_told(telling: Telling) -> None:
    """A release fails, and not before people were told that it could not be rolled back."""
    release(telling)
    until_deployed(telling, telling.bad)
    until(lambda: bool(warnings(telling)))
    telling.world.services[SERVICE].behave(FAILING, telling.world.clock.now())


def warnings(telling: Telling) -> list[str]:
    told = [entry["message"] for entry in telling.decisions() if "gone-images" in entry["application"]]
    return [one for one in told if "could not be rolled back since" in one]


def held_and_explained(telling: Telling) -> list[Claim]:
    """Nothing was tried, and the page has the command that would bring the image back."""
    said = " ".join(f"{record['message']} {record.get('remedy', '')}" for record in telling.records())
    said += " ".join(f"{entry['reason']} {entry['message']}" for entry in telling.decisions())
    mirror = telling.world.mirror
    digest = mirror.digest(KEPT, OLD_TAG) if mirror is not None else ""
    command = f"crane copy {MIRROR}/{KEPT}@{digest} {REGISTRY}/{KEPT}:{OLD_TAG}"
    return [
        *nothing_written(telling),
        *waiting(telling),
        Claim(f"it says that {OLD_TAG} is gone", "ImageMissing" in said and f"{KEPT}:{OLD_TAG}" in said),
        Claim("it said so before the alarm", bool(warnings(telling))),
        Claim("it says the command that copies it back from the mirror", command in said),
    ]


IMAGE_STORIES: tuple[Story, ...] = (
    Story(
        "image-gone",
        "The image that a rollback needs was cleaned away. Nothing is tried, and the page says how to copy it back.",
        act=failing_once_told,
        ended=lambda telling: any(one["phase"] == "AwaitingApproval" for one in telling.records()),
        claims=held_and_explained,
        policy=policy(),
        images=(f"{KEPT}:{NEW_TAG}", f"{KEPT}:1.40.0"),
        mirrored=(f"{KEPT}:{OLD_TAG}",),
    ),
)
