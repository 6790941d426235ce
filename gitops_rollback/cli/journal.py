"""`gitops-rollback journal rebuild`: the records that a lost journal had, made again from the branch's commits."""

from __future__ import annotations

import click

from gitops_rollback.app.rebuilding import Rebuilder
from gitops_rollback.app.settings import Settings
from gitops_rollback.app.wiring import committer_of
from gitops_rollback.cli.access import Source, caller, clock_of, opened_sources
from gitops_rollback.cli.main import OK, REFUSED
from gitops_rollback.cli.output import print_document, say
from gitops_rollback.core.journal import record_document
from gitops_rollback.core.rollback import RollbackRecord


def carry_out(ctx: click.Context, yes: bool, output: str, settings: Settings) -> None:
    _, by = caller()
    with opened_sources(settings, everything=True) as sources:
        found = {source.repo.name: _missing(source, settings) for source in sources}
        if output != "table":
            print_document({name: [record_document(one) for one in records] for name, records in found.items()}, output)
        for name, records in found.items():
            say(f"{name}: {_words(records)}")
        if not yes:
            ctx.exit(REFUSED if any(found.values()) else OK)
        now = clock_of(settings).now()
        for source in sources:
            if records := found[source.repo.name]:
                _rebuilder(source, settings).write(records, source.journal, by, now)
                say(
                    f"{source.repo.name}: written. Restart running controllers: they remember the journal that is lost."
                )


def _missing(source: Source, settings: Settings) -> tuple[RollbackRecord, ...]:
    return _rebuilder(source, settings).missing(source.heads.branch, source.journal)


def _rebuilder(source: Source, settings: Settings) -> Rebuilder:
    opened = source.opened
    return Rebuilder(source.repo, opened.journal_repo, opened.journal, committer_of(settings))


def _words(records: tuple[RollbackRecord, ...]) -> str:
    if not records:
        return "the journal knows each of our commits."
    lines = [f"  {one.id}  {one.commit or '':.12}  {', '.join(one.applications)}" for one in records]
    return "\n".join([f"{len(records)} rollbacks that the journal does not know:", *lines])
