"""Does a change of a file do nothing but move versions? Such commits are made by machines, and made again.

A version is a scalar whose key says so, or a container image whose name stays. What cannot be read is no bump.
"""

from __future__ import annotations

import re

from gitops_rollback.core.differences import Difference, differences
from gitops_rollback.core.images import parse_image
from gitops_rollback.core.manifest_text import documents

VERSION_KEY = re.compile(r"(?i)(image|digest|revision|targetrevision|(.*[-_.])?(tag|version)|[a-z0-9]*(tag|version))")
IMAGE_KEY = re.compile(r"(?i)(.*[-_.])?image")


def only_versions(before: bytes | None, after: bytes | None) -> bool:
    """True if each difference between the two contents is a version; False too where a side is absent or unreadable."""
    if before is None or after is None:
        return False
    left, right = documents(before), documents(after)
    if left is None or right is None or len(left) != len(right):
        return False
    return all(_is_version(one) for old, new in zip(left, right, strict=True) for one in differences(old, new))


def _is_version(difference: Difference) -> bool:
    key = next((part for part in reversed(difference.path) if not part.startswith("[")), "")
    old, new = difference.before, difference.after
    if not isinstance(old, str) or not isinstance(new, str) or VERSION_KEY.fullmatch(key) is None:
        return False
    return IMAGE_KEY.fullmatch(key) is None or parse_image(old).name == parse_image(new).name
