"""How `gitops-rollback explain` is called. `gitops_rollback.cli.explain` does it, and is loaded only then."""

from __future__ import annotations

from typing import Any

import click

from gitops_rollback.cli.flags import repository_options
from gitops_rollback.cli.output import output_option
from gitops_rollback.core.reasons import meaning_of


def _say_what_it_means(ctx: click.Context, _parameter: click.Parameter, subject: str) -> str:
    """A reason is a word of ours: no repository has to be asked for it."""
    if (meaning := meaning_of(subject)) is not None:
        click.echo(f"{meaning.reason.value}\n  says   {meaning.says}\n  to do  {meaning.todo}")
        click.echo(f"  page   {meaning.anchor}")
        ctx.exit(0)
    return subject


@click.command
@click.argument("subject", metavar="ID|APP|REASON", is_eager=True, callback=_say_what_it_means)
@output_option("table", "json", "yaml", "markdown")
@repository_options
def command(**typed: Any) -> None:
    """Why a rollback was done; or, for an application, what was decided about it lately, inaction included.

    Of a reason, such as ImageMissing, it says what it means and what to do about it.

    \b
    Examples:
      gitops-rollback explain rb-428a78d5
      gitops-rollback explain checkout-api -o json
      gitops-rollback explain ImageMissing
      gitops-rollback explain rb-428a78d5 -o markdown        a draft of the post-mortem
    """
    from gitops_rollback.cli.explain import carry_out

    carry_out(**typed)
