"""Tells the next shift when it begins, once for all replicas: the journal knows for which shift that was done.

Source: safety.md, After the rollback.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from gitops_rollback.app.notices import Notice
from gitops_rollback.app.view import View
from gitops_rollback.core.drill import Practice, practice_of
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.handover import NO_HEARTBEATS, SHIFT, ShiftFacts, ShiftTimes, handed_over, in_words
from gitops_rollback.core.heartbeat import Rhythm, is_automatic
from gitops_rollback.core.journal import CONTROLLER, format_time
from gitops_rollback.core.policy import Policy, Target
from gitops_rollback.core.selecting import each
from gitops_rollback.core.stop import PauseState
from gitops_rollback.ports import JournalView

HANDOVER = f"{CONTROLLER}/handover"
LATE = timedelta(minutes=15)  # a controller that starts later than that into a shift leaves it to the verb


def heartbeats_of(policies: Iterable[Policy], rhythm: Rhythm) -> Rhythm:
    """How often one is wanted: never where nothing is automatic."""
    return rhythm if any(is_automatic(policy) for policy in policies) else NO_HEARTBEATS


def practices(targets: Iterable[Target], journal: JournalView, now: datetime) -> tuple[Practice, ...]:
    """When each target that may be drilled was drilled last, by the name that its policy gives the application."""
    names = [target.application.full for target in targets if target.drill]
    return tuple(practice_of(name, journal.decisions, journal.records.values(), now) for name in names)


def about_handover(
    view: View, settings: PauseState, shifts: ShiftTimes, now: datetime, rhythm: Rhythm = NO_HEARTBEATS
) -> Iterator[Notice]:
    """What there is to hand over, at the beginning of a shift; `rhythm` is that of heartbeats."""
    begun = shifts.newest(now)
    if begun is None or now - begun > LATE:
        return
    facts = ShiftFacts(
        records=tuple(view.journal.records.values()),
        decisions=view.journal.decisions,
        pauses=(settings, *view.pauses),
        silences=view.silences,
        policy_faults=[str(error) for error in view.policies.errors],
        rhythm=heartbeats_of(view.policies.policies, rhythm),
        practices=practices((target for _, target in each(view.policies.policies, ())), view.journal, now),
    )
    text = "\n".join(in_words(handed_over(facts, now, begun - SHIFT)))
    nothing = "nothing is open, held, waiting, blind, paused or silenced"
    yield Notice(HANDOVER, "handover", Reason.QUIET, format_time(begun), "Handover", text or nothing)
