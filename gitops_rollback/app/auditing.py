"""Reads what an audit compares: the journal commit by commit, and the branch's commits against its records.

Source: safety.md, Audit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from gitops_rollback.core.audit import JournalStep, chain_faults, pushed, step_faults, unrecorded
from gitops_rollback.core.commit import Commit, FileChange
from gitops_rollback.core.errors import RollbackError
from gitops_rollback.core.journal import RECORDS, decode_record
from gitops_rollback.core.rollback import RollbackRecord
from gitops_rollback.ports import ConfigRepo, JournalView

MOST_COMMITS = 20_000  # of the journal, and of the branch
LARGEST_FILE = 8 << 20


@dataclass(frozen=True)
class Audit:
    """What was looked at and what does not fit. `whole` False: older commits than these were not looked at."""

    journal_commits: int
    branch_commits: int
    records: int
    faults: tuple[str, ...]
    whole: bool = True


Signed = Callable[[str], str]  # why a commit bears no good signature of ours; "" if it does


def audit(
    repo: ConfigRepo,
    branch_head: str,
    journal_repo: ConfigRepo,
    journal: JournalView,
    committer: str,
    signed: tuple[Signed, Signed] | None = None,
) -> Audit:
    """Both ways: each commit of ours has its record, each record its commits, and the journal only grew.

    `signed` asks about commits of the branch and of the journal; None: whether they are signed is not looked at.
    """
    kept = journal_repo.commits(None, journal.head, MOST_COMMITS) if journal.head else ()
    branch = repo.commits(None, branch_head, MOST_COMMITS)
    records = journal.records.values()
    faults = [*chain_faults(kept, committer), *_grown(journal_repo, kept), *unrecorded(branch, records)]
    for record in records:
        faults += _of_record(repo, branch_head, record)
    if signed is not None:
        faults += _unsigned([one.sha for one in branch if committer in one.committer], signed[0])
        faults += _unsigned([one.sha for one in kept], signed[1])
    faults += [f"journal: {sentence}" for sentence in journal.damaged]
    whole = len(kept) < MOST_COMMITS and len(branch) < MOST_COMMITS
    return Audit(len(kept), len(branch), len(journal.records), tuple(dict.fromkeys(faults)), whole)


def _unsigned(commits: Iterable[str], signed: Signed) -> Iterator[str]:
    for sha in commits:
        fault = signed(sha)
        if fault:
            yield f"commit {sha[:12]} bears no good signature: {fault}"


def _grown(repo: ConfigRepo, commits: tuple[Commit, ...]) -> Iterator[str]:
    changes = [(commit.sha, change) for commit in commits for change in commit.changes if change.new_blob is not None]
    repo.bring({blob for _, change in changes for blob in (change.old_blob, change.new_blob) if blob})
    for sha, change in changes:
        yield from step_faults(_step(repo, sha, change))


def _step(repo: ConfigRepo, sha: str, change: FileChange) -> JournalStep:
    before, after = _read(repo, change.old_blob), _read(repo, change.new_blob)
    records = None
    if change.path.startswith(f"{RECORDS}/") and before is not None and after is not None:
        try:
            records = decode_record(before), decode_record(after)
        except (ValueError, RollbackError):
            after = None
    return JournalStep(sha, change, before, after, records)


def _read(repo: ConfigRepo, blob: str | None) -> bytes | None:
    try:
        return None if blob is None else repo.read(blob, LARGEST_FILE)
    except RollbackError:
        return None


def _of_record(repo: ConfigRepo, head: str, record: RollbackRecord) -> Iterator[str]:
    for commit, blobs in pushed(record):
        if not repo.has(commit) or not repo.is_ancestor(commit, head):
            yield f"{record.id} says that it pushed {commit[:12]}, which is not on the branch"
            continue
        for path, blob in blobs.items():
            if repo.entry_id(commit, path) != blob:
                yield f"{record.id}: {path} in {commit[:12]} is not what the record planned"
