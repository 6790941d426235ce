"""Who wrote which field? `metadata.managedFields` as far as server-side apply needs it, and apply itself.

Fields are paths of FieldsV1 words: `f:spec`, `k:{"name":"shop"}`, `v:"finalizers.fluxcd.io"`.
Source: sigs.k8s.io/structured-merge-diff; of its marks for a map or an item itself (`.`) none is kept.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from gitops_rollback.sandbox.kubernetes.answers import apply_conflict
from gitops_rollback.sandbox.kubernetes.lists import SETS, as_object, key_of_list, merged_by_key
from gitops_rollback.sandbox.rendering import Json

Path = tuple[str, ...]
NOBODYS = frozenset(
    {
        *("name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "managedFields"),
        *("generateName", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds"),
    }
)


@dataclass(frozen=True)
class Owner:
    """Who writes, and how: one entry of managedFields."""

    manager: str
    operation: str  # Update or Apply
    subresource: str
    api_version: str

    def words(self) -> str:
        """As a conflict names it."""
        return f'"{self.manager}"' + (f" using {self.api_version}" if self.operation == "Update" else "")

    def key(self) -> tuple[str, str, str]:
        """Entries are one per this."""
        return self.manager, self.operation, self.subresource


@dataclass(frozen=True)
class Owned:
    """An owner with its fields."""

    owner: Owner
    time: str
    fields: frozenset[Path]


def leaves(value: Json, custom: bool) -> dict[Path, Any]:
    """Every field of an object that has an owner, with its value."""
    body = {key: inner for key, inner in value.items() if key not in ("apiVersion", "kind", "metadata")}
    metadata = {key: inner for key, inner in as_object(value.get("metadata")).items() if key not in NOBODYS}
    found: dict[Path, Any] = {}
    _walk({"metadata": metadata, **body} if metadata else body, (), custom, found)
    return found


def _walk(value: Json, at: Path, custom: bool, found: dict[Path, Any]) -> None:
    for name, inner in value.items():
        here = (*at, f"f:{name}")
        key = key_of_list(name, inner, custom)
        if isinstance(inner, dict) and inner:
            _walk(inner, here, custom, found)
        elif key and inner:
            for item in inner:
                _walk(item, (*here, f"k:{_json({key: item[key]})}"), custom, found)
        elif name in SETS and inner:
            found |= {(*here, f"v:{_json(item)}"): item for item in inner}
        else:
            found[here] = inner


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


def read(entries: Iterable[Json]) -> list[Owned]:
    """managedFields as owners with fields."""
    return [
        Owned(
            Owner(entry["manager"], entry["operation"], entry.get("subresource", ""), entry["apiVersion"]),
            entry["time"],
            frozenset(_unfold(entry["fieldsV1"])),
        )
        for entry in entries
    ]


def _unfold(tree: Json, at: Path = ()) -> Iterable[Path]:
    for word, inner in tree.items():
        if word != ".":
            yield from _unfold(inner, (*at, word)) if inner else [(*at, word)]


def written(owned: Iterable[Owned]) -> list[Json]:
    """Owners with fields as managedFields."""
    entries = []
    for one in owned:
        tree: Json = {}
        for path in sorted(one.fields):
            place = tree
            for word in path:
                place = place.setdefault(word, {})
        entry: Json = {
            "manager": one.owner.manager,
            "operation": one.owner.operation,
            "apiVersion": one.owner.api_version,
        }
        entry |= {"time": one.time, "fieldsType": "FieldsV1", "fieldsV1": tree}
        entries.append({**entry, **({"subresource": one.owner.subresource} if one.owner.subresource else {})})
    return entries


def after_update(before: Json, after: Json, owner: Owner, time: str, custom: bool) -> list[Json]:
    """managedFields once `owner` has made `after` of `before`: what changed is its own, and nobody else's."""
    old, new = leaves(before, custom), leaves(after, custom)
    changed = frozenset(path for path, value in new.items() if path not in old or old[path] != value)
    owned = [
        replace(one, fields=one.fields & new.keys() - (frozenset() if one.owner.key() == owner.key() else changed))
        for one in read(as_object(before.get("metadata")).get("managedFields", ()))
    ]
    return written(_with(owned, owner, time, changed, add=True))


