"""`backtest`: the whole way, run over past metrics and the git history, with hands that write nothing.

The parts are the controller's own; only clock, engine, metric sources and the time of the head stand in for the past.
Judged is by the policies as they are now, as if each trigger were allowed to act: that is the question.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from gitops_rollback.adapters.policies.loading import PolicySet
from gitops_rollback.app.inputs import Inputs
from gitops_rollback.app.observation import variables
from gitops_rollback.app.observing import ObservingExecutor
from gitops_rollback.app.past_applications import Line, PastApplications, Tested
from gitops_rollback.app.past_engine import PastClock, PastEngine
from gitops_rollback.app.past_metrics import PastMetrics, PastSources
from gitops_rollback.app.past_thresholds import PastThresholds, Values, peak_of
from gitops_rollback.app.people_reverts import PeopleReverts, change_of, same_tree
from gitops_rollback.app.queries import tick_of
from gitops_rollback.app.reconciler import Reconciler
from gitops_rollback.app.repositories import Opened
from gitops_rollback.app.runtime import PauseNow, Runtime
from gitops_rollback.app.subject import Watched
from gitops_rollback.app.view import PolicyStore, ReadPolicies, View
from gitops_rollback.app.wiring import Parts
from gitops_rollback.app.workloads import NOBODY
from gitops_rollback.core.errors import Reason, RollbackError, StalledError
from gitops_rollback.core.hindsight import Past, Row, Suggestion, rows, suggested, watched_syncs
from gitops_rollback.core.journal import DecisionEntry
from gitops_rollback.core.plan import Plan
from gitops_rollback.core.policy import LIMITED, Policy, Severity, Trigger
from gitops_rollback.core.refs import Heads
from gitops_rollback.core.rollback import RollbackRecord
from gitops_rollback.core.stop import CONTROL_DOOR, HEAD_DOOR, PauseState
from gitops_rollback.ports import ConfigRepo, JournalView, Message

REPLAYED = (*LIMITED, "regression", "gauge")  # what metrics alone tell; nobody kept what engine and Pods said


@dataclass(frozen=True)
class Span:
    """The time under test; `until` is no later than now."""

    since: datetime
    until: datetime


@dataclass(frozen=True)
class Backtest:
    """What came of it. `left_out` says of a target or trigger why it was not tested."""

    pasts: tuple[Past, ...]
    tested: tuple[Tested, ...]
    rows: tuple[Row, ...]
    left_out: tuple[str, ...] = ()
    suggestions: tuple[tuple[str, Suggestion], ...] = ()  # by policy


class PresentPolicies(PolicyStore):
    """The same policies at each revision."""

    def __init__(self, repo: ConfigRepo, directory: str, policies: PolicySet) -> None:
        super().__init__(repo, directory)
        self._fixed = ReadPolicies.of(policies)

    def _read(self, revision: str) -> ReadPolicies:
        return self._fixed


class RememberingExecutor(ObservingExecutor):
    """Keeps the decisions in memory, and tells nobody."""

    def __init__(self, repo: ConfigRepo, parts: Parts) -> None:
        super().__init__(Path(parts.settings.state_dir) / "no-file-of-a-backtest", repo, parts.notifier, parts.clock)
        self.entries: list[DecisionEntry] = []

    def _append(self, entry: DecisionEntry, plan: Plan | None) -> None:
        self.entries.append(entry)

    def tell(self, message: Message) -> None:
        """Nobody is told of the past."""

    def fail(self, subject: str, error: RollbackError, page: bool) -> None:
        """What cannot be read ends the test: half of a past is worse than none."""
        raise error


@dataclass
class Backtesting:
    """Tests one repository. `parts` are the wired ones; `engines` of theirs are asked for what they remember."""

    parts: Parts
    opened: Opened
    head: str
    journal: JournalView
    policies: PolicySet
    progress: Callable[[str], None] = lambda _text: None
    left_out: list[str] = field(default_factory=list)

    def run(self, span: Span) -> Backtest:
        """Raises: StalledError where nothing can be tested; TransientError of a source that does not answer."""
        repo = self.opened.repo
        policies = replace(self.policies, policies=tuple(self._allowed(self.policies.policies)))
        if not policies.policies:
            raise StalledError(repo.name, self._nothing(), Reason.NO_POLICY)
        applications = PastApplications(self.opened, self.parts.engines, self.head, self.left_out)
        line = applications.line(span.since)
        tested = tuple(applications.of(policies.policies, line, span.until))
        if not tested:
            raise StalledError(repo.name, self._nothing(), Reason.NO_POLICY)
        entries = self._replay(policies, line, tested, span)
        records = tuple(self.journal.records.values())
        found = beside_people(repo, tested, entries, records, span, tuple(self.left_out))
        return replace(found, suggestions=tuple(self._suggestions(found, span)))

    def _suggestions(self, found: Backtest, span: Span) -> Iterator[tuple[str, Suggestion]]:
        """For each trigger with a limit, over all applications of its policy."""
        thresholds = PastThresholds(span.since, span.until)
        told: dict[tuple[str, Trigger], list[tuple[Tested, Values]]] = {}
        for one in found.tested:
            step = one.policy.timing.interval
            source = PastMetrics(self.parts.sources.of(one.policy.metrics), lambda: span.until, step)
            watched = Watched(one.policy, one.target, NOBODYS, one.state, (), one.own)
            for trigger, values in thresholds.of(one, source, variables(watched, one.target, "")):
                told.setdefault((one.policy.name, trigger), []).append((one, values))
        for (policy, trigger), values_of in told.items():
            yield policy, suggested(peak_of(trigger, values_of, found.rows), trigger.threshold)

    def _nothing(self) -> str:
        said = "; ".join(self.left_out) or f"no policy at the head, in {self.opened.settings.policies_path}"
        return f"nothing can be tested: {said}. `gitops-rollback init` writes a first policy"

    def _allowed(self, policies: Iterable[Policy]) -> Iterator[Policy]:
        for policy in policies:
            kept = tuple(one for one in policy.triggers if one.built and one.type in REPLAYED)
            gone = [f"{one.name} ({one.type})" for one in policy.triggers if one not in kept]
            if gone:
                self.left_out.append(f"policy {policy.name}: nobody kept what {', '.join(gone)} would have seen")
            acting = tuple(
                one if one.type == "gauge" else replace(one, severity=Severity.AUTO_ROLLBACK) for one in kept
            )
            if acting:
                yield replace(policy, triggers=acting, suspend=False)

    def _replay(
        self, policies: PolicySet, line: Line, tested: Sequence[Tested], span: Span
    ) -> tuple[DecisionEntry, ...]:
        step = min(one.policy.timing.interval for one in tested)
        clock = PastClock(span.since)
        engine = PastEngine([one.state for one in tested], {one.name: one.records for one in tested}, clock.now)
        parts = replace(
            self.parts,
            clock=clock,
            engines=(engine,),
            sources=PastSources(self.parts.sources.of, clock.now, step),
            workloads=NOBODY,
            registry=None,
        )
        reconciler, executor = self._reconciler(parts, policies)
        for at in _ticks(tested, step, span):
            head = line.head_at(at)
            if head is None:
                continue
            clock.at = at
            view = View(at, Heads(head, None, None), NO_JOURNAL, policies, NO_PAUSES)
            self.progress(f"{at:%Y-%m-%d}")
            tick = reconciler.look_around(executor.see(view), at)
            for notice in reconciler.surroundings.notices(view, tick.listing, tick.outbreak, at):
                executor.announce(notice)
            for sight in tick.sights:
                reconciler.reconcile(sight, tick)
        return tuple(executor.entries)

    def _reconciler(self, parts: Parts, policies: PolicySet) -> tuple[Reconciler, RememberingExecutor]:
        """The controller's own, without a forge, an alarm clock or hands."""
        runtime = Runtime(parts, PauseNow(PauseState("settings")))
        store = PresentPolicies(self.opened.repo, self.opened.settings.policies_path, policies)
        executor = RememberingExecutor(self.opened.repo, parts)
        return runtime.observing(self.opened, store, executor), executor


