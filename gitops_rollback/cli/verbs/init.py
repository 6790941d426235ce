"""How `gitops-rollback init` is called. `gitops_rollback.cli.init` does it, and is loaded only then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gitops_rollback.cli.output import output_option
from gitops_rollback.core.survey import ARGOCD, FLUX


@click.command("init")
@click.argument("directory", default=".", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--repo", metavar="URL", allow_from_autoenv=False, help="Look at a remote; what is missing is printed.")
@click.option("--branch", metavar="NAME", help="The branch that the engine follows; default: the remote's.")
@click.option("--config", metavar="FILE", help="With --repo: the settings file with its credentials.")
@click.option("--alias", multiple=True, metavar="URL", help="Another address of this repository, as engines write it.")
@click.option("--engine", type=click.Choice((ARGOCD, FLUX)), help="Where git does not tell; default: argocd.")
@click.option("--dry-run", is_flag=True, help="Print what would be written, and write nothing.")
@click.option("--print-manifests", is_flag=True, help="Print what runs the controller in a cluster, and no more.")
@click.option("--plugins", is_flag=True, help="Let kubectl, argocd and flux find this as a plugin, and no more.")
@output_option("table", "json")
@click.pass_context
def command(context: click.Context, /, **typed: Any) -> None:
    """Look at a config repository, and write what it needs to be watched.

    Finds how it is laid out (Kustomize, Helm, plain manifests), the applications of Argo CD or Flux, and the forge.
    Writes a policy that only logs, the schemas for the editor, and Flux's .sourceignore line where it is needed.
    Nothing that stands there is replaced, nothing is committed.

    \b
    Examples:
      gitops-rollback init
      gitops-rollback init ~/src/config --dry-run
      gitops-rollback init --repo https://git.example.com/acme/config.git
      gitops-rollback init --print-manifests | kubectl apply -f -
      gitops-rollback init --plugins
    """
    from gitops_rollback.cli.init import carry_out

    carry_out(context, **typed)
