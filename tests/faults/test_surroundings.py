"""The faults of the engine, the metrics, the clock, the disk, the process, names and people: one telling of each.

The same functions are told with other seeds by the soak; `faults.run_fault` is their door.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from importlib import import_module

import pytest
from faults import Play, run_fault

PARTS = ("engine", "metrics", "clock", "disk", "memory", "process", "names", "changes", "herd")
AT_ONCE = 5
SEED = 1


def plays() -> Mapping[str, Play]:
    return {name: play for part in PARTS for name, play in import_module(f"faults_{part}").FAULTS.items()}


@pytest.fixture(scope="module")
def told(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, Future[tuple[str, ...]]]]:
    """Those that the selected tests ask for, told side by side: a world mostly waits."""
    wanted = [item.callspec.params.get("fault") for item in request.session.items if hasattr(item, "callspec")]
    out = tmp_path_factory.mktemp("faults")
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="fault") as pool:
        yield {name: pool.submit(run_fault, name, out / name, SEED) for name in plays() if name in wanted}
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("fault", plays())
def test_fault(told: Mapping[str, Future[tuple[str, ...]]], fault: str) -> None:
    assert told[fault].result() == ()
