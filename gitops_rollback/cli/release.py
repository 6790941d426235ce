"""`gitops-rollback release APP`: a person's word that an image automation may write again what a rollback holds."""

from __future__ import annotations

import sys

import click

from gitops_rollback.app.requesting import HeldImage, HoldRequests, landed
from gitops_rollback.app.settings import Settings
from gitops_rollback.cli.access import caller
from gitops_rollback.cli.asking import Asked, opened_requests
from gitops_rollback.cli.main import OK, REFUSED, USAGE
from gitops_rollback.cli.output import say, shown
from gitops_rollback.core.errors import StalledError
from gitops_rollback.ports import PushOutcome

TRIES = 5


def carry_out(context: click.Context, application: str, reason: str, yes: bool, settings: Settings) -> None:
    by = caller()[1]
    with opened_requests(settings) as asked:
        one, held = _first(asked, application, by, reason)
        click.echo(shown(held.selected))
        click.echo(shown(f"puts the mark back in {', '.join(change.path for change in held.release.changes)}"))
        if held.stopped:
            say(f"Refused: {held.stopped}. End the pause first: gitops-rollback resume")
            context.exit(REFUSED)
        if not yes and not sys.stdin.isatty():
            say("Without a terminal to ask, this needs --yes.")
            context.exit(USAGE)
        if not yes and not click.confirm("Push this?", err=True):
            context.exit(REFUSED)
        context.exit(_push(HoldRequests(one.requests), held, application, by, reason))


def _first(asked: tuple[Asked, ...], word: str, by: str, reason: str) -> tuple[Asked, HeldImage]:
    """The repository where something is held. Raises: what the last one raised."""
    failure: StalledError | None = None
    for one in asked:
        try:
            return one, HoldRequests(one.requests).prepare(word, by, reason)
        except StalledError as error:
            failure = error
    raise failure or click.UsageError(f"{word!r} is no watched application.")


def _push(requests: HoldRequests, held: HeldImage, word: str, by: str, reason: str) -> int:
    """After a lost race it is made anew, and pushed only if what the automation selects is the same."""
    for _ in range(TRIES):
        landing = requests.carry_out(held)
        if landed(landing):
            say(f"{held.release.record.id}: the mark is back")
            return OK
        if landing.outcome is not PushOutcome.REJECTED:
            say(f"The push did not land ({landing.outcome.value}): {landing.message}")
            return REFUSED
        again = requests.prepare(word, by, reason)
        if again.selected != held.selected or again.stopped:
            say("Something changed meanwhile: look at it again.")
            return REFUSED
        held = again
    say("Others kept pushing first: try again.")
    return REFUSED
