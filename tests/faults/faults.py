"""Every fault by its number, played against the real product: the one door for the tests and for the soak.

A module `faults_<part>.py` in this folder has `FAULTS: Mapping[str, Play]`, from a number as "F7" to a function that
plays the fault once and returns what went wrong, nothing being right. Where the engine is not Argo CD by its server, it
stands behind the number, as in "F13-objects" and "F13-flux". A play has its own folder for everything that it makes,
and draws all that varies from `seed`; it may fail by an AssertionError as well.

    from faults import numbers, run_fault
    for number in numbers():
        assert run_fault(number, folder / number, seed=1) == ()

`tests/e2e`, `tests/git` and this folder must be on the path: `conftest.py` here sees to it under pytest.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

Play = Callable[[Path, int], Iterable[str]]
PARTS = tuple(sorted(path.stem for path in Path(__file__).parent.glob("faults_*.py")))


def numbers() -> tuple[str, ...]:
    """All numbers there are, in their order."""
    return tuple(sorted(_faults(), key=_place))


def run_fault(number: str, folder: Path, seed: int) -> tuple[str, ...]:
    """Play one fault once; what went wrong in words, () if nothing did. Raises: KeyError for a number there is not."""
    play = _faults()[number]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        return tuple(play(folder, seed))
    except AssertionError as error:
        return (f"{number}, seed {seed}: {error}",)


def _place(number: str) -> tuple[int, str]:
    digits, _, engine = number[1:].partition("-")
    return int(digits), engine


def _faults() -> Mapping[str, Play]:
    found: dict[str, Play] = {}
    for part in PARTS:
        found.update(importlib.import_module(part).FAULTS)
    return found
