"""`gitops-rollback get`: applications, policies or rollbacks, from git alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import click

from gitops_rollback.app.settings import Settings
from gitops_rollback.cli.access import (
    Source,
    clock_of,
    decided_at,
    newest_decision,
    newest_record,
    opened_sources,
)
from gitops_rollback.cli.output import ago, print_document, print_table, say
from gitops_rollback.cli.records import rollback_rows
from gitops_rollback.core.drill import practice_of
from gitops_rollback.core.journal import format_time, parse_time, record_document
from gitops_rollback.core.policy import Policy, Target
from gitops_rollback.core.stop import PauseState, names_of, stopped

WHAT = ("applications", "policies", "rollbacks")


def carry_out(what: str, output: str, settings: Settings) -> None:
    now = clock_of(settings).now()
    with opened_sources(settings) as sources:
        for source in sources:
            _warn(source)
        if what == "applications":
            _print(_applications(sources, settings, now), _APPLICATION_COLUMNS, output, now)
        elif what == "policies":
            _print(_policies(sources), _POLICY_COLUMNS, output, now)
        else:
            _rollbacks(sources, output, now)


_APPLICATION_COLUMNS = ("application", "policy", "decision", "reason", "since", "rollback", "paused", "drill")
_POLICY_COLUMNS = ("policy", "repository", "targets", "triggers", "automatic", "suspended", "faults")


def _warn(source: Source) -> None:
    for fault in source.policies.at(source.heads.branch).errors:
        say(f"{source.repo.name}: {fault}")
    for sentence in source.journal.damaged[:10]:
        say(f"{source.repo.name}: journal: {sentence}")


def _print(rows: Sequence[Mapping[str, object]], columns: Sequence[str], output: str, now: datetime) -> None:
    if output in ("json", "yaml"):
        print_document(list(rows), output)
    elif output == "name":
        for row in rows:
            click.echo(str(row["name"]))
    else:
        if not any(row.get("drill") for row in rows):
            columns = [column for column in columns if column != "drill"]
        shown = (*columns, "message") if output == "wide" and rows and "message" in rows[0] else columns
        print_table(
            shown, [[_cell(column, row[column], now) for column in shown] for row in rows], "Nothing is watched here."
        )


def _cell(column: str, value: object, now: datetime) -> str:
    if column == "since" and value is not None:
        return ago(parse_time(str(value)), now)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(str(item) for item in value)
    return "" if value is None else str(value)


def _applications(sources: Sequence[Source], settings: Settings, now: datetime) -> list[dict[str, object]]:
    return [_application(source, settings, now, *pair) for source in sources for pair in source.targets()]


def _application(
    source: Source, settings: Settings, now: datetime, policy: Policy, target: Target
) -> dict[str, object]:
    name = target.application.full
    decision, record = newest_decision(source, name), newest_record(source, name)
    fullest = decision.application if decision else record.applications[0] if record else name
    control, head = source.pauses()
    # The instance may be unknown to git yet, and named in a pause.
    longer = {name for name in _paused_names(control, head) if fullest in names_of(name)}
    stop = stopped(fullest, now, settings.pause, control, head, {target.name, *longer})
    return {
        "name": target.name,
        "application": fullest,
        "repository": source.repo.name,
        "policy": policy.name,
        "suspended": policy.suspend,
        "decision": decision.action if decision else None,
        "reason": decision.reason if decision else None,
        "since": format_time(decision.at) if decision else None,
        "revision": decision.revision if decision else None,
        "message": decision.message if decision else None,
        "rollback": record.id if record else None,
        "phase": record.phase.value if record else None,
        "outcome": record.outcome.value if record and record.outcome else None,
        "paused": stop.message if stop else None,
        "drill": _practised(source, target, now),
    }


def _practised(source: Source, target: Target, now: datetime) -> str | None:
    """How a target that may be drilled stands; None for all others."""
    if not target.drill:
        return None
    known = practice_of(target.application.full, source.journal.decisions, source.journal.records.values(), now)
    if known.overdue:
        return f"overdue: {known.overdue}"
    return f"passed {known.passed:%F}" if known.passed else None


def _paused_names(*states: PauseState) -> set[str]:
    return {pause.application for state in states for pause in state.pauses if pause.application is not None}


def _policies(sources: Sequence[Source]) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for source in sources:
        found = source.policies.at(source.heads.branch)
        rows += [_policy(source, policy, [str(fault) for fault in found.faults]) for policy in found.policies]
        for path in sorted(found.broken):
            faults = [str(fault) for fault in found.errors if fault.path == path]
            rows.append({**_no_policy(source, path), "faults": len(faults), "messages": faults})
    return rows


def _policy(source: Source, policy: Policy, faults: Sequence[str]) -> dict[str, object]:
    own = [fault for fault in faults if fault.startswith(f"{policy.path}:")]
    return {
        **_no_policy(source, policy.path),
        "name": policy.name,
        "policy": policy.name,
        "targets": [target.name for target in policy.targets],
        "triggers": [trigger.name for trigger in policy.triggers],
        "automatic": any(trigger.severity.value == "auto_rollback" for trigger in policy.triggers),
        "suspended": policy.suspend,
        "faults": len(own),
        "messages": own,
    }


def _no_policy(source: Source, path: str) -> dict[str, object]:
    return {
        "name": path,
        "policy": path,
        "path": path,
        "repository": source.repo.name,
        "revision": source.heads.branch,
        "targets": [],
        "triggers": [],
        "automatic": False,
        "suspended": False,
    }


def _rollbacks(sources: Sequence[Source], output: str, now: datetime) -> None:
    records = [record for source in sources for record in source.journal.records.values()]
    records.sort(key=lambda record: (decided_at(record), record.id))
    if output in ("json", "yaml"):
        print_document([record_document(record) for record in reversed(records)], output)
    elif output == "name":
        for record in reversed(records):
            click.echo(record.id)
    else:
        headers, rows = rollback_rows(list(reversed(records)), now, wide=output == "wide")
        print_table(headers, rows, "No rollback is in the journal.")
