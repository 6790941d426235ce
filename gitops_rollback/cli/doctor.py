"""`gitops-rollback doctor`: would a rollback work now, and what is missing?"""

from __future__ import annotations

import os
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from gitops_rollback.app.checkup import Finding
from gitops_rollback.app.checkup_all import findings_of
from gitops_rollback.app.rights import rights_of
from gitops_rollback.app.settings import Settings
from gitops_rollback.cli.bundle import write_bundle
from gitops_rollback.cli.main import NO, OK
from gitops_rollback.cli.output import print_document, say, shown


def carry_out(ctx: click.Context, push: bool, rbac: bool, bundle: Path | None, output: str, settings: Settings) -> None:
    if rbac:
        click.echo(rights_of(settings) or "# The settings need nothing of a cluster.\n", nl=False)
        ctx.exit(OK)
    findings = []
    for finding in findings_of(settings, push):
        findings.append(finding)
        if output == "table":
            click.echo(shown(_line(finding)))
    if output != "table":
        print_document([asdict(one) for one in findings], output)
    if bundle is not None:
        held = write_bundle(bundle, settings, findings, os.environ, datetime.now(UTC))
        say(f"{bundle} holds {', '.join(held)}, without secrets; look into it before you hand it on.")
    ctx.exit(OK if all(one.well for one in findings) else NO)


def _line(finding: Finding) -> str:
    mark = "✖" if not finding.well else "✔" if finding.checked else "-"
    return f"{mark} {finding.part}: {finding.message}" + (f"  -> {finding.remedy}" if finding.remedy else "")
