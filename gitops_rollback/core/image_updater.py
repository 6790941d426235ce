"""What Argo CD Image Updater wrote, and what keeps it from writing that again.

Source: argocd-image-updater v1.3: pkg/argocd/git.go (the default message), annotations.go; pkg/common/constants.go.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

PREFIX = "argocd-image-updater.argoproj.io/"
_UPDATES = re.compile(r"^updates image (\S+) tag '([^'\n]*)' to '([^'\n]*)'[ \t]*$", re.MULTILINE)
_WRITTEN = re.compile(r"\.argocd-source-.+\.ya?ml")


@dataclass(frozen=True)
class ImageUpdate:
    """One image that it moved on to a tag."""

    image: str
    before: str
    tag: str


def updates_of(message: str) -> tuple[ImageUpdate, ...]:
    """Those that the message of a commit tells of, in its usual words; () for any other commit."""
    return tuple(ImageUpdate(*found) for found in _UPDATES.findall(message))


def writes_into(paths: Iterable[str]) -> str:
    """The first of `paths` that only it writes; "" if there is none."""
    return next((path for path in paths if _WRITTEN.fullmatch(posixpath.basename(path))), "")


def writes_git(annotations: Mapping[str, str]) -> bool:
    """The Application has it write to git, by its annotations."""
    method = annotations.get(f"{PREFIX}write-back-method", "")
    return bool(annotations.get(f"{PREFIX}image-list")) and method.partition(":")[0] == "git"


def kept_off(updates: Iterable[ImageUpdate], annotations: Mapping[str, str]) -> str:
    """What a person would write for the tags before these to stay; on the Application, or in its ImageUpdater.

    To ignore the bad tag alone is not enough: then it takes the newest one that is left.
    """
    listed = [one.strip().partition("=") for one in annotations.get(f"{PREFIX}image-list", "").split(",")]
    aliases = {image.rpartition(":")[0] or image: alias for alias, sign, image in listed if sign}
    notes = []
    for one in updates:
        alias = aliases.get(one.image, "")
        allowed = f"regexp:^{re.escape(one.before)}$"
        notes.append(f"`{PREFIX}{alias + '.' if alias else ''}allow-tags: {allowed}` (`allowTags` of an ImageUpdater)")
    return " and ".join(notes) or f"`{PREFIX}allow-tags` on the Application, or `allowTags` of its ImageUpdater"
