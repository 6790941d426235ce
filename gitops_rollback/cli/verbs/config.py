"""How `gitops-rollback config` is called. `gitops_rollback.cli.config` does it, and is loaded only then."""

from __future__ import annotations

from typing import Any

import click

from gitops_rollback.cli.output import output_option


@click.command
@click.option("--effective", is_flag=True, help="With the defaults of what nobody set; without it only what was set.")
@click.option("--config", metavar="FILE", help="Settings file; default: gitops-rollback.yaml.")
@output_option("table", "json", "yaml")
def command(**typed: Any) -> None:
    """Print the settings that `run` would start with, from its file, the environment and the defaults.

    Secrets are stars. What the settings cannot be used for is told as `run` tells it. Exit code 0: they can be used;
    2: they cannot.

    \b
    Examples:
      gitops-rollback config --effective
      gitops-rollback config -o json
    """
    from gitops_rollback.cli.config import carry_out

    carry_out(**typed)
