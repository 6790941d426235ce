"""Which container images does a file name, which of them change between two contents, and where is one kept?

Images stand as `image: name:tag`, as `repository` and `tag` in Helm values, and as `images` of a kustomization or of
`.argocd-source.yaml`. A name is without tag and digest; `docker.io/library/` is dropped.
Source: distribution/reference grammar and `normalize.go`; kustomize `images`; argo-cd
`ApplicationSourceKustomize.images`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from gitops_rollback.core.differences import Difference, differences
from gitops_rollback.core.manifest import walk
from gitops_rollback.core.manifest_text import Value, documents

UNKNOWN_NAME = ""  # a tag in Helm values whose image is named by the chart
DOCKER_HUB = "docker.io"  # where an image is kept whose name begins with no registry
_VERSION = re.compile(r"v?(?P<numbers>\d+(?:\.\d+)*)(?P<pre>-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?")
_REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[0-9a-fA-F]{32,}")
_LONGEST = 255  # characters of a name with its registry
_CLAUSE = re.compile(r"(?P<sign>>=|<=|==|!=|=|>|<)?\s*(?P<version>\S+)")


@dataclass(frozen=True, order=True)
class Image:
    """`name` is UNKNOWN_NAME where only a tag is known. `version` is the digest where there is one, else the tag."""

    name: str
    version: str

    def __str__(self) -> str:
        sign = "@" if ":" in self.version else ":"
        return f"{self.name or '(image named by the chart)'}{sign}{self.version or 'latest'}"


@dataclass(frozen=True)
class Kept:
    """Where an image is kept: `registry` as images name it, the repository there, and its tag or digest."""

    registry: str
    repository: str
    version: str


class Found(StrEnum):
    """What a registry says of an image. Only an answer of the registry itself makes it MISSING.

    NO_ANSWER may be another one at the next look, UNKNOWN stays until a person changes something.
    """

    PRESENT = "present"
    MISSING = "missing"
    NO_ANSWER = "no answer"
    UNKNOWN = "unknown"
    NOT_ASKED = "not asked"


@dataclass(frozen=True)
class Presence:
    """Whether an image can be had; `message` says why that is not known, or by whom it was said.

    Of a MISSING one: `copies` are the names under which mirrors have it, by digest where they tell that, and `older`
    the earlier versions that are still there, the newest first.
    """

    image: Image
    found: Found
    message: str = ""
    copies: tuple[str, ...] = ()
    older: tuple[str, ...] = ()


@dataclass(frozen=True)
class ImageChange:
    """An image whose version or presence differs; a side without it is ()."""

    name: str
    before: tuple[str, ...]
    after: tuple[str, ...]


def parse_image(reference: str) -> Image:
    """`name:tag`, `name@digest` or `name:tag@digest`; a port of the registry is no tag."""
    name, _, digest = reference.strip().partition("@")
    tag = ""
    if ":" in name.rpartition("/")[2]:
        name, _, tag = name.rpartition(":")
    return Image(_name(name), digest or tag)


def kept_at(image: Image) -> Kept | None:
    """Where the image is kept; None if its name or version is none that a registry could have (a template, say)."""
    first, slash, rest = image.name.partition("/")
    if slash and (first == "localhost" or "." in first or ":" in first):
        registry, repository = first, rest
    else:
        registry, repository = DOCKER_HUB, image.name if slash else f"library/{image.name}"
    version = (_DIGEST if ":" in image.version else _TAG).fullmatch(image.version)
    if len(image.name) > _LONGEST or not version or not _HOST.fullmatch(registry):
        return None
    return Kept(registry.lower(), repository, image.version) if _REPOSITORY.fullmatch(repository) else None


def images_of(content: bytes | str) -> tuple[Image, ...] | None:
    """All images that a file names, sorted, each once; None if it cannot be read for certain."""
    found = documents(content)
    return None if found is None else tuple(sorted(_all_images(found)))


def image_changes(before: bytes | str | None, after: bytes | str | None) -> tuple[ImageChange, ...] | None:
    """The images that differ between two contents of one file (None: absent); None if one cannot be read."""
    left = () if before is None else images_of(before)
    right = () if after is None else images_of(after)
    if left is None or right is None:
        return None
    names = sorted({image.name for image in (*left, *right)})
    found = (ImageChange(name, _versions(left, name), _versions(right, name)) for name in names)
    return tuple(change for change in found if change.before != change.after)


def changed_scalars(before: bytes | str | None, after: bytes | str | None) -> tuple[str, ...] | None:
    """The single values of `before` that are gone or different in `after`; None if one side cannot be read."""
    left = () if before is None else documents(before)
    right = () if after is None else documents(after)
    if left is None or right is None:
        return None
    return tuple(text for one in differences(left, right) for text in _scalars(one))


def satisfies(version: str, constraint: str) -> bool | None:
    """True if `version` meets each comma-separated clause (`>=1.41.1`); None if one of them is no version.

    A pre-release (`1.42.0-rc1`) comes before its release; missing numbers are zero.
    """
    for clause in constraint.split(","):
        match = _CLAUSE.fullmatch(clause.strip())
        wanted = None if match is None else ordered(match["version"])
        actual = ordered(version)
        if match is None or wanted is None or actual is None:
            return None
        if not _holds(match["sign"] or "=", actual, wanted):
            return False
    return True


def _name(name: str) -> str:
    return name.removeprefix("index.").removeprefix("docker.io/").removeprefix("library/")


def _versions(images: Sequence[Image], name: str) -> tuple[str, ...]:
    return tuple(image.version for image in images if image.name == name)


def _all_images(found: Sequence[Value]) -> set[Image]:
    images: set[Image] = set()
    for document in found:
        for path, mapping in walk(document):
            images.update(_images_in(path, mapping))
    return images


def _images_in(path: tuple[str, ...], mapping: Mapping[str, Value]) -> Iterator[Image]:
    reference = mapping.get("image")
    if isinstance(reference, str):
        yield parse_image(reference)
    listed = mapping.get("images")
    if isinstance(listed, tuple):
        yield from (_kustomize_image(one) for one in listed if isinstance(one, (str, dict)))
    tag, repository = mapping.get("tag"), mapping.get("repository")
    if isinstance(tag, str) or (isinstance(repository, str) and path[-1:] == ("image",)):
        yield _values_image(mapping)
    image_tag = mapping.get("imageTag")
    if isinstance(image_tag, str):
        yield Image(UNKNOWN_NAME, image_tag)


def _values_image(mapping: Mapping[str, Value]) -> Image:
    repository, registry = mapping.get("repository"), mapping.get("registry")
    version = mapping.get("digest") or mapping.get("tag")
    name = f"{registry}/{repository}" if isinstance(registry, str) and registry else repository
    return Image(_name(name) if isinstance(name, str) else UNKNOWN_NAME, version if isinstance(version, str) else "")


def _kustomize_image(entry: str | dict[str, Value]) -> Image:
    if isinstance(entry, str):
        return parse_image(entry.rpartition("=")[2])
    name = entry.get("newName") or entry.get("name")
    version = entry.get("digest") or entry.get("newTag")
    return Image(_name(name) if isinstance(name, str) else UNKNOWN_NAME, version if isinstance(version, str) else "")


def _scalars(difference: Difference) -> Iterator[str]:
    stack = [difference.before]
    while stack:
        value = stack.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            stack.extend(value.values())
        elif isinstance(value, tuple):
            stack.extend(value)


def ordered(version: str) -> tuple[tuple[int, ...], bool, tuple[tuple[bool, int, str], ...]] | None:
    """What tells an earlier version from a later one; None if it is no version."""
    match = _VERSION.fullmatch(version) if len(version) <= 128 else None
    if match is None:
        return None
    numbers = tuple(int(number) for number in match["numbers"].split("."))
    while numbers and numbers[-1] == 0:
        numbers = numbers[:-1]
    words = (match["pre"] or "-").removeprefix("-").split(".")
    parts = tuple((not word.isdigit(), int(word) if word.isdigit() else 0, word) for word in words)
    return numbers, match["pre"] is None, parts if match["pre"] else ()


def earlier(versions: Iterable[str], than: str) -> tuple[str, ...]:
    """Those of `versions` that come before `than`, the newest first; () where `than` is no version, as a digest is."""
    limit = ordered(than)
    known = {version: order for version in versions if (order := ordered(version)) is not None}
    found = [version for version, order in known.items() if limit is not None and order < limit]
    return tuple(sorted(found, key=lambda version: known[version], reverse=True))


def _holds(
    sign: str,
    actual: tuple[tuple[int, ...], bool, tuple[tuple[bool, int, str], ...]],
    wanted: tuple[tuple[int, ...], bool, tuple[tuple[bool, int, str], ...]],
) -> bool:
    if sign in ("=", "=="):
        return actual == wanted
    if sign == "!=":
        return actual != wanted
    if sign == ">=":
        return actual >= wanted
    if sign == "<=":
        return actual <= wanted
    return actual > wanted if sign == ">" else actual < wanted
