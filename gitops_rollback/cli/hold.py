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
    repository_options,
)
from gitops_rollback.cli.output import say
from gitops_rollback.core.duration import format_duration
from gitops_rollback.core.stop import FIX, Pause, add_pause

LONGEST = timedelta(hours=1)  # a fix that takes longer is a pause, and somebody should say so


@click.command
@click.argument("application", metavar="APP")
@click.option("--fix-in", "duration", required=True, metavar="DURATION", help="How long the fix takes; at most 1h.")
@click.option("--reason", default="", help="What is being done; stands in messages and in the journal.")
@repository_options
def command(application: str, duration: str, reason: str, settings: Settings) -> None:
    """Let acting for one application wait for a person's fix. Looking, paging and what is under way go on.

    When the time is over and the fault is still there, the controller acts as if nothing had been said.

    \b
    Examples:
      gitops-rollback hold checkout-api --fix-in 10m --reason "the flag is being turned off"
    """
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
