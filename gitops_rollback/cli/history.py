"""`gitops-rollback history`: what was done, from the journal: as a table, JSON, JSON lines or CSV, and counted."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from statistics import median

import click

from gitops_rollback.app.settings import Settings
from gitops_rollback.cli.access import Source, clock_of, decided_at, opened_sources, time_option
from gitops_rollback.cli.output import print_document, print_table
from gitops_rollback.cli.records import rollback_rows, state_of
from gitops_rollback.core.audit import COLUMNS, audit_line, audited, within
from gitops_rollback.core.drill import real
from gitops_rollback.core.duration import format_duration
from gitops_rollback.core.journal import format_time, record_document
from gitops_rollback.core.recovery import WORDS, Figures, by_strategy
from gitops_rollback.core.rollback import RollbackRecord

_COLUMNS = (
    "id repository applications engine phase outcome reason requestedBy policy badRevision restores reverts commit"
    " deployed fired decided pushed restored synced verified message"
)
# A spreadsheet runs a cell that starts with one of these as a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def carry_out(
    since: str | None, until: str | None, stats: bool, decisions: bool, output: str, settings: Settings
) -> None:
    now = clock_of(settings).now()
    first, last = time_option(since, now, "--since"), time_option(until, now, "--until")
    if decisions and stats:
        raise click.UsageError("Say --decisions or --stats.")
    with opened_sources(settings, everything=True) as sources:
        if decisions:
            _print_decisions(sources, first, last, output)
            return
        records = [record for source in sources for record in source.journal.records.values()]
    records = [
        record
        for record in records
        if (first is None or decided_at(record) >= first) and (last is None or decided_at(record) < last)
    ]
    records.sort(key=lambda record: (decided_at(record), record.id), reverse=True)
    if stats:
        _print_stats(records, output)
    else:
        _print(records, output, now)


def _print_decisions(sources: Sequence[Source], first: datetime | None, last: datetime | None, output: str) -> None:
    """The audit's lines: all keys always there, in the order of `COLUMNS`."""
    lines = [
        audit_line(entry, source.journal.records.get(str(entry.details.get("rollback", ""))), source.repo.name)
        for source in sources
        for entry in audited(source.journal.decisions)
        if within(entry, first, last)
    ]
    if output == "csv":
        click.echo(_table_csv(COLUMNS, lines), nl=False)
    elif output == "jsonl":
        for line in lines:
            click.echo(json.dumps(line, allow_nan=False))
    elif output in ("json", "yaml"):
        print_document(lines, output)
    elif output == "name":
        raise click.UsageError("--decisions is printed as table, json, yaml, jsonl or csv.")
    else:
        headers = ("at", "application", "action", "reason", "rule", "by", "message")
        rows = [[str(line[name]) for name in headers] for line in lines]
        print_table(headers, rows, "No decision is in the journal for that time.")


def _print(records: Sequence[RollbackRecord], output: str, now: datetime) -> None:
    if output in ("json", "yaml"):
        print_document([record_document(record) for record in records], output)
    elif output == "jsonl":
        for record in records:
            click.echo(json.dumps(record_document(record), sort_keys=True, allow_nan=False))
    elif output == "csv":
        click.echo(_csv(records), nl=False)
    elif output == "name":
        for record in records:
            click.echo(record.id)
    else:
        headers, rows = rollback_rows(records, now, wide=output == "wide")
        print_table(headers, rows, "No rollback is in the journal for that time.")


def _csv(records: Sequence[RollbackRecord]) -> str:
    lines = []
    for record in records:
        times = {name: format_time(at) for name, at in record.times.items()}
        lines.append({**record_document(record), "commit": record.commit, **times})
    return _table_csv(_COLUMNS.split(), lines)


def _table_csv(columns: Sequence[str], lines: Sequence[Mapping[str, object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for line in lines:
        writer.writerow([_csv_cell(line.get(column)) for column in columns])
    return text.getvalue()


def _csv_cell(value: object) -> str:
    text = " ".join(str(item) for item in value) if isinstance(value, list) else "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _print_stats(everything: Sequence[RollbackRecord], output: str) -> None:
    records = real(everything)
    restored = _median_seconds(records, "deployed", "verified")
    detected = _median_seconds(records, "deployed", "fired")
    strategies = by_strategy(records)
    stats: dict[str, object] = {
        "rollbacks": len(records),
        "automatic": sum(record.requested_by == "controller" for record in records),
        "outcomes": dict(sorted(Counter(state_of(record) for record in records).items())),
        "reasons": dict(sorted(Counter(record.reason for record in records).items())),
        "medianSecondsToDetect": detected,
        "medianSecondsToRestore": restored,
        "strategies": {name: _figures(one) for name, one in strategies.items()},
        "drills": len(everything) - len(records),
    }
    if output in ("json", "yaml"):
        print_document(stats, output)
        return
    if output in ("jsonl", "csv", "name"):
        raise click.UsageError("--stats is printed as table, json or yaml.")
    rows = [["rollbacks", str(len(records))], ["automatic", str(stats["automatic"])]]
    rows += [[f"outcome {name}", str(count)] for name, count in sorted(Counter(map(state_of, records)).items())]
    rows += [["median time to detect", _in_words(detected)], ["median time to restore", _in_words(restored)]]
    for name, one in strategies.items():
        rows.append([name, str(one.count)])
        known = {phase: span.total_seconds() for phase, span in one.medians.items()}
        rows += [[f"{name} {words}, median", _in_words(known.get(phase))] for phase, words in WORDS.items()]
    rows += [["drills, not counted above", str(stats["drills"])]] if stats["drills"] else []
    print_table(("what", "value"), rows, "")


def _figures(of: Figures) -> dict[str, object]:
    """From when it fired, or was asked for, to each phase; None where that is not known."""
    seconds = {phase: span.total_seconds() for phase, span in of.medians.items()}
    return {"rollbacks": of.count, "medianSeconds": {phase: seconds.get(phase) for phase in WORDS}}


def _median_seconds(records: Sequence[RollbackRecord], start: str, end: str) -> float | None:
    spans = [
        (record.times[end] - record.times[start]).total_seconds()
        for record in records
        if start in record.times and end in record.times
    ]
    return median(spans) if spans else None


def _in_words(seconds: float | None) -> str:
    return "none known" if seconds is None else format_duration(timedelta(seconds=seconds))
