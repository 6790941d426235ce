"""A real Prometheus on loopback, with a history that a test wrote. Debian's packages `prometheus` has both programs."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from machine import lacks

STEP = timedelta(seconds=15)
READY_WITHIN_SECONDS = 60
Counter = Callable[[datetime], float | None]


@dataclass(frozen=True)
class Written:
    """One series to write: a metric with its labels as text, and its value at each scrape (None: not scraped)."""

    metric: str
    labels: str
    value: Counter


def programs() -> tuple[str, str]:
    """Paths of prometheus and promtool. Missing: a failure in CI, a skip with its reason elsewhere."""
    found = shutil.which("prometheus"), shutil.which("promtool")
    if found[0] is None or found[1] is None:
        lacks("Debian's package `prometheus` (prometheus and promtool) is not installed")
    return found[0], found[1]


def write_history(
    folder: Path, series: Iterable[Written], start: datetime, end: datetime, step: timedelta = STEP
) -> None:
    """Blocks under `folder`, one sample each `step` from `start` to `end`."""
    _, promtool = programs()
    lines = []
    for metric, group in _by_metric(series).items():
        lines.append(f"# TYPE {metric} unknown")
        for one in group:
            at = start
            while at <= end:
                value = one.value(at)
                if value is not None:
                    lines.append(f"{metric}{{{one.labels}}} {value!r} {at.timestamp():.0f}")
                at += step
    text = folder / "history.om"
    text.write_text("\n".join([*lines, "# EOF", ""]))
    span = f"--max-block-duration={24 * max(1, (end - start) // timedelta(days=8))}h"
    command = [promtool, "tsdb", "create-blocks-from", span, "openmetrics", str(text), str(folder / "data")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _by_metric(series: Iterable[Written]) -> dict[str, list[Written]]:
    found: dict[str, list[Written]] = {}
    for one in series:
        found.setdefault(one.metric, []).append(one)
    return found


@contextmanager
def running(folder: Path, config: str = "global: {}\n") -> Iterator[str]:
    """Prometheus over `folder`/data with this configuration; yields its URL once it is ready."""
    prometheus, _ = programs()
    (folder / "prometheus.yml").write_text(config)
    (folder / "data").mkdir(exist_ok=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [prometheus, f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}"]
    command += [f"--web.listen-address=127.0.0.1:{port}", "--storage.tsdb.retention.time=90d", "--log.level=warn"]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_until_ready(url, process, folder / "prometheus.log")
            yield url
        finally:
            process.terminate()
            process.wait(timeout=30)


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    pause = threading.Event()
    for _ in range(READY_WITHIN_SECONDS * 10):
        assert process.poll() is None, log.read_text()
        if _is_ready(url):
            return
        pause.wait(0.1)
    raise AssertionError(f"Prometheus was not ready within {READY_WITHIN_SECONDS} s: {log.read_text()}")


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/-/ready", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
