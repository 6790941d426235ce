"""Does it bite? Each planted bug still applies to the product, and one for each promise is found by what it breaks.

From which seed on each is looked for stands in its patch, so that this is quick; `benchmarks/planted_bugs.py` does the
honest search of all of them, from seed 0.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from planting import NOT_BUILT, ROOT, PatchStale, Planted, Search, planted, planted_copy, search

from gitops_rollback.sandbox.simulation.promises import PROMISES

LISTED = set(range(1, 29))
BUGS = planted()
# One search for each promise; the newest bug, since its worlds are the ones that nobody else looks at yet.
SEARCHED = sorted({next(bug for bug in reversed(BUGS) if one.number in bug.promises) for one in PROMISES}, key=str)


def _name_of(bug: Planted) -> str:
    return f"{bug.number}-{bug.name}"


@pytest.fixture(scope="module")
def searches(request: pytest.FixtureRequest) -> Iterator[dict[int, Future[Search]]]:
    """The searches of all selected bugs at once, side by side."""
    selected = {item.nodeid for item in request.session.items}
    wanted = [bug for bug in SEARCHED if any(f"[{_name_of(bug)}]" in nodeid for nodeid in selected)]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        yield {bug.number: pool.submit(search, bug, bug.start, bug.within) for bug in wanted}
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("bug", BUGS, ids=_name_of)
def test_a_planted_bug_still_applies(bug: Planted) -> None:
    command = ["git", "apply", "--check", str(bug.patch)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"renew it: {done.stderr}"


@pytest.mark.parametrize("bug", SEARCHED, ids=_name_of)
def test_a_planted_bug_is_found(bug: Planted, searches: dict[int, Future[Search]]) -> None:
    found = searches[bug.number].result()
    assert found.found, (
        f"not found in {found.seeds} worlds from seed {bug.start} of {bug.scenario}. Run `python "
        f"benchmarks/planted_bugs.py {bug.number}`. If it finds the fault after N seeds, write `Start: N-1` into "
        f"{bug.patch.name}: the worlds have changed. If it does not, the simulation no longer shows this fault: see "
        "which actor, scenario or promise lost it"
    )


def test_every_listed_bug_is_planted_or_has_no_feature_yet() -> None:
    numbers = {bug.number for bug in BUGS}
    assert numbers | set(NOT_BUILT) >= LISTED
    assert not numbers & set(NOT_BUILT)


def test_every_promise_has_a_bug_that_breaks_it() -> None:
    assert {promise.number for promise in PROMISES} == {number for bug in BUGS for number in bug.promises}


def test_a_patch_that_no_longer_applies_says_so(tmp_path: os.PathLike[str]) -> None:
    bug = BUGS[0]
    stale = bug.patch.read_text(encoding="utf-8").replace("\n-", "\n-was otherwise once ")
    path = type(bug.patch)(tmp_path) / bug.patch.name
    path.write_text(stale, encoding="utf-8")
    other = Planted(bug.number, bug.name, bug.bug, bug.promises, bug.scenario, bug.start, bug.within, path)
    with pytest.raises(PatchStale, match="this patch no longer applies: renew it"), planted_copy(other):
        pass
