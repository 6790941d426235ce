"""Reads fields of an object of the Kubernetes API without trusting its shape: what is of another type is `Unclear`.

The API leaves out zeros and empty lists, so what is absent or null reads as the empty value of its type.
Source: Kubernetes API conventions, "Optional vs. Required".
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

Object = Mapping[str, object]


class Unclear(Exception):
    """A field has not the type that it must have; its text names the field."""


def part(value: Object, *names: str) -> Object:
    """The mapping below `names`. Raises: Unclear."""
    for name in names:
        below = value.get(name)
        if below is not None and not isinstance(below, dict):
            raise Unclear(name)
        value = below or {}
    return value


def entries(value: Object, name: str) -> tuple[Object, ...]:
    """The mappings of a list. Raises: Unclear."""
    found = value.get(name)
    if found is None:
        return ()
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise Unclear(name)
    return tuple(found)


def text(value: Object, name: str) -> str:
    """Raises: Unclear."""
    found = value.get(name)
    if found is not None and not isinstance(found, str):
        raise Unclear(name)
    return found or ""


def number(value: Object, name: str) -> int | None:
    """Raises: Unclear."""
    found = value.get(name)
    if found is not None and (isinstance(found, bool) or not isinstance(found, int)):
        raise Unclear(name)
    return found


def count(value: Object, name: str, absent: int = 0) -> int:
    """A number that is not negative; `absent` is what leaving out means. Raises: Unclear."""
    found = number(value, name)
    if found is not None and found < 0:
        raise Unclear(name)
    return absent if found is None else found


def moment(value: Object, name: str) -> datetime | None:
    """A time as aware UTC; None if there is none. Raises: Unclear."""
    written = text(value, name)
    if not written:
        return None
    try:
        found = datetime.fromisoformat(written)
    except ValueError:
        raise Unclear(name) from None
    if found.tzinfo is None:
        raise Unclear(name)
    return found.astimezone(UTC)


def condition(status: Object, kind: str) -> Object:
    """The condition of this type; {} if there is none. Raises: Unclear."""
    return next((one for one in entries(status, "conditions") if one.get("type") == kind), {})
