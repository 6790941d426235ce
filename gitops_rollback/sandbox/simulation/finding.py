"""Finds what the files of a folder hold, so that a new file is all that a new actor or promise takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import import_module
from pkgutil import iter_modules
from typing import TypeVar

Kind = TypeVar("Kind")


def found_in(package: str, path: Iterable[str], kind: type[Kind]) -> Iterator[Kind]:
    """All of this kind at the top of each module of the package, by the modules' names."""
    for name in sorted(module.name for module in iter_modules(path)):
        for value in vars(import_module(f"{package}.{name}")).values():
            if isinstance(value, kind):
                yield value
