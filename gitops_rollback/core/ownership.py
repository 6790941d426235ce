"""Which commits are ours, and did we roll this back by ourselves before?

A commit is ours by our signature, or because its contents are what the journal planned, whoever committed it and
whatever a forge made of the message. Trailers alone prove nothing in either direction.
Source: safety.md, Which commits are ours; design.md, promises 7 and 8.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from gitops_rollback.core.commit import Commit
from gitops_rollback.core.rollback import RollbackRecord, StepRecord

CONTROLLER = "controller"


def ours(commit: Commit, records: Iterable[RollbackRecord], verified_signature: bool | None) -> bool:
    """True if `commit` is a rollback of ours, or the landing of one.

    `verified_signature` is True only for a good signature by our key; False and None (unsigned, or not to be verified)
    leave it to the contents.
    """
    return verified_signature is True or record_of(commit, records) is not None


def record_of(commit: Commit, records: Iterable[RollbackRecord]) -> RollbackRecord | None:
    """The record that names `commit`, or that planned exactly its difference to its first parent."""
    for record in records:
        if any(step.commit == commit.sha or is_landing(commit, step) for step in record.planned):
            return record
    return None


def is_landing(commit: Commit, step: StepRecord) -> bool:
    """True if `commit` changes the files of `step`, no others, and leaves each as planned, blob for blob."""
    return bool(step.blobs) and {change.path: change.new_blob for change in commit.changes} == dict(step.blobs)


def rolled_back_before(
    application: str,
    bad_revision: str,
    culprits: Collection[str],
    repository: str,
    records: Iterable[RollbackRecord],
    our_commits: Iterable[Commit] = (),
) -> str:
    """The `Rollback-Id` of an earlier automatic rollback with the same (application, bad revision) or culprit; else "".

    Counted are those that pushed or may have; whether a person aborted it later or released the application changes
    nothing. `our_commits` are commits already known to be ours, whose trailers stand in where the journal has gaps.
    """
    for record in records:
        same = application in record.applications and record.bad_revision == bad_revision
        if _pushed_by_itself(record) and record.repository == repository and (same or _meet(record.reverts, culprits)):
            return record.id
    for commit in our_commits:
        trailers = commit.trailers
        same = application in trailers.get("Rollback-Application", ()) and bad_revision in trailers.get(
            "Rollback-Bad-Revision", ()
        )
        by_itself = trailers.get("Rollback-Requested-By", (CONTROLLER,))[-1] == CONTROLLER
        if by_itself and (same or _meet(trailers.get("Rollback-Reverts", ()), culprits)):
            return trailers.get("Rollback-Id", (commit.sha,))[0]
    return ""


def about_to_roll_back(culprits: Collection[str], repository: str, records: Iterable[RollbackRecord]) -> str:
    """The `Rollback-Id` of a pull request that needs nobody's word and takes one of `culprits` back; else "".

    It may land at any moment, so nobody else may take that commit back beside it; nothing was pushed yet, though.
    """
    for record in records:
        by_forge = record.open and record.offer is not None and record.offer.automatic
        of_ours = record.requested_by == CONTROLLER and record.repository == repository
        if by_forge and of_ours and not _pushed(record) and _meet(record.reverts, culprits):
            return record.id
    return ""


def _pushed_by_itself(record: RollbackRecord) -> bool:
    return record.requested_by == CONTROLLER and _pushed(record)


def _pushed(record: RollbackRecord) -> bool:
    return any(step.commit or step.pushed_at for step in record.steps)


def _meet(reverts: Iterable[str], culprits: Collection[str]) -> bool:
    return any(sha in culprits for sha in reverts)
