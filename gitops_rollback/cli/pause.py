"""`gitops-rollback pause`: stop acting for one application or for all, as the caller; no controller need run."""

from __future__ import annotations

from datetime import datetime

import click

from gitops_rollback.app.pausing import Change, change_pauses
from gitops_rollback.app.settings import Settings
from gitops_rollback.cli.access import (
    Source,
    caller,
    clock_of,
    end_option,
    find_application,
    opened_sources,
)
from gitops_rollback.cli.output import ago, print_document, say
from gitops_rollback.core.journal import format_time
from gitops_rollback.core.stop import Pause, add_pause


def carry_out(application: str | None, everything: bool, settings: Settings, output: str, **end: object) -> None:
    if bool(application) == everything:
        raise click.UsageError("Name one application, or say --all.")
    clock = clock_of(settings)
    until = _until(end, clock.now())
    author, by = caller()
    with opened_sources(settings, author) as sources:
        for source, name in _chosen(sources, application):
            pause = Pause(name, until, by, str(end["reason"]))
            what = f"Pause {name or 'everything'}"
            say(f"{source.repo.name}: {what.lower()} {_end_in_words(until, clock.now())}")
            change_pauses(source.repo, clock, _adding(pause, clock.now()), what)
            _answer(source, pause, output)


def _adding(pause: Pause, now: datetime) -> Change:
    return lambda pauses: add_pause(pauses, pause, now)


def _until(end: dict[str, object], now: datetime) -> datetime | None:
    duration, open_ended = end["duration"], end["open_ended"]
    if bool(duration) == bool(open_ended):
        raise click.UsageError("Every pause has an end: say --for 2h, or --open-ended if there is really none.")
    if not duration:
        return None
    return end_option(str(duration), now, "--for")


def _chosen(sources: tuple[Source, ...], application: str | None) -> list[tuple[Source, str | None]]:
    if application is None:
        return [(source, None) for source in sources]
    source, name = find_application(sources, application)
    return [(source, name)]


def _end_in_words(until: datetime | None, now: datetime) -> str:
    return f"until {format_time(until.replace(microsecond=0))} ({ago(until, now)})" if until else "without an end"


def _answer(source: Source, pause: Pause, output: str) -> None:
    until = format_time(pause.until.replace(microsecond=0)) if pause.until else None
    name = pause.application or "all applications"
    if output == "table":
        click.echo(f"{source.repo.name}: {name} paused {f'until {until}' if until else 'without an end'}")
    else:
        document = {"repository": source.repo.name, "application": pause.application, "until": until, "by": pause.by}
        print_document({**document, "reason": pause.reason}, output)
