"""How `gitops-rollback simulate` is called. `gitops_rollback.cli.simulate` does it, and is loaded only then."""

from __future__ import annotations

import os
from typing import Any

import click
from click.shell_completion import CompletionItem


class Known(click.ParamType[str]):
    """A word that the simulation knows; which those are is looked up when one was given, or Tab was pressed."""

    name = "name"

    def __init__(self, group: str) -> None:
        self._group = group

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return str(self._choice().convert(value, param, ctx))

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return self._choice().shell_complete(ctx, param, incomplete)

    def _choice(self) -> click.Choice[str]:
        from gitops_rollback.cli.simulate import WORDS

        return click.Choice(WORDS[self._group])


@click.command("simulate")
@click.option("--seeds", default=100, show_default=True, type=click.IntRange(1), help="How many worlds.")
@click.option("--from", "start", default=0, show_default=True, type=click.IntRange(0), help="The first seed.")
@click.option(
    "--scenario", default="all", show_default=True, type=Known("scenario"), help="Which kind; a wrong one lists them."
)
@click.option(
    "--mode", default="memory", show_default=True, type=click.Choice(("memory", "wire")),
    help="All in memory, or real git and real HTTP on loopback.",
)  # fmt: skip
@click.option("--jobs", default=os.cpu_count() or 1, type=click.IntRange(1, 64), help="Processes; one for each core.")
@click.option("--story", is_flag=True, help="Tell every world, not only those that broke a promise.")
@click.option("--shrink", is_flag=True, help="Look for the smallest world that breaks the same promise, and tell that.")
@click.option("--without", multiple=True, type=Known("part"), help="Worlds without this actor or fault.")
@click.option(
    "--dies-at", multiple=True, metavar="PLACE",
    help="A process dies at this place, such as before-land or after-land, one of the first times.",
)  # fmt: skip
@click.option("--applications", type=click.IntRange(2), help="At most so many applications.")  # FEWEST of shrinking
@click.option("--replicas", type=click.IntRange(1, 2), help="At most so many controllers.")
@click.option("--minutes", type=click.IntRange(1), help="Faults and people stop after so many minutes at most.")
def command(**typed: Any) -> None:
    """Run the real controller in simulated worlds with faults, races and kills, and check its promises at each step.

    \b
    Examples:
      gitops-rollback simulate --seeds 1000
      gitops-rollback simulate --seeds 1 --from 42 --story
      gitops-rollback simulate --seeds 1 --from 42 --shrink
      gitops-rollback simulate --seeds 1 --from 42 --without kill --without editor --applications 2
    """
    from gitops_rollback.cli.simulate import carry_out

    carry_out(**typed)
