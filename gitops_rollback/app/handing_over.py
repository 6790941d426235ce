"""Tells the next shift when it begins, once for all replicas: the journal knows for which shift that was done.

Source: safety.md, After the rollback.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from gitops_rollback.app.notices import Notice
from gitops_rollback.app.view import View
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.handover import SHIFT, ShiftFacts, ShiftTimes, handed_over, in_words
from gitops_rollback.core.journal import CONTROLLER, format_time
from gitops_rollback.core.stop import PauseState

HANDOVER = f"{CONTROLLER}/handover"
LATE = timedelta(minutes=15)  # a controller that starts later than that into a shift leaves it to the verb


def about_handover(view: View, settings: PauseState, shifts: ShiftTimes, now: datetime) -> Iterator[Notice]:
    """What there is to hand over, at the beginning of a shift."""
    begun = shifts.newest(now)
    if begun is None or now - begun > LATE:
        return
    facts = ShiftFacts(
        records=tuple(view.journal.records.values()),
        decisions=view.journal.decisions,
        pauses=(settings, *view.pauses),
        silences=view.silences,
        policy_faults=[str(error) for error in view.policies.errors],
    )
    text = "\n".join(in_words(handed_over(facts, now, begun - SHIFT)))
    nothing = "nothing is open, held, waiting, blind, paused or silenced"
    yield Notice(HANDOVER, "handover", Reason.QUIET, format_time(begun), "Handover", text or nothing)
