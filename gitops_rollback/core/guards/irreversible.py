"""Does the plan only change objects of kinds that can go back and forth? Everything else asks.

Objects are judged as they stand in git. A file whose objects cannot be seen counts as one that cannot go back.
Source: safety.md, Irreversible.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterator

from gitops_rollback.core.differences import Difference, differences
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.guards.facts import ChangedFile, GuardFacts, allow, ask
from gitops_rollback.core.how_many import how_many
from gitops_rollback.core.kinds import why_not
from gitops_rollback.core.manifest import FileView, ManifestObject, changes, view
from gitops_rollback.core.paths import is_bystander
from gitops_rollback.core.plan import GuardAnswer
from gitops_rollback.core.values import chart_risk, is_json_patch, kustomization_risk, risk

GUARD = "irreversible"
REMEDY = "look at the plan; approve it if these objects can go back, or fix forward"
SHOWN = 3

_READABLE = (".yaml", ".yml", ".json")
_SECRET_CONTENT = re.compile(
    rb"\A\0GITCRYPT\0|\A\$ANSIBLE_VAULT;|\Aage-encryption\.org/|-----BEGIN (?:AGE|PGP|[A-Z ]*PRIVATE KEY)"
    rb"|\bENC\[AES256_GCM,|^[ \t]*+\"?sops\"?[ \t]*:",
    re.MULTILINE,
)
_SECRET_NAME = re.compile(
    r"(?i)(?:^|/)(?:[^/]*secrets?[^/]*|\.env[^/]*|[^/]*\.(?:enc|sops|pem|key|p12|jks|gpg|age)(?:\.[^/]*)?)$"
)


def judge_irreversible(facts: GuardFacts) -> GuardAnswer:
    """Allow a plan that changes reversible objects and single values only; else ask, with what stands in the way."""
    if facts.files is None:
        return ask(GUARD, Reason.IRREVERSIBLE, "the plan's files could not be read", REMEDY)
    why = list(dict.fromkeys(_objections(facts, facts.files)))
    if not why:
        return allow(GUARD, f"{how_many(len(facts.files), 'file')}: all that changes can go back and forth")
    more = f" and {len(why) - SHOWN} more" if len(why) > SHOWN else ""
    return ask(GUARD, Reason.IRREVERSIBLE, "; ".join(why[:SHOWN]) + more, REMEDY)


def _objections(facts: GuardFacts, files: tuple[ChangedFile, ...]) -> Iterator[str]:
    missing = set(facts.reversal.paths) - {changed.path for changed in files}
    if missing:
        yield f"{min(missing)} could not be read"
    before: list[ManifestObject] = []
    after: list[ManifestObject] = []
    in_plan = frozenset(changed.path for changed in files if changed.before is None or changed.after is None)
    for changed in files:
        if is_bystander(changed.path):
            continue
        views = _views(changed)
        if isinstance(views, str):
            yield views
            continue
        before.extend(views[0].objects)
        after.extend(views[1].objects)
        yield from _plain_objections(*views, in_plan)
    created = _created(facts)
    for change in changes(before, after):
        why = why_not(change, created, facts.extra_kinds)
        if why:
            yield why


def _views(changed: ChangedFile) -> tuple[FileView, FileView] | str:
    """Both sides of a file, or why they are not seen."""
    if changed.unread:
        return f"{changed.path}: {changed.unread}"
    if _SECRET_NAME.search(changed.path) or any(
        side is not None and _SECRET_CONTENT.search(side) for side in (changed.before, changed.after)
    ):
        return f"{changed.path} holds secrets"
    name = posixpath.basename(changed.path)
    if not name.endswith(_READABLE) and name != "Kustomization":
        return f"{changed.path} is no manifest: what it renders is not seen"
    left, right = view(changed.path, changed.before), view(changed.path, changed.after)
    if left is None or right is None:
        return f"{changed.path} is a template or cannot be read: what it renders is not seen"
    return left, right


def _plain_objections(before: FileView, after: FileView, in_plan: Collection[str]) -> Iterator[str]:
    path = before.path
    if before.plain != after.plain and any(is_json_patch(document) for document in (*before.plain, *after.plain)):
        yield f"{path} is a patch of an object that is not seen"
    elif len(before.plain) != len(after.plain):
        yield f"{path} holds values that would come or go as a whole"
    else:
        for old, new in zip(before.plain, after.plain, strict=True):
            for one in differences(old, new):
                why = _risk(before, one, in_plan)
                if why:
                    yield f"{path}: {why}"


def _risk(file: FileView, difference: Difference, in_plan: Collection[str]) -> str:
    if file.is_kustomization:
        return kustomization_risk(difference, posixpath.dirname(file.path), in_plan)
    return chart_risk(difference) if file.is_chart else risk(difference)


def _created(facts: GuardFacts) -> frozenset[str] | None:
    """Keys of the objects that the culprits' own changes brought into being; None if that cannot be told.

    The files come newest first, so the last one of a path shows what stood there before the oldest culprit.
    """
    if facts.culprit_files is None:
        return None
    before: dict[str, FileView] = {}
    after: set[str] = set()
    for changed in facts.culprit_files:
        if is_bystander(changed.path):
            continue
        left, right = view(changed.path, changed.before), view(changed.path, changed.after)
        if changed.unread or left is None or right is None:
            return None
        before[changed.path] = left
        after.update(found.key for found in right.objects)
    return frozenset(after) - {found.key for file in before.values() for found in file.objects}
