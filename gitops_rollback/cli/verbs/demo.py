"""How `gitops-rollback demo` is called. `gitops_rollback.cli.demo` does it, and is loaded only then."""

from __future__ import annotations

from typing import Any

import click

from gitops_rollback.sandbox.kinds import ENGINES, FORGES


@click.command("demo")
@click.option("--story", default="bad-release", show_default=True, metavar="NAME", help="Which story; see --list.")
@click.option("--engine", default="argocd", show_default=True, type=click.Choice(ENGINES), help="Which engine.")
@click.option("--forge", type=click.Choice(FORGES), help="Which forge, in a story that has one.")
@click.option("--speed", default=30.0, show_default=True, type=click.FloatRange(1.5, 200), help="How fast time runs.")
@click.option("--out", default="demo-out", show_default=True, metavar="DIR", help="Made anew; keeps the repository.")
@click.option("--port", default=0, type=click.IntRange(0, 65533), help="First of three fixed ports; 0: free ones.")
@click.option("--serve", is_flag=True, help="Show the dashboard, and keep all up afterwards.")
@click.option("--list", "list_them", is_flag=True, help="List the stories.")
def command(**typed: Any) -> None:
    """Tell a story: a small GitOps world on loopback, and the real controller that mends it.

    \b
    Examples:
      gitops-rollback demo
      gitops-rollback demo --serve
      gitops-rollback demo --story push-race --speed 20
      gitops-rollback demo --engine flux --story flux-health-wait
      gitops-rollback demo --forge github --story request
    """
    from gitops_rollback.cli.demo import carry_out

    carry_out(**typed)
