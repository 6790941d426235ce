"""`gitops-rollback backtest`: a policy against past metrics and the git history. Source: safety.md, Observe, report."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from gitops_rollback.adapters.policies.loading import PolicyFile, PolicySet, load_policies
from gitops_rollback.app.backtesting import Backtest, Backtesting, Span
from gitops_rollback.app.settings import Settings
from gitops_rollback.app.wiring import Parts, wire
from gitops_rollback.cli.access import Source, clock_of, opened_sources
from gitops_rollback.cli.hindsight import period, print_hindsight, record_clean, together
from gitops_rollback.cli.main import NO, OK
from gitops_rollback.cli.output import say
from gitops_rollback.core.commit import REGULAR_MODE
from gitops_rollback.core.errors import SettingsInvalid
from gitops_rollback.core.journal import parse_time


def carry_out(
    ctx: click.Context, long: str, end: str | None, file: str | None, records: bool, output: str, settings: Settings
) -> None:
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
