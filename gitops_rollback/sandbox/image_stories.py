"""Stories about images: what a rollback would bring back is gone from its registry."""

from __future__ import annotations

from gitops_rollback.sandbox.stories import NEW_TAG, OLD_TAG, SERVICE, failing_release, nothing_written, waiting
from gitops_rollback.sandbox.story_texts import policy
from gitops_rollback.sandbox.telling import Claim, Story, Telling
from gitops_rollback.sandbox.world import MIRROR, REGISTRY

KEPT = f"shop/{SERVICE}"


def held_and_explained(telling: Telling) -> list[Claim]:
    """Nothing was tried, and the page has the command that would bring the image back."""
    said = " ".join(f"{record['message']} {record.get('remedy', '')}" for record in telling.records())
    said += " ".join(f"{entry['reason']} {entry['message']}" for entry in telling.decisions())
    mirror = telling.world.mirror
    digest = mirror.digest(KEPT, OLD_TAG) if mirror is not None else ""
    warned = [entry["message"] for entry in telling.decisions() if "gone-images" in entry["application"]]
    command = f"crane copy {MIRROR}/{KEPT}@{digest} {REGISTRY}/{KEPT}:{OLD_TAG}"
    return [
        *nothing_written(telling),
        *waiting(telling),
        Claim(f"it says that {OLD_TAG} is gone", "ImageMissing" in said and f"{KEPT}:{OLD_TAG}" in said),
        Claim("it said so before the alarm", any("could not be rolled back since" in one for one in warned)),
        Claim("it says the command that copies it back from the mirror", command in said),
    ]


IMAGE_STORIES: tuple[Story, ...] = (
    Story(
        "image-gone",
        "The image that a rollback needs was cleaned away. Nothing is tried, and the page says how to copy it back.",
        act=failing_release,
        ended=lambda telling: any(one["phase"] == "AwaitingApproval" for one in telling.records()),
        claims=held_and_explained,
        policy=policy(),
        images=(f"{KEPT}:{NEW_TAG}", f"{KEPT}:1.40.0"),
        mirrored=(f"{KEPT}:{OLD_TAG}",),
    ),
)
