"""`gitops-rollback status ID`: where a rollback stands; with `--wait` the exit code says how it ended."""

from __future__ import annotations

import time
from datetime import timedelta

import click

from gitops_rollback.app.settings import Settings
from gitops_rollback.cli.access import (
    Source,
    clock_of,
    duration_option,
    find_record,
    look,
    opened_sources,
)
from gitops_rollback.cli.main import OK, TIMEOUT
from gitops_rollback.cli.output import print_document, say, shown
from gitops_rollback.cli.records import exit_code, lines_of, state_of
from gitops_rollback.core.errors import TransientError
from gitops_rollback.core.journal import record_document
from gitops_rollback.core.rollback import RollbackRecord
from gitops_rollback.ports import Clock

POLL = timedelta(seconds=5)
SHORTEST_POLL_SECONDS = 0.2


def carry_out(
    context: click.Context, rollback_id: str, wait: bool, timeout: str, output: str, settings: Settings
) -> None:
    patience = duration_option(timeout, "--timeout")
    clock = clock_of(settings)
    with opened_sources(settings, everything=True) as sources:
        source, record = find_record(sources, rollback_id)
        if wait:
            record = wait_for_end(source, record, clock, patience)
    _print(record, output, clock)
    code = exit_code(record)
    context.exit((TIMEOUT if wait else OK) if code is None else code)


def wait_for_end(source: Source, record: RollbackRecord, clock: Clock, patience: timedelta) -> RollbackRecord:
    """The record once it ended or waits for a person, or as it is after `patience`. Says each change on stderr."""
    end = time.monotonic() + clock.real_seconds(patience)
    while exit_code(record) is None and (left := end - time.monotonic()) > 0:
        time.sleep(min(left, max(SHORTEST_POLL_SECONDS, clock.real_seconds(POLL))))
        try:
            newer = look(source.opened).journal.records.get(record.id, record)
        except TransientError as exc:
            say(f"{exc.subject}: {exc.message}; trying again")
            continue
        if state_of(newer) != state_of(record):
            say(f"{newer.id}: {state_of(newer)} {newer.reason}")
        record = newer
    return record


def _print(record: RollbackRecord, output: str, clock: Clock) -> None:
    if output == "name":
        click.echo(record.id)
    elif output == "table":
        for line in lines_of(record, clock.now()):
            click.echo(shown(line))
    else:
        print_document(record_document(record), output)
