"""What the clones and journals of this controller tell an engine about its applications' past.

An engine that forgets which commit brought what runs is told by which commit it was called when somebody judged it.
Each loop brings its repository's journal before it asks the engine.
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
from gitops_rollback.core.repository_url import same_repository
from gitops_rollback.core.sync import ApplicationId
from gitops_rollback.ports import ConfigRepo, JournalView

MAX_NAMES = 200  # of one application, the newest
MAX_ANSWERS = 10_000

Names = tuple[tuple[datetime, str], ...]


@dataclass(frozen=True)
class _Known:
    repo: ConfigRepo
    urls: tuple[str, ...]


class GitPast:
    """Usable from several threads. What git answers about two commits never changes, so it is asked once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._repositories: dict[str, _Known] = {}
        self._names: dict[str, tuple[str | None, Mapping[str, Names]]] = {}  # by repository, at a journal's head
        self._answers: dict[tuple[str, ...], bool] = {}

    def add(self, repo: ConfigRepo, aliases: Sequence[str] = ()) -> None:
        """Ask this clone, too."""
        with self._lock:
            self._repositories[repo.name] = _Known(repo, (repo.url, *aliases))

    def see(self, repository: str, journal: JournalView) -> None:
        """Replace what is known by this repository's journal."""
        with self._lock:
            known = self._names.get(repository)
            if known is None or known[0] != journal.head or journal.head is None:
                self._names[repository] = journal.head, _names(journal)

    def differs(self, repository: str, path: str, old: str, new: str) -> bool:
        """As in `Past`: the trees below `path` are compared."""
        for known in self._known():
            if any(same_repository(repository, url) for url in known.urls):
                return self._once((repository, path, old, new), partial(_differs, known.repo, path, old, new), True)
        return True

    def names(self, application: ApplicationId) -> Names:
        """As in `Past`."""
        name = str(application)
        with self._lock:
            return next((found[name] for _, found in self._names.values() if name in found), ())

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


def _names(journal: JournalView) -> dict[str, Names]:
    """By which commit each application was called when: by its records, and by the lines about it."""
    told = [(entry.at, entry.application, entry.revision) for entry in journal.decisions]
    for record in journal.records.values():
        at = record.times.get("decided")
        told += [(at, name, record.bad_revision) for name in record.applications] if at else []
    found: dict[str, list[tuple[datetime, str]]] = {}
    for at, name, revision in sorted(told):
        of = found.setdefault(name, [])
        if is_sha(revision) and (not of or of[-1][1] != revision):
            of.append((at, revision))
    return {name: tuple(of[-MAX_NAMES:]) for name, of in found.items() if of}


def _holds(repo: ConfigRepo, *commits: str) -> bool:
    """False too for a clone that was never fetched: another loop's engine may ask first."""
    try:
        return all(repo.has(commit) for commit in commits)
    except RollbackError:
        return False


def _differs(repo: ConfigRepo, path: str, old: str, new: str) -> bool:
    return repo.entry_id(old, path) != repo.entry_id(new, path)
