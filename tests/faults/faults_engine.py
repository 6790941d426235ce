"""Argo CD answers nonsense, never comes to an end, shows an old state, or will not sync."""

from __future__ import annotations

import json
import re
import threading
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

from argocd_proxy import ArgoCdProxy
from live_world import APPLICATION, MINUTE, NO_POLLS, SERVICE, Live
from scene import Scene, scene

from gitops_rollback.sandbox.argocd import AppSpec, SyncWindow
from gitops_rollback.sandbox.world import SERVICES, default_application

ERROR = '{"error":"%s","code":%d,"message":"%s"}'
UNLISTED = re.compile(r"\[-\]engine \S+ listing")
HTML = "text/html; charset=utf-8"
Opened = Callable[[Path, int], AbstractContextManager[Scene]]
unasked: Opened = partial(scene, timing=NO_POLLS)
NonAnswer = tuple[str, int, str, str]  # its name, status, body, type
ANSWERS: tuple[NonAnswer, ...] = (
    ("401", 401, ERROR % ("no session", 16, "no session"), "application/json"),
    ("403", 403, ERROR % ("permission denied", 7, "permission denied"), "application/json"),
    ("404", 404, "404 page not found\n", "text/plain"),
    ("500", 500, ERROR % ("rpc error", 13, "rpc error"), "application/json"),
    ("502", 502, "<html>bad gateway</html>", HTML),
    ("503", 503, "upstream connect error", "text/plain"),
    ("login page", 200, "<html><body>Please log in</body></html>", HTML),
    ("empty 200", 200, "", "application/json"),
    ("null", 200, "null", "application/json"),
)  # fmt: skip


def answers_nonsense(
    folder: Path, seed: int, opened: Opened = unasked, known: Sequence[NonAnswer] = ANSWERS
) -> tuple[str, ...]:
    """F13: nothing is done on an answer that says nothing, before the push or after it; then it goes on."""
    with opened(folder, seed) as it:
        answers = list(known)
        it.dice.shuffle(answers)
        it.live.fail()
        it.until(lambda: it.live.runs(it.live.telling.bad), "it is deployed")
        for answer in answers[:5]:
            _answers(it, answer, "before the push")
        it.until(lambda: bool(it.reverts()), "the bad release is reverted")
        for answer in answers[5:]:
            _answers(it, answer, "after the push")
            it.check(not it.live.telling.is_done("verified"), f"verified while Argo CD answered {answer[0]}")
        it.verified()
        before = len(_pages_of_silence(it))
        it.live.engine_answers(*answers[0][1:])
        it.until(lambda: len(_pages_of_silence(it)) > before, "it is paged once it lasts")
        it.nothing_for(3 * MINUTE, "while Argo CD said nothing")
        pages = len(_pages_of_silence(it)) - before
        it.check(pages == 1, f"{pages} pages for one silence")
        it.live.engine_heals()
        it.until(
            lambda: any("answers again" in str(line.get("msg")) for line in it.live.logged()), "its return is told"
        )
    return tuple(it.broken)


def _pages_of_silence(it: Scene) -> list[str]:
    return [str(line["msg"]) for line in it.live.pages() if "cannot be asked" in str(line["msg"])]


def _answers(it: Scene, answer: NonAnswer, when: str) -> None:
    name, status, body, kind = answer
    lines = len(it.live.logged())
    it.live.engine_answers(status, body, kind)

    def told() -> bool:
        """By its readiness, or in the log where only a person can mend it: what is listed is not served at all."""
        unready = UNLISTED.search(it.live.probe("/readyz?verbose")[1])
        return bool(unready) or any(line.get("msg") == "cannot watch" for line in it.live.logged()[lines:])

    it.until(told, f"it tells of {name}")
    it.nothing_for(MINUTE * it.dice.uniform(0.7, 1.3), f"{when} while Argo CD answered {name}")
    it.check(it.live.probe("/healthz")[0] == 200, f"it does not live while Argo CD answers {name}")
    it.live.engine_heals()


class Spoiler(ArgoCdProxy):
    """Shows another health than the true one, or an operation that never ends."""

    def __init__(self, target: str, word: str) -> None:
        self.word = word
        self.on = threading.Event()
        super().__init__(target)

    def spoil(self, text: bytes) -> bytes:
        if not self.on.is_set() or b'"metadata"' not in text:
            return text
        document = json.loads(text)
        for one in document.get("items") or [document]:
            status = one.get("status") if isinstance(one, dict) else None
            if not isinstance(status, dict):
                continue
            if self.word == "Running":
                status.setdefault("operationState", {})["phase"] = "Running"
                status["operationState"].pop("finishedAt", None)
            else:
                status["health"] = {"status": self.word}
        return json.dumps(document).encode()


def never_ends(folder: Path, seed: int) -> tuple[str, ...]:
    """F14: after our push the engine is Progressing, Unknown or at work for ever: never verified, a page in 30 min."""
    words = ("Running", "Progressing", "Unknown")
    with scene(folder, seed, controller=False) as it:
        proxy = Spoiler(it.live.argocd.url, words[seed % len(words)])
        try:
            it.live.start_controller(ARGOCD_SERVER=proxy.url)
            given_up(it, proxy.on.set)
        finally:
            it.live.kill_controller()
            proxy.stop()
    return tuple(it.broken)


