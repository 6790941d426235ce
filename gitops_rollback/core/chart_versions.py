"""The `version` of a Helm chart: which comes next, and how it is written without touching another byte.

A version that was published is never published again with other contents, so where a repository publishes its charts
a revert must go forward: the old contents under a new version.
Source: git.md 5.5; Helm's `Chart.yaml` (`version` is SemVer 2).
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from gitops_rollback.core.images import ordered
from gitops_rollback.core.merging.nodes import Mapping, Node, Scalar, Unreadable, read_documents

CHART_FILE = "Chart.yaml"
FIELD = "version"
_SEMVER = re.compile(r"(?P<start>v?\d+\.\d+\.)(?P<patch>\d{1,18})(?:[-+].*)?")
_MARK = "\ufeff"


def is_chart(path: str) -> bool:
    """True for the file that makes a folder a chart."""
    return PurePosixPath(path).name == CHART_FILE


def version_of(content: bytes | None) -> str | None:
    """The version of a chart; None if the file is absent, or does not say it plainly."""
    found = None if content is None else _place(_text(content))
    return None if found is None else found.value


def is_newer(version: str | None, other: str | None) -> bool:
    """True if both are versions, and the first is the higher one."""
    left, right = (None if one is None else ordered(one) for one in (version, other))
    return left is not None and right is not None and left > right


def next_patch(version: str) -> str | None:
    """The patch version behind this one, of a pre-release too: `1.4.2` for `1.4.1` and for `1.4.1-rc.1`."""
    match = _SEMVER.fullmatch(version)
    return None if match is None else f"{match['start']}{int(match['patch']) + 1}"


def with_version(content: bytes, version: str) -> bytes | None:
    """The chart's file with another version, and every other byte as it is; None if that cannot be written."""
    text = _text(content)
    found = _place(text)
    if text is None or found is None or not version:
        return None
    quote = found.style if found.style in ("'", '"') else ""
    edited = f"{text[: found.start]}{quote}{version}{quote}{text[found.end :]}"
    again = _place(edited)
    return edited.encode() if again is not None and again.value == version else None


def _text(content: bytes) -> str | None:
    try:
        return content.decode()
    except UnicodeError:
        return None


def _place(text: str | None) -> Scalar | None:
    """Where the version stands in the text. Marks count characters, but not the byte order mark."""
    if text is None or text.startswith(_MARK):
        return None
    try:
        documents = read_documents(text)
    except Unreadable:
        return None
    root: Node | None = documents[0].root if len(documents) == 1 else None
    entries = root.entries if isinstance(root, Mapping) else ()
    value = next((entry.value for entry in entries if entry.key.value == FIELD), None)
    return value if isinstance(value, Scalar) and not value.block else None
