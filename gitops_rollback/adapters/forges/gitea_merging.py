"""Merging at Gitea: one call for now and for later, whose refusals are told apart by their words.

A scheduled merge does not keep the head that it was asked for, so the head is looked at once more.
Source: contracts/forges.md, section 5; Gitea 1.26, routers/api/v1/repo/pull.go `MergePullRequest` and
services/pull/check.go (`Please try again later` stands for a conflict as well as for a check that still runs).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gitops_rollback.adapters.forges.answer import Answer, OutcomeUnknown
from gitops_rollback.adapters.forges.exchange import Call
from gitops_rollback.adapters.forges.normal import became, title_and_text
from gitops_rollback.core.pull_request import Merged, MergeMethod, MergeOutcome, PullRequest

REFUSALS = (403, 404, 405, 409, 422, 423)
PASSING = ("try again later", "status check", "merge push out of date")
LOST = ("head out of date",)
SCHEDULED = "already scheduled"


@dataclass(frozen=True)
class Merging:
    """The merge of one pull request, if its head still is `head_sha`; `look` reads it anew."""

    call: Call
    root: str
    look: Callable[[], PullRequest]
    head_sha: str

    def now(self, method: MergeMethod, message: str) -> Merged:
        """As `ports.forge.Forge.merge`."""
        before = self.look()
        return became(before, self.head_sha) or self._asked(before.number, method, message, later=False)

    def when_ready(self, method: MergeMethod, message: str) -> Merged:
        """As `ports.forge.Forge.merge_when_ready`."""
        before = self.look()
        told = became(before, self.head_sha) or self._asked(before.number, method, message, later=True)
        if told.outcome is MergeOutcome.SCHEDULED:
            after = became(self.look(), self.head_sha)
            if after is not None and after.outcome is MergeOutcome.LOST_RACE:
                cancel(self.call, self.root, before.number)
            return after or told
        return told

    def _asked(self, number: int, method: MergeMethod, message: str, later: bool) -> Merged:
        title, text = title_and_text(message)
        body = {
            "Do": method.value,
            "MergeTitleField": title,
            "MergeMessageField": text,
            "head_commit_id": self.head_sha,
            "merge_when_checks_succeed": later,
            "delete_branch_after_merge": False,
        }
        try:
            answer = self.call.write("POST", f"{self.root}/pulls/{number}/merge", body, accept=REFUSALS)
        except OutcomeUnknown:
            told = became(self.look(), self.head_sha)
            if told is None:
                raise
            return told
        now = self.look()
        told = became(now, self.head_sha)
        if told is not None:
            return told
        if answer.fine:
            return Merged(MergeOutcome.SCHEDULED if answer.status == 201 else MergeOutcome.NOT_READY)
        return self._refused(answer)

    def _refused(self, answer: Answer) -> Merged:
        """The pull request is open, and has the head that was asked for."""
        words, lower = answer.words(), answer.words().lower()
        if answer.status in (404, 422):
            raise answer.refusal()
        if SCHEDULED in lower:
            return Merged(MergeOutcome.SCHEDULED, "it was scheduled before")
        if any(text in lower for text in LOST):
            return Merged(MergeOutcome.LOST_RACE, words)
        if any(text in lower for text in PASSING):
            return Merged(MergeOutcome.NOT_READY, words)
        if answer.status == 409 and "rejected" not in lower:  # a conflict: a new commit mends it
            return Merged(MergeOutcome.NOT_READY, words or "there is a conflict")
        return Merged(MergeOutcome.REFUSED, words)


def cancel(call: Call, root: str, number: int) -> None:
    """As `ports.forge.Forge.cancel_merge`."""
    call.write("DELETE", f"{root}/pulls/{number}/merge", accept=(404,))
