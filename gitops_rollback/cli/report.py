"""`gitops-rollback report`: what was decided while nothing was done, against what people, or another build, did.

`--since` is the table of `backtest` from observed decisions. `--compare` asks whether a shadow decides otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import click

from gitops_rollback.app.backtesting import Backtest, Span, beside_people
from gitops_rollback.app.confirming import confirmation, write
from gitops_rollback.app.observing import decisions_file, read_back
from gitops_rollback.app.past_applications import PastApplications
from gitops_rollback.app.settings import Settings
from gitops_rollback.app.wiring import Parts, wire
from gitops_rollback.cli.access import Source, caller, clock_of, opened_sources
from gitops_rollback.cli.hindsight import period, print_hindsight, record_clean, together
from gitops_rollback.cli.main import NO, OK
from gitops_rollback.cli.output import print_document, print_table, say
from gitops_rollback.core.comparison import Comparison, Decided, compare
from gitops_rollback.core.errors import Reason, SettingsInvalid, StalledError
from gitops_rollback.core.hindsight import Kind
from gitops_rollback.ports import DecisionEntry


def carry_out(
    ctx: click.Context,
    long: str | None,
    confirms: str | None,
    records: bool,
    compares: bool,
    observed: str | None,
    output: str,
    settings: Settings,
) -> None:
    if compares == (long is not None) or ((confirms or records) and long is None):
        raise click.UsageError("say what to report: --since DURATION (with --confirm ID or --record), or --compare")
    if long is not None:
        ctx.exit(_since(settings, long, Wish(confirms, records, observed), output))
    found: dict[str, Comparison] = {}
    with opened_sources(settings) as sources:
        for source in sources:
            path = _file(source, settings, observed)
            shadow = read_back(path)
            if not shadow:
                raise SettingsInvalid(source.repo.name, f"no decisions of a shadow in {path}: run --shadow first")
            found[source.repo.name] = compare(source.journal.decisions, shadow, min(entry.at for entry in shadow))
    _print(found, output)
    if any(one.differences for one in found.values()):
        ctx.exit(NO)


@dataclass(frozen=True)
class Wish:
    """What is to be done with the report."""

    confirms: str | None
    records: bool
    observed: str | None


def _since(settings: Settings, long: str, wish: Wish, output: str) -> int:
    passed, now = period(long), clock_of(settings).now()
    with opened_sources(settings, everything=True) as sources:
        parts = wire(settings)
        try:
            tests = [
                (source, _beside(parts, source, _decisions(source, settings, wish.observed), Span(now - passed, now)))
                for source in sources
            ]
        finally:
            parts.close()
        if wish.confirms is not None:
            _confirm(tests, wish.confirms, now)
            return OK
        if wish.records:
            record_clean(tests, f"report --since {long}", now)
        found = together(tests)
    print_hindsight(found, output)
    return OK if found.ready else NO


def _file(source: Source, settings: Settings, observed: str | None) -> Path:
    return decisions_file(Path(observed or settings.observe_out or settings.state_dir), source.repo.name)


def _decisions(source: Source, settings: Settings, observed: str | None) -> tuple[DecisionEntry, ...]:
    """Raises: StalledError where nobody decided anything yet."""
    path = _file(source, settings, observed)
    found = read_back(path) or tuple(source.journal.decisions)
    if not found:
        message = f"nothing was observed yet, in {path} or the journal: start `gitops-rollback run --observe`"
        raise StalledError(source.repo.name, message, Reason.NO_DATA)
    return tuple(sorted(found, key=lambda entry: entry.at))


def _beside(parts: Parts, source: Source, decisions: Sequence[DecisionEntry], span: Span) -> Backtest:
    """From the first decision on, if that is later: nobody looked before it."""
    whole = Span(max(span.since, min(decisions[0].at, span.until)), span.until)
    head = source.heads.branch
    applications = PastApplications(source.opened, parts.engines, head)
    line = applications.line(whole.since)
    tested = tuple(applications.of(source.policies.at_head(head).policies, line, whole.until))
    records = tuple(source.journal.records.values())
    return beside_people(source.repo, tested, decisions, records, whole, tuple(applications.left_out))


def _confirm(tests: Sequence[tuple[Source, Backtest]], name: str, now: datetime) -> None:
    known = [(source, row) for source, test in tests for row in test.rows if row.kind is Kind.WE_ONLY]
    found = next(((source, row) for source, row in known if row.id == name), None)
    if found is None:
        rows = ", ".join(row.id for _, row in known) or "none"
        raise click.BadParameter(f"{name!r} is no row of `we only`; those are: {rows}", param_hint="--confirm")
    source, row = found
    write(source.opened, [confirmation(row, caller()[1], now)], now)
    say(f"{row.id} is confirmed: it would have been right")


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
