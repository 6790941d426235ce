"""What does a patch make of an object? Merge patch (RFC 7386), JSON patch (RFC 6902), and strategic merge.

Source: evanphx/json-patch as the API server uses it, k8s.io/apimachinery pkg/util/strategicpatch.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from gitops_rollback.sandbox.kubernetes.answers import Refusal, bad_request, failure
from gitops_rollback.sandbox.kubernetes.lists import key_of_list, merged_by_key
from gitops_rollback.sandbox.rendering import Json

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
CUSTOM_PATCHES = (JSON_PATCH, MERGE_PATCH, APPLY_PATCH)
PLAIN_PATCHES = (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY_PATCH)


@dataclass(frozen=True)
class Patch:
    """A patch of one type; apply patches are not for here."""

    media: str
    body: Any

    def of(self, value: Json) -> Json:
        """The patched copy. Raises: Refusal 400 or 422."""
        if self.media == JSON_PATCH:
            return json_patched(value, self.body)
        if not isinstance(self.body, dict):
            raise bad_request(
                "error decoding patch: json: cannot unmarshal into Go value of type map[string]interface {}"
            )
        merge = strategic if self.media == STRATEGIC_PATCH else merged
        return dict(merge(value, self.body))


def merged(value: Any, patch: Any) -> Any:
    """RFC 7386: null deletes, lists are replaced whole."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(value) if isinstance(value, dict) else {}
    for name, inner in patch.items():
        if inner is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), inner)
    return result


def strategic(value: Any, patch: Any) -> Any:
    """As a merge patch, but lists of known items are joined by their key; `$patch` of `delete` and `replace` works."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    words = {name: inner for name, inner in patch.items() if name != "$patch"}
    result = dict(value) if isinstance(value, dict) and patch.get("$patch") != "replace" else {}
    for name, inner in words.items():
        key = key_of_list(name, inner, custom=False)
        if inner is None:
            result.pop(name, None)
        elif key:
            result[name] = _joined(result.get(name) or [], inner, key)
        else:
            result[name] = strategic(result.get(name), inner)
    return result


def _joined(ours: list[Json], theirs: list[Json], key: str) -> list[Json]:
    pairs = merged_by_key(ours, theirs, key)
    return [strategic(left, right or {}) for left, right in pairs if (right or {}).get("$patch") != "delete"]


def json_patched(value: Json, operations: Any) -> Json:
    """RFC 6902. Raises: Refusal 400 for what is no patch, 422 where an operation fails (`test` too)."""
    if not isinstance(operations, list) or not all(isinstance(one, dict) and "path" in one for one in operations):
        raise bad_request("error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    result: Any = copy.deepcopy(value)
    for one in operations:
        try:
            result = _operate(result, one)
        except (KeyError, IndexError, ValueError, TypeError) as exc:
            raise _unprocessable(f"error in {one.get('op')} for path: '{one['path']}': {exc}") from exc
    return dict(result)


def _operate(document: Any, one: Json) -> Any:
    operation, path = one.get("op"), _pointer(one["path"])
    if operation == "test":
        if _at(document, path) != one.get("value"):
            raise _unprocessable(f"testing value {one['path']} failed: test failed")
        return document
    if operation in ("move", "copy"):
        source = _pointer(one["from"])
        moved = copy.deepcopy(_at(document, source))
        if operation == "move":
            _take(document, source)
        return _put(document, path, moved, insert=True)
    if operation == "remove":
        _take(document, path)
        return document
    if operation not in ("add", "replace"):
        raise ValueError(f"unexpected kind: {operation}")
    if operation == "replace":
        _at(document, path)
    return _put(document, path, copy.deepcopy(one["value"]), insert=operation == "add")


def _pointer(path: str) -> list[str]:
    return [word.replace("~1", "/").replace("~0", "~") for word in path.split("/")[1:]]


def _at(document: Any, path: list[str]) -> Any:
    for word in path:
        document = document[_index(document, word)]
    return document


def _index(container: Any, word: str) -> Any:
    return int(word) if isinstance(container, list) else word


def _take(document: Any, path: list[str]) -> None:
    container = _at(document, path[:-1])
    del container[_index(container, path[-1])]


def _put(document: Any, path: list[str], value: Any, insert: bool) -> Any:
    if not path:
        return value
    container = _at(document, path[:-1])
    if isinstance(container, list) and insert:
        container.insert(len(container) if path[-1] == "-" else int(path[-1]), value)
    else:
        container[_index(container, path[-1])] = value
    return document


def _unprocessable(message: str) -> Refusal:
    return Refusal(
        failure(422, f"the server rejected our request due to an error in our request: {message}", "Invalid")
    )
