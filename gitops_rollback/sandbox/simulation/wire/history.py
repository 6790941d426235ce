"""Did the remote's history break a promise? A judge from outside: plain git and the journal's JSON, none of our code.

It asks what is allowed, never what the controller would do, and can be pointed at any bare repository whose updates
were logged (see `gitlog`): after a simulated world on the wire, a kill, a race or a soak. The numbers are those of
the promises in the design.
"""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from gitops_rollback.sandbox.simulation.wire.gitlog import GitLog, Made, Update
from gitops_rollback.sandbox.simulation.wire.records import Journal, journal_of

CONTROLLER = "controller"  # who asked for a rollback that nobody asked for


@dataclass(frozen=True)
class Known:
    """What the checker is told besides the repository.

    `committer` is part of our committer's name or address. `forced` are the new heads that a person forced on a branch.
    `bad` are the commits that really did harm; None: nobody knows. `secrets` must stand nowhere in the journal, in our
    messages and in `texts` (a name and what it holds). `settled`: nothing is under way any more, so that every commit
    of ours has its record and every record has ended.
    """

    committer: str = "gitops-rollback"
    branch: str = "main"
    journal: str = "gitops-rollback-journal"
    journal_bare: Path | None = None  # where the journal is kept elsewhere
    forced: Collection[str] = ()
    bad: Collection[str] | None = None
    secrets: Collection[str] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    settled: bool = True


def check_history(bare: Path, known: Known | None = None) -> tuple[str, ...]:
    """Every broken promise as a sentence that begins with its number; empty if all hold. Asks git a few times only."""
    known = known or Known()
    log = GitLog(bare)
    elsewhere = GitLog(known.journal_bare) if known.journal_bare else log
    journal = journal_of(elsewhere, f"refs/heads/{known.journal}")
    history = History(log, known, journal)
    found = [*history.descends(), *history.nothing_lost(), *history.minimal(), *history.in_range(), *history.once()]
    found += [*history.not_our_own(), *history.blames(), *journal.complaints, *history.one_to_one()]
    if elsewhere is not log:
        found += History(elsewhere, known, journal).descends()
    return (*found, *history.secrets())


