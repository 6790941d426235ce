"""What people are told of the pull request of a plan: that it is open, and what keeps it from landing."""

from __future__ import annotations

from dataclasses import replace

from gitops_rollback.app.records import message_about_record
from gitops_rollback.core.delivery import lands_by_itself
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.offer import Offer
from gitops_rollback.core.policy import Policy
from gitops_rollback.core.rollback import RollbackRecord
from gitops_rollback.ports import Message


def message_about_offer(record: RollbackRecord, policy: Policy) -> Message:
    """What people are told once the pull request of a plan is open. The page for the plan itself came before."""
    offer = record.offer or Offer()
    by_itself = lands_by_itself(record, policy.delivery.pull_request)
    end = "it merges once the forge's rules let it" if by_itself else "merge it, or close it to say no"
    return replace(
        message_about_record("started" if by_itself else "suggested", record, policy),
        title=f"Pull request #{offer.number} for a rollback: {', '.join(record.applications)}",
        text=f"{offer.url}\n{end}\n{record.reason}: {record.message}",
        key=f"{record.id}/pull-request/{offer.number}",
        page=False,
    )


def message_about_blocked(record: RollbackRecord, word: str, reason: Reason, message: str, policy: Policy) -> Message:
    """What people are told of a pull request that does not land: a page, once for `word`."""
    offer = record.offer or Offer()
    return replace(
        message_about_record("held", record, policy),
        title=f"A rollback's pull request does not land: {', '.join(record.applications)}",
        text="\n".join(line for line in (f"{reason.value}: {message}", offer.url) if line),
        key=f"{record.id}/pull-request/{word}",
        reason=reason.value,
        page=True,
    )
