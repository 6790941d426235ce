"""`gitops-rollback completion bash|zsh|fish`: what a shell is told, so that Tab completes verbs and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from gitops_rollback.cli.main import PROGRAM, cli

COMPLETED_BY = f"_{PROGRAM}_COMPLETE".replace("-", "_").upper()  # the variable by which click knows that a shell asks


@click.command
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
def command(shell: str) -> None:
    """A script for the shell: with it Tab completes verbs, options and their words.

    \b
    Examples:
      echo 'source <(gitops-rollback completion bash)' >> ~/.bashrc
      gitops-rollback completion zsh > "${fpath[1]}/_gitops-rollback"
      gitops-rollback completion fish > ~/.config/fish/completions/gitops-rollback.fish
    """
    made = get_completion_class(shell)
    if made is None:
        raise click.UsageError(f"the installed click knows no {shell}")
    script = made(cli, {}, PROGRAM, COMPLETED_BY).source()
    click.echo(script.replace('string split ","', 'string split --max 1 ","'))  # fish: a help text has commas, too
