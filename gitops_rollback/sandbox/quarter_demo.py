"""The story `my-last-quarter`: twelve weeks that nobody watched, and what would have been done. Told by `backtest`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gitops_rollback.adapters.clock import SystemClock
from gitops_rollback.sandbox.git_server import GitServer
from gitops_rollback.sandbox.narrator import Say
from gitops_rollback.sandbox.prometheus import PrometheusSandbox
from gitops_rollback.sandbox.quarter import ENDED, RELEASES, services, write_repository
from gitops_rollback.sandbox.telling import Claim

REPOSITORY = "shop/config"
WITHIN_SECONDS = 300.0
ROWS = ("agreed", "agreed", "agreed", "we only", "asked", "asked")


@dataclass(frozen=True)
class QuarterStory:
    """What the list of stories says of it."""

    name: str = "my-last-quarter"
    summary: str = "Twelve weeks of a shop that nobody watched: what people did, and what would have been done."


QUARTER = QuarterStory()


def tell_quarter(out: Path, say: Say) -> bool:
    """Tell it; True if the table is as it was told. `out` is made anew and keeps the repository."""
    shutil.rmtree(out, ignore_errors=True)
    write_repository(out / f"{REPOSITORY}.git")
    server, prometheus = GitServer(out), PrometheusSandbox(SystemClock())
    for service in services():
        service.publish(prometheus)
    server.start()
    prometheus.start()
    try:
        say(f"{QUARTER.name}: {QUARTER.summary}")
        say(f" ✔ config repository   {len(RELEASES)} releases in 12 weeks   {server.url}/{REPOSITORY}.git")
        say(f" ✔ Prometheus          sandbox, scripted series    {prometheus.url}")
        words = ("backtest", "--since", "84d", "--until", f"{ENDED:%Y-%m-%dT%H:%M:%SZ}")
        say(f" $ gitops-rollback {' '.join(words)}")
        done = _run(words, server.url, prometheus.url, out)
    finally:
        prometheus.stop()
        server.stop()
    lines = done.stdout.splitlines()
    for line in ("", *lines, *done.stderr.splitlines(), ""):
        say(line)
    claims = list(_claims(lines, done.returncode))
    for claim in claims:
        say(f" {'✔' if claim.holds else '✖'} {claim.text}")
    return all(claim.holds for claim in claims)


def _run(words: Sequence[str], git: str, prometheus: str, out: Path) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "GITOPS_ROLLBACK_"))}
    environment = kept | {
        "GITOPS_ROLLBACK_REPO": f"{git}/{REPOSITORY}.git",
        "GITOPS_ROLLBACK_STATE_DIR": str(out / "state"),
        "PROMETHEUS_URL": prometheus,
    }
    for engine in ("ARGOCD_SERVER", "KUBECONFIG"):
        environment.pop(engine, None)
    return subprocess.run(
        [sys.executable, "-m", "gitops_rollback", *words],
        cwd=out, env=environment, capture_output=True, text=True, check=False, timeout=WITHIN_SECONDS,
    )  # fmt: skip


def _claims(lines: Sequence[str], code: int) -> Iterator[Claim]:
    kinds = tuple(kind for line in lines for kind in ("agreed", "we only", "they only", "asked") if _is(line, kind))
    yield Claim("three releases would have been reverted as people did, sooner", kinds.count("agreed") == 3)
    yield Claim("one that was fixed forward would have been reverted, too", kinds.count("we only") == 1)
    yield Claim("the outage of everything was nobody's commit", any("MassEvent" in line for line in lines))
    yield Claim("the release with a migration was a person's matter", any("MigrationRan" in line for line in lines))
    yield Claim("two weeks of noise were nothing", kinds == ROWS)
    yield Claim("nobody is called ready after so few syncs", code == 1)


def _is(line: str, kind: str) -> bool:
    return line.startswith(f"{kind} ")
