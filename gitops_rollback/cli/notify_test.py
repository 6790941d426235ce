"""`gitops-rollback notify-test`: do messages arrive where the settings and the policies want them?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import click

from gitops_rollback.app.settings import Settings
from gitops_rollback.app.trying_places import Tried, Wanted, places_of, told
from gitops_rollback.cli.access import clock_of, opened_sources
from gitops_rollback.cli.main import NO, OK
from gitops_rollback.cli.output import print_document, say, shown


def carry_out(ctx: click.Context, only: str | None, output: str, settings: Settings) -> None:
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
