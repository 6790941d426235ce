"""`gitops-rollback resume`: end a pause that stands on the control branch; says what else still stops."""

from __future__ import annotations

import click

from gitops_rollback.app.pausing import change_pauses
from gitops_rollback.app.settings import Settings
from gitops_rollback.cli.access import Source, caller, clock_of, find_application, opened_sources
from gitops_rollback.cli.output import print_document, say
from gitops_rollback.core.stop import CONTROL_DOOR, PauseState, lift_pause, stopped
from gitops_rollback.ports import Clock


def carry_out(application: str | None, everything: bool, settings: Settings, output: str) -> None:
    if bool(application) == everything:
        raise click.UsageError("Name one application, or say --all.")
    clock = clock_of(settings)
    author, _ = caller()
    with opened_sources(settings, author) as sources:
        if application is None:
            chosen: list[tuple[Source, str | None]] = [(source, None) for source in sources]
        else:
            chosen = [find_application(sources, application)]
        for source, name in chosen:
            _resume(source, name, settings, clock, output)


def _resume(source: Source, name: str | None, settings: Settings, clock: Clock, output: str) -> None:
    what = name or "everything"
    lifted = change_pauses(
        source.repo, clock, lambda pauses: lift_pause(pauses, name, clock.now()), f"Resume {what}", name is None
    )
    control, head = source.pauses()
    rest = PauseState(CONTROL_DOOR, lift_pause(control.pauses, name, clock.now()))
    stop = stopped(name or "", clock.now(), settings.pause, rest, head)
    if stop is not None:
        say(f"Still stopped: {stop.message}")
    if output == "table":
        click.echo(f"{source.repo.name}: {what} {'resumed' if lifted else 'was not paused'}")
    else:
        print_document(
            {
                "repository": source.repo.name,
                "application": name,
                "resumed": lifted,
                "stillStoppedBy": stop.door if stop else None,
            },
            output,
        )
