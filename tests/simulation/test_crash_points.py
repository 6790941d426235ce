"""Does a simulated process die at each place that the product names, and does it still end as it should?

The steps of adapters that the worlds in memory replace are left out: there the calls of the ports are the places, and
the real ones are met by the tales of `tests/e2e/test_kills.py`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from gitops_rollback.sandbox.simulation.running import simulate, told

PACKAGE = Path(__file__).parents[2] / "gitops_rollback"
FORGE = ("pull_requests.py", "offer_acts.py")  # no world in memory has a forge: `tests/app` kills at these
STEPPED = (
    *(path for path in sorted((PACKAGE / "app").glob("*.py")) if path.name not in FORGE),
    PACKAGE / "adapters/journal.py",
)
STEP = re.compile(r'@crash_point\("([a-z-]+)"\)')
STEPS = {name for path in STEPPED for name in STEP.findall(path.read_text("utf-8"))}
PLACES = {f"{side}-{step}" for step in STEPS for side in ("before", "after")}
DIED = re.compile(r"is killed ((?:before|after)-[a-z-]+)$")
MOST = 80  # worlds; about thirty are enough


def test_whoever_dies_at_any_named_place_breaks_no_promise() -> None:
    left = set(PLACES)
    for result in simulate(MOST, scenario="crash-points", jobs=os.cpu_count() or 1):
        assert not result.violations, told(result)
        left -= {found[1] for line in result.story if (found := DIED.search(line))}
        if not left:
            break
    assert not left
    assert len(PLACES) >= 40
