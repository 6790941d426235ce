"""Writes a person's last word about an open rollback to the journal."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime

from gitops_rollback.app.settings import Settings
from gitops_rollback.cli.access import find_record, opened_sources
from gitops_rollback.cli.asking import opened_requests
from gitops_rollback.cli.main import OK, REFUSED
from gitops_rollback.cli.output import print_document, say
from gitops_rollback.core.journal import record_document
from gitops_rollback.core.rollback import Phase, RollbackRecord


def close(
    settings: Settings,
    rollback_id: str,
    phases: Collection[Phase],
    closed: Callable[[RollbackRecord, datetime], RollbackRecord],
    output: str,
) -> int:
    """0 once it is written; 4 if the rollback is in no phase that can be closed so. `output` as `-o`."""
    with opened_sources(settings, everything=True) as sources:
        source, record = find_record(sources, rollback_id)
        name = source.repo.name
    if record.phase not in phases:
        say(f"{record.id} is {record.phase.value}: nothing to close.")
        return REFUSED
    with opened_requests(settings) as asked:
        one = next(each for each in asked if each.requests.repo.name == name)
        written = one.requests.close_record(record, closed)
        newest = one.requests.record(record.id)
    if output != "table" and newest is not None:
        print_document(record_document(newest), output)
    say(f"{record.id}: written to the journal." if written else f"{record.id}: the journal could not be written.")
    return OK if written else REFUSED
