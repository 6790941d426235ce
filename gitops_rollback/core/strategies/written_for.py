"""Was the Job that moves data back written for the release that goes back, or for an earlier one?

A Job of one name runs once, so each release that moves data brings a reverse of its own. One that nobody has touched
since data was moved before takes back that earlier release, which is a step further than the old code can read.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from gitops_rollback.core.images import parse_image
from gitops_rollback.core.manifest import KUSTOMIZATION_NAMES, ManifestObject, at, objects, view, walk
from gitops_rollback.core.manifest_text import Value
from gitops_rollback.core.policy import JobStep, Workload

_CONFIG_MAPS = frozenset({"configMap", "configMapRef", "configMapKeyRef"})

ReadFile = Callable[[str], bytes | None]


class For(StrEnum):
    """Whom a reverse was written for."""

    THIS = "this release"
    EARLIER = "an earlier one"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class JobText:
    """What a Job says that it runs. `varies`: other files decide that as well."""

    runs: Value
    varies: bool


def job_text(read: ReadFile, step: JobStep) -> JobText | None:
    """The Job as its file has it: the one whose field lets it run, or the one that the field names; None if unseen."""
    found = next((one for path in _places(step) for one in _jobs(read(path), path, step.job)), None)
    if found is None:
        return None
    return JobText(found.document.get("spec"), _mounts(found) or _has_its_image_set(found, read, step))


def written_for(now: JobText | None, before: JobText | None, moved_before: bool | None) -> For:
    """`before` is the Job as it was when the release before had moved data; None where there was none.

    `moved_before` False: no release before did so, None: nobody knows.
    """
    if now is None:
        return For.UNKNOWN
    if before is None or before.runs != now.runs or moved_before is False:
        return For.THIS
    return For.EARLIER if moved_before and not now.varies else For.UNKNOWN


def _places(step: JobStep) -> tuple[str, ...]:
    folder = posixpath.dirname(step.edits.file)
    named = (posixpath.normpath(posixpath.join(folder, step.to)),) if isinstance(step.to, str) else ()
    return (step.edits.file, *named)


def _jobs(content: bytes | None, path: str, job: Workload) -> tuple[ManifestObject, ...]:
    found = (objects(content, path) if content is not None else None) or ()
    same = (one for one in found if (one.kind, one.name) == (job.kind, job.name))
    return tuple(one for one in same if one.namespace in ("", job.namespace))


def _mounts(job: ManifestObject) -> bool:
    """It reads ConfigMaps, and these may hold what it does."""
    return any(_CONFIG_MAPS & one.keys() for _, one in walk(dict(job.document)))


def _has_its_image_set(job: ManifestObject, read: ReadFile, step: JobStep) -> bool:
    """A kustomization beside it says which version of its image runs."""
    images = {parse_image(str(one["image"])).name for _, one in walk(dict(job.document)) if "image" in one}
    folder = posixpath.dirname(step.edits.file)
    return any(images & _set_images(read(posixpath.join(folder, name)), name) for name in sorted(KUSTOMIZATION_NAMES))


def _set_images(content: bytes | None, path: str) -> frozenset[str]:
    """The images whose version or name a kustomization sets."""
    seen = view(path, content)
    listed = [at(one, "images") for one in seen.plain if isinstance(one, dict)] if seen else []
    entries = [one for images in listed if isinstance(images, tuple) for one in images if isinstance(one, dict)]
    return frozenset(parse_image(str(one.get("name"))).name for one in entries)
