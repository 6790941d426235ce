"""`gitops-rollback audit verify`: do the journal and the branch tell the same story, and did nobody change it?"""

from __future__ import annotations

from pathlib import Path

import click

from gitops_rollback.app.auditing import MOST_COMMITS, Audit, Signed, audit
from gitops_rollback.app.repositories import Opened
from gitops_rollback.app.settings import Settings
from gitops_rollback.app.wiring import committer_of
from gitops_rollback.cli.access import opened_sources
from gitops_rollback.cli.main import NO, OK
from gitops_rollback.cli.output import print_document, say, shown


def carry_out(ctx: click.Context, allowed_signers: str | None, output: str, settings: Settings) -> None:
    signers = Path(allowed_signers) if allowed_signers else None
    if signers is not None and not signers.is_file():
        raise click.BadParameter("there is no such file", param_hint="--allowed-signers")
    found: dict[str, Audit] = {}
    with opened_sources(settings, everything=True) as sources:
        for source in sources:
            opened = source.opened
            found[source.repo.name] = audit(
                source.repo,
                source.heads.branch,
                opened.journal_repo,
                source.journal,
                committer_of(settings),
                _signed(opened, signers),
            )
    if signers is None:
        say("Whether commits are signed was not looked at: --allowed-signers names the keys.")
    if output != "table":
        print_document({name: _document(one) for name, one in found.items()}, output)
    else:
        for name, one in found.items():
            _print(name, one)
    ctx.exit(NO if any(one.faults for one in found.values()) else OK)


def _signed(opened: Opened, signers: Path | None) -> tuple[Signed, Signed] | None:
    if signers is None:
        return None
    return (
        lambda sha: opened.repo.signature_fault(sha, signers),
        lambda sha: opened.journal_repo.signature_fault(sha, signers),
    )


def _print(name: str, found: Audit) -> None:
    for fault in found.faults:
        click.echo(shown(f"✖ {fault}"))
    if not found.whole:
        say(f"{name}: only the newest {MOST_COMMITS} commits were looked at")
    counted = f"{found.journal_commits} journal commits, {found.records} records, {found.branch_commits} commits"
    verdict = f"✖ {name}: {len(found.faults)} things do not fit" if found.faults else f"✔ {name}: all fits"
    click.echo(shown(f"{verdict} ({counted})"))


def _document(found: Audit) -> dict[str, object]:
    return {
        "journalCommits": found.journal_commits,
        "branchCommits": found.branch_commits,
        "records": found.records,
        "whole": found.whole,
        "faults": list(found.faults),
    }
