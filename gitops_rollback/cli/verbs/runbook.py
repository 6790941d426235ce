"""How `gitops-rollback runbook` is called. `gitops_rollback.cli.runbook` does it, and is loaded only then."""

from __future__ import annotations

from typing import Any

import click

from gitops_rollback.cli.flags import repository_options


@click.command
@click.argument("application", metavar="APP")
@repository_options
def command(**typed: Any) -> None:
    """What is watched of an application, what happens then, and what to do with each page; Markdown on stdout.

    \b
    Examples:
      gitops-rollback runbook checkout-api > runbooks/checkout-api.md
    """
    from gitops_rollback.cli.runbook import carry_out

    carry_out(**typed)
