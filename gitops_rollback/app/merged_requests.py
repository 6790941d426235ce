"""Requests that stand on the branch and are still to be carried out: those that let the request alone be reviewed."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from gitops_rollback.adapters.policies.loading import PolicyFile
from gitops_rollback.adapters.requests.reader import ReadRequest, load_request
from gitops_rollback.app.bounded import keep
from gitops_rollback.app.requesting import Prepared
from gitops_rollback.app.view import View
from gitops_rollback.core.commit import Commit
from gitops_rollback.core.errors import StalledError
from gitops_rollback.core.request import REQUESTS, Execute, RollbackRequest, is_request_path
from gitops_rollback.core.rollback import RollbackRecord
from gitops_rollback.core.written import MAX_BYTES
from gitops_rollback.ports import ConfigRepo, TreeEntry

MOST_COMMITS = 300  # that are looked through for the one that brought a request


@dataclass(frozen=True)
class MergedRequest:
    """One of them, and the commit of the branch that brought it."""

    path: str
    request: RollbackRequest
    read: ReadRequest
    commit: str


@dataclass
class MergedRequests:
    """Memory only spares work: a request that is over stays so."""

    repo: ConfigRepo
    _over: dict[tuple[str, str], bool] = field(default_factory=dict)
    _brought: dict[tuple[str, str], Commit] = field(default_factory=dict)

    def find(self, view: View, records: Collection[RollbackRecord], now: datetime) -> Iterator[MergedRequest]:
        """Those that have neither expired nor a record of ours."""
        known = {record.asked_in.path if record.asked_in else record.request for record in records}
        for entry in self.repo.files(view.heads.branch, REQUESTS):
            key = entry.path, entry.blob
            if key in self._over or entry.path in known or not is_request_path(entry.path):
                continue
            found = self._found(entry, view, now)
            if found is None:
                keep(self._over, key, True)
            else:
                yield found

    def came_after(self, merged: MergedRequest, prepared: Prepared | None) -> str:
        """What was pushed when the request stood on the branch already, nobody has asked to undo; "" if it is none."""
        plan = prepared.plan if prepared else None
        later = [sha for sha in plan.reversal.reverts if not self.repo.is_ancestor(sha, merged.commit)] if plan else []
        return f"{later[0][:12]} came after this request was merged: ask anew to undo it, too" if later else ""

    def _found(self, entry: TreeEntry, view: View, now: datetime) -> MergedRequest | None:
        try:
            text = self.repo.read(entry.blob, MAX_BYTES)
        except StalledError:
            return None
        read = load_request(PolicyFile(entry.path, entry.mode, text))
        request = read.request
        if request is None or request.execute is not Execute.AFTER_MERGE:
            return None
        commit = self._commit(entry, view)
        if commit is None or request.ends(commit.committed_at) <= now:
            return None
        return MergedRequest(entry.path, request, read, commit.sha)

    def _commit(self, entry: TreeEntry, view: View) -> Commit | None:
        """The one that brought the file as it is; None if that is long ago."""
        key = entry.path, entry.blob
        if key not in self._brought:
            for commit in self.repo.recent(view.heads.branch, MOST_COMMITS):
                if any(one.path == entry.path and one.old_blob is None for one in commit.changes):
                    keep(self._brought, key, commit)
                    break
        return self._brought.get(key)
