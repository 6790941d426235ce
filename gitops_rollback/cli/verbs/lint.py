"""How `gitops-rollback lint` is called. `gitops_rollback.cli.lint` does it, and is loaded only then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


@click.command
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(exists=True, path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Choice(("text", "json", "github")),
    default="text",
    show_default=True,
    help="Form of the answer; github makes annotations of a pull request.",
)
@click.option("--fix", is_flag=True, help="Mend what has one answer, in the files; then check.")
@click.option(
    "--cost", is_flag=True, help="How often each policy asks its metric store, and which queries read too much."
)
@click.pass_context
def command(context: click.Context, /, **typed: Any) -> None:
    """Check policy and request files; all faults at once, as file:line:col.

    A directory that holds .gitops-rollback/policies or .gitops-rollback/requests stands for those, a whole clone
    without them for nothing; any other one for the YAML files below it that are not plainly of other kinds. A file
    below .gitops-rollback/requests, or of kind RollbackRequest, is read as a request. --fix writes misspelt keys,
    values with one right spelling, and the lines that keep Argo CD and Flux off the files; all else in them stays
    as it is. --cost is an estimate for the moment at which every target has a sync under watch.
    Exit code 0: usable (warnings allowed), 1: errors, 2: nothing to check.

    \b
    Examples:
      gitops-rollback lint .
      gitops-rollback lint .gitops-rollback/policies/payments.yaml
      gitops-rollback lint .gitops-rollback/requests/2026-11-23-checkout-api.yaml
      gitops-rollback lint . -o github
      gitops-rollback lint . --fix
      gitops-rollback lint . --cost
    """
    from gitops_rollback.cli.lint import carry_out

    carry_out(context, **typed)
