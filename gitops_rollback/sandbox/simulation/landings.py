"""Plans of ours that went by pull request: which commits carried one to the branch, by whosever hand.

Told by contents alone, as they are worked out from git: what a forge makes of a message is no part of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from gitops_rollback.core.commit import Commit
from gitops_rollback.core.ownership import CONTROLLER
from gitops_rollback.core.rollback import PULL_REQUEST
from gitops_rollback.sandbox.simulation.events import Document, Landed, Rollback
from gitops_rollback.sandbox.simulation.forge.merging import brought
from gitops_rollback.sandbox.simulation.forge.pulls import OURS, Pull
from gitops_rollback.sandbox.simulation.forge.site import ForgeSite
from gitops_rollback.sandbox.simulation.objects import Objects
from gitops_rollback.sandbox.simulation.remote import MAIN, Accepted

WAITS, DONE = "AwaitingApproval", "Done"
OTHERS = ("refs/heads/gitops-rollback-",)  # the journal, the control branch


class Landings:
    """`offered` are our heads for branches of pull requests, pushed or to be pushed, with what each changes."""

    def __init__(self, objects: Objects, site: ForgeSite, ran: Callable[[str, str], bool]) -> None:
        self.offered: dict[str, Mapping[str, str | None]] = {}
        self.all: list[Landed] = []
        self.ours: set[str] = set()
        self.ended: dict[str, datetime] = {}  # when the journal heard first that a plan has come to its end
        self._objects = objects
        self._site = site
        self._ran = ran

    def offers(self, accepted: Accepted, head: str, author: str) -> None:
        """A replica has pushed to a branch; `head` is that of the followed one."""
        commit = self._objects.commits[accepted.new]
        mine = commit.committer == author and "Rollback-Id" in commit.trailers
        if mine and accepted.ref != MAIN and not accepted.ref.startswith(OTHERS):
            self.offered[commit.sha] = brought(self._objects, head, commit.sha)

    def knows(self, record: Document, at: datetime) -> str:
        """The journal has these heads, whether their push came through or not; the base of the first, "" for none.

        A person may have carried the plan out already, while it was made.
        """
        if record["phase"] == DONE:
            self.ended.setdefault(str(record["id"]), at)
        evidence = record["evidence"]
        offer = evidence.get(PULL_REQUEST) if isinstance(evidence, dict) else None
        heads = offer["heads"] if isinstance(offer, dict) else []
        for head in heads:
            self.offered.setdefault(head["commit"], head["blobs"])
        return str(heads[0]["base"]) if heads else ""

    def requested(self, commit: Commit, accepted: Accepted) -> Landed | None:
        """A rollback that we pushed ourselves because a person's request says so; None for one of our own."""
        found = requested(commit, accepted, self._ran)
        self.all += [found] if found is not None else []
        return found

    def see(self, accepted: Accepted, records: Mapping[str, Document]) -> Iterator[Landed]:
        """Those that come by this move of the followed branch."""
        for commit in self._objects.first_parents(accepted.new):
            if commit.sha == accepted.old:
                return
            for planned in self._planned(commit):
                self.ours.add(commit.sha)
                yield from self._landed(commit, planned, accepted, records)

    def _landed(
        self, commit: Commit, planned: Commit, accepted: Accepted, records: Mapping[str, Document]
    ) -> Iterator[Landed]:
        said, identity = Rollback.of(planned, accepted.at, accepted.who, self._ran), planned.trailers["Rollback-Id"][0]
        waited = records.get(identity, {}).get("phase") == WAITS
        if not waited or any(one.identity == identity for one in self.all):
            return
        pull = next((one for one in self._site.pulls.values() if one.merge_sha == accepted.new), None)
        automatic = pull is not None and pull.merged_by == OURS and not self.approved(pull, planned.sha)
        landed = Landed(
            accepted.at, accepted.who, commit, said.applications, said.bad, said.reverts, said.restores, said.speaker,
            identity=identity, number=pull.number if pull else None, automatic=automatic,
        )  # fmt: skip
        self.all.append(landed)
        yield landed

    def approved(self, pull: Pull, head: str) -> bool:
        """Somebody with the right has said yes to this very head."""
        return (pull.number, head) in self._site.approved

    def _planned(self, commit: Commit) -> Iterator[Commit]:
        """The heads of ours that it carries out: it leaves what they leave, or is that commit anew.

        What a plan was made on carries nothing of it out, though it may have left just what the plan goes back to.
        """
        changes = {one.path: one.new_blob for one in commit.changes}
        for sha, planned in self.offered.items():
            own = {one.path: one.new_blob for one in self._objects.commits[sha].changes}
            older = commit.sha != sha and self._objects.is_ancestor(commit.sha, sha)
            whole = changes == planned or (changes == own and self._has(commit, planned))
            if changes and whole and not older:
                yield self._objects.commits[sha]

    def _has(self, commit: Commit, planned: Mapping[str, str | None]) -> bool:
        """All that is planned is there: whoever does the same as a request, but for its file, leaves it open."""
        return all(self._objects.entry(commit.sha, path) == blob for path, blob in planned.items())


def requested(commit: Commit, accepted: Accepted, ran: Callable[[str, str], bool]) -> Landed | None:
    """What a person's word let us push; None for what nobody asked us for."""
    if commit.trailers.get("Rollback-Requested-By", (CONTROLLER,))[-1] == CONTROLLER:
        return None
    said = Rollback.of(commit, accepted.at, accepted.who, ran)
    return Landed(**vars(said), identity=commit.trailers["Rollback-Id"][0])
