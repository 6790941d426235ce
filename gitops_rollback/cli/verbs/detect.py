"""How `gitops-rollback detect` is called. `gitops_rollback.cli.detect` does it, and is loaded only then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


@click.command("detect")
@click.argument("file", required=False, type=click.Path(path_type=Path), metavar="[FILE]")
@click.option("--batch", is_flag=True, help="One JSON object a line, of FILE or stdin; one answer a line.")
@click.option("--explain", is_flag=True, help="The verdict of each tick, in words.")
@click.pass_context
def command(context: click.Context, /, **typed: Any) -> None:
    """Whether the error rate, or that of slow requests, rose since a deployment. Needs no service and writes nothing.

    \b
    FILE holds one JSON object (the batch one a line):
      {"id": ..., "interval": seconds, "deployed_at": unix, "ticks": [{"t", "requests", "errors", "slow"?}, ...],
       "peers": {name: [{"t", "requests", "errors"}, ...]}}
    `t` ends the tick; ticks before and after the deployment are wanted, four hours before at best, a day where there
    are 10 requests a second or fewer. A tick that is missing is no data. Three peers or more excuse what they have too.
    The answer: {"id", "fired_at": unix or null, "severity": 1|2|3|null, "evidence": {"p", "p_n", "phi", "N", "E", "M"}}
    or, of a batch, {"id", "error"}. Exit code: 0 answered, fired or not; 2 what cannot be read.

    \b
    Examples:
      gitops-rollback detect checkout.json --explain
      gitops-rollback detect --batch < deployments.jsonl
    """
    from gitops_rollback.cli.detect import carry_out

    carry_out(context, **typed)
