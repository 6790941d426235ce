"""Merging at GitLab: one call for now and for later. Which codes are final shows only in the merge request itself.

Right after it was made 405 and 422 say no more than that GitLab has not worked out yet whether it can be merged.
Source: contracts/forges.md, section 4; GitLab REST API, "Merge a merge request".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from gitops_rollback.adapters.forges.answer import Answer, OutcomeUnknown
from gitops_rollback.adapters.forges.exchange import Call
from gitops_rollback.adapters.forges.normal import became
from gitops_rollback.core.pull_request import Mergeability, Merged, MergeMethod, MergeOutcome, PullRequest

REFUSALS = (400, 401, 403, 405, 406, 409, 422)
NOT_NOW = (405, 406, 422)
RENAMED = (17, 11)  # since when `merge_when_pipeline_succeeds` is called `auto_merge`
_VERSION = re.compile(r"(\d+)\.(\d+)")
_WAITS = {
    Mergeability.READY: MergeOutcome.NOT_READY,  # it is by now
    Mergeability.CHECKING: MergeOutcome.NOT_READY,
    Mergeability.CONFLICT: MergeOutcome.NOT_READY,  # a new commit mends it
    Mergeability.BLOCKED: MergeOutcome.REFUSED,
    Mergeability.DRAFT: MergeOutcome.REFUSED,
}


@dataclass(frozen=True)
class Merging:
    """The merge of one merge request, if its head still is `head_sha`; `look` reads it anew."""

    call: Call
    place: str
    look: Callable[[], PullRequest]
    head_sha: str
    methods: Callable[[], tuple[MergeMethod, ...]]

    def now(self, method: MergeMethod, message: str) -> Merged:
        """As `ports.forge.Forge.merge`."""
        return became(self.look(), self.head_sha) or self._no_such_method(method) or self._merged(method, message)

    def when_ready(self, method: MergeMethod, message: str, version: str) -> Merged:
        """As `ports.forge.Forge.merge_when_ready`."""
        before = self.look()
        told = became(before, self.head_sha) or self._no_such_method(method)
        if told is not None:
            return told
        if before.auto_merge:
            return Merged(MergeOutcome.SCHEDULED, "it was scheduled before")
        return self._merged(method, message, _names(version))

    def _no_such_method(self, method: MergeMethod) -> Merged | None:
        """GitLab merges in the project's one way, squashed or not, and calls a wrong wish by no name of its own."""
        allowed = self.methods()
        if not allowed or method in allowed or (method is MergeMethod.MERGE and MergeMethod.REBASE in allowed):
            return None
        words = ", ".join(one.value for one in allowed)
        return Merged(MergeOutcome.REFUSED, f"the project merges by {words}, and not by {method.value}")

    def _merged(self, method: MergeMethod, message: str, later: tuple[str, ...] = ()) -> Merged:
        """`later`: what asks the server to wait until nothing is missing."""
        squash = method is MergeMethod.SQUASH
        body: dict[str, object] = {"sha": self.head_sha, "squash": squash, **dict.fromkeys(later, True)}
        if message.strip():  # an empty one is a 422; a squashed commit may get a merge commit on top
            names = ("merge_commit_message", *(("squash_commit_message",) if squash else ()))
            body |= dict.fromkeys(names, message.strip())
        try:
            answer = self.call.write("PUT", f"{self.place}/merge", body, accept=REFUSALS)
        except OutcomeUnknown:
            now = self.look()
            told = became(now, self.head_sha) or (Merged(MergeOutcome.SCHEDULED) if now.auto_merge else None)
            if told is None:
                raise
            return told
        now = self.look()  # the answer itself may come before the merge is done
        told = became(now, self.head_sha)
        if told is not None:
            return told
        if answer.fine:
            return Merged(MergeOutcome.SCHEDULED if now.auto_merge else MergeOutcome.NOT_READY, now.why)
        if later and answer.status in NOT_NOW and now.mergeability is Mergeability.READY:
            return self._merged(method, message)  # without a pipeline there is nothing to wait for
        return self._refused(answer, now, bool(later))

    def _refused(self, answer: Answer, now: PullRequest, later: bool) -> Merged:
        words = "; ".join(text for text in (answer.words(), now.why) if text)
        if answer.status in (401, 403):  # it could read: so it is known, and has no right
            return Merged(MergeOutcome.REFUSED, f"the account may not merge into {now.base}: {words}")
        if answer.status == 409:
            return Merged(MergeOutcome.LOST_RACE, words)
        if answer.status == 400:
            raise answer.refusal()
        if later and now.mergeability is Mergeability.BLOCKED:  # this server waits for pipelines alone
            return Merged(MergeOutcome.UNAVAILABLE, words)
        return Merged(_WAITS[now.mergeability], words)


def _names(version: str) -> tuple[str, ...]:
    """What this server calls it; both where it does not tell its version."""
    match = _VERSION.match(version)
    if match is None:
        return "auto_merge", "merge_when_pipeline_succeeds"
    new = (int(match[1]), int(match[2])) >= RENAMED
    return ("auto_merge",) if new else ("merge_when_pipeline_succeeds",)
