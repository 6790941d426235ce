"""What would a plan's tool destroy, as far as the two sides of a change show it?

A block, a resource or an object that goes is destroyed by the run that follows, unless it says that it is kept. What a
changed value does, a replacement for one, only the tool's own plan shows; nobody is told that nothing is lost then.
Source: OpenTofu docs, Resource blocks, Configuration syntax; AWS CloudFormation, DeletionPolicy; Crossplane docs,
Managed resources (deletionPolicy, managementPolicies); tofu-controller TerraformSpec.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from gitops_rollback.core.infrastructure import Sides, Tool, is_code, is_definition, is_template, tool_of
from gitops_rollback.core.manifest import ChangeKind, ManifestObject, ObjectChange, at, changes, objects
from gitops_rollback.core.manifest_text import Value, documents
from gitops_rollback.core.paths import is_bystander

MAX_BYTES = 1 << 18  # of a file of code; more is not read, and said
_NOISE = re.compile(
    r'"(?:\\.|[^"\\\n])*"'
    r"|#[^\n]*|//[^\n]*|/\*.*?(?:\*/|\Z)"
    r"|<<[-~]?(?P<word>\w+)[ \t]*\n.*?(?:^[ \t]*(?P=word)[ \t]*$|\Z)",
    re.DOTALL | re.MULTILINE,
)
_BLOCK = re.compile(r'^[ \t]*(resource|module)[ \t]+"?([\w.-]+)"?(?:[ \t]+"?([\w.-]+)"?)?[ \t]*\{', re.MULTILINE)
_INSTANCES = re.compile(r"^[ \t]*(?:count|for_each)[ \t]*=.*$", re.MULTILINE)
_SHORT_TAG = re.compile(r"(?<=[:\-\[,\s])![A-Za-z]+(?:::[A-Za-z]+)*(?=[ \t\n\r\[\"'])")
_KEPT = ("Retain", "RetainExceptOnCreate")


def destroyed(files: Iterable[Sides]) -> tuple[str, ...]:
    """Each thing in words; () where the files show none."""
    listed = tuple(file for file in files if not is_bystander(file.path))
    found = (*_by_code(listed), *_by_templates(listed), *_by_objects(listed))
    return tuple(dict.fromkeys(found))


def _by_code(files: Sequence[Sides]) -> Iterator[str]:
    """Blocks that no file of the same module has any more."""
    before: dict[str, set[str]] = {}
    after: dict[str, set[str]] = {}
    for file in files:
        if not is_code(file.path) or ".tfvars" in file.path or file.path.endswith(".hcl"):
            continue
        sides = [_code(side) for side in (file.before, file.after)]
        if None in sides:
            yield f"{file.path} cannot be read, so what would be destroyed is not known"
            continue
        old, new = (side or "" for side in sides)
        folder = posixpath.dirname(file.path)
        before.setdefault(folder, set()).update(_blocks(old, file.path))
        after.setdefault(folder, set()).update(_blocks(new, file.path))
        if old and new and sorted(_INSTANCES.findall(old)) != sorted(_INSTANCES.findall(new)):
            yield f"instances of what has `count` or `for_each` in {file.path}"
    for folder, blocks in before.items():
        yield from (f"{block} of {folder or '.'}" for block in sorted(blocks - after[folder]))


def _code(content: bytes | None) -> str | None:
    """Without comments and long texts; "" for an absent file, None for one that is not read."""
    if content is None:
        return ""
    try:
        text = content.decode() if len(content) <= MAX_BYTES else None
    except UnicodeDecodeError:
        return None
    return None if text is None else _NOISE.sub(lambda one: one[0] if one[0].startswith('"') else "", text)


def _blocks(text: str, path: str) -> set[str]:
    """`aws_db_instance.orders`, `module.network`."""
    if path.endswith(".json"):
        return set(_json_blocks(text))
    return {_address(kind, first, second) for kind, first, second in _BLOCK.findall(text)}


def _json_blocks(text: str) -> Iterator[str]:
    try:
        found = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return
    for kind in ("resource", "module"):
        listed = found.get(kind) if isinstance(found, dict) else None
        for first, below in listed.items() if isinstance(listed, dict) else ():
            if kind == "module":
                yield _address(kind, first, "")
            else:
                yield from (_address(kind, first, second) for second in (below if isinstance(below, dict) else ()))


def _address(kind: str, first: str, second: str) -> str:
    return f"module.{first}" if kind == "module" else f"{first}.{second}"


def _by_templates(files: Sequence[Sides]) -> Iterator[str]:
    for file in files:
        if not is_template(file):
            continue
        old, new = (_resources(side) for side in (file.before, file.after))
        if old is None or new is None:
            yield f"{file.path} cannot be read, so what would be destroyed is not known"
            continue
        for name, (kind, policy) in old.items():
            if policy in _KEPT:
                continue
            if name not in new:
                yield f"{kind} {name} of {file.path}"
            elif new[name][0] != kind:
                yield f"{kind} {name} of {file.path}, which becomes {new[name][0]}"


def _resources(content: bytes | None) -> Mapping[str, tuple[str, str]] | None:
    """(type, deletion policy) by logical name; None where the template cannot be read for certain."""
    if content is None:
        return {}
    try:
        text = _SHORT_TAG.sub("", content.decode()).replace("{{", "")
    except UnicodeDecodeError:
        return None
    found = documents(text)
    if found is None:
        return None
    listed: list[tuple[str, Value]] = []
    for document in found:
        below = document.get("Resources") if isinstance(document, dict) else None
        listed += below.items() if isinstance(below, dict) else ()
    return {name: (_word(value, "Type"), _word(value, "DeletionPolicy")) for name, value in listed}


def _word(value: Value, key: str) -> str:
    return str(value.get(key) or "") if isinstance(value, dict) else ""


def _by_objects(files: Sequence[Sides]) -> Iterator[str]:
    before = [one for file in files for one in objects(file.before or b"", file.path) or ()]
    after = [one for file in files for one in objects(file.after or b"", file.path) or ()]
    for change in changes(before, after):
        tool = tool_of(change.object)
        if tool is Tool.CONTROLLER:
            yield from _by_controller(change)
        elif tool is Tool.CROSSPLANE and change.kind in (ChangeKind.REMOVED, ChangeKind.RENAMED):
            yield from () if _orphaned(change.object) else (change.object.label,)
        elif tool is Tool.CROSSPLANE and is_definition(change.object):
            yield f"what {change.object.label} makes, where it makes less"


def _by_controller(change: ObjectChange) -> Iterator[str]:
    """A `Terraform` object: its own flags say whether its resources go."""
    gone = change.kind in (ChangeKind.REMOVED, ChangeKind.RENAMED)
    if gone and _is_true(change.object, "destroyResourcesOnDeletion"):
        yield f"all that {change.object.label} manages"
    elif change.after is not None and _is_true(change.after, "destroy") and not _is_true(change.object, "destroy"):
        yield f"all that {change.object.label} manages, by `spec.destroy`"


def _is_true(one: ManifestObject, key: str) -> bool:
    return at(one.document, "spec", key) == "true"


def _orphaned(one: ManifestObject) -> bool:
    """Its resource stays when the object goes."""
    policies = at(one.document, "spec", "managementPolicies")
    if isinstance(policies, tuple) and not {"*", "Delete"} & {str(word) for word in policies}:
        return True
    return at(one.document, "spec", "deletionPolicy") == "Orphan"
