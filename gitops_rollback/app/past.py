"""What the clones and journals of this controller tell an engine about its applications' past.

An engine that forgets which commit brought what runs, and when, is told what was written down whenever somebody judged
it. Each loop brings its repository's journal before it asks the engine.
Source: safety.md, Definitions (the journal extends what the engine trimmed).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from gitops_rollback.core.commit import is_sha
from gitops_rollback.core.errors import RollbackError
from gitops_rollback.core.journal import parse_time
from gitops_rollback.core.repository_url import same_repository
from gitops_rollback.core.sync import ApplicationId, Judged
from gitops_rollback.ports import ConfigRepo, JournalView

MAX_JUDGED = 200  # of one application, the newest
MAX_ANSWERS = 10_000


@dataclass(frozen=True)
class _Known:
    repo: ConfigRepo
    urls: tuple[str, ...]


class GitPast:
    """Usable from several threads. What git answers about two commits never changes, so it is asked once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._repositories: dict[str, _Known] = {}
        # By repository, at a journal's head.
        self._judged: dict[str, tuple[str | None, Mapping[str, tuple[Judged, ...]]]] = {}
        self._answers: dict[tuple[str, ...], bool] = {}

    def add(self, repo: ConfigRepo, aliases: Sequence[str] = ()) -> None:
        """Ask this clone, too."""
        with self._lock:
            self._repositories[repo.name] = _Known(repo, (repo.url, *aliases))

    def see(self, repository: str, journal: JournalView) -> None:
        """Replace what is known by this repository's journal."""
        with self._lock:
            known = self._judged.get(repository)
            if known is None or known[0] != journal.head or journal.head is None:
                self._judged[repository] = journal.head, _judged(journal)

    def differs(self, repository: str, path: str, old: str, new: str) -> bool:
        """As in `Past`: the trees below `path` are compared."""
        for known in self._known():
            if any(same_repository(repository, url) for url in known.urls):
                return self._once((repository, path, old, new), partial(_differs, known.repo, path, old, new), True)
        return True

    def judged(self, application: ApplicationId) -> tuple[Judged, ...]:
        """As in `Past`."""
        name = str(application)
        with self._lock:
            return next((found[name] for _, found in self._judged.values() if name in found), ())

    def is_older(self, old: str, new: str) -> bool:
        """As in `Past`, by any of the clones that has both."""
        for known in self._known():
            if old != new and _holds(known.repo, old, new):
                return self._once((old, new), partial(known.repo.is_ancestor, old, new), False)
        return False

    def _known(self) -> tuple[_Known, ...]:
        with self._lock:
            return tuple(self._repositories.values())

    def _once(self, question: tuple[str, ...], ask: Callable[[], bool], otherwise: bool) -> bool:
        """What cannot be answered is asked again; until then it is taken for `otherwise`."""
        with self._lock:
            known = self._answers.get(question)
        if known is not None:
            return known
        try:
            answer = ask()
        except RollbackError:
            return otherwise
        with self._lock:
            self._answers[question] = answer
            while len(self._answers) > MAX_ANSWERS:
                self._answers.pop(next(iter(self._answers)))
        return answer


def _judged(journal: JournalView) -> dict[str, tuple[Judged, ...]]:
    """By which commit each application was called when, and since when that ran; by records, and the lines on it."""
    told = [(entry.application, Judged(entry.at, entry.revision, _began(entry.details))) for entry in journal.decisions]
    for record in journal.records.values():
        at = record.times.get("decided")
        told += [(name, Judged(at, record.bad_revision)) for name in record.applications] if at else []
    found: dict[str, list[Judged]] = {}
    for name, one in sorted(told, key=lambda pair: pair[1].at):
        of = found.setdefault(name, [])
        if is_sha(one.name) and (not of or (of[-1].name, of[-1].began) != (one.name, one.began)):
            of.append(one)
    return {name: tuple(of[-MAX_JUDGED:]) for name, of in found.items() if of}


def _began(details: Mapping[str, object]) -> datetime | None:
    """None too for what cannot be read: a journal is only as good as who may write it."""
    sync = details.get("sync")
    try:
        return parse_time(str(sync["startedAt"])) if isinstance(sync, Mapping) else None
    except (KeyError, ValueError):
        return None


def _holds(repo: ConfigRepo, *commits: str) -> bool:
    """False too for a clone that was never fetched: another loop's engine may ask first."""
    try:
        return all(repo.has(commit) for commit in commits)
    except RollbackError:
        return False


def _differs(repo: ConfigRepo, path: str, old: str, new: str) -> bool:
    return repo.entry_id(old, path) != repo.entry_id(new, path)
