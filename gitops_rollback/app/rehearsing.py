"""What was practised on the application that a policy names for that? From the records of the journal and git alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gitops_rollback.app.directory import Fed, Listing
from gitops_rollback.core.errors import ObjectMissing, StalledError
from gitops_rollback.core.manifest import MANIFESTS
from gitops_rollback.core.policy import Target
from gitops_rollback.core.refs import TreeEntry
from gitops_rollback.core.rehearsal import Practised, Rehearsal, Stage, digests_of, practised_on
from gitops_rollback.core.rollback import RollbackRecord
from gitops_rollback.core.stop import names_of
from gitops_rollback.ports import ConfigRepo

MOST_FILES = 300
MOST_BYTES = 1 << 20


def stage_of(repo: ConfigRepo, target: Target, listing: Listing, records: Iterable[RollbackRecord]) -> Stage | None:
    """None where the target names no application, or not exactly one that this repository feeds.

    Raises: RollbackError for what cannot be read.
    """
    stage = staged_by(target, listing)
    if stage is None:
        return None
    known = [one for one in practised_on(stage.name, records) if repo.has(one.revision)]
    contents = Contents(repo)
    return Stage(stage.name, tuple(contents.of(one, stage) for one in known))


def staged_by(target: Target, listing: Listing) -> Fed | None:
    """The one application that the target's `rehearse` means."""
    found = [fed for fed in listing.fed if target.rehearse in names_of(fed.name)] if target.rehearse else []
    return found[0] if len(found) == 1 else None


class Contents:
    """Reads each blob once, as most files stay from one rehearsal to the next."""

    def __init__(self, repo: ConfigRepo) -> None:
        self._repo = repo
        self._digests: dict[str, frozenset[str]] = {}

    def of(self, practised: Practised, stage: Fed) -> Rehearsal:
        """The state by its contents. Raises: RollbackError."""
        files = {entry.path: entry.blob for entry in self._files(practised.revision, stage)}
        manifests = {blob for path, blob in files.items() if path.endswith(MANIFESTS)}
        digests = frozenset(digest for blob in manifests for digest in self._digests_in(blob))
        return Rehearsal(practised.by, practised.at, frozenset(files.values()), digests, practised.skips)

    def _files(self, revision: str, stage: Fed) -> Iterator[TreeEntry]:
        read = stage.reads(revision).why
        found = 0
        for entry in self._repo.files(revision):
            if entry.path not in stage.own and entry.path not in stage.rendered and entry.path not in read:
                continue
            found += 1
            if found > MOST_FILES:
                raise ObjectMissing(stage.name, f"it has more than {MOST_FILES} files, which are not all compared")
            yield entry

    def _digests_in(self, blob: str) -> frozenset[str]:
        if blob not in self._digests:
            try:
                self._digests[blob] = digests_of([self._repo.read(blob, MOST_BYTES)])
            except StalledError:
                self._digests[blob] = frozenset()  # larger than any manifest
        return self._digests[blob]
