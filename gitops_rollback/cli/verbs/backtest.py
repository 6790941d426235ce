"""How `gitops-rollback backtest` is called. `gitops_rollback.cli.backtest` does it, and is loaded only then."""

from __future__ import annotations

from typing import Any

import click

from gitops_rollback.cli.flags import cluster_options, repository_options
from gitops_rollback.cli.output import output_option


@click.command
@click.option("--since", "long", default="90d", metavar="DURATION", show_default=True, help="How far back.")
@click.option("--until", "end", metavar="TIME", help="RFC 3339, where the past under test ends. Default: now.")
@click.option("--policy", "file", metavar="FILE", type=click.Path(dir_okay=False), help="Instead of those at the head.")
@click.option("--record", "records", is_flag=True, help="Note in the journal which applications were clean.")
@output_option("table", "json", "yaml")
@cluster_options
@repository_options
@click.pass_context
def command(context: click.Context, /, **typed: Any) -> None:
    """Judge each sync of the past as the controller would have, and compare with what people reverted.

    Metrics come from the policies' own source, by range queries; syncs from the engine's history where one is set, and
    else from the commits that changed an application's files. Each trigger is judged as if it might act by itself,
    and by what was known at each tick. Nobody is told, and nothing is written: only --record notes in the journal
    which applications were clean. For 30 days a `regression` trigger may act there; else it only suggests.

    Exit code 0: every application is ready for auto_rollback, 1: one is not, 2: nothing can be tested, 6: the metric
    source did not answer.

    \b
    Examples:
      gitops-rollback backtest --since 90d
      gitops-rollback backtest --since 30d --until 2026-04-27T00:00:00Z
      gitops-rollback backtest --policy checkout.yaml -o json
    """
    from gitops_rollback.cli.backtest import carry_out

    carry_out(context, **typed)
