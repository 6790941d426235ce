"""`gitops-rollback runbook`: the standing runbook of one application, from its policy and how it is now."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import click

from gitops_rollback.app.settings import Settings
from gitops_rollback.cli.access import (
    Source,
    clock_of,
    find_application,
    newest_decision,
    newest_record,
    opened_sources,
)
from gitops_rollback.cli.handover import items_of
from gitops_rollback.cli.output import ago, shown
from gitops_rollback.core.handover import SHIFT, of_applications
from gitops_rollback.core.runbook import standing_runbook
from gitops_rollback.core.stop import names_of


def carry_out(application: str, settings: Settings) -> None:
    now = clock_of(settings).now()
    with opened_sources(settings) as sources:
        source, name = find_application(sources, application)
        found = [
            (policy, target)
            for policy, target in source.targets()
            if target.application.full in names_of(name) or name in names_of(target.application.full)
        ]
        if not found:
            raise click.UsageError(f"No policy at the branch's head watches {application!r}.")
        policy, target = found[0]
        lines = list(_now(source, name, settings, now))
        for line in standing_runbook(policy, target, name, lines):
            click.echo(shown(line))


def _now(source: Source, name: str, settings: Settings, now: datetime) -> Iterator[str]:
    decision, record = newest_decision(source, name), newest_record(source, name)
    if decision is not None:
        yield f"newest decision, {ago(decision.at, now)}: {decision.action} {decision.reason}: {decision.message}"
    if record is not None:
        state = record.outcome.value if record.outcome else record.phase.value
        yield f"newest rollback: `gitops-rollback status {record.id}`, {state}"
    for item in of_applications(items_of(source, settings, None, now - SHIFT, now), {name}):
        yield f"{item.section.value}: {item.text}"
