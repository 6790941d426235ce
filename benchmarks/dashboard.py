"""How long does a page of the dashboard take where there is much to show? Real HTTP, a real repository and engine.

`dashboard.py [APPLICATIONS] [RECORDS]`: what one look at a real application saw is laid out for 5,000 of them in two
repositories, with 10,000 ended rollbacks and as many decisions as two journals are read with. Each page is asked for
again and again, and then once after each of some looks, which is when what pages share is put in order anew. CPU
milliseconds are those of server and client together, so that a busy machine changes them little. Exits with 1 if a page
takes more than the limit.
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from _fleet import Fleet

from gitops_rollback.adapters.log import configure_logging
from gitops_rollback.app.board import Board, Picture
from gitops_rollback.app.runtime import PauseNow, Runtime
from gitops_rollback.app.settings_input import load_settings
from gitops_rollback.app.tick import Tick
from gitops_rollback.app.wiring import wire
from gitops_rollback.core.journal import DecisionEntry
from gitops_rollback.core.rollback import Phase, RollbackOutcome, RollbackRecord, StepRecord
from gitops_rollback.ports import Clock, JournalView
from gitops_rollback.web.dashboard import Dashboard
from gitops_rollback.web.dashboard_server import DashboardServer
from gitops_rollback.web.setup import Setup

APPLICATIONS, RECORDS, REPOSITORIES = 5000, 10_000, 2
DECISIONS = 20_000  # of each journal: as many as are read
LIMIT_MS = 50.0
TIMES, LOOKS = 20, 6
FINE = {"result": "allow", "message": "nothing stands against it"}
CLEAN = [{"guard": f"guard-{number}", **FINE} for number in range(18)]
SUSPECT = "{sha} 0.97 (image of {name}; its only commit; deployed 45s before the first bad value)"
VERDICT = {
    "trigger": "errors", "value": 0.079, "threshold": 0.05, "severity": "auto_rollback",
    "message": "7.9 % of requests failed (0.79 of 10 per second), limit 5 %",
}  # fmt: skip


@dataclass
class Seen:
    """What is shown, and a way to look again."""

    board: Board
    clock: Clock
    ticks: dict[str, Tick]

    def look(self) -> None:
        """Each repository once more: nothing has changed, and its journal was read anew."""
        for name, tick in self.ticks.items():
            journal = replace(tick.view.journal, records=dict(tick.view.journal.records))
            self.board.see(name, replace(tick, view=replace(tick.view, journal=journal)))


def main(arguments: Sequence[str]) -> int:
    count, records = (*map(int, arguments), *(APPLICATIONS, RECORDS)[len(arguments) :])
    with tempfile.TemporaryDirectory() as directory, (Path(directory) / "log").open("w") as log:
        configure_logging(file=log)
        fleet = Fleet(Path(directory), "rest", 0)
        try:
            fleet.start()
            settings = load_settings(fleet.environment("state"), {})
            runtime = Runtime(wire(settings), PauseNow(settings.pause))
            runtime.controller().loops[0].turn()
            (picture,) = runtime.board.pictures().values()
            decisions = REPOSITORIES * DECISIONS
            print(f"{count} applications, {records} rollbacks, {decisions} decisions; {TIMES} times, {LOOKS} looks")
            most = max(measured(laid_out(picture, runtime.parts.clock, count, records)))
            runtime.close()
            return 1 if most > LIMIT_MS else 0
        finally:
            fleet.stop()


def measured(seen: Seen) -> Iterator[float]:
    """CPU ms of each page, the dearer of the two ways. The floor is a page that shows nothing."""
    setup = Setup(lambda: iter(()), lambda: seen.clock)
    server = DashboardServer(("127.0.0.1", 0), Dashboard(seen.board, lambda: seen.clock, setup))
    server.start()
    newest = next(iter(seen.ticks["fleet-0/config"].view.journal.records))
    print(f"  {'':<40}{'CPU ms':>8}{'ratio':>7}{'ms':>8}{'kB':>7}{'CPU ms after a look':>22}")
    with httpx.Client(base_url=server.url, timeout=120) as browser:
        floor, _, _ = asked(browser, "/r/rb-of-nobody", 404)
        for path, name in pages(newest).items():
            for form in (path, as_json(path)):
                cpu, wall, size = asked(browser, form)
                anew = statistics.median(after_a_look(browser, form, seen.look) for _ in range(LOOKS))
                what = name if form == path else f"{name}, as data"
                print(f"  {what:<40}{cpu:>8.1f}{cpu / floor:>7.1f}{wall:>8.1f}{size / 1000:>7.0f}{anew:>22.1f}")
                yield max(cpu, anew)
    server.stop()


def pages(newest: str) -> dict[str, str]:
    application = "default/Application/argocd/app-00042"
    return {
        "/": "the overview",
        "/applications": "applications, first page",
        "/applications?page=77": "applications, far down",
        "/applications?q=app-042": "applications, found by name",
        f"/a/{application}": "an application",
        "/rollbacks": "rollbacks, first page",
        "/rollbacks?page=150": "rollbacks, far down",
        f"/r/{newest}": "a rollback",
        "/policies": "policies",
        "/p/fleet-0/config?path=.gitops-rollback/policies/live.yaml": "a policy",
        "/setup": "setup",
    }


def asked(browser: httpx.Client, path: str, status: int = 200) -> tuple[float, float, int]:
    """The median in CPU ms and in ms, and the bytes. The first answer is not counted: it loads what all share."""
    taken: list[tuple[float, float]] = []
    size = 0
    for _ in range(TIMES + 1):
        cpu, wall = time.process_time(), time.perf_counter()
        answer = browser.get(path)
        taken.append(((time.process_time() - cpu) * 1000, (time.perf_counter() - wall) * 1000))
        size = len(answer.content)
        if answer.status_code != status:
            raise RuntimeError(f"{path}: {answer.status_code} {answer.text[:300]}")
    return statistics.median(cpu for cpu, _ in taken[1:]), statistics.median(wall for _, wall in taken[1:]), size


def after_a_look(browser: httpx.Client, path: str, look: Callable[[], None]) -> float:
    look()
    cpu = time.process_time()
    browser.get(path)
    return (time.process_time() - cpu) * 1000


def as_json(path: str) -> str:
    parts = urlsplit(path)
    there = "/index.json" if parts.path == "/" else f"{parts.path}.json"
    return f"{there}?{parts.query}" if parts.query else there


# What is shown


def laid_out(picture: Picture, clock: Clock, count: int, records: int) -> Seen:
    """Many applications and a long past, from one that was really looked at."""
    if picture.tick is None:
        raise RuntimeError("the repository was only read")
    board, now = Board(), clock.now()
    ticks: dict[str, Tick] = {}
    for number in range(REPOSITORIES):
        label = f"fleet-{number}/config"
        names = [f"app-{one:05}" for one in range(number, count, REPOSITORIES)]
        tick = widened(picture.tick, names)
        sha, chance = tick.view.heads.branch, random.Random(label)
        known = [
            rollback(label, chance.choice(names), sha, now - timedelta(minutes=2 + 8 * one))
            for one in range(records // REPOSITORIES)
        ]
        entries = [
            decision(chance.choice(names), sha, now - timedelta(minutes=2 * one)) for one in reversed(range(DECISIONS))
        ]
        journal = JournalView(sha, {one.id: one for one in known}, tuple(entries))
        ticks[label] = replace(tick, view=replace(tick.view, journal=journal))
        board.expect(label, picture.place)
        board.see(label, ticks[label])
    return Seen(board, clock, ticks)


def widened(tick: Tick, names: Sequence[str]) -> Tick:
    """The same look, as if it had been at all of these."""
    model, sight = tick.listing.watched[0], tick.sights[0]
    watched = [
        replace(model, state=replace(model.state, id=replace(model.state.id, name=name)), policy=model.policy)
        for name in names
    ]
    sights = tuple(replace(sight, watched=one) for one in watched)
    return replace(tick, listing=replace(tick.listing, watched=tuple(watched)), sights=sights)


def rollback(repository: str, name: str, sha: str, at: datetime) -> RollbackRecord:
    application = f"default/Application/argocd/{name}"
    identity = sha256(f"{application} {at}".encode()).hexdigest()
    well = int(identity[:2], 16) > 30
    times = {"deployed": at - timedelta(minutes=4), "fired": at, "decided": at, "pushed": at + timedelta(seconds=1)}
    times |= {"synced": at + timedelta(seconds=9), "verified": at + timedelta(minutes=2)} if well else {}
    return RollbackRecord(
        f"rb-{identity[:16]}", (application,), "argocd", repository, sha, sha,
        "policies/live.yaml@5ab3c90d1c7e", ("errors",), (sha,), Phase.DONE,
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
