"""`gitops-rollback handover`: what the next shift must know, from git alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import click

from gitops_rollback.app.handing_over import heartbeats_of, practices
from gitops_rollback.app.runtime import tenancy_of
from gitops_rollback.app.settings import Settings
from gitops_rollback.cli.access import (
    Source,
    clock_of,
    document,
    opened_sources,
    time_option,
)
from gitops_rollback.cli.output import ago, print_document, shown
from gitops_rollback.core import silence
from gitops_rollback.core.errors import SettingsInvalid
from gitops_rollback.core.handover import SHIFT, Item, ShiftFacts, ending, handed_over, of_applications
from gitops_rollback.core.journal import format_time
from gitops_rollback.core.stop import read_pause


def carry_out(since: str | None, team: str | None, settings: Settings, output: str) -> None:
    now = clock_of(settings).now()
    begin = time_option(since, now, "--since") or now - SHIFT
    if team is not None and team not in [tenant.name for tenant in settings.tenants]:
        raise SettingsInvalid("--team", f"the settings name no tenant {team!r}")
    with opened_sources(settings) as sources:
        found = {one.repo.name: items_of(one, settings, team, begin, now) for one in sources}
    if output != "table":
        print_document({name: [_document(item) for item in items] for name, items in found.items()}, output)
        return
    for name, items in found.items():
        for line in _lines(name, items, begin, now):
            click.echo(shown(line))


def items_of(source: Source, settings: Settings, team: str | None, begin: datetime, now: datetime) -> Sequence[Item]:
    """What there is to hand over of one repository, or of a team's part of it."""
    control = source.heads.control
    text = None if control is None else document(source.repo, control, silence.PATH)
    policies = source.policies.at(source.heads.branch)
    facts = ShiftFacts(
        records=tuple(source.journal.records.values()),
        decisions=source.journal.decisions,
        pauses=(settings.pause, *source.pauses()),
        silences=read_pause(silence.DOOR, text, silence.KIND),
        policy_faults=[str(error) for error in policies.errors],
        rhythm=heartbeats_of(policies.policies, settings.heartbeat.rhythm),
        practices=practices((target for _, target in source.targets()), source.journal, now),
    )
    items = handed_over(facts, now, begin)
    if team is None:
        return items
    tenancy = tenancy_of(settings)
    owned = [policy for policy in policies.policies if (one := tenancy.of(policy)) is not None and one.name == team]
    owners = {policy.path for policy in owned}
    named = (target for policy, target in source.targets() if policy.path in owners)
    names = {name for target in named for name in (target.application.full, target.name)}
    return of_applications(items, names)


def _lines(name: str, items: Sequence[Item], begin: datetime, now: datetime) -> list[str]:
    if not items:
        return [f"{name}: nothing is open, held, waiting, blind, paused or silenced (since {format_time(begin)})"]
    lines = [name]
    section = None
    for item in items:
        if item.section is not section:
            section = item.section
            lines.append(f"  {section.value}")
        lines.append(f"    {_line(item, now)}")
    soon = ending(items, now)
    if soon:
        lines.append(f"  ends within the next {SHIFT.total_seconds() / 3600:g} hours")
        lines += [f"    {ago(item.until, now)}: {item.text}" for item in soon]
    return lines


def _line(item: Item, now: datetime) -> str:
    who = ", ".join("/".join(name.split("/")[-2:]) for name in item.applications)
    since = f" ({ago(item.since, now)})" if item.since else ""
    return f"{who + ': ' if who and who not in item.text else ''}{item.text}{since}"


def _document(item: Item) -> dict[str, object]:
    return {
        "section": item.section.value,
        "applications": list(item.applications),
        "text": item.text,
        "since": format_time(item.since) if item.since else None,
        "until": format_time(item.until) if item.until else None,
    }
