"""Does a simulated process die at each place that the product names, and does it still end as it should?

The steps of adapters that the worlds in memory replace are left out: there the calls of the ports are the places, and
the real ones are met by the tales of `tests/e2e/test_kills.py`. The steps of pull requests have
worlds of their own, with a forge.
"""

from __future__ import annotations

import os
import re
from itertools import chain
from pathlib import Path

import pytest

from gitops_rollback.sandbox.simulation.running import run, simulate, told

PACKAGE = Path(__file__).parents[2] / "gitops_rollback"
STEPPED = (*sorted((PACKAGE / "app").glob("*.py")), PACKAGE / "adapters/journal.py")
STEP = re.compile(r'@crash_point\("([a-z-]+)"\)')
STEPS = {name for path in STEPPED for name in STEP.findall(path.read_text("utf-8"))}
PLACES = {f"{side}-{step}" for step in STEPS for side in ("before", "after")}
DIED = re.compile(r"is killed ((?:before|after)-[a-z-]+)$")
FORGE = {place for place in PLACES if place.partition("-")[2].startswith(("offer-", "attend"))}  # needs one
SOURCE = {place for place in PLACES if place.endswith("-upstream")}  # of another writer: tests/app/test_two_places.py
MOST = 80  # worlds; about thirty are enough
# These few go by all places, as the worlds are today; where they do not any more, the others are played after them.
RICH = {"crash-points": (0, 19, 11, 15, 36, 4, 1, 7, 10, 27), "forge-points": (74, 64, 2, 40, 353, 512)}


@pytest.mark.parametrize(("scenario", "places"), [("crash-points", PLACES - FORGE - SOURCE), ("forge-points", FORGE)])
def test_whoever_dies_at_any_named_place_breaks_no_promise(scenario: str, places: set[str]) -> None:
    left = set(places)
    rich = (run(seed, scenario) for seed in RICH.get(scenario, ()))
    for result in chain(rich, simulate(MOST, scenario=scenario, jobs=os.cpu_count() or 1)):
        assert not result.violations, told(result)
        left -= {found[1] for line in result.story if (found := DIED.search(line))}
        if not left:
            break
    assert not left
    assert places
    assert len(PLACES) >= 40