@dataclass(frozen=True)
class History:
    """One repository's past with the journal that goes with it."""

    log: GitLog
    known: Known
    journal: Journal

    @property
    def ours(self) -> tuple[Made, ...]:
        """Our commits on the branch, oldest first: by our committer, and with a name for the rollback."""
        line = self.log.line(f"refs/heads/{self.known.branch}")
        return tuple(one for one in line if self._is_ours(one))

    def descends(self) -> Iterator[str]:
        """(1) Every update goes to a descendant, and none deletes; (3) ours is one commit on the head that it moved."""
        for update in self.log.updates:
            if update.new in self.known.forced or not update.ref.startswith("refs/heads/"):
                continue
            if update.deletes:
                yield f"(1) {update.ref} was deleted at {update.old[:12]}"
            elif not update.creates and update.old not in self.log.reachable(update.new):
                yield f"(1) {update.ref} went from {update.old[:12]} to {update.new[:12]}, which does not descend"
            yield from self._on_the_head(update)

    def _on_the_head(self, update: Update) -> Iterator[str]:
        commit = self.log.commits.get(update.new)
        if commit is not None and self._is_ours(commit) and commit.parents != (update.old,):
            yield f"(3) our {update.new[:12]} moved {update.ref} from {update.old[:12]}, which is not its only parent"

    def nothing_lost(self) -> Iterator[str]:
        """(2) What was reachable from a branch once is so now."""
        now = frozenset[str]().union(*(self.log.reachable(sha) for sha in self.log.refs.values()))
        for update in self.log.updates:
            if not self.known.forced and update.ref.startswith("refs/heads/") and not update.deletes:
                for sha in sorted(self.log.reachable(update.new) - now) or ():
                    yield f"(2) {sha[:12]} was on {update.ref} and is on no branch any more"
                if update.new not in self.log.commits:
                    yield f"(2) {update.new[:12]} was on {update.ref} and its object is gone"

    def minimal(self) -> Iterator[str]:
        """(5) Our commit changes only what the commits that it reverts had changed, and gives back their inverse."""
        for commit in self.ours:
            culprits = [self.log.commits[sha] for sha in reverts_of(commit) if sha in self.log.commits]
            touched = {change.path for culprit in culprits for change in culprit.changes}
            for change in commit.changes:
                if change.path in _marked(commit, RELEASES) and self._without_marks(change.old, change.new):
                    continue
                if change.path not in touched:
                    yield f"(5) our {commit.sha[:12]} changes {change.path}, which no commit that it reverts changed"
                elif change.new_mode not in (change.old_mode, "000000", "100644", "100755"):
                    yield f"(5) our {commit.sha[:12]} gives {change.path} the mode {change.new_mode}"
            for path in sorted(touched):
                yield from self._inverse(commit, path, culprits)

    def _inverse(self, commit: Made, path: str, culprits: Iterable[Made]) -> Iterator[str]:
        """What is left of the path must be the inverse of each culprit's change to it, newest first.

        Where a later change was made beside it, a line merge says what is left; where that has conflicts, nobody does.
        """
        before = self.log.file(commit.parents[0], path)[1]
        after, expected = self.log.file(commit.sha, path)[1], before
        for culprit in culprits:
            for change in (one for one in culprit.changes if one.path == path):
                merged = self._merged(expected, change.new, change.old)
                if merged is None:
                    return
                expected = merged
        held = path in _marked(commit, HOLDS) and self._without_marks(expected, after)
        if after != expected and not held:
            yield f"(5) our {commit.sha[:12]} leaves {path} at {after[:12]}; the inverse is {expected[:12]}"

    def _without_marks(self, one: str, other: str) -> bool:
        """True if two blobs differ in the marks of image automations alone."""
        texts = self.log.blobs((one, other))
        return len(texts) == 2 and len({IMAGE_MARK.sub(b"", text) for text in texts.values()}) == 1

    def _merged(self, now: str, base: str, back: str) -> str | None:
        if now in (base, back):
            return back
        texts = self.log.blobs((now, base, back))
        if len(texts) != 3:
            return None
        with TemporaryDirectory(prefix="gitops-rollback-merge-") as folder:
            paths = [Path(folder) / name for name in ("now", "base", "back")]
            for path, name in zip(paths, (now, base, back), strict=True):
                path.write_bytes(texts[name])
            done = subprocess.run(["git", "merge-file", "-p", *map(str, paths)], capture_output=True, check=False)
            if done.returncode != 0:
                return None
            paths[0].write_bytes(done.stdout)
            named = subprocess.run(["git", "hash-object", str(paths[0])], capture_output=True, check=True, text=True)
            return named.stdout.strip()

    def in_range(self) -> Iterator[str]:
        """(6) What we revert lies between the last good and the bad revision, and comes before our commit."""
        for commit in self.ours:
            bad, good = (next(iter(commit.trailers.get(key, ())), "") for key in (BAD_REVISION, RESTORES))
            for sha in reverts_of(commit):
                if sha not in self.log.reachable(commit.parents[0]):
                    yield f"(6) our {commit.sha[:12]} reverts {sha[:12]}, which the branch did not hold"
                elif bad in self.log.commits and sha not in self.log.reachable(bad):
                    yield f"(6) our {commit.sha[:12]} reverts {sha[:12]}, which is not part of the bad {bad[:12]}"
                elif good in self.log.commits and sha in self.log.reachable(good):
                    yield f"(6) our {commit.sha[:12]} reverts {sha[:12]}, which the good {good[:12]} had"

    def once(self) -> Iterator[str]:
        """(7) At most one automatic rollback for each (application, bad revision) and for each culprit."""
        alone = [one for one in self.ours if CONTROLLER in one.trailers.get("Rollback-Requested-By", (CONTROLLER,))]
        alone = [one for one in alone if one.trailers.get("Rollback-Step", ("1/1",))[0].startswith("1/")]
        keys = Counter(
            (application, bad)
            for one in alone
            for application in one.trailers.get("Rollback-Application", ())
            for bad in one.trailers.get(BAD_REVISION, ())
        )
        for (application, bad), count in keys.items():
            if count > 1:
                yield f"(7) {application} was rolled back {count} times for {bad[:12]}"
        for sha, count in Counter(sha for one in alone for sha in set(reverts_of(one))).items():
            if count > 1:
                yield f"(7) {sha[:12]} was reverted {count} times"

    def not_our_own(self) -> Iterator[str]:
        """(8) We never revert a commit of ours by ourselves."""
        ours = {commit.sha for commit in self.ours}
        for commit in self.ours:
            for sha in ours.intersection(reverts_of(commit)):
                yield f"(8) our {commit.sha[:12]} reverts our own {sha[:12]}"

    def blames(self) -> Iterator[str]:
        """(6, 11) Of what we revert something did harm: others may go with it, back to where all was well."""
        for commit in self.ours:
            if self.known.bad is not None and reverts_of(commit) and not set(reverts_of(commit)) & set(self.known.bad):
                reverts = ", ".join(sha[:12] for sha in reverts_of(commit))
                yield f"(11) our {commit.sha[:12]} reverts {reverts}, which did no harm"

    def one_to_one(self) -> Iterator[str]:
        """(19) Every commit of ours has its record, and what a record calls pushed is on the branch."""
        shas = {commit.sha for commit in self.ours}
        on_branch = self.log.reachable(self.log.refs.get(f"refs/heads/{self.known.branch}", ""))
        for commit in self.ours:
            for identity in commit.trailers.get("Rollback-Id", ()):
                record = self.journal.records.get(identity)
                if self.known.settled and (record is None or commit.sha not in record.commits):
                    yield f"(19) our {commit.sha[:12]} has no record in the journal ({identity})"
        for record in self.journal.records.values():
            for sha in record.pushed:
                if sha not in shas and (sha not in on_branch or sha not in self.log.commits):
                    yield f"(19) record {record.id} says that {sha[:12]} was pushed, and the branch does not hold it"
            if self.known.settled and record.phase in ("Pending", "Pushing", "Syncing", "Verifying"):
                yield f"(16) record {record.id} of {', '.join(record.applications)} is still {record.phase}"

    def secrets(self) -> Iterator[str]:
        """(18) No secret in the journal, in a message of ours, or in the texts that were handed in."""
        texts = {**self.known.texts, **self.journal.texts}
        texts |= {f"our commit {commit.sha[:12]}": commit.message for commit in self.log.commits.values()
                  if self.known.committer in commit.committer}  # fmt: skip
        for name, text in texts.items():
            if any(secret and secret in text for secret in self.known.secrets):
                yield f"(18) a secret stands in {name}"

    def _is_ours(self, commit: Made) -> bool:
        return self.known.committer in commit.committer and "Rollback-Id" in commit.trailers


HOLDS, RELEASES = "Rollback-Holds", "Rollback-Releases"
IMAGE_MARK = re.compile(rb'[ \t]+#[ \t]*\{[ \t]*"\$imagepolicy"[^\n]*')
BAD_REVISION, RESTORES = "Rollback-Bad-Revision", "Rollback-Restores"


def _marked(commit: Made, key: str) -> frozenset[str]:
    """The files whose marks it says to take off, or to put back."""
    return frozenset(said.partition(" ")[2] for said in commit.trailers.get(key, ()))


def reverts_of(commit: Made) -> tuple[str, ...]:
    """The commits that one of ours says to revert, newest first."""
    return commit.trailers.get("Rollback-Reverts", ())
