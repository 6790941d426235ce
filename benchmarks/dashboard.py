"""How long does a page of the dashboard take where there is much to show? A real `run`, real git, real HTTP.

`dashboard.py [APPLICATIONS] [RECORDS]`: 5,000 applications of two repositories behind Argo CD's API, and 10,000 ended
rollbacks in their journals, with as many decisions as a journal is read with. Each page is asked for over one
connection while the controller goes on looking, so its work between two ticks is in the figures. Exits with 1 if the
median of a page is over the limit.
"""

from __future__ import annotations

import http.client
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

from _fleet import SPEED, Fleet
from _watched_run import WatchedRun

from gitops_rollback.core.journal import DecisionEntry, decision_path, encode_entry, encode_record, record_path
from gitops_rollback.core.rollback import Phase, RollbackOutcome, RollbackRecord, StepRecord
from gitops_rollback.sandbox.demo import free_port

APPLICATIONS, RECORDS, REPOSITORIES = 5000, 10_000, 2
DECISIONS = 20_000  # of each journal: as many as are read
LIMIT_MS = 50.0
TIMES = 20
JOURNAL = "refs/heads/gitops-rollback-journal"
INTERVAL = 15.0 / SPEED
CLEAN = [
    {"guard": f"guard-{number}", "result": "allow", "message": "nothing stands against it"} for number in range(18)
]
SUSPECT = "{sha} 0.97 (image of {name}; its only commit; deployed 45s before the first bad value)"
VERDICT = {
    "trigger": "errors", "value": 0.079, "threshold": 0.05, "severity": "auto_rollback",
    "message": "7.9 % of requests failed (0.79 of 10 per second), limit 5 %",
}  # fmt: skip


