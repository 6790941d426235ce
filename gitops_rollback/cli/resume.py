"""`gitops-rollback resume`: end a pause that stands on the control branch; says what else still stops."""

from __future__ import annotations

import click

from gitops_rollback.app.pausing import change_pauses
from gitops_rollback.app.settings import Settings
from gitops_rollback.cli.access import Source, caller, clock_of, find_application, opened_sources, repository_options
from gitops_rollback.cli.output import output_option, print_document, say
from gitops_rollback.core.stop import CONTROL_DOOR, PauseState, lift_pause, stopped
from gitops_rollback.ports import Clock


@click.command
@click.argument("application", metavar="[APP]", required=False)
@click.option("--all", "everything", is_flag=True, help="End every pause of the control branch, an unreadable one too.")
@output_option("table", "json", "yaml")
@repository_options
def command(application: str | None, everything: bool, settings: Settings, output: str) -> None:
    """End a pause. A pause of everything is ended by --all only.

    \b
    Examples:
      gitops-rollback resume checkout-api
      gitops-rollback resume --all
    """
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