NOBODYS = PastEngine((), {}, lambda: datetime.min)
NO_JOURNAL = JournalView(None, {})
NO_PAUSES = (PauseState(CONTROL_DOOR), PauseState(HEAD_DOOR))


def _ticks(tested: Sequence[Tested], step: timedelta, span: Span) -> list[datetime]:
    """Each instant at which a deployment was under watch, and the one after it."""
    found: set[datetime] = set()
    for one in tested:
        for record in one.records:
            first = tick_of(record.started_at, step) + step
            count = int(one.policy.timing.window / step) + 2
            found.update(at for n in range(count) if span.since <= (at := first + n * step) <= span.until)
    return sorted(found)


def beside_people(
    repo: ConfigRepo,
    tested: tuple[Tested, ...],
    entries: Sequence[DecisionEntry],
    records: Sequence[RollbackRecord],
    span: Span,
    left_out: tuple[str, ...],
) -> Backtest:
    """Decisions beside what people did in the same time; `records` name the commits that are ours."""
    inputs = Inputs(repo)
    people = PeopleReverts(repo, inputs, records)
    pasts = tuple(
        Past(
            application=one.name,
            repository=repo.name,
            since=span.since,
            until=span.until,
            decisions=(own := tuple(entry for entry in entries if entry.application == one.name)),
            changes=tuple(map(change_of, one.commits)),
            taken_back=people.among(one.commits, one.own),
            syncs=watched_syncs(own),
        )
        for one in tested
    )
    pairs = zip(tested, pasts, strict=True)
    table = tuple(row for one, past in pairs for row in rows(past, same_tree(inputs, one.own)))
    return Backtest(pasts, tested, table, left_out)
