"""What rules are made of: a fault without its file, and the two commonest rules."""

from __future__ import annotations

from collections.abc import Iterator

from gitops_rollback.adapters.policies.view import View
from gitops_rollback.core.faults import shown
from gitops_rollback.core.written import Mark

Found = tuple[Mark, str, str]  # where, what is wrong, what mends it


def missing(item: View, kind: str, *keys: str) -> Iterator[Found]:
    """A fault for each of `keys` that an item of type `kind` needs and lacks."""
    for key in keys:
        if not item.has(key):
            yield item.mark, f"type {shown(kind)} needs `{key}`", f"add `{key}:`"


def forbidden(item: View, kind: str, *keys: str) -> Iterator[Found]:
    """A fault for each of `keys` that an item of type `kind` must not have."""
    for key in keys:
        if item.has(key):
            yield item.key_mark(key), f"`{key}` does not belong to type {shown(kind)}", "remove it, or change `type`"
