"""The controller's own settings as frozen values: what may be written where, what is asked, what is allowed.

Read from one file, the environment and flags by `settings_input`; nothing here does I/O. The shapes are closed: an
unknown key is a fault. Secrets are `SecretStr`: their text is reached by `get_secret_value()` only.
Source: interfaces.md, Environment; product.md sections 3 and 6; reliability.md row 13b for the budgets.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, Field, SecretStr, model_validator

from gitops_rollback.adapters.notifiers.slack_answers import ORIGIN as SLACK_ANSWERS
from gitops_rollback.adapters.origins import OriginRules
from gitops_rollback.adapters.registry import addresses
from gitops_rollback.app.origins import origin_of
from gitops_rollback.app.settings_alerts import AlertmanagerPlace, MetricAuth
from gitops_rollback.app.settings_before import Heartbeat, ScheduledDrills, Statuses
from gitops_rollback.app.settings_doors import Chat, DashboardPlace, Hook
from gitops_rollback.app.settings_notifications import MOST_PLACES, AuditPlace, Place, Shifts, Templates
from gitops_rollback.app.settings_repositories import Repository
from gitops_rollback.app.settings_values import (
    Allowed,
    Bind,
    Closed,
    Duration,
    Flag,
    HttpUrl,
    Kinds,
    Origins,
    RegistryName,
    Time,
    Words,
    spelt_limits,
)
from gitops_rollback.core.stop import PauseState, settings_pause

DEFAULT_CONFIG = "gitops-rollback.yaml"
DEFAULT_BIND = "127.0.0.1:8080"
MAX_NAMESPACES = 16  # each is watched by connections of its own; with more, watch all


class ArgoCD(Closed):
    """One Argo CD, by REST."""

    instance: str = "default"
    server: HttpUrl
    token: SecretStr | None = None
    token_file: str | None = None
    ca_file: str | None = None


class KubernetesAccess(Closed):
    """How the Kubernetes API is reached, for what needs it. All left out: the Pod's own account, else a kubeconfig.

    `namespaces` () are all; `own_namespace` is where our own objects live, "" that of the context or of the Pod.
    `events`: Kubernetes Events on the applications' objects. Left out, on those of the engines that are read by their
    objects; true says that the applications of an Argo CD by its own API are objects of this cluster, too.
    """

    kubeconfig: str = ""
    context: str = ""
    namespaces: Annotated[Words, Field(max_length=MAX_NAMESPACES)] = ()
    own_namespace: str = ""
    events: Flag | None = None
    request_timeout: Annotated[Duration, Field(ge=timedelta(seconds=1), le=timedelta(minutes=10))] = timedelta(
        seconds=30
    )


class LeaderElection(Closed):
    """How replicas agree on who acts for a repository: one Kubernetes Lease each. Names as Kubernetes' own have them.

    `enabled` left out: on where anything else of the settings needs the Kubernetes API, off otherwise.
    """

    enabled: Flag | None = None
    lease_duration: Duration = timedelta(seconds=15)
    renew_deadline: Duration = timedelta(seconds=10)
    retry_period: Duration = timedelta(seconds=2)

    @model_validator(mode="after")
    def _fits(self) -> LeaderElection:
        if not self.lease_duration > self.renew_deadline > 1.2 * self.retry_period > timedelta(0):
            raise ValueError("leaseDuration must be longer than renewDeadline, and that longer than 1.2 x retryPeriod")
        return self


class ArgoCDObjects(Closed):
    """The Argo CD of the cluster that the Kubernetes API belongs to, by its objects; on as soon as it is named."""

    enabled: Flag = True
    instance: str = "default"


class Flux(Closed):
    """The Flux of the cluster that the Kubernetes API belongs to; it is on as soon as the settings name it."""

    enabled: Flag = True
    instance: str = "flux"


class MetricServer(Closed):
    """One Prometheus-compatible server; a path in `url` is a prefix. `clusters` () serves all."""

    name: str = "default"
    url: HttpUrl
    flavour: Literal["prometheus", "thanos", "mimir", "victoriametrics"] = "prometheus"
    tenant: str = ""
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    auth: MetricAuth = MetricAuth()
    ca_file: str | None = None
    client_cert_file: str | None = None
    client_key_file: str | None = None
    clusters: tuple[str, ...] = ()
    max_in_flight: int = Field(default=8, ge=1, le=256)
    max_queries_per_minute: int = Field(default=600, ge=1, le=100_000)


class ImageRegistry(Closed):
    """One registry, `name` as images bear it in front (`docker.io` where they bear none), and our account there.

    `token_url` is where its tokens are made. Left out, both addresses are those that `name` says. `mirrors` are asked
    for what is gone there: names of further registries of this list, with a path where they keep it below one.
    """

    name: RegistryName
    url: HttpUrl | None = None
    token_url: HttpUrl | None = None
    username: str = ""
    password: SecretStr | None = None
    password_file: str | None = None
    ca_file: str | None = None
    mirrors: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _whole(self) -> ImageRegistry:
        if bool(self.username) != (self.password is not None):
            raise ValueError("username and password (or passwordFile) go together")
        return self

    @property
    def asked_at(self) -> str:
        return self.url or addresses(self.name)[0]

    @property
    def tokens_from(self) -> str:
        return self.token_url or (self.url if self.url else addresses(self.name)[1])


class ChartRepository(Closed):
    """One repository of Helm charts, `url` as files name it, and our account there."""

    url: HttpUrl
    username: str = ""
    password: SecretStr | None = None
    password_file: str | None = None
    ca_file: str | None = None

    @model_validator(mode="after")
    def _whole(self) -> ChartRepository:
        if bool(self.username) != (self.password is not None):
            raise ValueError("username and password (or passwordFile) go together")
        return self


class OfferedSecret(Closed):
    """A secret that policies may name in `secretRef`, and the only origins it may be sent to.

    `apprise`: it is an Apprise URL that policies may use; the library connects by itself, to whatever the URL says.
    """

    name: str
    value: SecretStr
    value_file: str | None = None
    origins: Origins = ()
    apprise: Flag = False


class Limit(Closed):
    """At most `max` automatic rollbacks in any `per`."""

    max: int = Field(ge=0, le=1_000_000)
    per: Duration


Limits = Annotated[tuple[Limit, ...], BeforeValidator(spelt_limits)]


def _limit(count: int, **per: int) -> Limit:
    return Limit(max=count, per=timedelta(**per))


class Budgets(Closed):
    """Upper bounds of automatic rollbacks; a policy only narrows them."""

    application: Limits = (_limit(1, minutes=30), _limit(2, hours=24))
    repository: Limits = (_limit(4, hours=1),)
    controller: Limits = (_limit(3, minutes=10), _limit(10, hours=24))


class TenantApplications(Closed):
    projects: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()


class TenantBudgets(Closed):
    per24h: int | None = Field(default=None, ge=0, alias="per24h")


class Tenant(Closed):
    """What one team's policies reach. See safety.md, Tenants."""

    name: str
    policies: str = ""
    applications: TenantApplications = TenantApplications()
    paths: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    origins: Origins = ()
    notify: tuple[str, ...] = ()
    budgets: TenantBudgets = TenantBudgets()
    queries_per_minute: int | None = Field(default=None, ge=1)


