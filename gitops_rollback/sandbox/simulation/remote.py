"""The git server of a simulated world: refs that move by compare-and-swap, rules that refuse, a mirror that lags."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gitops_rollback.ports import PushOutcome, RefUpdate
from gitops_rollback.sandbox.simulation.objects import Objects

MAIN = "refs/heads/main"
JOURNAL = "refs/heads/gitops-rollback-journal"
CONTROL = "refs/heads/gitops-rollback-control"
KEPT = timedelta(minutes=5)


@dataclass(frozen=True)
class Accepted:
    """A ref that moved: by whom, from where to where."""

    at: datetime
    who: str
    ref: str
    old: str | None
    new: str


@dataclass
class Remote:
    """`moved` is told each accepted update, after it happened."""

    objects: Objects
    clock: Callable[[], datetime]
    refs: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)  # ref -> the rule's words
    locked: set[str] = field(default_factory=set)
    barred: dict[str, tuple[tuple[str, ...], str]] = field(default_factory=dict)  # ref -> who is refused, and the words
    moved: Callable[[Accepted], None] = lambda _accepted: None
    _past: list[tuple[datetime, dict[str, str]]] = field(default_factory=list)

    def heads(self, lag: timedelta = timedelta(0)) -> dict[str, str]:
        """All refs, as they were `lag` ago."""
        if not lag:
            return dict(self.refs)
        then = self.clock() - lag
        known = [refs for at, refs in self._past if at <= then]
        return dict(known[-1] if known else self._past[0][1])

    def receive(self, who: str, updates: Sequence[RefUpdate]) -> dict[str, PushOutcome]:
        """One atomic push: all refs move, or none. LANDED also where a ref stood there already.

        As a real server does, it takes a forced push from whoever asks, unless a rule refuses the ref.
        """
        verdicts = {update.ref: self._verdict(who, update) for update in updates}
        bad = [outcome for outcome in verdicts.values() if outcome is not PushOutcome.LANDED]
        if bad:
            # A ref that is refused only for another's sake.
            return {
                ref: PushOutcome.REJECTED if outcome is PushOutcome.LANDED else outcome
                for ref, outcome in verdicts.items()
            }
        outcomes: dict[str, PushOutcome] = {}
        for update in updates:
            old = self.refs.get(update.ref)
            as_read = old in (update.old, update.new)
            outcomes[update.ref] = PushOutcome.LANDED if as_read else PushOutcome.REWOUND
            self._move(who, update.ref, update.new)
        return outcomes

    def force(self, who: str, ref: str, new: str) -> None:
        """What a person with the right to force does to a ref, whatever the rules say."""
        self._move(who, ref, new)

    def words(self, who: str, ref: str) -> str:
        """Why a rule refuses pushes to this ref from whoever asks; "" if none does."""
        whom, said = self.barred.get(ref, ((), ""))
        return self.refused.get(ref, "") or (said if who.startswith(whom) else "")

    def _verdict(self, who: str, update: RefUpdate) -> PushOutcome:
        old = self.refs.get(update.ref)
        if update.ref in self.locked:
            return PushOutcome.LOCKED
        plain = not update.refspec.startswith("+")
        if plain and old is not None and not self.objects.is_ancestor(old, update.new):
            return PushOutcome.REJECTED
        refused = self.words(who, update.ref) and old != update.new
        return PushOutcome.PROTECTED if refused else PushOutcome.LANDED

    def _move(self, who: str, ref: str, new: str) -> None:
        old = self.refs.get(ref)
        if old == new:
            return
        self.refs[ref] = new
        now = self.clock()
        self._past = [one for one in self._past[:-1] if now - one[0] < KEPT] + self._past[-1:]
        self._past.append((now, dict(self.refs)))
        self.moved(Accepted(now, who, ref, old, new))
