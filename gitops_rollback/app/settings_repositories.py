"""The settings of the config repositories: where each is, how it is reached, and who may open pull requests there."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr

from gitops_rollback.adapters.forges.settings import GITHUB, GITLAB
from gitops_rollback.app.origins import origin_of, repository_name
from gitops_rollback.app.settings_forges import ForgeAccess, ForgePlace, forge_place
from gitops_rollback.app.settings_rendering import MOST_COMMANDS, RenderCommand
from gitops_rollback.app.settings_values import Branch, Closed, RepositoryUrl

DEFAULT_POLICIES = ".gitops-rollback/policies"


class GitAccess(Closed):
    """How a repository is reached: basic auth over HTTPS, or a key and pinned hosts over SSH."""

    username: str = ""
    token: SecretStr | None = None
    token_file: str | None = None
    ssh_key_file: str | None = None
    ssh_known_hosts_file: str | None = None
    ca_file: str | None = None


class JournalPlace(Closed):
    """Another repository for the journal; left out, it is a branch of the config repository."""

    repository: RepositoryUrl | None = None
    branch: Branch = "gitops-rollback-journal"


class Repository(Closed):
    """One config repository. `branch` "" means the remote's HEAD; `aliases` are other URLs of the same one.

    `upstreams` are those that whatever writes its branch may read, in which rollbacks of it may be made to last. They
    are reached as it is itself, unless they are among `repositories` as well.
    """

    url: RepositoryUrl
    name: str = ""
    branch: Branch = ""
    aliases: tuple[str, ...] = ()
    upstreams: Annotated[tuple[RepositoryUrl, ...], Field(max_length=20)] = ()
    policies_path: str = DEFAULT_POLICIES
    git: GitAccess = GitAccess()
    forge: ForgeAccess | None = None
    signing_key_file: str | None = None
    journal: JournalPlace = JournalPlace()
    render: Annotated[tuple[RenderCommand, ...], Field(max_length=MOST_COMMANDS)] = ()

    @property
    def label(self) -> str:
        """The repository's name in ids, journal and messages."""
        return self.name or repository_name(self.url)

    @property
    def forge_token(self) -> str:
        """What the forge is asked with, unless by an App: its own token, else the one that git pushes with."""
        if self.forge is not None and self.forge.token is not None:
            return self.forge.token.get_secret_value()
        web = self.url.startswith(("https://", "http://")) and origin_of(self.url) != ""
        return self.git.token.get_secret_value() if web and self.git.token is not None else ""

    @property
    def forge_place(self) -> ForgePlace | None:
        """Where the forge is; None where nothing says so, and where nobody may ask it."""
        app = self.forge.app if self.forge is not None else None
        return forge_place(self.url, self.forge) if self.forge_token or app is not None else None

    @property
    def forge_fault(self) -> str:
        """What is wrong with the forge that the settings name; "" where nothing is, or where they name none."""
        forge = self.forge
        if forge is None:
            return ""
        place = forge_place(self.url, forge)
        if place is None:
            return "kind is missing: github, gitlab or gitea; the host's name does not say which it is"
        if not self.forge_token and forge.app is None:
            return "token, tokenFile or app is missing"
        if forge.app is not None and (forge.token is not None or place.kind != GITHUB):
            return "app is for GitHub, and goes without token"
        parts = place.repository.split("/")
        if len(parts) < 2 or (place.kind != GITLAB and len(parts) > 2):
            return f"repository is missing: the URL's path ({place.repository or 'none'}) is none at this kind of forge"
        return ""
