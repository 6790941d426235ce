"""`gitops-rollback verify ID`: what the checks of a rollback say now. It decides nothing, and writes nothing."""

from __future__ import annotations

from dataclasses import replace

import click

from gitops_rollback.app.holding import watched_of
from gitops_rollback.app.settings import Settings
from gitops_rollback.cli.access import one_record
from gitops_rollback.cli.asking import Asked, opened_requests
from gitops_rollback.cli.main import NO, OK
from gitops_rollback.cli.output import print_document, shown
from gitops_rollback.core.errors import Reason, StalledError
from gitops_rollback.core.progress import Progress
from gitops_rollback.core.rollback import Phase

MARKS = {True: "✔", False: "✖", None: "?"}


def carry_out(ctx: click.Context, rollback_id: str, output: str, settings: Settings) -> None:
    with opened_requests(settings) as asked:
        lines = _lines(_progress(asked, rollback_id))
    if output != "table":
        print_document([{"name": name, "ok": ok, "message": message} for name, ok, message in lines], output)
    for name, ok, message in lines if output == "table" else ():
        click.echo(shown(f"{MARKS[ok]} {name}: {message}"))
    ctx.exit(OK if all(ok for _, ok, _ in lines) else NO)


def _progress(asked: tuple[Asked, ...], rollback_id: str) -> Progress:
    """Raises: click.UsageError for an id that names none or several; StalledError for one that cannot be looked at."""
    seen = [(one.requests, one.requests.reconciler.see_now()) for one in asked]
    known = [((requests, view), view.journal.records.values()) for requests, view in seen]
    (requests, view), record = one_record(known, rollback_id)
    if record.commit is None:
        raise StalledError(record.id, "nothing was pushed for it", Reason.REQUEST_INVALID)
    reconciler, now = requests.reconciler, requests.clock.now()
    listing = reconciler.directory.look(view, now)
    watched = watched_of(record, listing)
    if watched is None:
        raise StalledError(record.id, "no policy watches its application any more", Reason.NO_POLICY)
    return reconciler.follower.progress(replace(record, phase=Phase.VERIFYING), watched, view, listing, now)


def _lines(found: Progress) -> list[tuple[str, bool | None, str]]:
    if not found.landed:
        return [(str(found.record.commit)[:12], False, "is not on the branch")]
    lines: list[tuple[str, bool | None, str]] = [
        (one.application, one.converged, one.why or "runs what was pushed, and is healthy")
        for one in found.applications
    ]
    return [*lines, *((check.name, check.ok, check.message) for check in found.checks)]
