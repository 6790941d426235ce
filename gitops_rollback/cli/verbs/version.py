"""`gitops-rollback version`: which program is this?"""

from __future__ import annotations

import platform

import click

from gitops_rollback import __version__
from gitops_rollback.cli.output import output_option, print_document


@click.command
@output_option("table", "json", "yaml", "name")
def command(output: str) -> None:
    """The version of gitops-rollback and of the Python that runs it.

    \b
    Examples:
      gitops-rollback version
      gitops-rollback version -o json
    """
    if output in ("json", "yaml"):
        print_document({"version": __version__, "python": platform.python_version()}, output)
    elif output == "name":
        click.echo(__version__)
    else:
        click.echo(f"gitops-rollback {__version__} (Python {platform.python_version()})")