def main(arguments: Sequence[str]) -> int:
    count, records = (*map(int, arguments), *(APPLICATIONS, RECORDS)[len(arguments) :])
    with tempfile.TemporaryDirectory() as directory:
        fleet = Fleet(Path(directory), "rest", count, REPOSITORIES)
        try:
            fleet.start()
            newest = [write_journal(fleet, label, records // REPOSITORIES) for label in fleet.labels]
            return measured(fleet, newest[0], count, records)
        finally:
            fleet.stop()


def measured(fleet: Fleet, newest: str, count: int, records: int) -> int:
    port = free_port()
    environment = {**fleet.environment("state"), "GITOPS_ROLLBACK_DASHBOARD_BIND": f"127.0.0.1:{port}"}
    run = WatchedRun(fleet.folder / "run.log", environment)
    try:
        run.until(lambda: run.ticks() >= 2 * REPOSITORIES, "the second looks", INTERVAL)
        print(
            f"{count + 1} applications, {records} rollbacks, {REPOSITORIES * DECISIONS} decisions; {TIMES} times each"
        )
        print(f"  {'':<44}{'median ms':>10}{'slowest':>10}{'kB':>8}{'ratio':>8}")
        return 1 if max(rows(port, newest)) > LIMIT_MS else 0
    finally:
        run.kill()


def rows(port: int, newest: str) -> Iterator[float]:
    """The median of each page, in ms. The floor is a page that shows nothing."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    floor, _, _ = asked(connection, "/r/rb-of-nobody", 404)
    application = "default/Application/argocd/app-00042"
    pages = {
        "/": "the overview", "/applications": "applications, first page",
        "/applications?page=77": "applications, far down", "/applications?q=app-042": "applications, found by name",
        f"/a/{application}": "an application", "/rollbacks": "rollbacks, first page",
        "/rollbacks?page=150": "rollbacks, far down", f"/r/{newest}": "a rollback", "/policies": "policies",
        "/p/fleet-0/config?path=.gitops-rollback/policies/part-0.yaml": "a policy of 250 targets", "/setup": "setup",
    }  # fmt: skip
    for path, name in pages.items():
        for form in (path, as_json(path)):
            median, slowest, size = asked(connection, form)
            kind = "" if form == path else ", as data"
            print(
                f"  {name + kind:<44}{median:>10.1f}{slowest:>10.1f}{size / 1000:>8.0f}{median / floor:>8.1f}",
                flush=True,
            )
            yield median


def asked(connection: http.client.HTTPConnection, path: str, status: int = 200) -> tuple[float, float, int]:
    """Median and slowest in ms, and the bytes. The first answer is not counted: it makes what later ones share."""
    taken: list[float] = []
    body = b""
    for _ in range(TIMES + 1):
        begun = time.perf_counter()
        connection.request("GET", path, headers={"Connection": "keep-alive"})
        answer = connection.getresponse()
        body = answer.read()
        taken.append((time.perf_counter() - begun) * 1000)
        if answer.status != status:
            raise RuntimeError(f"{path}: {answer.status} {body[:300]!r}")
    return statistics.median(taken[1:]), max(taken[1:]), len(body)


def as_json(path: str) -> str:
    parts = urlsplit(path)
    there = "/index.json" if parts.path == "/" else f"{parts.path}.json"
    return f"{there}?{parts.query}" if parts.query else there


# What happened in the last 30 days


def write_journal(fleet: Fleet, label: str, records: int) -> str:
    """Put it into the repository as its controller would have; the id of the newest rollback."""
    chance, now = random.Random(label), fleet.clock.now()
    bare = fleet.folder / "world" / f"{label}.git"
    shas = subprocess.run(
        ["git", f"--git-dir={bare}", "rev-list", "main"], capture_output=True, text=True, check=True
    ).stdout.split()
    mine = [name for name in fleet.names if fleet.labels[int(name[4:]) % REPOSITORIES] == label]
    files: dict[str, bytes] = {}
    newest = ""
    for number in range(records):
        record = rollback(label, chance.choice(mine), shas[number % 5], now - timedelta(minutes=2 + 8 * number))
        newest = newest or record.id
        files[record_path(record.id)] = encode_record(record)
    for number in range(DECISIONS):
        at = now - timedelta(minutes=2 * number)
        entry = decision(chance.choice(mine), shas[number % 5], at)
        path = decision_path(entry.application, at)
        files[path] = encode_entry(entry) + files.get(path, b"")
    stream = f"commit {JOURNAL}\ncommitter r <r@example.com> {int(now.timestamp())} +0000\ndata 0\n\n".encode()
    body = b"".join(
        b"M 100644 inline %b\ndata %d\n%b\n" % (path.encode(), len(text), text) for path, text in files.items()
    )
    subprocess.run(["git", f"--git-dir={bare}", "fast-import", "--quiet"], input=stream + body, check=True)
    return newest


def rollback(repository: str, name: str, sha: str, at: datetime) -> RollbackRecord:
    application = f"default/Application/argocd/{name}"
    identity = sha256(f"{application} {at}".encode()).hexdigest()
    well = int(identity[:2], 16) > 30
    times = {"deployed": at - timedelta(minutes=4), "fired": at, "decided": at, "pushed": at + timedelta(seconds=1)}
    times |= {"synced": at + timedelta(seconds=9), "verified": at + timedelta(minutes=2)} if well else {}
    return RollbackRecord(
        f"rb-{identity[:16]}", (application,), "argocd", repository, identity[16:56], sha,
        "policies/part-0.yaml@5ab3c90d1c7e", ("errors",), (identity[16:56],), Phase.DONE,
        steps=(StepRecord(1, 1, sha, {f"apps/{name}/deployment.yaml": sha}, at),),
        outcome=RollbackOutcome.VERIFIED if well else RollbackOutcome.UNVERIFIED,
        reason="Verified" if well else "NotRecovered", message="every check held for 2m", guards=tuple(CLEAN),
        times=times, evidence={"verdicts": [VERDICT], "suspects": [SUSPECT.format(sha=sha[:7], name=name)]},
    )  # fmt: skip


def decision(name: str, sha: str, at: datetime) -> DecisionEntry:
    details = {"sync": {"startedAt": at.isoformat()}, "verdicts": [VERDICT]}
    application = f"default/Application/argocd/{name}"
    return DecisionEntry(at, application, "watch", "Quiet", sha, "nothing is worse than before the sync", details)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
