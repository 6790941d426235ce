"""Where two documents differ, by key path. List elements match by their name where all of them have one.

Source: git.md 5.4 for the keys by which list elements are matched.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gitops_rollback.core.manifest_text import Value

ELEMENT_KEYS = ("name", "key", "id", "path", "repository", "host", "containerPort", "port")


@dataclass(frozen=True)
class Difference:
    """One place that differs: a value changed, or a whole subtree came or went. `path` names list elements too."""

    path: tuple[str, ...]
    before: Value
    after: Value
    added: bool = False
    removed: bool = False

    @property
    def dotted(self) -> str:
        """The place for people: `spec.template.containers.app.image`."""
        return ".".join(self.path) or "(document)"

    @property
    def scalar(self) -> bool:
        """Nothing but single values: no mapping or list comes, goes or takes the place of one."""
        return not isinstance(self.before, (dict, tuple)) and not isinstance(self.after, (dict, tuple))


def differences(before: Value, after: Value) -> tuple[Difference, ...]:
    """All places where `after` is not `before`, the smallest that can be named; () if they are equal."""
    return tuple(_compare((), before, after))


def _compare(path: tuple[str, ...], before: Value, after: Value) -> Iterator[Difference]:
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        yield from _entries(path, before, after)
    elif isinstance(before, tuple) and isinstance(after, tuple):
        yield from _elements(path, before, after)
    else:
        yield Difference(path, before, after)


def _entries(path: tuple[str, ...], before: Mapping[str, Value], after: Mapping[str, Value]) -> Iterator[Difference]:
    for key in dict.fromkeys((*before, *after)):
        if key not in after:
            yield Difference((*path, key), before[key], None, removed=True)
        elif key not in before:
            yield Difference((*path, key), None, after[key], added=True)
        else:
            yield from _compare((*path, key), before[key], after[key])


def _elements(path: tuple[str, ...], before: tuple[Value, ...], after: tuple[Value, ...]) -> Iterator[Difference]:
    named = _by_key(before, after)
    if named is not None:
        yield from _entries(path, *named)
    elif all(isinstance(one, str) for one in (*before, *after)) and len(before) != len(after):
        left = {str(one): one for one in before}
        yield from _entries(path, left, {str(one): one for one in after})
    else:
        left = {f"[{index}]": one for index, one in enumerate(before)}
        yield from _entries(path, left, {f"[{index}]": one for index, one in enumerate(after)})


def _by_key(before: tuple[Value, ...], after: tuple[Value, ...]) -> tuple[dict[str, Value], dict[str, Value]] | None:
    for key in ELEMENT_KEYS:
        left, right = _keyed(before, key), _keyed(after, key)
        if left is not None and right is not None:
            return left, right
    return None


def _keyed(values: tuple[Value, ...], key: str) -> dict[str, Value] | None:
    found: dict[str, Value] = {}
    for value in values:
        name = value.get(key) if isinstance(value, dict) else None
        if not isinstance(name, str) or name in found:
            return None
        found[name] = value
    return found