def _with(owned: list[Owned], owner: Owner, time: str, fields: frozenset[Path], add: bool) -> list[Owned]:
    """The entries with those fields for one owner: besides what it has (`add`), or instead. Its time moves then."""
    result = []
    for one in owned:
        if one.owner.key() == owner.key():
            wanted = one.fields | fields if add else fields
            moved = fields if add else wanted != one.fields
            result.append(Owned(owner, time if moved else one.time, wanted))
        else:
            result.append(one)
    if all(one.owner.key() != owner.key() for one in owned):
        result.append(Owned(owner, time, fields))
    return [one for one in result if one.fields]


def applied(live: Json, wanted: Json, owner: Owner, time: str, custom: bool, force: bool) -> Json:
    """Server-side apply of `wanted` over `live`. Raises: Refusal 409 where others hold other values, unless `force`."""
    present, mine = leaves(live, custom), leaves(wanted, custom)
    owned = read(as_object(live.get("metadata")).get("managedFields", ()))
    others = [one for one in owned if one.owner.key() != owner.key()]
    taken = frozenset(path for path in mine if path in present and present[path] != mine[path])
    clashes = [(one.owner.words(), _dotted(path)) for one in others for path in sorted(one.fields & taken)]
    if clashes and not force:
        raise apply_conflict(clashes)
    before = [one for one in owned if one.owner.key() == owner.key()]
    held: frozenset[Path] = frozenset().union(*(one.fields for one in others))
    result = copy.deepcopy(live)
    for path in sorted(frozenset().union(*(one.fields for one in before)) - mine.keys() - held):
        _remove(result, path)
    result = overlaid(result, wanted, custom)
    kept = [one if one in before else replace(one, fields=one.fields - taken) for one in owned]
    entries = written(_with(kept, owner, time, frozenset(mine), add=False))
    result.setdefault("metadata", {})["managedFields"] = entries
    return result


def overlaid(live: Json, wanted: Json, custom: bool) -> Json:
    """`live` with every field of `wanted`; lists with keys and sets are joined."""
    result = dict(live)
    for name, value in wanted.items():
        there = result.get(name)
        key = key_of_list(name, value, custom) and key_of_list(name, there, custom)
        if isinstance(value, dict) and isinstance(there, dict):
            result[name] = overlaid(there, value, custom)
        elif key:
            result[name] = [
                overlaid(ours or {}, theirs or {}, custom) for ours, theirs in merged_by_key(there or [], value, key)
            ]
        elif name in SETS and isinstance(there, list):
            result[name] = [*there, *(item for item in value if item not in there)]
        else:
            result[name] = copy.deepcopy(value)
    return result


def _remove(value: Json, path: Path) -> None:
    """Take a field out, and what becomes empty by that."""
    word, rest = path[0], path[1:]
    name = word.removeprefix("f:")
    inner = value.get(name)
    if not rest:
        value.pop(name, None)
        return
    if isinstance(inner, dict):
        _remove(inner, rest)
    elif isinstance(inner, list):
        _remove_item(inner, rest)
    if not inner:
        value.pop(name, None)


def _remove_item(items: list[Any], path: Path) -> None:
    word, rest = path[0], path[1:]
    wanted = json.loads(word[2:])
    fits: Callable[[Any], bool] = (
        (lambda item: item == wanted)
        if word.startswith("v:")
        else (lambda item: all(item.get(key) == value for key, value in wanted.items()))
    )
    for item in [item for item in items if fits(item)]:
        if rest and isinstance(item, dict):
            _remove(item, rest)
        if not rest or not item:
            items.remove(item)


def _dotted(path: Path) -> str:
    """As a conflict names a field: `.spec.template.spec.containers[name="shop"].image`."""
    text = ""
    for word in path:
        if word.startswith("f:"):
            text += f".{word[2:]}"
        elif word.startswith("k:"):
            text += "[" + ",".join(f"{key}={_json(value)}" for key, value in json.loads(word[2:]).items()) + "]"
        else:
            text += f"[{word[2:]}]"
    return text
