"""How much memory does `run` take with 1,000 idle applications, against `run` with none?

A small server answers as Argo CD does with a list of that many applications, synced long ago; the repository holds a
policy for each. Read from the process's own status once it has turned some ticks.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from gitops_rollback.sandbox.git_server import GitServer
from gitops_rollback.sandbox.people import People
from gitops_rollback.sandbox.replay import replay
from gitops_rollback.sandbox.world import run_command, scenario

APPLICATIONS = 1000
TARGETS_PER_POLICY = 250
TICKS = 5
LONGEST_SECONDS = 120.0

TARGET = "    - {{name: app-{n}, application: {{namespace: argocd, name: app-{n}}}, data: {{rollback: safe}}}}\n"
POLICY = """\
# +argocd:skip-file-rendering
apiVersion: gitops-rollback.dev/v1alpha1
kind: RollbackPolicy
metadata: {{name: part-{part}}}
spec:
  timing: {{interval: 1s}}
  targets:
{targets}  triggers:
    - {{name: errors, query: 'sum(rate(errors_total{{service="$SERVICE"}}[1m]))', threshold: 1, for: 1m}}
"""


def main() -> int:
    floor = _resident(0)
    measured = _resident(APPLICATIONS)
    print(f"{'what':<40}{'MiB':>10}{'ratio':>8}")
    print(f"{'floor: run without applications':<40}{floor:>10.1f}{1.0:>8.2f}")
    print(f"{f'run with {APPLICATIONS} idle applications':<40}{measured:>10.1f}{measured / floor:>8.2f}")
    return 0


def _resident(count: int) -> float:
    """MiB of resident memory of a controller that watches `count` idle applications."""
    with tempfile.TemporaryDirectory() as directory, _repository(Path(directory), count) as url:
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(url, count))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            return _run(Path(directory), url, f"http://127.0.0.1:{server.server_address[1]}")
        finally:
            server.shutdown()


@contextmanager
def _repository(directory: Path, count: int) -> Iterator[str]:
    bare = directory / "config.git"
    replay(scenario("shop"), bare)
    people = People(bare)
    files: dict[str, str | None] = {"README.md": "bench\n"}
    for part, start in enumerate(range(0, count, TARGETS_PER_POLICY)):
        targets = "".join(TARGET.format(n=n) for n in range(start, min(start + TARGETS_PER_POLICY, count)))
        files[f".gitops-rollback/policies/part-{part}.yaml"] = POLICY.format(part=part, targets=targets)
    people.push("Watch everything", files, datetime.now(UTC))
    git = GitServer(directory)
    git.start()
    try:
        yield f"{git.url}/config.git"
    finally:
        git.stop()


def _run(directory: Path, url: str, argocd: str) -> float:
    environment = os.environ | {
        "ARGOCD_SERVER": argocd,
        "ARGOCD_AUTH_TOKEN": "a.b.c",
        "PROMETHEUS_URL": argocd,
        "GITOPS_ROLLBACK_STATE_DIR": str(directory / "state"),
        "GITOPS_ROLLBACK_BIND": "127.0.0.1:0",
    }
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen([*run_command(), "--repo", url], env=environment, stdout=log, stderr=log)
    try:
        end = time.monotonic() + LONGEST_SECONDS
        while _Handler.lists < TICKS:
            if time.monotonic() > end or process.poll() is not None:
                raise RuntimeError((directory / "log").read_text()[-2000:])
            time.sleep(0.2)
        status = Path(f"/proc/{process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024
    finally:
        process.terminate()
        process.wait(30)


class _Handler(BaseHTTPRequestHandler):
    """Lists; everything else is empty."""

    body = b""
    lists = 0

    def do_GET(self) -> None:
        if self.path.startswith("/api/v1/stream"):
            threading.Event().wait(LONGEST_SECONDS)
            return
        type(self).lists += self.path.startswith("/api/v1/applications")
        _Handler.lists = type(self).lists
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def _handler(url: str, count: int) -> type[_Handler]:
    items = [_application(url, n) for n in range(count)]
    body = json.dumps({"metadata": {"resourceVersion": "1"}, "items": items}).encode()
    _Handler.lists = 0
    return type("Handler", (_Handler,), {"body": body})


def _application(url: str, n: int) -> dict[str, object]:
    source = {"repoURL": url, "path": f"apps/app-{n}", "targetRevision": "main"}
    operation = {"phase": "Succeeded", "startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:05Z"}
    sync = {"sync": {"revision": "a" * 40}}
    return {
        "metadata": {"name": f"app-{n}", "namespace": "argocd"},
        "spec": {"project": "default", "destination": {"namespace": "shop"}, "source": source},
        "status": {
            "sync": {"status": "Synced", "revision": "a" * 40},
            "health": {"status": "Healthy"},
            "operationState": {**operation, "operation": sync},
        },
    }


if __name__ == "__main__":
    sys.exit(main())
