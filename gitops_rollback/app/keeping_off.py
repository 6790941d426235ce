"""Keeps Argo CD Image Updater at the tag that a plan brings back, by the field that says which tags it may take."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace

from gitops_rollback.app.trees import content_at, edited
from gitops_rollback.core.errors import Reason, RollbackError, StalledError
from gitops_rollback.core.image_holds import ImageHold
from gitops_rollback.core.image_updater import NAME
from gitops_rollback.core.images import Image, ImageChange, image_changes, images_of
from gitops_rollback.core.manifest_fields import FieldFault, set_fields
from gitops_rollback.core.manifest_presence import value_at, with_field, without_field
from gitops_rollback.core.plan import PlanOutcome, Reversal
from gitops_rollback.core.strategy import FileField
from gitops_rollback.ports import ConfigRepo


def kept_off(repo: ConfigRepo, reversal: Reversal, place: FileField) -> Reversal:
    """The same inverse, and it may take no other tag; unchanged, with the reason in `unheld`, where that cannot be."""
    if reversal.outcome is not PlanOutcome.CLEAN or reversal.tree is None:
        return reversal
    tree = reversal.tree
    try:
        found = list(_images(repo, reversal))
        if not found:
            return reversal
        hold = _hold(found, place)
        content = content_at(repo, tree, place.file)
        if content is None:
            raise FieldFault("there is no such file")
        stood = value_at(content, place.field)
        hold = replace(hold, comment=json.dumps(stood[0] if stood else None))
        changed, changes = edited(repo, reversal.base, tree, {place.file: _told(content, place.field, hold.allows)})
    except FieldFault as fault:
        return replace(reversal, unheld=f"{place.file}: {fault}")
    except RollbackError as error:
        return replace(reversal, unheld=error.message)
    if not changes:
        return replace(reversal, outcome=PlanOutcome.EMPTY, tree=changed, changes=changes)
    return replace(reversal, tree=changed, changes=changes, holds=(hold,))


def let_go(hold: ImageHold, content: bytes) -> bytes:
    """The file with what stood there before. Raises: StalledError."""
    try:
        return without_field(content, hold.field) if hold.stood is None else _told(content, hold.field, hold.stood)
    except FieldFault as fault:
        raise StalledError(hold.path, f"{fault}: put it back by hand", Reason.IMAGE_AUTOMATION) from None


def in_git(repo: ConfigRepo, holds: Iterable[ImageHold], head: str) -> dict[str, str]:
    """By the file that names it: the image that has taken the place of what a hold keeps, as people may land one.

    Nothing newer is told while git names what is kept. Raises: as the repository does.
    """
    found: dict[str, str] = {}
    for hold in holds:
        content = content_at(repo, head, hold.source) if hold.by else None
        images = images_of(content) if content is not None else ()
        named = {str(one) for one in images or () if one.name == _name(hold)}
        if len(named) == 1 and hold.kept not in named:
            found[hold.source] = named.pop()
    return found


def _name(hold: ImageHold) -> str:
    return hold.kept.rpartition(":")[0]


def _images(repo: ConfigRepo, reversal: Reversal) -> Iterable[tuple[str, ImageChange]]:
    """The images that the plan changes, with the file of each. Raises: FieldFault where that cannot be told."""
    for change in reversal.changes:
        if change.old_blob is None or change.new_blob is None:
            continue
        found = image_changes(repo.read(change.old_blob), repo.read(change.new_blob))
        if found is None:
            raise FieldFault(f"which images {change.path} changes cannot be told")
        yield from ((change.path, one) for one in found)


def _hold(found: list[tuple[str, ImageChange]], place: FileField) -> ImageHold:
    """Raises: FieldFault where more than one image, or none by its tag, would have to be kept."""
    names = {(one.name, one.before, one.after) for _, one in found}
    path, change = found[0]
    if len(names) > 1 or len(change.before) != 1 or len(change.after) != 1 or not change.name:
        raise FieldFault("the plan changes more than one image, or one without a name, and the field is for one")
    held, kept = Image(change.name, change.before[0]), Image(change.name, change.after[0])
    if ":" in held.version + kept.version or not held.version or not kept.version:
        raise FieldFault(f"{kept} is no tag that it could be kept at")
    return ImageHold(place.file, place.field, "null", str(held), str(kept), NAME, path)


def _told(content: bytes, field: str, value: str) -> bytes:
    """Raises: FieldFault."""
    there = value_at(content, field)
    return set_fields(content, {field: value}) if there else with_field(content, field, value)
