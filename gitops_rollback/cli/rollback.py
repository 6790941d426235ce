"""`gitops-rollback rollback APP`: do it, on a person's word, through the same path as the controller."""

from __future__ import annotations

import click

from gitops_rollback.app.requesting import Wish
from gitops_rollback.app.settings import Settings
from gitops_rollback.cli.access import caller, duration_option
from gitops_rollback.cli.asking import (
    first_that_knows,
    opened_requests,
)
from gitops_rollback.cli.carrying import Carrying
from gitops_rollback.cli.request import Asking, ask
from gitops_rollback.core.request import wished


def carry_out(
    context: click.Context,
    application: str,
    to: str,
    revert: str,
    reason: str,
    pr: bool,
    yes: bool,
    wait: bool,
    timeout: str,
    output: str,
    settings: Settings,
) -> None:
    if to and revert:
        raise click.UsageError("Give --to or --revert, not both.")
    if pr:
        context.exit(ask(Asking(application, to, revert, reason, yes=yes, output=output), settings))
    patience = duration_option(timeout, "--timeout")
    wish = Wish(application, caller()[1], reason, wished(to, revert))
    with opened_requests(settings) as asked:
        one, prepared = first_that_knows(asked, application, lambda asked_one: asked_one.requests.prepare(wish))
        context.exit(Carrying(one, wish, yes, patience if wait else None, output).carry_out(prepared))
