"""Which keys belong to which guard, check and receiver, and do their values make sense there?

Source: zoneinfo for time zones.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from zoneinfo import ZoneInfo

from gitops_rollback.adapters.policies.rules_shape import Found, forbidden, missing
from gitops_rollback.adapters.policies.unbuilt import trigger_type
from gitops_rollback.adapters.policies.view import View
from gitops_rollback.core.faults import shown
from gitops_rollback.core.guards.rules import is_cron
from gitops_rollback.core.policy import LIMITED
from gitops_rollback.core.receivers import RECEIVERS, missing_of, strange_to

NOTIFICATION_KEYS = frozenset({"url", "channel", "tags", "format", "secretRef"})
GUARD_KEYS = {
    "paths": ("paths",),
    "image": (),
    "revisionHistoryLimit": ("minimum",),
    "blastRadius": ("maxTargets", "maxFiles"),
    "budget": ("maxRollbacks", "per"),
    "schedule": ("during",),
    "trailer": ("trailer",),
    "conflict": (),
    "floor": ("commit", "images"),
    "capacity": (),
}
NEEDS_ONE = {"blastRadius": ("maxTargets", "maxFiles"), "floor": ("commit", "images")}
NEEDS_ALL = {"paths": ("paths",), "budget": ("maxRollbacks",), "schedule": ("during",), "trailer": ("trailer",)}
CHECK_KEYS = {
    "engine": ("expect",),
    "prometheus": ("query", "queryFrom", "expect"),
    "http": ("url", "expectStatus"),
    "kubernetes": ("workload", "expect"),
}
EXPECT_KEYS = {
    "engine": ("sync", "health", "revision"),
    "prometheus": ("atMost", "atLeast", "tolerance"),
    "kubernetes": (),
}


def guard_faults(spec: View) -> Iterator[Found]:
    """What is wrong with each guard's keys and schedule."""
    every = {key for keys in GUARD_KEYS.values() for key in keys}
    for guard in spec.at("guards").items:
        kind = guard.at("type").text or ""
        if kind not in GUARD_KEYS:
            continue
        yield from forbidden(guard, kind, *sorted(every - set(GUARD_KEYS[kind])))
        yield from missing(guard, kind, *NEEDS_ALL.get(kind, ()))
        choices = NEEDS_ONE.get(kind, ())
        if choices and not any(guard.has(key) for key in choices):
            yield guard.mark, f"type {shown(kind)} needs `{choices[0]}` or `{choices[1]}`", f"add `{choices[0]}:`"
        if kind == "budget" and guard.at("per").duration == timedelta(0):
            yield guard.at("per").mark, "`per: 0` limits nothing", "write it like 24h"
        for window in guard.at("during").items:
            yield from _schedule(window)


def _schedule(window: View) -> Iterator[Found]:
    cron, zone = window.at("cron").text, window.at("timezone").text
    if cron and not is_cron(cron):
        yield window.at("cron").mark, f"{shown(cron)} is no schedule", 'five fields: "0 18 * * 5" is Fridays at 18:00'
    if zone and not _is_zone(zone):
        yield window.at("timezone").mark, f"{shown(zone)} is no time zone", "write it like Europe/London"
    if window.at("duration").duration == timedelta(0):
        yield window.at("duration").mark, "`duration: 0` closes nothing", "write it like 12h"


def _is_zone(text: str) -> bool:
    try:
        ZoneInfo(text)
    except (ValueError, OSError, LookupError):
        return False
    return True


def check_faults(spec: View) -> Iterator[Found]:
    """What is wrong with each check of the verification."""
    triggers = {trigger.at("name").text: trigger_type(trigger) for trigger in spec.at("triggers").items}
    every = {key for keys in CHECK_KEYS.values() for key in keys}
    for trigger in spec.at("triggers").items:
        if trigger_type(trigger) == "alert" and not spec.at("verification", "checks").items:
            fix = "add `verification.checks`, one of them with a limit for what it watches"
            yield trigger.mark, "type `alert` has no limit that a rollback could be verified by", fix
    for check in spec.at("verification", "checks").items:
        kind = check.at("type").text or ""
        if kind not in CHECK_KEYS:
            continue
        yield from forbidden(check, kind, *sorted(every - set(CHECK_KEYS[kind])))
        yield from _expect(check, kind)
        if kind == "http":
            yield from missing(check, kind, "url")
        if kind == "prometheus":
            yield from _measured(check, triggers)
        if check.at("timeout").duration == timedelta(0):
            yield check.at("timeout").mark, "`timeout: 0` leaves no time", "write it like 30s"


def _measured(check: View, triggers: dict[str | None, str]) -> Iterator[Found]:
    if check.has("query") == check.has("queryFrom"):
        yield check.mark, "type `prometheus` needs `query` or `queryFrom`, not both", "name a trigger by `queryFrom`"
    source = check.at("queryFrom").text
    if source and triggers.get(source) not in LIMITED:
        known = ", ".join(sorted(name for name, kind in triggers.items() if name and kind in LIMITED))
        yield check.at("queryFrom").mark, f"no trigger with a query is called {shown(source)}", f"known: {known}"
    if not check.at("expect").has("atMost") and not check.at("expect").has("atLeast"):
        yield check.mark, "type `prometheus` needs `expect`", "add `expect: {atMost: ...}` or `{atLeast: ...}`"
    tolerance = check.at("expect", "tolerance").number
    if tolerance is not None and not 0 <= tolerance <= 1:
        yield check.at("expect", "tolerance").mark, "`tolerance` is not a share", "write 0.1 for 10 %"


def _expect(check: View, kind: str) -> Iterator[Found]:
    expect = check.at("expect")
    for key in expect.keys:
        if key not in EXPECT_KEYS.get(kind, ()) and key in {key for keys in EXPECT_KEYS.values() for key in keys}:
            yield expect.key_mark(key), f"`{key}` does not belong to type {shown(kind)}", "remove it"
    if expect.text == "complete" and kind != "kubernetes":
        yield expect.mark, f"`complete` does not belong to type {shown(kind)}", "write a mapping"


def notification_faults(spec: View) -> Iterator[Found]:
    """A receiver that cannot be found tells nobody; a key that it does not know was meant for something."""
    for notification in spec.at("notifications").items:
        to, given = notification.at("to").text, frozenset(notification.keys)
        if to not in RECEIVERS:
            continue
        for key in missing_of(to, given):
            hint = f"; {RECEIVERS[to].hint}" if key == "secretRef" else ""
            yield notification.mark, f"`to: {to}` needs `{key}`", f"add `{key}:`{hint}"
        for key in strange_to(to, given & NOTIFICATION_KEYS):
            yield notification.key_mark(key), f"`{key}` does not belong to `to: {to}`", "remove it"
