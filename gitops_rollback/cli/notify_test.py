"""`gitops-rollback notify-test`: do messages arrive where the settings and the policies want them?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import click

from gitops_rollback.app.settings import Settings
from gitops_rollback.app.trying_places import Tried, Wanted, places_of, told
from gitops_rollback.cli.access import clock_of, opened_sources, repository_options
from gitops_rollback.cli.main import NO, OK
from gitops_rollback.cli.output import output_option, print_document, say, shown


@click.command
@click.option("--to", "only", metavar="NAME", help="This place alone, by its name or its kind (slack).")
@output_option("table", "json", "yaml")
@click.pass_context
@repository_options
def command(ctx: click.Context, only: str | None, output: str, settings: Settings) -> None:
    """Send one message that says it is a test to each place, and tell what came back.

    In PagerDuty an incident opens and is resolved at once. Exit code 1 if a place could not be told.

    \b
    Examples:
      gitops-rollback notify-test
      gitops-rollback notify-test --to slack
    """
    with opened_sources(settings) as sources:
        policies = [policy for one in sources for policy in one.policies.at(one.heads.branch).policies]
    places = _chosen(places_of(settings, policies), only)
    if not places:
        say("Neither the settings nor a policy names a place; messages stand in the log alone.")
    found: list[Tried] = []
    for tried in told(settings, places, clock_of(settings).now()):
        found.append(tried)
        if output == "table":
            click.echo(shown(f"{'✔' if tried.well else '✖'} {tried.place} ({tried.by}): {tried.said}"))
    if output != "table":
        print_document([asdict(one) for one in found], output)
    ctx.exit(OK if all(one.well for one in found) else NO)


def _chosen(places: Sequence[Wanted], only: str | None) -> Sequence[Wanted]:
    if only is None:
        return places
    chosen = [place for place in places if only in (place.name, place.route.to, place.route.channel)]
    if not chosen:
        known = ", ".join(place.name for place in places) or "none"
        raise click.BadParameter(f"there is no such place; known: {known}", param_hint="--to")
    return chosen
