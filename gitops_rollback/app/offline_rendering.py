"""Which commands of a settings file make the generated files of a local clone?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gitops_rollback.adapters.git.door import Git
from gitops_rollback.adapters.git.rerendering import Rendering
from gitops_rollback.adapters.rendering import CommandRenderer
from gitops_rollback.app.settings import Settings
from gitops_rollback.app.settings_repositories import Repository
from gitops_rollback.core.errors import SettingsInvalid
from gitops_rollback.core.repository_url import same_repository


def rendering_for(settings: Settings, git_dir: Path) -> Rendering:
    """Those of the repository that the clone came from; of the only one, whatever its address.

    Raises: SettingsInvalid if it is none of several; RepositoryUnavailable.
    """
    origin = Git(git_dir).text("config", "--get", "remote.origin.url", ok=(0, 1))
    commands = tuple(one.parsed for one in _repository(settings.repositories, origin).render)
    return Rendering(commands, CommandRenderer() if commands else None)


def _repository(listed: Sequence[Repository], origin: str) -> Repository:
    for one in listed:
        if len(listed) == 1 or any(same_repository(url, origin) for url in (one.url, *one.aliases)):
            return one
    raise SettingsInvalid("settings", "none of their repositories is the remote `origin` of this clone")
