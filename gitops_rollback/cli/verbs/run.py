"""How `gitops-rollback run` is called. `gitops_rollback.cli.run` does it, and is loaded only then."""

from __future__ import annotations

from typing import Any

import click

from gitops_rollback.cli.flags import cluster_options


@click.command("run")
@click.option("--repo", multiple=True, metavar="URL", help="A config repository; may be given several times.")
@click.option("--repo-alias", multiple=True, metavar="URL", help="Another address of the repository.")
@click.option("--branch", metavar="NAME", help="The branch that the engine follows. Default: the remote's HEAD.")
@click.option("--config", metavar="FILE", help="The settings file. Default: gitops-rollback.yaml, if it is there.")
@click.option("--observe", "--dry-run", "observe", is_flag=True, default=None, help="Decide in full; write nothing.")
@click.option("--shadow", is_flag=True, default=None, help="Observe beside a controller that acts; tell nobody.")
@click.option("--leader-elect/--no-leader-elect", default=None, help="Act only with the Lease of the repository.")
@click.option("--observe-out", metavar="DIR", help="Where --observe keeps its decisions as JSON lines.")
@click.option("--bind", metavar="HOST:PORT", help="Where /healthz, /readyz and /metrics answer.")
@click.option("--hooks-bind", metavar="HOST:PORT", help="Where webhooks are taken. Default: as --bind.")
@click.option("--dashboard-bind", metavar="HOST:PORT", help="Where the dashboard is served. Default: nowhere.")
@click.option("--dashboard-hosts", multiple=True, metavar="NAME", help="A host name by which browsers call it.")
@click.option("--state-dir", metavar="DIR", help="Where clones are kept; may be lost at any time.")
@click.option("--allow-origins", multiple=True, metavar="ORIGIN", help="What policies may connect to, besides.")
@cluster_options
@click.pass_context
def command(context: click.Context, /, **typed: Any) -> None:
    """Watch every application for which the repositories hold a policy, and roll back what turns bad.

    \b
    Examples:
      ARGOCD_SERVER=argocd.example.com ARGOCD_AUTH_TOKEN=... PROMETHEUS_URL=http://prometheus:9090 \\
        gitops-rollback run --repo https://git.example.com/shop/config.git
      gitops-rollback run --argocd-objects --repo https://git.example.com/shop/config.git
      gitops-rollback run --flux --repo https://git.example.com/shop/config.git
      gitops-rollback run --observe --repo https://git.example.com/shop/config.git
    """
    from gitops_rollback.cli.run import carry_out

    carry_out(context, **typed)
