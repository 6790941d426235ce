"""Is still there what a rollback would bring back? Images, charts, and the Secrets and ConfigMaps that its Pods need.

Asked all the time, and told when that changes: registries tidy up while nobody looks, so do people, and 3 AM is late to
learn it. A registry that does not answer proves nothing, nor does a cluster that shows us no Secret:
then the metric has no value, and what was told before still stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from gitops_rollback.app.executor import Executor
from gitops_rollback.app.notices import GONE_IMAGES, GONE_REFERENCES, Notice, digest
from gitops_rollback.app.preflight import Brought, coming_back
from gitops_rollback.app.reconciler import Reconciler
from gitops_rollback.app.subject import Watched
from gitops_rollback.app.tick import Sight, Tick
from gitops_rollback.core.errors import Reason, RollbackError
from gitops_rollback.core.plan import GuardAnswer
from gitops_rollback.core.policy import GuardResult, Severity

EVERY = timedelta(minutes=10)  # of an application that nothing was deployed to meanwhile
AGAIN = timedelta(minutes=1)  # where it was not known: a plan may not be possible yet, a registry may be away
GONE = (Reason.IMAGE_MISSING, Reason.CHART_MISSING, Reason.REFERENCE_MISSING)
MOST = 2  # applications at one look: each takes a plan


class Asked(NamedTuple):
    """At which revision it was asked for; in monotonic seconds: when, and when it is asked for again."""

    revision: str = ""
    at: float = 0.0
    again: float = 0.0


@dataclass
class WatchedImages:
    """Those of one repository. `measured` hears of each application: there, gone, or None for not known."""

    reconciler: Reconciler
    measured: Callable[[str, bool | None], None]
    _asked: dict[str, Asked] = field(default_factory=dict)  # by application

    def attend(self, tick: Tick, executor: Executor) -> None:
        """Ask for those that were asked for longest ago. Raises: what the journal raises."""
        for gone in self._asked.keys() - {one.name for one in tick.listing.watched}:
            del self._asked[gone]
            self.measured(gone, None)
        for sight in sorted(self._due(tick), key=self._last)[:MOST]:
            name, revision = sight.watched.name, sight.look.live_revision if sight.look else ""
            brought = self._brought(sight.watched, tick)
            now, wait = self.reconciler.clock.monotonic(), EVERY if _is_known(brought) else AGAIN
            self._asked[name] = Asked(revision, now, now + wait.total_seconds())
            self.measured(name, False if _there(brought.references) is False else _there(brought.images))
            for subject, answer in ((GONE_IMAGES, brought.images), (GONE_REFERENCES, brought.references)):
                there = _there(answer)
                if answer is not None and there is not None:
                    executor.announce(about_gone(subject, sight.watched, answer, there, tick.now))

    def _due(self, tick: Tick) -> Iterator[Sight]:
        """What has an open rollback is left alone: that one asks by itself."""
        now = self.reconciler.clock.monotonic()
        for sight in tick.sights:
            known = self._asked.get(sight.watched.name, Asked())
            if sight.look is not None and (known.revision != sight.look.live_revision or known.again <= now):
                yield sight

    def _last(self, sight: Sight) -> tuple[bool, float]:
        """What was deployed anew comes first."""
        known = self._asked.get(sight.watched.name, Asked())
        return sight.look is not None and known.revision == sight.look.live_revision, known.at

    def _brought(self, watched: Watched, tick: Tick) -> Brought:
        try:
            return coming_back(self.reconciler, watched, tick.view, tick.listing, tick.now)
        except RollbackError:
            return Brought()  # not known: what cannot be read is told where it is read


def about_gone(prefix: str, watched: Watched, answer: GuardAnswer, there: bool, now: datetime) -> Notice:
    """Once for what is gone, and once when it is back; it wakes nobody where a policy only logs.

    `prefix` is the subject's: images and references come and go each by themselves.
    """
    subject, name = f"{prefix}{watched.name.replace('/', '.')}", watched.id.short
    routes = watched.policy.notifications
    if there:
        title = f"{name} could be rolled back again"
        return Notice(subject, "resumed", Reason.QUIET, "", title, f"{name}: {answer.message}", routes=routes)
    message = f"{name} could not be rolled back since {now:%H:%M} UTC: {answer.message}; to do: {answer.remedy}"
    wakes = not watched.policy.suspend and any(one.severity is not Severity.LOG_ONLY for one in watched.policy.triggers)
    title = f"{name} could not be rolled back: {answer.guard} gone"
    state, reason = digest([answer.message]), answer.reason or Reason.IMAGE_MISSING
    return Notice(subject, "page", reason, state, title, message, page=wakes, routes=routes)


def _is_known(brought: Brought) -> bool:
    """Whether it is pointless to ask again soon: it was answered, or nobody can answer it."""
    answers = [one for one in (brought.images, brought.references) if one is not None]
    asking = any(_there(one) is None and one.result is not GuardResult.NOT_EVALUATED for one in answers)
    return bool(answers) and not asking


def _there(answer: GuardAnswer | None) -> bool | None:
    if answer is not None and answer.reason in GONE:
        return False
    return True if answer is not None and answer.result is GuardResult.ALLOW else None