class CommitIdentity(Closed):
    """Author and committer of our commits."""

    name: str = "gitops-rollback"
    email: str = "gitops-rollback@localhost"


class ScaledTime(Closed):
    """Policy time of a demo: it was `start` when the process began, and runs `speed` times as fast."""

    start: float = Field(ge=0, le=32_503_680_000)
    speed: float = Field(gt=0, le=10_000)


class Settings(Closed):
    """All of it. `config_file` is "" if none was read; `watched` are the files whose change means a reload."""

    repositories: tuple[Repository, ...] = ()
    argocd: tuple[ArgoCD, ...] = ()
    argocd_objects: ArgoCDObjects | None = None
    flux: Flux | None = None
    kubernetes: KubernetesAccess | None = None
    leader_election: LeaderElection = LeaderElection()
    metrics: tuple[MetricServer, ...] = ()
    alertmanagers: tuple[AlertmanagerPlace, ...] = ()
    registries: tuple[ImageRegistry, ...] = ()
    chart_repositories: tuple[ChartRepository, ...] = ()
    allow_origins: Allowed = ()
    allow_http: Flag = False
    allow_file_urls: Flag = False
    secrets: tuple[OfferedSecret, ...] = ()
    state_dir: str = ""
    bind: Bind = DEFAULT_BIND
    hooks: tuple[Hook, ...] = ()
    chat: Chat = Chat()
    hooks_bind: Bind | None = None  # None: they are served where the probes are
    dashboard: DashboardPlace = DashboardPlace()
    paused: Flag = False
    paused_until: Time | None = None
    observe: Flag = False
    shadow: Flag = False
    observe_out: str = ""
    budgets: Budgets = Budgets()
    reversible_kinds: Kinds = ()
    tenants: tuple[Tenant, ...] = ()
    notifications: Annotated[tuple[Place, ...], Field(max_length=MOST_PLACES)] = ()
    templates: Templates = Field(default_factory=dict)
    handover: Shifts | None = None
    heartbeat: Heartbeat = Heartbeat()
    drills: ScheduledDrills = ScheduledDrills()
    statuses: Statuses = Statuses()
    audit: Annotated[tuple[AuditPlace, ...], Field(max_length=MOST_PLACES)] = ()
    commit: CommitIdentity = CommitIdentity()
    clock: ScaledTime | None = None
    config_file: str = ""
    watched: tuple[str, ...] = ()
    engines_found: bool = False  # nobody named them: they are those that a cluster may have

    @property
    def pause(self) -> PauseState:
        """What the first door says."""
        return settings_pause(self.paused, self.paused_until)

    @property
    def uses_kubernetes(self) -> bool:
        """Whether anything asks the Kubernetes API: if not, neither the extra nor any right there is needed."""
        engines = [engine for engine in (self.flux, self.argocd_objects) if engine is not None and engine.enabled]
        return self.kubernetes is not None or bool(engines) or self.leader_election.enabled is True

    @property
    def observes(self) -> bool:
        """Whether it decides in full and writes nothing."""
        return self.observe or self.shadow

    @property
    def elects(self) -> bool:
        """Whether a repository is acted for only by the replica that holds its lease."""
        return self.uses_kubernetes and self.leader_election.enabled is not False and not self.observes

    @property
    def with_events(self) -> frozenset[str]:
        """The engine instances whose applications get Kubernetes Events; none from who writes nothing."""
        events = self.kubernetes.events if self.kubernetes is not None else None
        if self.observes or events is False or not self.uses_kubernetes:
            return frozenset()
        of_objects = [one.instance for one in (self.flux, self.argocd_objects) if one is not None and one.enabled]
        return frozenset([*of_objects, *(one.instance for one in self.argocd if events)])

    @property
    def own_urls(self) -> tuple[str, ...]:
        """Repositories, engines, metric servers, registries, webhooks: what the settings name is allowed by itself."""
        urls = [repository.url for repository in self.repositories]
        urls += [place for repository in self.repositories if (place := repository.journal.repository)]
        urls += [forge.api for one in self.repositories if (forge := one.forge_place) is not None]
        urls += [engine.server for engine in self.argocd] + [server.url for server in self.metrics]
        urls += [url for one in self.alertmanagers for url in one.urls]
        urls += [SLACK_ANSWERS] if self.chat.approvers else []
        urls += [url for one in self.registries for url in (one.asked_at, one.tokens_from)]
        urls += [one.url for one in self.chart_repositories]
        return tuple(
            dict.fromkeys(
                [*urls, *(self._address(place) for place in self.notifications), *(one.url for one in self.audit)]
            )
        )

    @property
    def origin_rules(self) -> OriginRules:
        """What may be connected to over HTTP: see `adapters.origins`."""
        own = [url for url in self.own_urls if url.startswith(("http://", "https://"))]
        return OriginRules.parse(self.allow_origins, own, self.allow_http)

    def _address(self, place: Place) -> str:
        """Where its messages go; of a secret address no more than the origin, and nothing for Apprise's own."""
        if place.to != "teams" or place.secret_ref is None:
            return place.address
        found = self.secret(place.secret_ref.name)
        return origin_of(found.value.get_secret_value()) if found else ""

    def secret(self, name: str) -> OfferedSecret | None:
        """The offered secret of that name; case, `-` and `_` do not matter, since variables cannot hold a `-`."""
        wanted = secret_key(name)
        return next((secret for secret in self.secrets if secret_key(secret.name) == wanted), None)

    @property
    def secret_values(self) -> tuple[str, ...]:
        """The text of each secret, for redaction only; longest first, so that no part of one is left over."""
        found = {secret.get_secret_value() for secret in secrets_in(self)}
        return tuple(sorted(found - {""}, key=lambda text: (-len(text), text)))


def secrets_in(model: object) -> Iterator[SecretStr]:
    """Each secret anywhere in a settings value."""
    if isinstance(model, SecretStr):
        yield model
    elif isinstance(model, BaseModel):
        for name in type(model).model_fields:
            yield from secrets_in(getattr(model, name))
    elif isinstance(model, (tuple, list)):
        for item in model:
            yield from secrets_in(item)
    elif isinstance(model, dict):
        for item in model.values():
            yield from secrets_in(item)


def secret_key(name: str) -> str:
    """How names of secrets are compared."""
    return name.lower().replace("_", "-")


RESTART_ONLY = frozenset({"state_dir", "bind", "hooks_bind", "dashboard", "clock", "observe", "observe_out", "shadow"})


def changed(old: Settings, new: Settings) -> tuple[frozenset[str], frozenset[str]]:
    """The settings that differ: those that a reload may change live, and those that wait for a restart."""
    fields = set(Settings.model_fields) - {"config_file", "watched", "engines_found"}
    differ = frozenset(name for name in fields if getattr(old, name) != getattr(new, name))
    return differ - RESTART_ONLY, differ & RESTART_ONLY