def given_up(it: Scene, spoil: Callable[[], object]) -> None:
    """`spoil` comes after our push; a person is paged within 30 minutes, nothing is called verified or done again."""
    it.live.fail()
    it.pending()
    it.until(lambda: bool(it.reverts()), "the bad release is reverted")
    spoil()
    pushed = it.live.now()
    it.until(lambda: bool(it.live.telling.rollbacks()[0]["outcome"]), "it came to an end")
    it.check(it.live.now() - pushed <= timedelta(minutes=32), "no end within 30 minutes")
    record = it.live.telling.rollbacks()[0]
    it.check(record["outcome"] == "unverified", f"ended {record['outcome']}, not unverified")
    it.until(lambda: it.paged(record["reason"]), "a person is paged")
    it.nothing_for(5 * MINUTE, "after it was given up")


def shows_an_old_state(folder: Path, seed: int) -> tuple[str, ...]:
    """F15: Synced and Healthy, but at the old revision: not verified until the revision has our commit."""
    with scene(folder, seed, timing=NO_POLLS) as it:
        it.live.fail()
        it.pending()
        it.live.let_pass(timedelta(seconds=it.dice.uniform(0, 20)))
        it.live.argocd.stale(True)
        it.until(lambda: bool(it.reverts()), "the bad release is reverted")
        asked = len(it.live.engine_writes())
        for _ in range(5):
            it.nothing_for(MINUTE, "while the engine showed an old state")
            phases = [(record["phase"], record["outcome"]) for record in it.live.telling.records()]
            it.check(phases == [("Syncing", None)], f"{phases} at the old revision")
        it.check(len(it.live.engine_writes()) - asked <= 24, "more than one sync at a tick")
        it.live.argocd.stale(False)
        it.verified()
    return tuple(it.broken)


def will_not_sync(folder: Path, seed: int, kind: type[Live] = Live) -> tuple[str, ...]:
    """F16: auto-sync off, the window closed, somebody at odds with self-heal. Reported, and no storm of requests."""
    broken = _without_auto_sync(folder / "off", seed, kind)
    broken += _window_closed(folder / "closed", seed, kind)
    return tuple(broken + _self_heal_fights(folder / "fight", seed, kind))


def _without_auto_sync(folder: Path, seed: int, kind: type[Live]) -> list[str]:
    """Somebody syncs by hand; so do we, since nothing else waits on the branch."""
    by_hand = type("ByHand", (SyncedByHand, kind), {})
    with scene(folder, seed, kind=by_hand, applications=_applications(auto_sync=False)) as it:
        it.live.fail()
        _sync_by_hand(it.live)
        it.until(lambda: bool(it.reverts()), "the bad release is reverted")
        it.verified()
        syncs = len(it.live.engine_writes())
        it.check(syncs <= 4, f"{syncs} syncs were asked for, two of them by a person")
    return it.broken


class SyncedByHand(Live):
    """Somebody syncs checkout-api once at the beginning, too."""

    asked = False

    def all_healthy(self) -> bool:
        if not self.asked:
            self.asked = True
            _sync_by_hand(self)
        return super().all_healthy()


def _applications(**words: bool) -> list[AppSpec]:
    """The shop's, checkout-api with these words."""
    others = [default_application(name) for name in SERVICES if name != SERVICE]
    return [replace(default_application(SERVICE), **words), *others]


def _sync_by_hand(live: Live) -> None:
    url = f"{live.argocd.url}/api/v1/applications/{APPLICATION}/sync"
    headers = {"Authorization": f"Bearer {live.argocd.token}", "Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(url, b"{}", headers), timeout=30) as answer:
        answer.read()


def _window_closed(folder: Path, seed: int, kind: type[Live]) -> list[str]:
    """It says so and pages; when the window opens, it goes on where it stood, or at a person's word."""
    with scene(folder, seed, kind=kind) as it:
        it.live.fail()
        it.until(lambda: it.live.runs(it.live.telling.bad), "the bad release is applied")
        it.live.argocd.set_sync_windows([SyncWindow("deny")])
        it.until(lambda: it.explained("WindowClosed"), "it says that the window is closed")
        it.nothing_for(5 * MINUTE, "while the sync window was closed")
        it.until(lambda: it.paged("WindowClosed"), "a person is paged")
        it.check(not it.live.engine_writes(), f"asked the engine for something: {it.live.engine_writes()}")
        it.live.argocd.set_sync_windows([])
        it.verified_or_approved()
    return it.broken


def _self_heal_fights(folder: Path, seed: int, kind: type[Live]) -> list[str]:
    with scene(folder, seed, kind=kind, applications=_applications(self_heal=True)) as it:
        over = threading.Event()
        fighter = threading.Thread(target=_fight, args=(it.live, over), daemon=True)
        it.live.fail()
        fighter.start()
        try:
            it.until(lambda: bool(it.reverts()), "the bad release is reverted")
            asked, began = len(it.live.engine_writes()), it.live.now()
            it.live.let_pass(4 * MINUTE)
            writes = len(it.live.engine_writes()) - asked
            minutes = (it.live.now() - began) / MINUTE
            it.check(writes <= 3 * minutes + 3, f"{writes} writes to the engine in {minutes:.0f} minutes")
        finally:
            over.set()
            fighter.join()
        it.verified()
    return it.broken


def _fight(live: Live, over: threading.Event) -> None:
    """Somebody scales the Deployment again and again; the engine takes it back."""
    count = 7
    while not over.wait(live.world.clock.real_seconds(timedelta(seconds=25))):
        count += 1
        live.argocd.edit_live(APPLICATION, "Deployment", lambda one, n=count: one["spec"].update(replicas=n))


FAULTS = {"F13": answers_nonsense, "F14": never_ends, "F15": shows_an_old_state, "F16": will_not_sync}
