"""How `gitops-rollback audit` is called. `gitops_rollback.cli.audit` does it, and is loaded only then."""

from __future__ import annotations

from typing import Any

import click

from gitops_rollback.cli.flags import repository_options
from gitops_rollback.cli.output import output_option


@click.group
def command() -> None:
    """Look into the journal as an auditor does. The lines themselves: gitops-rollback history --decisions."""


@command.command
@click.option("--allowed-signers", metavar="FILE", help="Also check signatures, by this file of ssh-keygen's form.")
@output_option("table", "json", "yaml")
@click.pass_context
@repository_options
def verify(context: click.Context, /, **typed: Any) -> None:
    """Check that each commit of ours has its record, each record its commits, and that the journal only ever grew.

    With --allowed-signers also that each of them is signed by one of those keys. Exit code 1: something does not fit.

    \b
    Examples:
      gitops-rollback audit verify
      gitops-rollback audit verify --allowed-signers bot.allowed -o json
    """
    from gitops_rollback.cli.audit import carry_out

    carry_out(context, **typed)
