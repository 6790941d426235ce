"""What does the journal tell of an application's own rollbacks: how long they took, how often they helped?

Source: detection.md 5.1, the table of inputs.
"""

from __future__ import annotations

import statistics
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from gitops_rollback.core.rollback import RollbackOutcome, RollbackRecord

# What is believed beforehand, as (bad, good) deployments and (failed, helpful) rollbacks.
BAD_BEFOREHAND = (1.0, 19.0)
FAILED_BEFOREHAND = (0.6, 19.4)


@dataclass(frozen=True)
class TrackRecord:
    """`deployments` that the engine still lists, and how many of them a verified rollback took back.

    `minutes` from a commit of ours until the engine was healthy with it; of `ended` rollbacks that were pushed,
    `failed` did not help.
    """

    deployments: int = 0
    bad: int = 0
    minutes: tuple[float, ...] = ()
    ended: int = 0
    failed: int = 0

    @property
    def bad_syncs(self) -> float:
        """The share of its deployments that are bad, as far as can be told."""
        return _mean(BAD_BEFOREHAND, self.bad, self.deployments)

    @property
    def rollback_fails(self) -> float:
        """The share of its rollbacks that do not help, as far as can be told."""
        return _mean(FAILED_BEFOREHAND, self.failed, self.ended)

    @property
    def rollback_minutes(self) -> float | None:
        """The median; None where none has come so far yet."""
        return statistics.median(self.minutes) if self.minutes else None


def _mean(beforehand: tuple[float, float], counted: int, of: int) -> float:
    return (beforehand[0] + counted) / (sum(beforehand) + of)


def track_record(
    application: str, deployed: Sequence[Collection[str]], records: Iterable[RollbackRecord]
) -> TrackRecord:
    """`deployed` are the revisions of each earlier deployment that the engine lists."""
    own = [one for one in records if application in one.applications and one.commit is not None]
    proved = {one.bad_revision for one in own if one.outcome is RollbackOutcome.VERIFIED}
    ended = [one for one in own if not one.open]
    took = [(one.times["pushed"], one.times["synced"]) for one in own if {"pushed", "synced"} <= one.times.keys()]
    return TrackRecord(
        deployments=len(deployed),
        bad=sum(not proved.isdisjoint(revisions) for revisions in deployed),
        minutes=tuple((synced - pushed).total_seconds() / 60 for pushed, synced in took if synced >= pushed),
        ended=len(ended),
        failed=sum(one.did_not_help for one in ended),
    )
