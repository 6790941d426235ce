"""`gitops-rollback hold APP --fix-in 10m`: a person is about to fix it; acting waits so long, and no longer."""

from __future__ import annotations

from datetime import timedelta

import click

from gitops_rollback.app.pausing import change_pauses
from gitops_rollback.app.settings import Settings
from gitops_rollback.cli.access import (
    caller,
    clock_of,
    duration_option,
    find_application,
    opened_sources,
)
from gitops_rollback.cli.output import say
from gitops_rollback.core.duration import format_duration
from gitops_rollback.core.stop import FIX, Pause, add_pause

LONGEST = timedelta(hours=1)  # a fix that takes longer is a pause, and somebody should say so


def carry_out(application: str, duration: str, reason: str, settings: Settings) -> None:
    clock = clock_of(settings)
    lasts = _lasts(duration)
    author, by = caller()
    with opened_sources(settings, author) as sources:
        source, name = find_application(sources, application)
        why = f"{FIX}{format_duration(lasts)}" + (f": {reason}" if reason else "")
        pause = Pause(name, clock.now() + lasts, by, why)
        change_pauses(source.repo, clock, lambda known: add_pause(known, pause, clock.now()), f"Hold {name}")
        say(f"{source.repo.name}: nothing is done for {name} for {format_duration(lasts)} ({by}: {why}).")


def _lasts(duration: str) -> timedelta:
    lasts = duration_option(duration, "--fix-in")
    if not timedelta(0) < lasts <= LONGEST:
        raise click.BadParameter("must be more than nothing and at most 1h; else: pause --for", param_hint="--fix-in")
    return lasts
