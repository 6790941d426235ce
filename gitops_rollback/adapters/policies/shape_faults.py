"""Pydantic's errors about a policy's shape as faults with places, and with the key that was probably meant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from gitops_rollback.adapters.policies.scalars import nearest
from gitops_rollback.adapters.policies.schema import PolicyShape
from gitops_rollback.core.faults import Fault, shown
from gitops_rollback.core.written import Listed, Mapped, Mark, Node, Written

Location = tuple[str | int, ...]
VERBS = ("is ", "has ", "holds ", "must ")
KINDS = {
    "model_type": "must be a mapping",
    "model_attributes_type": "must be a mapping",
    "dict_type": "must be a mapping",
    "list_type": "must be a list",
    "too_short": "must not be empty",
}


def read_shape(root: Mapped, path: str) -> tuple[PolicyShape | None, list[Fault]]:
    """The policy's shape, or None and every fault of it."""
    try:
        return PolicyShape.model_validate(plain(root)), []
    except ValidationError as exc:
        return None, [_fault(root, path, error) for error in exc.errors(include_url=False, include_input=False)]


def plain(node: Node) -> object:
    """The tree as dicts and lists; scalars stay as they were written."""
    if isinstance(node, Mapped):
        return {key.text: plain(value) for key, value in node.entries}
    return [plain(item) for item in node.items] if isinstance(node, Listed) else node


def _fault(root: Mapped, path: str, error: Mapping[str, Any]) -> Fault:
    location: Location = error["loc"]
    kind, context = error["type"], error.get("ctx", {})
    last = shown(str(location[-1])) if location else "the file"
    if kind == "extra_forbidden":
        mark = _place(root, location, of_key=True)
        return Fault(path, mark.line, mark.col, f"unknown key {last}", nearest(str(location[-1]), known_keys(location)))
    if kind == "missing":
        mark = _place(root, location[:-1])
        where = f" in {shown(str(_named(location[:-1])))}" if location[:-1] else ""
        return Fault(path, mark.line, mark.col, f"{last} is missing{where}", f"add `{location[-1]}:`")
    mark = _place(root, location)
    name = _named(location)
    if kind == "misspelt":
        message = str(context["message"])
        joined = f"`{name}` {message}" if message.startswith(VERBS) else f"`{name}`: {message}"
        return Fault(path, mark.line, mark.col, joined, str(context["fix"]))
    if kind == "too_long":
        return Fault(path, mark.line, mark.col, f"`{name}` has too many items", f"at most {context['max_length']}")
    return Fault(path, mark.line, mark.col, f"`{name}` {KINDS.get(kind, 'is not what it should be')}")


def _named(location: Location) -> str:
    """The last key of a place; of a list's item, the list's."""
    return next((part for part in reversed(location) if isinstance(part, str) and part not in TAGS), "the file")


TAGS = frozenset({"word", "limits", "one", "several"})  # of unions in the schema; they stand in pydantic's locations


def _place(root: Node, location: Location, of_key: bool = False) -> Mark:
    """Where `location` stands; the nearest node around it if it does not."""
    node, mark = root, root.mark
    for part in location:
        step = _step(node, part)
        if step is None:
            continue
        key, node = step
        mark = key.mark if of_key and key else node.mark
    return mark


def _step(node: Node, part: str | int) -> tuple[Written | None, Node] | None:
    if isinstance(node, Listed) and isinstance(part, int) and part < len(node.items):
        return None, node.items[part]
    if isinstance(node, Mapped):
        return next(((key, value) for key, value in node.entries if key.text == part), None)
    return None


def known_keys(location: Location) -> tuple[str, ...]:
    """The keys that the mapping around `location` may hold."""
    model: type[BaseModel] = PolicyShape
    for part in location[:-1]:
        if isinstance(part, int) or part in TAGS:
            continue
        for name, field in model.model_fields.items():
            if (field.alias or name) == part:
                model = next(iter(_models(field.annotation)), model)
    return tuple(field.alias or name for name, field in model.model_fields.items())


def _models(annotation: object) -> Iterable[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)
