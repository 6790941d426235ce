"""Does a simulated process die at each place that the product names, and does it still end as it should?

The steps of adapters that the worlds in memory replace are left out: there the calls of the ports are the places, and
the real ones are met by the tales of `tests/e2e/test_kills.py`. The steps of pull requests have
worlds of their own, with a forge.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from gitops_rollback.cli.main import cli
from gitops_rollback.sandbox.simulation.running import run, told
from gitops_rollback.sandbox.simulation.setup import Smaller

PACKAGE = Path(__file__).parents[2] / "gitops_rollback"
STEPPED = (*sorted((PACKAGE / "app").glob("*.py")), PACKAGE / "adapters/journal.py")
STEP = re.compile(r'@crash_point\("([a-z-]+)"\)')
STEPS = {name for path in STEPPED for name in STEP.findall(path.read_text("utf-8"))}
PLACES = {f"{side}-{step}" for step in STEPS for side in ("before", "after")}
DIED = re.compile(r"is killed ((?:before|after)-[a-z-]+)$")
FORGE = {place for place in PLACES if place.partition("-")[2].startswith(("offer-", "attend"))}  # needs one
SOURCE = {place for place in PLACES if place.endswith("-upstream")}  # of another writer: tests/app/test_two_places.py
MOST = 80  # worlds; about ten are enough
# Worlds as their seeds draw them, which go by places of a forge that few others come to; the rest is played after them.
RICH = {"forge-points": (74, 64, 2, 40, 353, 512)}


@pytest.mark.parametrize(("scenario", "places"), [("crash-points", PLACES - FORGE - SOURCE), ("forge-points", FORGE)])
def test_whoever_dies_at_any_named_place_breaks_no_promise(scenario: str, places: set[str]) -> None:
    """Besides where its seed says, a process dies where no world before it had a death."""
    left = set(places)
    for seed in (*RICH.get(scenario, ()), *range(MOST)):
        rich = seed in RICH.get(scenario, ())
        result = run(seed, scenario, Smaller() if rich else Smaller(dies_at=frozenset(left)))
        assert not result.violations, told(result)
        left -= {found[1] for line in result.story if (found := DIED.search(line))}
        if not left:
            break
    assert not left
    assert places
    assert len(PLACES) >= 40


def test_the_command_plays_a_death_at_a_place() -> None:
    """In a world in which nobody would die, and that is soon over."""
    asked = ["simulate", "--seeds", "1", "--from", "5", "--without", "kill", "--minutes", "1", "--story"]
    result = CliRunner().invoke(cli, [*asked, "--dies-at", "before-tick"])
    assert result.exit_code == 0, result.output
    assert "is killed before-tick" in result.output
    assert "--dies-at before-tick" in result.output
    assert "is killed" not in CliRunner().invoke(cli, asked).output
