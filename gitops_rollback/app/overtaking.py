"""Has something that was deployed on top of a rollback gone bad before the rollback was verified?

Such a fault is the newer deployment's, by its own triggers and its own baseline, and its rollback must not wait for the
older one's verification, which it would spoil. What was bad already before the newer deployment blames nobody anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gitops_rollback.app.directory import Listing
from gitops_rollback.app.subject import Look, Watched
from gitops_rollback.core.rollback import RollbackRecord

Contains = Callable[[str, str], bool]


def on_top(record: RollbackRecord, listing: Listing, is_ancestor: Contains) -> Iterator[Watched]:
    """Its applications whose last operation is about a commit after ours, by the engine's list: cheap to ask."""
    if record.commit is None:
        return
    for watched in listing.watched:
        operation = watched.state.operation
        applied = operation.revisions if operation is not None else watched.state.sync_revisions
        if watched.name in record.applications and _after(record.commit, applied, is_ancestor):
            yield watched


def overtaken_by(look: Look, record: RollbackRecord, is_ancestor: Contains) -> str:
    """Which newer deployment is bad, in words; "" while none is."""
    if record.commit is None or not look.raised.raises_alarm:
        return ""
    if look.bad_revision == record.bad_revision or not _after(record.commit, (look.bad_revision,), is_ancestor):
        return ""
    newer = look.bad_revision[:12]
    return f"{newer} was deployed to {look.name} on top of it, and went bad before this was verified"


def newer_alarm(look: Look | None, record: RollbackRecord) -> bool:
    """A plan may wait for long; what was deployed after it is watched all the same, and what it costs may change."""
    newer = look is not None and (look.bad_revision not in ("", record.bad_revision) or record.is_weighed_anew)
    return look is not None and newer and look.raised.act.tells


def _after(commit: str, revisions: tuple[str, ...], is_ancestor: Contains) -> bool:
    return any(one and one != commit and is_ancestor(commit, one) for one in revisions)
