"""Do the sync windows of a project let somebody sync an application now? As Argo CD's server works it out.

What a global project adds to a project stands in no object of the project; the controller heeds it all the same.
Source: argo-cd v3.5.1 pkg/apis/application/v1alpha1/types.go (SyncWindows.CanSync, Matches, active); gobwas/glob.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from zoneinfo import ZoneInfo

from cronsim import CronSimError

from gitops_rollback.adapters.engines.argocd_wire import window_closed
from gitops_rollback.adapters.engines.flux_objects import parse_duration
from gitops_rollback.adapters.json_node import Node
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.guards.rules import in_window
from gitops_rollback.core.policy import ScheduleWindow
from gitops_rollback.core.sync import Obstacle

ALTERNATIVES_READ = 64
_BRACES = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True)
class Window:
    """One window that is about the application."""

    kind: str  # allow, deny
    manual: bool  # lets people sync though it keeps auto-sync away
    active: bool


def manual_sync_obstacles(project: object, application: object, now: datetime) -> tuple[Obstacle, ...]:
    """Why nobody may sync `application` by hand now, by the AppProject's own windows; () if they may.

    A window that cannot be read is in the way: Argo CD itself syncs nothing then.
    """
    listed = [one for one in Node(project).get("spec", "syncWindows").items() if _is_about(one, Node(application))]
    try:
        windows = [_window(one, now) for one in listed]
    except (ValueError, KeyError, OSError, CronSimError):  # of the schedule, the duration or the time zone
        remedy = "correct `spec.syncWindows` of the AppProject"
        return (Obstacle(Reason.WINDOW_CLOSED, "a sync window of its project cannot be read", remedy),)
    denying = [one for one in windows if one.kind == "deny" and one.active]
    if denying:
        return () if all(one.manual for one in denying) else (window_closed(True),)
    allowing = [one for one in windows if one.kind == "allow"]
    if not allowing or any(one.active for one in allowing) or all(one.manual for one in allowing):
        return ()
    return (window_closed(False),)


def _window(node: Node, now: datetime) -> Window:
    duration = parse_duration(node.get("duration").text())
    if duration is None or duration <= timedelta():
        raise ValueError("no duration")
    zone = node.get("timeZone").text() or "UTC"
    ZoneInfo(zone)
    schedule = ScheduleWindow(node.get("schedule").text(), duration, zone)
    return Window(node.get("kind").text(), node.get("manualSync").flag(), in_window(schedule, now))


def _is_about(window: Node, application: Node) -> bool:
    """By name, destination namespace or cluster: any of the lists, or with `andOperator` each that is not empty."""
    name = application.get("metadata", "name").text()
    destination = application.get("spec", "destination")
    clusters = (destination.get("name").text(), destination.get("server").text())
    answers = [
        any(_fits(pattern, value) for pattern in patterns for value in values if value)
        for key, values in (
            ("applications", (name,)),
            ("namespaces", (destination.get("namespace").text(),)),
            ("clusters", clusters),
        )
        if (patterns := window.get(key).texts())
    ]
    return bool(answers) and (all(answers) if window.get("andOperator").flag() else any(answers))


def _fits(pattern: str, value: str) -> bool:
    return any(fnmatchcase(value, one) for one in _alternatives(pattern))


def _alternatives(pattern: str) -> Iterator[str]:
    """`{a,b}` written out, as far as a person would go."""
    pending, told = [pattern], 0
    while pending and told < ALTERNATIVES_READ:
        one = pending.pop()
        told += 1
        braces = _BRACES.search(one)
        if braces is None:
            yield one
        else:
            pending += [one[: braces.start()] + word + one[braces.end() :] for word in braces[1].split(",")]
