"""How a verb gets at the repositories: settings, one fetch, and what git alone says; the controller may be dead."""

from __future__ import annotations

import getpass
import os
import re
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import click

from gitops_rollback.adapters.clock import ScaledClock, SystemClock
from gitops_rollback.adapters.journal import DAYS, MAX_RECORDS
from gitops_rollback.app.repositories import Opened, open_repository
from gitops_rollback.app.settings import Settings
from gitops_rollback.app.settings_input import load_settings, prepare_state_dir
from gitops_rollback.app.surveying import tree_at
from gitops_rollback.app.view import PolicyStore
from gitops_rollback.core.duration import parse_duration
from gitops_rollback.core.errors import SettingsInvalid
from gitops_rollback.core.policy import Policy, Target
from gitops_rollback.core.rollback import RollbackRecord
from gitops_rollback.core.selecting import Selectable, each
from gitops_rollback.core.stop import CONTROL_DOOR, CONTROL_PATH, HEAD_DOOR, HEAD_PATH, PauseState, names_of, read_pause
from gitops_rollback.core.survey import Ours, survey
from gitops_rollback.ports import Clock, ConfigRepo, DecisionEntry, Heads, JournalView

_UNSAFE = re.compile(r"[<>\x00-\x1f\x7f]")

EVERYTHING_DAYS = 3650
MAX_NAMES_SHOWN = 12
Place = TypeVar("Place")


@dataclass(frozen=True)
class Source:
    """One repository as it was fetched just now."""

    opened: Opened
    heads: Heads
    journal: JournalView
    policies: PolicyStore

    @property
    def repo(self) -> ConfigRepo:
        return self.opened.repo

    def pauses(self) -> tuple[PauseState, PauseState]:
        """What the two doors in git say: control branch and branch head."""
        control = None if self.heads.control is None else document(self.repo, self.heads.control, CONTROL_PATH)
        return (
            read_pause(CONTROL_DOOR, control),
            read_pause(HEAD_DOOR, document(self.repo, self.heads.branch, HEAD_PATH)),
        )

    def targets(self) -> Iterator[tuple[Policy, Target]]:
        """Each target of each policy at the branch's head; what selectors take in as far as git has the objects."""
        policies = self.policies.at(self.heads.branch).policies
        patterns = any(target.selector is not None for policy in policies for target in policy.targets)
        yield from each(policies, self._selectable() if patterns else ())

    def _selectable(self) -> Iterator[Selectable]:
        ours = Ours((self.repo.url, *self.opened.settings.aliases), self.repo.branch)
        for found in survey(tree_at(self.repo, self.heads.branch), ours, self.repo.name).found:
            if found.facts is not None:
                yield found.facts


def settings_of(
    repo: Sequence[str], branch: str | None, config: str | None, cluster: Mapping[str, object] | None = None
) -> Settings:
    """The settings with at least one repository. Raises: SettingsInvalid with all faults."""
    settings = load_settings(os.environ, {"repo": tuple(repo), "branch": branch, "config": config, **(cluster or {})})
    if not settings.repositories:
        raise SettingsInvalid("settings", "no repository: give --repo URL, or set GITOPS_ROLLBACK_REPO")
    return settings


def clock_of(settings: Settings) -> Clock:
    """Policy time: the machine's, or the demo's."""
    if settings.clock is None:
        return SystemClock()
    return ScaledClock(datetime.fromtimestamp(settings.clock.start, UTC), settings.clock.speed)


@contextmanager
def opened_sources(settings: Settings, author: str = "", everything: bool = False) -> Iterator[tuple[Source, ...]]:
    """Each repository, fetched once. `everything` reads the whole journal, not the last month.

    Raises: RepositoryUnavailable; CredentialsRejected; JournalBroken.
    """
    prepare_state_dir(settings)
    days, records = (EVERYTHING_DAYS, 1_000_000) if everything else (DAYS, MAX_RECORDS)
    opened = [open_repository(settings, repository, author, days, records) for repository in settings.repositories]
    try:
        yield tuple(look(one) for one in opened)
    finally:
        for one in opened:
            one.repo.close()
            one.journal_repo.close()


def look(opened: Opened) -> Source:
    """Fetch one repository and read its journal."""
    heads = opened.repo.fetch()
    journal_head = opened.journal_repo.fetch().journal if opened.journal_elsewhere else heads.journal
    policies = PolicyStore(opened.repo, opened.settings.policies_path)
    return Source(opened, heads, opened.journal.read(journal_head), policies)


def document(repo: ConfigRepo, revision: str, path: str) -> bytes | None:
    """A small file at a revision; None if it is not there."""
    blob = repo.entry_id(revision, path)
    return None if blob is None else repo.read(blob)


def find_record(sources: Sequence[Source], rollback_id: str) -> tuple[Source, RollbackRecord]:
    """The one rollback whose id starts with `rollback_id`. Raises: click.UsageError if there is none, or several."""
    return one_record([(source, source.journal.records.values()) for source in sources], rollback_id)


