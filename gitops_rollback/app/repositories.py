"""From settings to a config repository and its journal, for the controller and for verbs that read git alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from gitops_rollback.adapters.git.remote import RepositorySettings
from gitops_rollback.adapters.git.repository import GitConfigRepo
from gitops_rollback.adapters.journal import DAYS, MAX_RECORDS, GitJournal
from gitops_rollback.adapters.rendering import CommandRenderer
from gitops_rollback.app.settings import Settings
from gitops_rollback.app.settings_repositories import Repository
from gitops_rollback.app.wiring_forges import git_password
from gitops_rollback.core.repository_url import same_repository
from gitops_rollback.core.stop import CONTROL_BRANCH


@dataclass(frozen=True)
class Opened:
    """A repository with its journal. `journal_repo` is `repo` unless the settings put the journal elsewhere."""

    settings: Repository
    repo: GitConfigRepo
    journal_repo: GitConfigRepo
    journal: GitJournal

    @property
    def journal_elsewhere(self) -> bool:
        return self.journal_repo is not self.repo

    def tidy(self) -> None:
        """Bound the disk of the clones. Raises: RepositoryUnavailable, DiskFull."""
        self.repo.tidy()
        if self.journal_elsewhere:
            self.journal_repo.tidy()


def open_repository(
    settings: Settings,
    repository: Repository,
    author: str = "",
    days: int = DAYS,
    max_records: int = MAX_RECORDS,
) -> Opened:
    """Opens without touching network or disk. `author` other than the controller's signs nothing with its key.

    Raises: SettingsInvalid for a URL, branch or author that git may not be given.
    """
    renderer = CommandRenderer() if repository.render else None
    beside = [_beside(settings, repository, url, author) for url in repository.upstreams]
    repo = GitConfigRepo(git_settings(settings, repository, repository.url, author), renderer, beside)
    elsewhere = repository.journal.repository
    journal_repo = repo
    if elsewhere is not None and elsewhere != repository.url:
        journal_repo = GitConfigRepo(git_settings(settings, repository, elsewhere, author))
    journal = GitJournal(journal_repo, repository.journal.branch, days, max_records)
    return Opened(repository, repo, journal_repo, journal)


def git_settings(settings: Settings, repository: Repository, url: str, author: str = "") -> RepositorySettings:
    """What the git adapter must know of one remote; another URL than the repository's is its journal's place."""
    git = repository.git
    own = url == repository.url
    signing = repository.signing_key_file if not author else None
    return RepositorySettings(
        name=repository.label if own else f"{repository.label} journal",
        url=url,
        state_dir=Path(settings.state_dir),
        branch=repository.branch if own else "",
        username=git.username,
        token=git.token.get_secret_value() if git.token else "",
        passwords=git_password(settings, repository, url),
        ca_file=_path(git.ca_file),
        ssh_key_file=_path(git.ssh_key_file),
        ssh_known_hosts_file=_path(git.ssh_known_hosts_file),
        signing_key_file=_path(signing),
        author=author or f"{settings.commit.name} <{settings.commit.email}>",
        journal_branch=repository.journal.branch,
        control_branch=CONTROL_BRANCH,
        allow_http=settings.allow_http,
        allow_file=settings.allow_file_urls,
        render=tuple(one.parsed for one in repository.render) if own else (),
    )


def _beside(settings: Settings, repository: Repository, url: str, author: str) -> RepositorySettings:
    """Of a repository that the writer of this one reads: in a clone of its own, whoever else follows it."""
    own = next((one for one in settings.repositories if same_repository(one.url, url)), None)
    found = git_settings(settings, own or repository.model_copy(update={"branch": ""}), own.url if own else url, author)
    return replace(found, name=f"{repository.label} upstream", render=())


def _path(name: str | None) -> Path | None:
    return Path(name) if name else None
