"""`gitops-rollback explain ID|APP`: why it was done, or was not: each fact, guard and decision with its time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import click

from gitops_rollback.app.settings import Settings
from gitops_rollback.cli.access import (
    Source,
    clock_of,
    find_application,
    find_record,
    newest_record,
    opened_sources,
)
from gitops_rollback.cli.output import ago, print_document, shown
from gitops_rollback.cli.records import guard_lines, lines_of
from gitops_rollback.core.journal import entry_document, record_document
from gitops_rollback.core.postmortem import postmortem
from gitops_rollback.core.rollback import RollbackRecord
from gitops_rollback.core.stop import names_of
from gitops_rollback.ports import DecisionEntry

MAX_DECISIONS = 200
SOURCED = {"value", "from"}  # the keys of a number that says where it comes from


def carry_out(subject: str, output: str, settings: Settings) -> None:
    now = clock_of(settings).now()
    with opened_sources(settings, everything=True) as sources:
        record, decisions = _of_rollback(sources, subject) if subject.startswith("rb-") else _of_app(sources, subject)
    decisions = decisions[-MAX_DECISIONS:]
    if output == "markdown":
        if record is None:
            raise click.UsageError(f"{subject!r} has no rollback to write a post-mortem of.")
        for line in postmortem(record, [one for one in decisions if _about(one, record)]):
            click.echo(shown(line))
        return
    if output == "table":
        for line in _lines(record, decisions, now):
            click.echo(shown(line))
        return
    document: Mapping[str, object] = {
        "record": record_document(record) if record else None,
        "decisions": [entry_document(entry) for entry in decisions],
    }
    print_document(document, output)


def _of_rollback(sources: Sequence[Source], rollback_id: str) -> tuple[RollbackRecord, list[DecisionEntry]]:
    source, record = find_record(sources, rollback_id)
    return record, [entry for entry in source.journal.decisions if _about(entry, record)]


def _about(entry: DecisionEntry, record: RollbackRecord) -> bool:
    if entry.details.get("rollback") == record.id:
        return True
    return entry.application in record.applications and entry.revision in (record.bad_revision, record.commit)


def _of_app(sources: Sequence[Source], word: str) -> tuple[RollbackRecord | None, list[DecisionEntry]]:
    source, name = find_application(sources, word)
    entries = [entry for entry in source.journal.decisions if name in names_of(entry.application)]
    return newest_record(source, name), entries


def _lines(record: RollbackRecord | None, decisions: Sequence[DecisionEntry], now: datetime) -> list[str]:
    lines: list[str] = []
    if record is not None:
        lines += [*lines_of(record, now), "", "guards", *(guard_lines(record) or ["  none was asked"])]
        lines += ["", "evidence", *(_tree(record.evidence, "  ") or ["  none was kept"])]
    lines += ["", "decisions"]
    if not decisions:
        lines.append("  none is in the journal")
    for entry in decisions:
        at = f"{entry.at:%Y-%m-%dT%H:%M:%SZ} ({ago(entry.at, now)})"
        lines.append(
            f"  {at}  {entry.action} {entry.reason} at {entry.revision[:12] or 'no revision'}: {entry.message}"
        )
        lines += _tree(entry.details, "      ")
    return lines[1:] if lines[0] == "" else lines


def _tree(node: object, indent: str) -> list[str]:
    """Nested facts as indented lines; what is empty or unknown is left out. A number and its source share a line."""
    if isinstance(node, Mapping):
        pairs = [(f"{key}:", value) for key, value in node.items()]
    elif isinstance(node, (list, tuple)):
        pairs = [("-", value) for value in node]
    else:
        return [f"{indent}{node}"]
    lines: list[str] = []
    for head, value in pairs:
        if isinstance(value, Mapping) and value.keys() == SOURCED:
            lines.append(f"{indent}{head} {value['value']}  ({value['from']})")
        elif isinstance(value, (Mapping, list, tuple)):
            inner = _tree(value, indent + "  ")
            lines += [f"{indent}{head}", *inner] if inner else []
        elif value not in (None, ""):
            lines.append(f"{indent}{head} {value}")
    return lines
