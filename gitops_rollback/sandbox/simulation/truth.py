"""What is really so in a simulated world: which contents are bad, what ran where and when, and who took what back.

It says what is allowed, never what the controller would do.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from gitops_rollback.sandbox.simulation.files import words_of
from gitops_rollback.sandbox.simulation.objects import Objects
from gitops_rollback.sandbox.simulation.traffic import is_run, is_served

LONG_AGO = timedelta(days=9)


@dataclass(frozen=True)
class Ran:
    """From `at` on an application ran what `revision` says; `bad_from` is when that began to hurt, if it did."""

    at: datetime
    revision: str
    inputs: str  # id of the application's directory
    bad_from: datetime | None


@dataclass(frozen=True)
class Stretch:
    """From `at` on an application ran the same content without a change, from the `first` revision to the `last`."""

    at: datetime
    content: str
    first: str
    last: str


@dataclass
class Truth:
    """The facts. `faulty` are words (image tags, levels) that make a state of an application bad."""

    objects: Objects
    faulty: dict[str, set[str]] = field(default_factory=dict)  # application -> words
    onset: dict[str, float] = field(default_factory=dict)  # word -> seconds until it hurts
    hangs: set[str] = field(default_factory=set)  # words whose sync never ends
    crashes: set[str] = field(default_factory=set)  # words that the engine sees, too
    ran: dict[str, list[Ran]] = field(default_factory=dict)
    lacks: Callable[[str, datetime], bool] = lambda _application, _when: False  # what it calls is not there
    shared: dict[str, str] = field(default_factory=dict)  # application -> a file beside its directory that it reads

    def words(self, application: str, treeish: str) -> frozenset[str]:
        """The faulty words of the application's files at a commit or tree, where they hurt somebody."""
        return frozenset(word for word, path in self._named(application, treeish) if self._serves(treeish, path))

    def named(self, application: str, treeish: str) -> frozenset[str]:
        """The same with those in files that no traffic reaches: they hurt nobody, but the engine sees them."""
        named = self._named(application, treeish)
        return frozenset(word for word, path in named if is_run(self.objects, treeish, path))

    def _named(self, application: str, treeish: str) -> Iterator[tuple[str, str]]:
        bad = self.faulty.get(application)
        for path, blob in self.objects.files(treeish).items() if bad else ():
            if bad and self.owns(application, path):
                yield from ((word, path) for word in words_of(self.objects.blobs[blob]) & bad)

    def _serves(self, treeish: str, path: str) -> bool:
        return is_served(self.objects, treeish, path)

    def inputs(self, application: str, treeish: str) -> str:
        """The state of the application's own files; a mark for an image automation is no part of it."""
        own = self.objects.unmarked(self.objects.entry(treeish, f"apps/{application}") or "")
        shared = self.shared.get(application)
        return own if shared is None else f"{own} {self.objects.entry(treeish, shared) or ''}"

    def owns(self, application: str, path: str) -> bool:
        """True if the application renders from this file."""
        return path.startswith(f"apps/{application}/") or path == self.shared.get(application)

    def own_paths(self, application: str, paths: Iterable[str]) -> tuple[str, ...]:
        """Those of the paths that the application renders from."""
        return tuple(path for path in paths if self.owns(application, path))

    def started(self, application: str, revision: str, at: datetime) -> None:
        """The engine put this revision into the cluster."""
        words = self.words(application, revision)
        delay = min((self.onset.get(word, 20.0) for word in words), default=None)
        line = self.ran.setdefault(application, [])
        before = line[-1] if line else None
        bad_from = None if delay is None else at + timedelta(seconds=delay)
        if bad_from is not None and before is not None and before.bad_from is not None:
            still = self.words(application, before.revision) & words
            bad_from = min(bad_from, before.bad_from) if still else bad_from
        line.append(Ran(at, revision, self.inputs(application, revision), bad_from))

    def at(self, application: str, when: datetime) -> Ran | None:
        """What ran then."""
        line = self.ran.get(application, [])
        index = bisect_right(line, when, key=lambda one: one.at)
        return line[index - 1] if index else None

    def is_bad(self, application: str, when: datetime) -> bool:
        """True if the application really hurt its users then."""
        ran = self.at(application, when)
        own = ran is not None and ran.bad_from is not None and ran.bad_from <= when
        return own or self.lacks(application, when)

    def runs(self, application: str) -> tuple[Ran, ...]:
        """All that ever ran, oldest first."""
        return tuple(self.ran.get(application, ()))

    def stretches(self, application: str, content: Callable[[Ran], str]) -> tuple[Stretch, ...]:
        """All that ever ran, oldest first; `content` tells what is the same."""
        found: list[Stretch] = []
        for run in self.ran.get(application, ()):
            made = content(run)
            if found and found[-1].content == made:
                found[-1] = replace(found[-1], last=run.revision)
            else:
                found.append(Stretch(run.at, made, run.revision, run.revision))
        return tuple(found)

    def bad_since(self, application: str, when: datetime) -> datetime | None:
        """When the oldest deployment began that has hurt without a pause until now; None if it does not hurt.

        The same content by another revision is no deployment.
        """
        since: datetime | None = None
        end = when
        runs = [one for one in self.runs(application) if one.at <= when]
        changes = [one for before, one in zip([None, *runs], runs, strict=False) if not _same(before, one)]
        for ran in reversed(changes):
            if ran.bad_from is None or ran.bad_from > end:
                break
            since = end = ran.at
        return since


def _same(before: Ran | None, now: Ran) -> bool:
    return before is not None and before.inputs == now.inputs
