"""What do the neighbours of a deployment excuse? Other services, and its own old Pods, as a control.

While they are in trouble too, more must be seen before the deployment is blamed; it is never seen sooner by them.
Source: detection.md 4.4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gitops_rollback.app.queries import Asker, Question, Span
from gitops_rollback.app.tallying import Tallied
from gitops_rollback.core.measurement import Answer, Measurement, Outcome, by_instant, single
from gitops_rollback.core.regression.baseline import Baseline
from gitops_rollback.core.regression.counts import Counts
from gitops_rollback.core.regression.peers import Control, Seen, raised, watch_peers, watch_window

SHORTLY_BEFORE = timedelta(minutes=2)  # the deployment: so long a word of the peers holds


@dataclass
class Neighbours:
    """`peers` None: none are named. What they ask for at each tick is kept in `asked`, by its instant."""

    peers: Control | None
    old: Control | None
    _peers_seen: Seen = field(default_factory=Seen)
    _old_seen: Seen = field(default_factory=Seen)

    def null_rates(self, windows: Sequence[tuple[datetime, Counts]], ticks: Sequence[Tallied]) -> dict[datetime, float]:
        """p_n of each tick, as the neighbours raise it: `windows` are those of the peers, `ticks` the own counts."""
        heard = dict(windows)
        found: dict[datetime, float] = {}
        for tick in ticks:
            asked = []
            if self.peers is not None and tick.at in heard:
                self._peers_seen = watch_window(self.peers, self._peers_seen, heard[tick.at])
                asked.append(raised(self.peers, self._peers_seen))
            if self.old is not None:
                none = Counts(tick.at.timestamp(), 0.0, 0.0)
                self._old_seen = watch_peers(self.old, self._old_seen, tick.old or none)
                asked.append(raised(self.old, self._old_seen))
            if asked:
                found[tick.at] = max(asked)
        return found


def neighbours_of(asker: Asker, question: Question, baseline: Baseline, span: Span) -> Neighbours | Measurement:
    """Those of a deployment after `span.start`; what could not be read instead."""
    own = Control(baseline, baseline.rate)
    peers: Control | None = None
    if question.before:
        answers = asker.ranges(question.before, span)
        broken = _broken(answers)
        if broken is not None:
            return broken
        ((_, before),) = _windows(answers, span) or ((span.start, Counts(span.start.timestamp(), 0.0, 0.0)),)
        peers = Control.of(baseline, (before._replace(end_seconds=baseline.until_seconds),))
    return Neighbours(peers, own if question.trigger.counting.version else None)


def heard(asker: Asker, question: Question, span: Span, t0: datetime) -> list[tuple[datetime, Counts]] | Measurement:
    """What the peers counted in the minute before each tick of `span` from shortly before `t0` on."""
    if not question.control:
        return []
    start = span.start
    while start <= t0 - SHORTLY_BEFORE:
        start += span.step
    late = Span(start, span.end, span.step)
    if not late.instants:
        return []
    answers = asker.ranges(question.control, late)
    return _broken(answers) or _windows(answers, late)


def _broken(answers: Sequence[Answer]) -> Measurement | None:
    return next((single(one) for one in answers if one.outcome is not Outcome.VALUE), None)


def _windows(answers: Sequence[Answer], span: Span) -> list[tuple[datetime, Counts]]:
    """A sum of none is none: while no peer has failed yet, that is 0."""
    bad, total = (by_instant(answer, span.instants, span.step / 4) for answer in answers)
    found = []
    for at, failed, all_of_them in zip(span.instants, bad, total, strict=True):
        events = single(all_of_them).value
        if events is not None and events >= 0:
            found.append((at, Counts(at.timestamp(), events, min(single(failed).value or 0.0, events))))
    return found
