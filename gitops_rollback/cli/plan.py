"""`gitops-rollback plan`: what would be done to an application now, and why; on a local clone, what a revert gives."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click
from click.core import ParameterSource

from gitops_rollback.app.requesting import Wish
from gitops_rollback.cli.access import caller, settings_of
from gitops_rollback.cli.asking import first_that_knows, opened_requests, plan_document, plan_exit, print_plan
from gitops_rollback.cli.offline import run_offline
from gitops_rollback.cli.output import print_document
from gitops_rollback.core.request import wished


def carry_out(
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
