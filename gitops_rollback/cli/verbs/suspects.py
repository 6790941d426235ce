"""How `gitops-rollback suspects` is called. `gitops_rollback.cli.suspects` does it, and is loaded only then."""

from __future__ import annotations

from typing import Any

import click

from gitops_rollback.cli.flags import cluster_options
from gitops_rollback.cli.output import output_option


@click.command("suspects")
@click.argument("watched", required=False, metavar="[APP]")
@click.option("--repo", metavar="URL|DIR", help="Config repository; without APP, a local clone.")
@click.option("--branch", metavar="NAME", help="With APP: the followed branch; default: the remote's HEAD.")
@click.option("--config", metavar="FILE", help="With APP: the settings file; default: gitops-rollback.yaml.")
@click.option("--git-dir", metavar="DIR", help="A bare clone.")
@click.option("--at", metavar="SHA", default="", help="The bad revision, included.")
@click.option("--since", metavar="SHA", default="", help="The last good revision, excluded.")
@click.option("--path", "paths", multiple=True, metavar="P", help="A file, folder or glob that it renders from.")
@click.option("--kustomization", metavar="DIR", help="The folder that it is built from.")
@click.option("--application", metavar="FILE", help="An Application, Kustomization or HelmRelease as YAML or JSON.")
@click.option("--onset", metavar="TIME", help="When the trouble began: nothing later did it.")
@click.option("--batch", is_flag=True, help="One JSON request a line on stdin, one answer a line.")
@output_option("table", "json")
@cluster_options
@click.pass_context
def command(context: click.Context, /, **typed: Any) -> None:
    """Rank the commits that change what an application renders from. Writes nothing.

    With APP those that were deployed to it since its last good state; else those of (SINCE, AT] of a local clone,
    without engine or remote. Exit code: 0 some found, 1 none.

    \b
    Examples:
      gitops-rollback suspects checkout-api
      gitops-rollback suspects --repo . --at BAD --since GOOD --path apps/checkout
      gitops-rollback suspects --repo . --at BAD --since GOOD --application app.yaml --onset 2026-11-20T19:30:00Z
      gitops-rollback suspects --git-dir clone.git --batch < requests.jsonl
    """
    from gitops_rollback.cli.suspects import carry_out

    carry_out(context, **typed)
