"""Makes the client of each repository's forge from the settings; nothing is asked of a forge yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import cast

from gitops_rollback.adapters.forges.exchange import UNMETERED, Exchange, Meter
from gitops_rollback.adapters.forges.git_password import AppPassword
from gitops_rollback.adapters.forges.gitea import Gitea
from gitops_rollback.adapters.forges.github import GitHub
from gitops_rollback.adapters.forges.gitlab import GitLab
from gitops_rollback.adapters.forges.installed import installed_forge
from gitops_rollback.adapters.forges.linked import Linked
from gitops_rollback.adapters.forges.settings import GITEA, GITHUB, GITLAB, AppKey, ForgeSettings
from gitops_rollback.adapters.pages import Pages
from gitops_rollback.app.origins import origin_of, repository_path
from gitops_rollback.app.settings import Settings
from gitops_rollback.app.settings_forges import ForgeAccess
from gitops_rollback.app.settings_repositories import Repository
from gitops_rollback.ports import Clock
from gitops_rollback.ports.forge import Forge

SETTLING = timedelta(seconds=60)  # of policy time
SHORTEST_SETTLING = timedelta(seconds=1)
CLIENTS: Mapping[str, Callable[[Exchange], Forge]] = {GITHUB: GitHub, GITLAB: GitLab, GITEA: Gitea}


class Forges:
    """The forges, by the label of their repository, and the meter that all of them tell.

    Their texts lead to `pages`, where there are any.
    """

    def __init__(self, pages: Pages | None = None) -> None:
        self._pages = pages
        self._meter: Meter = UNMETERED
        self._exchanges: list[Exchange] = []
        self._by_label: dict[str, Forge] = {}

    def add(self, label: str, exchange: Exchange) -> None:
        """Make the client of one repository."""
        self._exchanges.append(exchange)
        client = client_of(exchange)
        self._by_label[label] = client if self._pages is None else cast(Forge, Linked(client, self._pages))

    def of(self, label: str) -> Forge | None:
        """None where the settings say of no forge who may ask it, and what it is."""
        return self._by_label.get(label)

    def measured_by(self, meter: Meter) -> None:
        """Let it be told of each request from now on."""
        self._meter = meter

    def asked(self, forge: str, operation: str, code: str) -> None:
        """As `exchange.Meter`."""
        self._meter.asked(forge, operation, code)

    def left(self, forge: str, requests: int) -> None:
        """As `exchange.Meter`."""
        self._meter.left(forge, requests)

    def close(self) -> None:
        """End all connections."""
        for exchange in self._exchanges:
            exchange.close()


def client_of(exchange: Exchange) -> Forge:
    """One of ours, or of an installed package. Raises: SettingsInvalid for one of these that cannot be made."""
    return CLIENTS.get(exchange.settings.kind, installed_forge)(exchange)


def forges_of(settings: Settings, clock: Clock) -> Forges:
    """Raises: SettingsInvalid for a key or CA file that is unusable, an App without the extra, a broken package."""
    address = settings.dashboard.address
    made = Forges(Pages(address) if address else None)
    for repository in settings.repositories:
        wanted = forge_settings(repository, clock)
        if wanted is not None:
            made.add(repository.label, Exchange(wanted, settings.origin_rules, made))
    return made


def git_password(settings: Settings, repository: Repository, url: str) -> AppPassword | None:
    """What git gets in with at `url` where the forge of the repository knows us as an App; None anywhere else.

    Raises: SettingsInvalid for a key that is none, and for an App without the extra.
    """
    wanted = forge_settings(repository)
    web = url.startswith(("https://", "http://")) and origin_of(url) == origin_of(repository.url)
    if wanted is None or wanted.app is None or repository.git.token is not None or not web:
        return None
    path = wanted.repository if url == repository.url else repository_path(url)
    return AppPassword(replace(wanted, repository=path), settings.origin_rules)


def forge_settings(repository: Repository, clock: Clock | None = None) -> ForgeSettings | None:
    """What the client must know; None where there is none. Without a `clock` nothing settles by it."""
    place, told = repository.forge_place, repository.forge or ForgeAccess()
    if place is None:
        return None
    app = told.app
    return ForgeSettings(
        kind=place.kind,
        api=place.api,
        repository=place.repository,
        web_url=f"{place.web}/{place.repository}",
        token="" if app is not None else repository.forge_token,
        app=AppKey(app.id, app.private_key.get_secret_value(), app.installation) if app is not None else None,
        guessed=place.guessed,
        approvers=told.approvers,
        ca_file=told.ca_file or repository.git.ca_file or "",
        api_version=told.api_version,
        settling=max(SHORTEST_SETTLING, timedelta(seconds=clock.real_seconds(SETTLING))) if clock else SETTLING,
    )
