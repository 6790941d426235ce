"""How `gitops-rollback drill` is called. `gitops_rollback.cli.drill` does it, and is loaded only then."""

from __future__ import annotations

from typing import Any

import click

from gitops_rollback.cli.flags import cluster_options, repository_flags
from gitops_rollback.cli.output import output_option
from gitops_rollback.core.breaking import Break


@click.command
@click.argument("application", metavar="APP")
@click.option("--break", "how", required=True, type=click.Choice([one.value for one in Break]), help="What to break.")
@click.option("--people", is_flag=True, help="The controller only pages, and it is timed what people do.")
@click.option(
    "--timeout", default="30m", show_default=True, metavar="DURATION", help="Then the drill takes it back itself."
)
@click.option(
    "--sandbox", metavar="DIR", help="On a copy of this clone, with a controller of its own; nothing is real."
)
@click.option("--path", default="", metavar="FOLDER", help="With --sandbox: the folder that APP renders from.")
@click.option("--speed", default=20.0, show_default=True, type=click.FloatRange(1.5, 200), help="Of its time.")
@click.option("--out", default="drill-out", show_default=True, metavar="DIR", help="Made anew; keeps the copy.")
@output_option("table", "json", "yaml")
@cluster_options
@repository_flags
@click.pass_context
def command(context: click.Context, /, **typed: Any) -> None:
    """Push a known-bad commit to APP, and let the running controller find it, take it back and verify that.

    Only where the policy says `drill: allowed` at the target: for staging. It breaks a file that APP alone renders
    from, spends no budget, and every message about it says DRILL. At --timeout, at Ctrl-C and after any failure the
    drill takes back what it broke; a running controller does so where the drill itself is gone.

    With --sandbox nothing real is touched: a copy of the clone is served on loopback to a small Argo CD and the real
    controller. What metrics would say is made up, so it shows whether the policy finds Pods that do not come up.

    Exit code 0: found, taken back and verified; 1: not, and it was cleaned up; 4: no drill may begin now; 130: Ctrl-C.

    \b
    Examples:
      gitops-rollback drill checkout-prod --break image --sandbox ~/src/config
      gitops-rollback drill checkout-staging --break image
      gitops-rollback drill checkout-staging --break crash-loop --people --timeout 1h
    """
    from gitops_rollback.cli.drill import carry_out

    carry_out(context, **typed)
