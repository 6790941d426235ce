"""What of a rollback shows only by watching: do events arrive, do the clocks agree? And what is not looked at, said."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from datetime import timedelta

from gitops_rollback.adapters.dates import time_at
from gitops_rollback.adapters.engines.argocd_settings import base_url
from gitops_rollback.app.checkup import Finding
from gitops_rollback.app.settings import Settings
from gitops_rollback.core.duration import format_duration
from gitops_rollback.core.errors import RollbackError
from gitops_rollback.ports import Clock, Engine

EVENTS_WITHIN = 10.0  # real seconds: a stream begins with what is there
ENDED_WITHIN = 2.0
DATE_WITHIN = timedelta(seconds=5)
CLOCKS_AGREE = timedelta(seconds=10)  # a date has whole seconds, and an answer takes its time


def of_events(engine: Engine) -> Iterator[Finding]:
    """Whether the engine's stream says anything. It begins with what is there, so one that has applications does."""
    part = f"events of {engine.instance}"
    try:
        if not engine.applications():
            yield Finding(part, True, "not checked: it shows no application", checked=False)
            return
    except RollbackError:
        return  # said as the engine's own fault
    heard, stop = threading.Event(), threading.Event()
    following = threading.Thread(target=engine.watch, args=(lambda _: heard.set(), stop), daemon=True)
    following.start()
    arrived = heard.wait(EVENTS_WITHIN)
    stop.set()
    following.join(ENDED_WITHIN)
    if arrived:
        yield Finding(part, True, "arrive")
    else:
        words = f"none came within {EVENTS_WITHIN:g} s: changes are only seen at each look"
        yield Finding(part, False, words, "let its stream through: a proxy may hold back what does not end")


def of_clock(settings: Settings, clock: Clock) -> Finding:
    """Whether our clock is that of the others: a metric is asked about the very minute in which the engine deployed."""
    if settings.clock is not None:
        return Finding("clock", True, "not checked: it is a demo's", checked=False)
    said: dict[str, timedelta] = {}
    for name, (url, ca_file) in _servers(settings).items():
        there = time_at(url, settings.origin_rules, DATE_WITHIN, ca_file)
        if there is not None:
            said[name] = there - clock.now()
    off = {name: ahead for name, ahead in said.items() if abs(ahead) > CLOCKS_AGREE}
    if off:
        words = ", ".join(f"{name} is {_words(ahead)}" for name, ahead in off.items())
        return Finding("clock", False, words, "let time be kept here and there: chronyc tracking, or timedatectl")
    if not said:
        return Finding("clock", True, "not checked: no server that is asked says what time it is", checked=False)
    return Finding("clock", True, f"agrees with {', '.join(said)}")


def _words(ahead: timedelta) -> str:
    length = format_duration(timedelta(seconds=round(abs(ahead).total_seconds())))
    return f"{length} {'ahead of' if ahead > timedelta(0) else 'behind'} this machine"


def _servers(settings: Settings) -> Mapping[str, tuple[str, str]]:
    """Those that a rollback needs, each with its CA file. A repository says the date even where it refuses."""
    found = {f"metrics {one.name}": (one.url, one.ca_file or "") for one in settings.metrics}
    for engine in settings.argocd:
        address = f"{base_url(engine.server, settings.allow_http)}/api/version"
        found[f"Argo CD {engine.instance}"] = (address, engine.ca_file or "")
    for one in settings.repositories:
        if one.url.startswith(("https://", "http://")):
            address = f"{one.url}/info/refs?service=git-upload-pack"
            found[f"repository {one.label}"] = (address, one.git.ca_file or "")
    return found


def not_tried(push: bool, registries: bool) -> Iterator[Finding]:
    """What this look leaves out."""
    if not push:
        words = "not checked: only a real push shows whether rules and hooks let us"
        yield Finding("push", True, words, "gitops-rollback doctor --push", checked=False)
    if not registries:
        words = "not checked: the settings name no registry"
        yield Finding("images", True, words, "`registries` in the settings", checked=False)
