"""What Argo CD Image Updater wrote, and what keeps it from writing that again.

Up to 0.18 it is told what to do by annotations of the Application, from 1.0 on by an ImageUpdater.
Source: argocd-image-updater v1.3: pkg/argocd/git.go (the default message), annotations.go; pkg/common/constants.go;
api/v1alpha1/imageupdater_types.go.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from gitops_rollback.core.fields import Object, entries, part, text
from gitops_rollback.core.images import ImageChange, parse_image

KIND = "ImageUpdater"
NAME, MAIL = "argocd-image-updater", "noreply@argoproj.io"  # of its commits, where nobody chose another
PREFIX = "argocd-image-updater.argoproj.io/"
_UPDATES = re.compile(r"^updates image (\S+) tag '([^'\n]*)' to '([^'\n]*)'[ \t]*$", re.MULTILINE)
_INDEX = re.compile(r"\[([^\]]*)\]")
_WRITTEN = re.compile(r"\.argocd-source-.+\.ya?ml")


@dataclass(frozen=True)
class ImageUpdate:
    """One image that it moved on to a tag."""

    image: str
    before: str
    tag: str


@dataclass(frozen=True)
class Managed:
    """An image that an ImageUpdater keeps up to date in git. `place` is the field that says which tags it may take."""

    image: str
    place: str


def managed_by(
    updaters: Iterable[Object], namespace: str, name: str, labels: Mapping[str, str], annotations: Mapping[str, str]
) -> tuple[Managed, ...]:
    """The images of an Application that these objects have written to git. Raises: Unclear for one that is not read."""
    return tuple(one for updater in updaters for one in _managed(updater, namespace, name, labels, annotations))


def _managed(
    updater: Object, namespace: str, name: str, labels: Mapping[str, str], annotations: Mapping[str, str]
) -> Iterator[Managed]:
    spec, metadata = part(updater, "spec"), part(updater, "metadata")
    if (text(spec, "namespace") or text(metadata, "namespace")) != namespace:  # the field went with v1.1
        return
    of = f"of {KIND} {text(metadata, 'namespace')}/{text(metadata, 'name')}"
    for index, reference in enumerate(entries(spec, "applicationRefs")):
        pattern = text(reference, "namePattern").replace("[^", "[!")
        if not fnmatchcase(name, pattern) or not _selects(part(reference, "labelSelectors"), labels):
            continue
        if reference.get("useAnnotations") is True:
            if writes_git(annotations):
                yield from (Managed(image, _annotation(alias)) for alias, image in _listed(annotations))
            continue
        method = text(part(reference, "writeBackConfig"), "method") or text(part(spec, "writeBackConfig"), "method")
        if method.partition(":")[0] != "git":
            continue
        own = entries(reference, "images")
        for one in own or entries(spec, "images"):
            way = f"spec.{f'applicationRefs[{index}].' if own else ''}images[alias={text(one, 'alias')}]"
            field = f"`{way}.commonUpdateSettings.allowTags` {of}"
            yield Managed(parse_image(text(one, "imageName")).name, field)


def _selects(selector: Object, labels: Mapping[str, str]) -> bool:
    """By its plain labels; what else it asks for may hold."""
    return all(labels.get(key) == value for key, value in part(selector, "matchLabels").items())


def _listed(annotations: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """(alias, image) of the list in the annotations; "" where an image has no alias."""
    for one in annotations.get(f"{PREFIX}image-list", "").split(","):
        alias, sign, image = one.strip().partition("=")
        yield (alias, parse_image(image).name) if sign else ("", parse_image(alias).name)


def _annotation(alias: str) -> str:
    return f"`{PREFIX}{alias + '.' if alias else ''}allow-tags` of the Application"


def allowing(tag: str) -> str:
    """What lets it take this tag alone. To ignore the bad one is not enough: it takes the newest that is left."""
    return f"regexp:^{re.escape(tag)}$"


def decided_elsewhere(image: str, field: str, managed: Iterable[Managed]) -> str:
    """The place that says which tags of this image it may take, where that is not `field`; "" where it may be.

    Where no object manages the image, or none could be seen, nobody can tell.
    """
    places = [one.place for one in managed if one.image == image]
    return "" if not places or any(_is_at(place, field) for place in places) else places[0]


def _is_at(place: str, field: str) -> bool:
    way, _, of = place.strip("`").partition("` of ")
    owner, sign, own = field.partition(": ")
    if way.startswith(PREFIX):
        return f'["{way}"]' in field
    named = not sign or owner.rpartition("/")[2] == of.rpartition("/")[2]
    return named and _same_way(way, own if sign else field)


def _same_way(one: str, other: str) -> bool:
    """Two ways to one field. Of an item named by its number and by a key nobody can tell, so that it may be one."""
    if _INDEX.sub("[]", one) != _INDEX.sub("[]", other):
        return False
    pairs = zip(_INDEX.findall(one), _INDEX.findall(other), strict=True)
    return all(mine == theirs or mine.isdecimal() != theirs.isdecimal() for mine, theirs in pairs)


def brought_back(changes: Iterable[ImageChange], managed: Iterable[Managed]) -> tuple[ImageUpdate, ...]:
    """Of the images that a plan takes back, those that are managed, as if it had written what goes."""
    names = {one.image for one in managed}
    return tuple(
        ImageUpdate(one.name, one.after[0], one.before[0])
        for one in changes
        if one.name in names and one.before and one.after
    )


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


def kept_off(updates: Iterable[ImageUpdate], annotations: Mapping[str, str], managed: Iterable[Managed] = ()) -> str:
    """What a person would write for the tags before these to stay; on the Application, or in its ImageUpdater."""
    aliases = {image: alias for alias, image in _listed(annotations)}
    places = {one.image: one.place for one in managed}
    notes = []
    for one in updates:
        name = parse_image(one.image).name
        alias = aliases.get(name, "")
        allowed = allowing(one.before)
        if name in places:
            notes.append(f"`{allowed}` at {places[name]}")
            continue
        notes.append(f"`{PREFIX}{alias + '.' if alias else ''}allow-tags: {allowed}` (`allowTags` of an ImageUpdater)")
    return " and ".join(notes) or f"`{PREFIX}allow-tags` on the Application, or `allowTags` of its ImageUpdater"
