"""Whether the Job that reverses a migration was written for the release that goes back: read from the history."""

from __future__ import annotations

from dataclasses import dataclass

from gitops_rollback.app.stepping import Stepper
from gitops_rollback.app.trees import content_at
from gitops_rollback.core.commit import Commit
from gitops_rollback.core.plan import Reversal
from gitops_rollback.core.policy import JobStep
from gitops_rollback.core.strategies.migration import Unfit, by_hand
from gitops_rollback.core.strategies.written_for import For, JobText, job_text, written_for

MAX_EARLIER = 300  # commits before a release among which the one that moved data before is looked for


@dataclass(frozen=True)
class OwnReverse:
    """Reads; writes nothing."""

    stepper: Stepper

    def doubt(self, strategy: str, reverse: JobStep, reversal: Reversal) -> str:
        """What a person must make sure of, in words; "" where the release brought its reverse. Raises: Unfit.

        What reverses an earlier release moves the data further than the code that comes back can read.
        """
        moved = [one for one in map(self.stepper.repo.commit, reversal.reverts) if self._sets(reverse, one)]
        release = moved[0] if moved else self.stepper.repo.commit(reversal.reverts[-1])
        before = release.parents[0] if release.parents else ""
        earlier, all_known = self._moved_before(reverse, before) if moved and before else (None, not before)
        then = earlier.sha if earlier is not None else before
        found = written_for(
            self._text(reverse, reversal.base),
            self._text(reverse, then) if then else None,
            True if earlier is not None else False if all_known else None,
        )
        job = f"{reverse.job.namespace}/{reverse.job.name}"
        if found is For.EARLIER:
            since = f"Job {job} is as it was when {then[:12]} had moved data, which is what it reverses"
            raise Unfit(f"strategy {strategy}: {since}; {release.sha[:12]} brought no reverse of its own; {by_hand()}")
        return "" if found is For.THIS else f"make sure that Job {job} reverses {release.sha[:12]}: no file shows it"

    def _moved_before(self, reverse: JobStep, tip: str) -> tuple[Commit | None, bool]:
        """The newest commit up to `tip` that let another Job run; where there is none, whether all were looked at."""
        seen = self.stepper.repo.recent(tip, MAX_EARLIER)
        found = next((one for one in seen if one.parents and self._sets(reverse, one)), None)
        return found, bool(seen) and not seen[-1].parents

    def _sets(self, reverse: JobStep, commit: Commit) -> bool:
        return self.stepper.sets(reverse.edits, commit)

    def _text(self, reverse: JobStep, treeish: str) -> JobText | None:
        return job_text(lambda path: content_at(self.stepper.repo, treeish, path), reverse)
