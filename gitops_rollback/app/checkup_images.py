"""Is still there what a rollback of what runs now would bring back: images, charts, and the Secrets of its Pods?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from gitops_rollback.app.checkup import Finding
from gitops_rollback.app.directory import Listing
from gitops_rollback.app.preflight import coming_back
from gitops_rollback.app.reconciler import Reconciler
from gitops_rollback.app.subject import Watched
from gitops_rollback.app.view import View
from gitops_rollback.core.errors import RollbackError
from gitops_rollback.core.plan import GuardAnswer
from gitops_rollback.core.policy import GuardResult

MOST = 50  # applications: each takes a plan


def of_images(reconciler: Reconciler, now: datetime) -> Iterator[Finding]:
    """For each watched application, as the plan's own guard says it."""
    try:
        view = reconciler.viewer.look()
        listing = reconciler.directory.look(view, now)
    except RollbackError:
        return  # said of the repository itself
    for one in listing.watched[:MOST]:
        yield from _of(one, reconciler, view, listing, now)
    more = len(listing.watched) - MOST
    if more > 0:
        yield Finding("images", True, f"not checked: those of {more} more applications", checked=False)


def _of(watched: Watched, reconciler: Reconciler, view: View, listing: Listing, now: datetime) -> Iterator[Finding]:
    part = f"images of {watched.id.short}"
    try:
        brought = coming_back(reconciler, watched, view, listing, now)
    except RollbackError as error:
        yield Finding(part, True, f"not checked: {error.message}", checked=False)
        return
    yield _about(part, brought.images)
    if brought.references is not None:
        yield _about(f"references of {watched.id.short}", brought.references)


def _about(part: str, answer: GuardAnswer | None) -> Finding:
    if answer is None:
        return Finding(part, True, "not checked: there is nothing before what runs now", checked=False)
    asked = answer.result is not GuardResult.NOT_EVALUATED
    well = not asked or answer.result is GuardResult.ALLOW
    return Finding(part, well, answer.message, "" if well else answer.remedy, checked=asked)
