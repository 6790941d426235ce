"""`gitops-rollback report --compare`: would the build that runs as a shadow have decided otherwise?"""

from __future__ import annotations

from pathlib import Path

import click

from gitops_rollback.app.observing import decisions_file, read_back
from gitops_rollback.app.settings import Settings
from gitops_rollback.cli.access import opened_sources, repository_options
from gitops_rollback.cli.main import NO
from gitops_rollback.cli.output import output_option, print_document, print_table, say
from gitops_rollback.core.comparison import Comparison, Decided, compare
from gitops_rollback.core.errors import SettingsInvalid


@click.command
@click.option("--compare", "compares", is_flag=True, help="List each decision of the shadow that differs.")
@click.option("--observed", metavar="DIR", help="Where the shadow keeps its decisions. Default: as it would itself.")
@output_option("table", "json", "yaml")
@click.pass_context
@repository_options
def command(ctx: click.Context, compares: bool, observed: str | None, output: str, settings: Settings) -> None:
    """What `run --shadow` decided, against what the controller that acts wrote into the journal.

    Exit code 1 if a decision differs in kind, reason or the plan's tree.

    \b
    Examples:
      gitops-rollback report --compare
      gitops-rollback report --compare --observed /var/lib/shadow -o json
    """
    if not compares:
        raise click.UsageError("say what to report: --compare")
    found: dict[str, Comparison] = {}
    with opened_sources(settings) as sources:
        for source in sources:
            place = observed or settings.observe_out or settings.state_dir
            path = decisions_file(Path(place), source.repo.name)
            shadow = read_back(path)
            if not shadow:
                raise SettingsInvalid(source.repo.name, f"no decisions of a shadow in {path}: run --shadow first")
            found[source.repo.name] = compare(source.journal.decisions, shadow, min(entry.at for entry in shadow))
    _print(found, output)
    if any(one.differences for one in found.values()):
        ctx.exit(NO)


def _print(found: dict[str, Comparison], output: str) -> None:
    if output in ("json", "yaml"):
        print_document({name: _document(one) for name, one in found.items()}, output)
        return
    rows = [
        [name, one.application, one.revision[:12], _words(one.leader), _words(one.shadow)]
        for name, comparison in found.items()
        for one in comparison.differences
    ]
    print_table(("repository", "application", "revision", "leader", "shadow"), rows, "no decision differs")
    say(f"{sum(one.same for one in found.values())} deployments were decided alike")


def _words(decisions: tuple[Decided, ...]) -> str:
    return ", then ".join(str(one) for one in decisions) or "nothing"


def _document(found: Comparison) -> dict[str, object]:
    differences = [
        {
            "application": one.application,
            "revision": one.revision,
            "leader": [vars(decided) for decided in one.leader],
            "shadow": [vars(decided) for decided in one.shadow],
        }
        for one in found.differences
    ]
    return {"same": found.same, "differences": differences}