def one_record(
    known: Iterable[tuple[Place, Iterable[RollbackRecord]]], rollback_id: str
) -> tuple[Place, RollbackRecord]:
    """The same among the records of any places. Raises: click.UsageError."""
    found = [(place, record) for place, records in known for record in records if record.id.startswith(rollback_id)]
    exact = [pair for pair in found if pair[1].id == rollback_id]
    if len(exact or found) != 1:
        several = ", ".join(sorted(record.id for _, record in found)[:MAX_NAMES_SHOWN])
        why = f"fits several: {several}" if found else "is not in the journal"
        raise click.UsageError(f"Rollback {rollback_id!r} {why}.")
    return (exact or found)[0]


def known_names(source: Source) -> Mapping[str, frozenset[str]]:
    """Each application of the repository by its fullest known name, with all its other names."""
    names: dict[str, frozenset[str]] = {}
    for _, target in source.targets():
        full = target.application.full
        names[full] = names.get(full, frozenset()) | names_of(full) | {target.name}
    for full in {name for record in source.journal.records.values() for name in record.applications}:
        if not any(full.endswith(f"/{known}") for known in names):
            names[full] = names.get(full, frozenset()) | names_of(full)
    return names


def find_application(sources: Sequence[Source], word: str) -> tuple[Source, str]:
    """The one application that `word` names. A full name (four parts) needs no policy if there is one repository only.

    Raises: click.UsageError, with the known names.
    """
    found = sorted(
        {
            (number, full)
            for number, source in enumerate(sources)
            for full, names in known_names(source).items()
            if word == full or word in names or (word.count("/") == 3 and word.endswith(f"/{full}"))
        }
    )
    if len(found) == 1:
        return sources[found[0][0]], word if word.count("/") == 3 else found[0][1]
    if not found and word.count("/") == 3 and len(sources) == 1:
        return sources[0], word
    names = [full for _, full in found] or sorted({full for source in sources for full in known_names(source)})
    listed = ", ".join(names[:MAX_NAMES_SHOWN]) or "none"
    raise click.UsageError(f"{word!r} {'fits several' if found else 'is no known application; known'}: {listed}.")


def newest_decision(source: Source, name: str) -> DecisionEntry | None:
    """The newest journal entry about the application that `name` (as of `ApplicationRef.full`) means."""
    found = [entry for entry in source.journal.decisions if name in names_of(entry.application)]
    return max(found, key=lambda entry: entry.at, default=None)


def newest_record(source: Source, name: str) -> RollbackRecord | None:
    """The open rollback of the application that `name` means, else its newest one."""
    found = [
        record
        for record in source.journal.records.values()
        if any(name in names_of(application) for application in record.applications)
    ]
    return max(found, key=lambda record: (record.open, decided_at(record)), default=None)


def decided_at(record: RollbackRecord) -> datetime:
    """When it was decided; the beginning of time for a record that does not say."""
    return record.times.get("decided", datetime.min.replace(tzinfo=UTC))


def duration_option(text: str, option: str) -> timedelta:
    """How long, as an option has it. Raises: click.BadParameter."""
    try:
        return parse_duration(text)
    except (ValueError, OverflowError) as exc:
        raise click.BadParameter(str(exc), param_hint=option) from exc


def end_option(text: str, now: datetime, option: str) -> datetime:
    """When something ends that lasts so long from now. Raises: click.BadParameter."""
    try:
        return now + duration_option(text, option)
    except OverflowError as exc:
        raise click.BadParameter(str(exc), param_hint=option) from exc


def time_option(text: str | None, now: datetime, option: str) -> datetime | None:
    """A time, a date, or how long ago, as an option has it. Raises: click.BadParameter."""
    if text is None:
        return None
    try:
        if text[-1:] in ("s", "m", "h", "d"):
            return now - parse_duration(text)
        at = datetime.fromisoformat(text)
    except (ValueError, OverflowError) as exc:
        raise click.BadParameter("must be like 30d, 2026-11-25 or 2026-11-25T12:00:00Z", param_hint=option) from exc
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at


def caller() -> tuple[str, str]:
    """Who runs this verb, as (`Name <mail>`, name): git's variables, else the login."""
    try:
        login = getpass.getuser()
    except (OSError, KeyError):
        login = f"uid-{os.getuid()}"
    name = os.environ.get("GIT_AUTHOR_NAME") or os.environ.get("GIT_COMMITTER_NAME") or login
    host = re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname()) or "localhost"
    mail = os.environ.get("GIT_AUTHOR_EMAIL") or os.environ.get("GIT_COMMITTER_EMAIL") or f"{login}@{host}"
    name, mail = _UNSAFE.sub("", name).strip() or "somebody", re.sub(r"\s", "", _UNSAFE.sub("", mail))
    return f"{name} <{mail or 'nobody@localhost'}>", name
