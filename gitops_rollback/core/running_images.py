"""Which images run under one tag, and are not the same? Pure, from Pods as the API gives them.

A tag that was pushed again brings another image with the next Pod, and no commit. An image that was loaded by hand has
no digest of a registry, and says nothing.
Source: Kubernetes API, `status.containerStatuses[].imageID` (`<repository>@<digest>`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gitops_rollback.core.fields import Object, entries, part, text
from gitops_rollback.core.images import Image, parse_image

_KINDS = (("containers", "containerStatuses"), ("initContainers", "initContainerStatuses"))


@dataclass(frozen=True)
class RunningImage:
    """An image as Pods name it, and the digests that run under that name, sorted."""

    image: Image
    digests: tuple[str, ...]

    @property
    def moved(self) -> bool:
        """One tag, and more than one image."""
        return ":" not in self.image.version and len(self.digests) > 1


def running_images(pods: Iterable[Object]) -> tuple[RunningImage, ...]:
    """All images that the Pods run, sorted by name. Raises: Unclear for a Pod that cannot be read."""
    found: dict[Image, set[str]] = {}
    for pod in pods:
        for wanted, seen in _KINDS:
            digests = {text(one, "name"): _digest(one) for one in entries(part(pod, "status"), seen)}
            for container in entries(part(pod, "spec"), wanted):
                digest = digests.get(text(container, "name"), "")
                if digest and text(container, "image"):
                    found.setdefault(parse_image(text(container, "image")), set()).add(digest)
    return tuple(RunningImage(image, tuple(sorted(found[image]))) for image in sorted(found))


def _digest(status: Object) -> str:
    return text(status, "imageID").partition("@")[2]
