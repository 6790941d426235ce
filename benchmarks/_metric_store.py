"""A real Prometheus with a history of many services, and what it and its clients cost.

Each service has counters of requests by code and Pod, a histogram of latencies, a queue and restarts of its Pods.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

SCRAPE = timedelta(seconds=15)
BOUNDS = ("0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf")
PODS = ("a", "b")
READY_SECONDS = 120.0
PER_SECOND = 20.0  # of one service


@dataclass(frozen=True)
class Store:
    """A running server. `series`: how many it holds."""

    url: str
    process: subprocess.Popen[bytes]
    series: int

    def cpu_seconds(self) -> float:
        """That the server has used until now; 0 once it is gone."""
        if self.process.poll() is not None:
            return 0.0
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / 100


@contextmanager
def serving(folder: Path, services: list[str], start: datetime, end: datetime) -> Iterator[Store]:
    """The history of `services` from `start` to `end`. Raises: FileNotFoundError without Debian's `prometheus`."""
    programs = {name: shutil.which(name) for name in ("prometheus", "promtool")}
    if None in programs.values():
        raise FileNotFoundError("prometheus and promtool: on Debian or Ubuntu, run `apt-get install prometheus`")
    text, data = folder / "history.om", folder / "data"
    series = write(text, services, start, end)
    made = [programs["promtool"], "tsdb", "create-blocks-from", "openmetrics", str(text), str(data)]
    subprocess.run([str(word) for word in made], check=True, stdout=subprocess.DEVNULL)
    text.unlink()
    with serve(str(programs["prometheus"]), folder, data) as (url, process):
        yield Store(url, process, series)


def write(path: Path, services: list[str], start: datetime, end: datetime) -> int:
    """OpenMetrics text, written series by series, so that nothing large is held; how many series it has."""
    seconds = [(start + n * SCRAPE).timestamp() for n in range((end - start) // SCRAPE + 1)]
    count = 0
    with path.open("w") as out:
        for metric, labels, pace, level in _series(services):
            if labels is None:
                out.write(f"# TYPE {metric} unknown\n")
                continue
            count += 1
            for at in seconds:
                out.write(f"{metric}{{{labels}}} {level + (at - seconds[0]) * pace:.3f} {at:.0f}\n")
        out.write("# EOF\n")
    return count


def _series(services: list[str]) -> Iterator[tuple[str, str | None, float, float]]:
    """Metric, labels, rise per second and first value; without labels a metric begins."""
    yield "http_requests_total", None, 0, 0
    for name in services:
        for pod in PODS:
            yield "http_requests_total", f'service="{name}",pod="{name}-{pod}",code="200"', PER_SECOND / 2, 1e6
            yield "http_requests_total", f'service="{name}",pod="{name}-{pod}",code="500"', PER_SECOND / 2000, 1e3
    yield "http_seconds_bucket", None, 0, 0
    for name in services:
        for place, bound in enumerate(BOUNDS, 1):
            pace = PER_SECOND * min(1.0, place / 5)
            yield "http_seconds_bucket", f'service="{name}",le="{bound}"', pace, 1e5 * place
    yield "queue_depth", None, 0, 0
    for name in services:
        yield "queue_depth", f'service="{name}"', 0, 7
    yield "restarts_total", None, 0, 0
    for name in services:
        yield "restarts_total", f'service="{name}"', 0, 1


@contextmanager
def serve(program: str, folder: Path, data: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Its URL and process, once it is ready."""
    (folder / "prometheus.yml").write_text("global: {}\n")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [program, f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={data}"]
    command += [f"--web.listen-address=127.0.0.1:{port}", "--storage.tsdb.retention.time=90d", "--log.level=warn"]
    url = f"http://127.0.0.1:{port}"
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            _wait(url, process, folder / "prometheus.log")
            yield url, process
        finally:
            process.kill()
            process.wait(timeout=30)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/-/ready", timeout=5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError(f"Prometheus was not ready: {log.read_text()[-500:]}")
