"""`gitops-rollback plan`: what would be done to an application now, and why; on a local clone, what a revert gives."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click
from click.core import ParameterSource

from gitops_rollback.app.requesting import Wish
from gitops_rollback.cli.access import caller, cluster_options, settings_of
from gitops_rollback.cli.asking import first_that_knows, opened_requests, plan_document, plan_exit, print_plan
from gitops_rollback.cli.offline import run_offline
from gitops_rollback.cli.output import output_option, print_document
from gitops_rollback.core.request import wished


@click.command("plan")
@click.argument("application", required=False, metavar="[APP]")
@click.option("--repo", multiple=True, metavar="URL|DIR", help="Config repository; offline, a local clone.")
@click.option("--branch", metavar="NAME", help="Followed branch; default: the remote's HEAD.")
@click.option("--config", metavar="FILE", help="Settings file; default: gitops-rollback.yaml. Offline: its `render`.")
@click.option("--to", metavar="last-healthy|SHA|TIME", default="", help="The state to go back to.")
@click.option("--revert", metavar="SHA", default="", help="The one commit to undo.")
@click.option("--at", metavar="SHA", default="", help="Offline: the commit to build on.")
@click.option("--mainline", type=int, default=None, metavar="N", help="Offline: the parent of a merge to go back to.")
@click.option(
    "--chart-versions",
    type=click.Choice(["as-before", "forward", "detect"]),
    default=None,
    help="Offline: where the version of a chart goes that was raised.",
)
@click.option("--git-dir", metavar="DIR", default=None, help="Offline: a bare clone.")
@click.option("--batch", is_flag=True, help="Offline: one JSON request a line on stdin, one answer a line.")
@output_option("table", "json", "yaml")
@cluster_options
@click.pass_context
def command(
    context: click.Context,
    application: str | None,
    repo: tuple[str, ...],
    branch: str | None,
    config: str | None,
    to: str,
    revert: str,
    at: str,
    mainline: int | None,
    chart_versions: str | None,
    git_dir: str | None,
    batch: bool,
    output: str,
    cluster: Mapping[str, object],
) -> None:
    """Show suspects, guards, diff and commit message. Nothing is written to git or the engine.

    Exit code: 0 clean or nothing to do, 5 conflict, 4 refused.

    \b
    Examples:
      gitops-rollback plan checkout-api
      gitops-rollback plan checkout-api --to last-healthy -o json
      gitops-rollback plan --repo . --at HEAD_SHA --revert SHA -o json
    """
    if application is None:
        folder = _local_clone(context, repo)
        place = Path(git_dir) if git_dir else None
        named = config if context.get_parameter_source("config") is ParameterSource.COMMANDLINE else None
        wanted = (at or None, revert or None, mainline, batch, output, chart_versions)
        context.exit(run_offline(folder, place, *wanted, named))
    wish = Wish(application, caller()[1], "plan", wished(to, revert))
    with opened_requests(settings_of(repo, branch, config, cluster)) as asked:
        one, prepared = first_that_knows(asked, application, lambda asked_one: asked_one.requests.prepare(wish))
        if output == "table":
            print_plan(prepared, one.requests.repo)
        else:
            print_document(plan_document(prepared, one.requests.repo), output)
        context.exit(plan_exit(prepared))


def _local_clone(context: click.Context, repo: tuple[str, ...]) -> Path | None:
    """Only a flag names a local clone: the variable is for the controller's repositories."""
    given = context.get_parameter_source("repo") is ParameterSource.COMMANDLINE
    return Path(repo[0]) if given and repo else None
