"""Pydantic's errors about a file's shape as faults with places, and with the key that was probably meant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from gitops_rollback.adapters.policies.scalars import nearest
from gitops_rollback.adapters.policies.schema_shape import Shape
from gitops_rollback.core.faults import Fault, shown
from gitops_rollback.core.written import Listed, Mapped, Mark, Node, Written, read_written

Location = tuple[str | int, ...]
Whole = TypeVar("Whole", bound=Shape)
VERBS = ("is ", "has ", "holds ", "must ")
KINDS = {
    "model_type": "must be a mapping",
    "model_attributes_type": "must be a mapping",
    "dict_type": "must be a mapping",
    "list_type": "must be a list",
    "too_short": "must not be empty",
}

# Keys that belong somewhere else, with where.
ELSEWHERE: dict[tuple[str, ...], str] = {
    ("spec", "strategies", "promotion"): "it is of the whole policy: write it below `spec`, beside `strategies`",
}


def one_mapping(text: bytes, path: str, what: str) -> tuple[Mapped | None, list[Fault]]:
    """The one mapping that a file is, and the faults of its writing; `what` should be in it, for people."""
    root, faults = read_written(text, path)
    if isinstance(root, Mapped) or (root is None and faults):
        return root, faults
    if root is None:
        return None, [Fault(path, 1, 1, f"the file holds no {what}", "start with `apiVersion:`, or remove the file")]
    kind = "a list" if isinstance(root, Listed) else "a single value"
    fault = Fault(path, root.mark.line, root.mark.col, f"the file is {kind}, not a mapping", "start with `apiVersion:`")
    return None, [*faults, fault]


def read_shape(root: Mapped, path: str, whole: type[Whole]) -> tuple[Whole | None, list[Fault]]:
    """The file's shape, or None and every fault of it."""
    try:
        return whole.model_validate(plain(root)), []
    except ValidationError as exc:
        errors = exc.errors(include_url=False, include_input=False)
        return None, [_fault(root, path, error, whole) for error in errors]


def one_a_place(faults: list[Fault]) -> list[Fault]:
    """Without the complaint that a key is missing where it stands, but twice or misspelt: one fault says it."""
    named = {fault.message.split("`")[1] for fault in faults if "stands twice" in fault.message}
    named |= {fault.fix.split("`")[1] for fault in faults if fault.fix.startswith("did you mean")}
    absent = {words for key in named for words in (f"`{key}` is missing", f"needs `{key}`")}
    return [fault for fault in faults if not any(words in fault.message for words in absent)]


def plain(node: Node) -> object:
    """The tree as dicts and lists; scalars stay as they were written."""
    if isinstance(node, Mapped):
        return {key.text: plain(value) for key, value in node.entries}
    return [plain(item) for item in node.items] if isinstance(node, Listed) else node


def _fault(root: Mapped, path: str, error: Mapping[str, Any], whole: type[Shape]) -> Fault:
    location: Location = error["loc"]
    kind, context = error["type"], error.get("ctx", {})
    last = shown(str(location[-1])) if location else "the file"
    if kind == "extra_forbidden":
        mark = _place(root, location, of_key=True)
        known = ELSEWHERE.get(_ways(location)) or nearest(str(location[-1]), known_keys(location, whole))
        return Fault(path, mark.line, mark.col, f"unknown key {last}", known)
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


def _ways(location: Location) -> tuple[str, ...]:
    return tuple(part for part in location if isinstance(part, str))


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


def known_keys(location: Location, whole: type[Shape]) -> tuple[str, ...]:
    """The keys that the mapping around `location` may hold."""
    model: type[BaseModel] = whole
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
