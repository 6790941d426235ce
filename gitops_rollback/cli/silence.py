"""`gitops-rollback silence`: stop the messages about one application for a while; decisions stay the same."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import click

from gitops_rollback.app.pausing import SILENCES, change_pauses
from gitops_rollback.app.settings import Settings
from gitops_rollback.cli.access import (
    caller,
    clock_of,
    end_option,
    find_application,
    opened_sources,
)
from gitops_rollback.cli.output import ago, print_document, say
from gitops_rollback.core.journal import format_time
from gitops_rollback.core.stop import Pause, add_pause, lift_pause


def carry_out(application: str, duration: str | None, end: bool, reason: str, settings: Settings, output: str) -> None:
    if bool(duration) == end:
        raise click.UsageError("Every silence has an end: say --for 2h, or --end to end it now.")
    clock = clock_of(settings)
    author, by = caller()
    until = None if end else end_option(str(duration), clock.now(), "--for")
    with opened_sources(settings, author) as sources:
        source, name = find_application(sources, application)
        change = _change(name, Pause(name, until, by, reason), clock.now())
        subject = f"{'End the silence of' if end else 'Silence'} {name}"
        changed = change_pauses(source.repo, clock, change, subject, paper=SILENCES)
    if not changed:
        say(f"{name} was not silenced, or longer than that.")
    shown_until = format_time(until.replace(microsecond=0)) if until else None
    if output != "table":
        print_document(
            {"repository": source.repo.name, "application": name, "until": shown_until, "by": by, "reason": reason},
            output,
        )
    elif until is None:
        click.echo(f"{source.repo.name}: messages of {name} are told again")
    else:
        click.echo(f"{source.repo.name}: messages of {name} silenced until {shown_until} ({ago(until, clock.now())})")


def _change(name: str, silence: Pause, now: datetime) -> Callable[[tuple[Pause, ...]], tuple[Pause, ...]]:
    if silence.until is None:
        return lambda silences: lift_pause(silences, name, now)
    return lambda silences: add_pause(silences, silence, now)
