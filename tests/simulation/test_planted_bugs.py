"""Does it bite? Each planted bug is found, by a promise that it really breaks, within some hundred seeds."""

from __future__ import annotations

import pytest
from planted_bugs import PLANTED

from gitops_rollback.sandbox.simulation.running import run

MOST_SEEDS = 300


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_bug_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    planted = PLANTED[name]
    planted.patch(monkeypatch)
    for seed in range(MOST_SEEDS):
        broken = run(seed, planted.scenario).violations
        if broken and broken[0].promise.split()[0] in planted.promises:
            return
    pytest.fail(f"not found in {MOST_SEEDS} worlds")
