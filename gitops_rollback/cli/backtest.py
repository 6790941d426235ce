"""`gitops-rollback backtest`: a policy against past metrics and the git history. Source: safety.md, Observe, report."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from gitops_rollback.adapters.policies.loading import PolicyFile, PolicySet, load_policies
from gitops_rollback.app.backtesting import Backtest, Backtesting, Span
from gitops_rollback.app.settings import Settings
from gitops_rollback.app.wiring import Parts, wire
from gitops_rollback.cli.access import Source, clock_of, cluster_options, opened_sources, repository_options
from gitops_rollback.cli.hindsight import period, print_hindsight, record_clean, together
from gitops_rollback.cli.main import NO, OK
from gitops_rollback.cli.output import output_option, say
from gitops_rollback.core.commit import REGULAR_MODE
from gitops_rollback.core.errors import SettingsInvalid
from gitops_rollback.core.journal import parse_time


@click.command
@click.option("--since", "long", default="90d", metavar="DURATION", show_default=True, help="How far back.")
@click.option("--until", "end", metavar="TIME", help="RFC 3339, where the past under test ends. Default: now.")
@click.option("--policy", "file", metavar="FILE", type=click.Path(dir_okay=False), help="Instead of those at the head.")
@click.option("--record", "records", is_flag=True, help="Note in the journal which applications were clean.")
@output_option("table", "json", "yaml")
@cluster_options
@repository_options
@click.pass_context
def command(
    ctx: click.Context, long: str, end: str | None, file: str | None, records: bool, output: str, settings: Settings
) -> None:
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
    passed, until = period(long), _instant(end)
    with opened_sources(settings, everything=True) as sources:
        parts = wire(settings)
        now = clock_of(settings).now()
        until = min(until or now, now)
        try:
            tests = [(source, _tested(parts, source, file, Span(until - passed, until))) for source in sources]
        finally:
            parts.close()
        found = together(tests)
        if records:
            record_clean(tests, f"backtest --since {long}", now)
    print_hindsight(found, output)
    ctx.exit(OK if found.ready else NO)


def _instant(text: str | None) -> datetime | None:
    try:
        return parse_time(text) if text is not None else None
    except ValueError as exc:
        raise click.BadParameter(f"must be a time like 2026-04-27T00:00:00Z: {exc}", param_hint="--until") from exc


def _tested(parts: Parts, source: Source, file: str | None, span: Span) -> Backtest:
    policies = _of_file(Path(file)) if file else source.policies.at_head(source.heads.branch)
    for fault in policies.errors:
        say(f"not tested: {fault}")
    testing = Backtesting(parts, source.opened, source.heads.branch, source.journal, policies)
    return testing.run(span)


def _of_file(path: Path) -> PolicySet:
    """Raises: SettingsInvalid with all faults of the file."""
    try:
        text = path.read_bytes()
    except OSError as exc:
        raise SettingsInvalid(str(path), f"cannot be read: {exc.strerror}") from exc
    found = load_policies([PolicyFile(path.name, REGULAR_MODE, text)], "")
    if found.errors:
        raise SettingsInvalid(str(path), "; ".join(map(str, found.errors)))
    return found
