"""Which open rollbacks does nobody look at any more, since no engine shows any of their applications?

An application may be deleted, renamed or moved while our commit is on its way to it. What is not looked at never ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from gitops_rollback.app.directory import Directory, Listing
from gitops_rollback.app.view import View
from gitops_rollback.core.action import Finish
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.policy import Policy
from gitops_rollback.core.rollback import Phase, RollbackOutcome, RollbackRecord

GONE_TICKS = 4  # in a row, each with an answer of every engine: a list may lag, or come while an object is replaced


@dataclass
class Unfollowed:
    """Counts for how many ticks each has been without an application."""

    directory: Directory
    _ticks: dict[str, int] = field(default_factory=dict)

    def ends(self, view: View, listing: Listing) -> Iterator[tuple[Finish, Policy]]:
        """Each that is to end at this tick, with the policy that says who is told. Plans that wait are a person's."""
        if listing.silent:
            return
        shown = {fed.name for fed in listing.fed}
        records = [one for one in view.journal.records.values() if one.open and not shown & set(one.applications)]
        alone = [one for one in records if one.phase is not Phase.AWAITING_APPROVAL]
        self._ticks = {one.id: self._ticks.get(one.id, 0) + 1 for one in alone}
        for record in alone:
            if self._ticks[record.id] >= GONE_TICKS:
                message = f"{', '.join(record.applications)}: gone from the engine, so nobody can see whether it helped"
                yield (
                    Finish(record, RollbackOutcome.UNVERIFIED, Reason.ENGINE_UNCLEAR, message),
                    policy_of(record, self.directory),
                )


def policy_of(record: RollbackRecord, directory: Directory) -> Policy:
    """The policy that says who is told of a rollback; one that names nobody where none is known any more."""
    revisions = [one for one in (record.restores, record.bad_revision, record.commit) if one]
    found = directory.policy_at(record.applications[0], revisions)
    return found or Policy(record.policy, "", record.restores, (), ())
