"""The controller's own settings as frozen values: what may be written where, what is asked, what is allowed.

Read from one file, the environment and flags by `settings_input`; nothing here does I/O. The shapes are closed: an
unknown key is a fault. Secrets are `SecretStr`: their text is reached by `get_secret_value()` only.
Source: interfaces.md, Environment; product.md sections 3 and 6; reliability.md row 13b for the budgets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationInfo
from pydantic.alias_generators import to_camel

from gitops_rollback.adapters.git.remote import is_branch_name, require_url
from gitops_rollback.adapters.origins import OriginRules
from gitops_rollback.app.origins import is_loopback, origin_of, repository_name
from gitops_rollback.core.duration import parse_duration
from gitops_rollback.core.errors import SettingsInvalid
from gitops_rollback.core.journal import parse_time
from gitops_rollback.core.stop import PauseState, settings_pause

DEFAULT_CONFIG = "gitops-rollback.yaml"
DEFAULT_BIND = "127.0.0.1:8080"
DEFAULT_POLICIES = ".gitops-rollback/policies"


def _flag(value: object) -> object:
    if isinstance(value, bool):
        return value
    words: dict[object, bool] = {"true": True, "false": False}
    if value not in words:
        raise ValueError("must be true or false")
    return words[value]


def _duration(value: object) -> object:
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        raise ValueError("must be a duration like 90s, 10m or 2h30m")
    return parse_duration(value)


def _time(value: object) -> object:
    if value is None or isinstance(value, datetime):
        return value
    try:
        return parse_time(str(value))
    except ValueError as exc:
        raise ValueError("must be a time with a zone like 2026-11-25T12:00:00Z") from exc


def _budgets(value: object) -> object:
    """`40/1h,100/24h` as the list that it stands for; a list is left alone."""
    if not isinstance(value, str):
        return value
    limits = []
    for part in value.split(","):
        count, slash, per = part.strip().partition("/")
        if not slash or not count.isdecimal():
            raise ValueError("must be spelt like 40/1h or 4/1h,10/24h")
        limits.append({"max": int(count), "per": per})
    return limits


def _words(value: object) -> object:
    return tuple(part for part in re.split(r"[,\s]+", value) if part) if isinstance(value, str) else value


def _http_url(value: str, info: ValidationInfo) -> str:
    parts = _split(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an https:// URL")
    if parts.scheme == "http" and not (_context(info, "allow_http") or is_loopback(value)):
        raise ValueError("plain http beyond loopback needs allowHttp: true (GITOPS_ROLLBACK_ALLOW_HTTP=true)")
    return value


def _repository_url(value: str, info: ValidationInfo) -> str:
    """The git adapter's own rule; what a setting could allow is said first, with that setting's name."""
    scheme = value.partition("://")[0]
    if scheme == "file" and not _context(info, "allow_file"):
        raise ValueError("file:// is for trials and needs allowFileUrls: true (GITOPS_ROLLBACK_ALLOW_FILE=true)")
    if scheme == "http":
        _http_url(value, info)
    try:
        require_url(value, allow_http=True, allow_file=True)
    except SettingsInvalid as exc:
        raise ValueError(exc.message) from exc
    return value


def _branch(value: str) -> str:
    if value and not is_branch_name(value):
        raise ValueError("is no name that a git branch can have")
    return value


class _Split(BaseModel):
    scheme: str
    hostname: str | None


def _split(value: str) -> _Split:
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError as exc:
        raise ValueError("is not a URL") from exc
    if parts.password is not None or (parts.username is not None and parts.scheme != "ssh"):
        raise ValueError("must not hold credentials; use a token setting")
    if any(character.isspace() or not character.isprintable() for character in value):
        raise ValueError("is not a URL")
    return _Split(scheme=parts.scheme, hostname=parts.hostname)


def _context(info: ValidationInfo, word: str) -> bool:
    return bool(info.context and info.context.get(word))


def _bind(value: str) -> str:
    host, colon, port = value.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise ValueError("must be host:port, for example 127.0.0.1:8080")
    return value


def _origin(value: str) -> str:
    if not origin_of(value):
        raise ValueError("must be an origin like https://host:port")
    return origin_of(value)


def _allowed(value: str) -> str:
    try:
        OriginRules.parse([value])
    except SettingsInvalid as exc:
        raise ValueError("must hold origins, hosts, addresses or networks") from exc
    return value


Flag = Annotated[bool, BeforeValidator(_flag)]
Duration = Annotated[timedelta, BeforeValidator(_duration)]
Time = Annotated[datetime, BeforeValidator(_time)]
Words = Annotated[tuple[str, ...], BeforeValidator(_words)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
RepositoryUrl = Annotated[str, AfterValidator(_repository_url)]
Origin = Annotated[str, AfterValidator(_origin)]
Branch = Annotated[str, AfterValidator(_branch)]
Origins = Annotated[tuple[Origin, ...], BeforeValidator(_words)]


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, hide_input_in_errors=True)


class GitAccess(_Closed):
    """How a repository is reached: basic auth over HTTPS, or a key and pinned hosts over SSH."""

    username: str = ""
    token: SecretStr | None = None
    token_file: str | None = None
    ssh_key_file: str | None = None
    ssh_known_hosts_file: str | None = None
    ca_file: str | None = None


class JournalPlace(_Closed):
    """Another repository for the journal; left out, it is a branch of the config repository."""

    repository: RepositoryUrl | None = None
    branch: Branch = "gitops-rollback-journal"


class Repository(_Closed):
    """One config repository. `branch` "" means the remote's HEAD; `aliases` are other URLs of the same one."""

    url: RepositoryUrl
    name: str = ""
    branch: Branch = ""
    aliases: tuple[str, ...] = ()
    policies_path: str = DEFAULT_POLICIES
    git: GitAccess = GitAccess()
    signing_key_file: str | None = None
    journal: JournalPlace = JournalPlace()

    @property
    def label(self) -> str:
        """The repository's name in ids, journal and messages."""
        return self.name or repository_name(self.url)


class ArgoCD(_Closed):
    """One Argo CD, by REST."""

    instance: str = "default"
    server: HttpUrl
    token: SecretStr | None = None
    token_file: str | None = None
    ca_file: str | None = None


class MetricAuth(_Closed):
    """Bearer (`token`) or basic (`username`, `password`)."""

    token: SecretStr | None = None
    token_file: str | None = None
    username: str = ""
    password: SecretStr | None = None
    password_file: str | None = None


class MetricServer(_Closed):
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


class OfferedSecret(_Closed):
    """A secret that policies may name in `secretRef`, and the only origins it may be sent to."""

    name: str
    value: SecretStr
    value_file: str | None = None
    origins: Origins = ()


class Limit(_Closed):
    """At most `max` automatic rollbacks in any `per`."""

    max: int = Field(ge=0, le=1_000_000)
    per: Duration


Limits = Annotated[tuple[Limit, ...], BeforeValidator(_budgets)]


def _limit(count: int, **per: int) -> Limit:
    return Limit(max=count, per=timedelta(**per))


class Budgets(_Closed):
    """Upper bounds of automatic rollbacks; a policy only narrows them."""

    application: Limits = (_limit(1, minutes=30), _limit(2, hours=24))
    repository: Limits = (_limit(4, hours=1),)
    controller: Limits = (_limit(3, minutes=10), _limit(10, hours=24))


class TenantApplications(_Closed):
    projects: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()


class TenantBudgets(_Closed):
    per24h: int | None = Field(default=None, ge=0, alias="per24h")


class Tenant(_Closed):
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


class SecretName(_Closed):
    name: str


class Webhook(_Closed):
    """One place that is told everything (or some events), signed with the offered secret `secretRef`."""

    url: HttpUrl
    name: str = "webhook"
    format: Literal["json", "cloudevents"] = "json"
    events: Words = ("*",)
    secret_ref: SecretName | None = None


class CommitIdentity(_Closed):
    """Author and committer of our commits."""

    name: str = "gitops-rollback"
    email: str = "gitops-rollback@localhost"


class ScaledTime(_Closed):
    """Policy time of a demo: it was `start` when the process began, and runs `speed` times as fast."""

    start: float = Field(ge=0, le=32_503_680_000)
    speed: float = Field(gt=0, le=10_000)


class Settings(_Closed):
    """All of it. `config_file` is "" if none was read; `watched` are the files whose change means a reload."""

    repositories: tuple[Repository, ...] = ()
    argocd: tuple[ArgoCD, ...] = ()
    metrics: tuple[MetricServer, ...] = ()
    allow_origins: Annotated[tuple[Annotated[str, AfterValidator(_allowed)], ...], BeforeValidator(_words)] = ()
    allow_http: Flag = False
    allow_file_urls: Flag = False
    secrets: tuple[OfferedSecret, ...] = ()
    state_dir: str = ""
    bind: Annotated[str, AfterValidator(_bind)] = DEFAULT_BIND
    paused: Flag = False
    paused_until: Time | None = None
    observe: Flag = False
    observe_out: str = ""
    budgets: Budgets = Budgets()
    tenants: tuple[Tenant, ...] = ()
    notifications: tuple[Webhook, ...] = ()
    commit: CommitIdentity = CommitIdentity()
    clock: ScaledTime | None = None
    config_file: str = ""
    watched: tuple[str, ...] = ()

    @property
    def pause(self) -> PauseState:
        """What the first door says."""
        return settings_pause(self.paused, self.paused_until)

    @property
    def own_urls(self) -> tuple[str, ...]:
        """Repositories, engines, metric servers and webhooks: what the settings name is allowed by itself."""
        urls = [repository.url for repository in self.repositories]
        urls += [place for repository in self.repositories if (place := repository.journal.repository)]
        urls += [engine.server for engine in self.argocd] + [server.url for server in self.metrics]
        return tuple(dict.fromkeys(urls + [webhook.url for webhook in self.notifications]))

    @property
    def origin_rules(self) -> OriginRules:
        """What may be connected to over HTTP: see `adapters.origins`."""
        own = [url for url in self.own_urls if url.startswith(("http://", "https://"))]
        return OriginRules.parse(self.allow_origins, own, self.allow_http)

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


RESTART_ONLY = frozenset({"state_dir", "bind", "clock", "observe", "observe_out"})


def changed(old: Settings, new: Settings) -> tuple[frozenset[str], frozenset[str]]:
    """The settings that differ: those that a reload may change live, and those that wait for a restart."""
    fields = set(Settings.model_fields) - {"config_file", "watched"}
    differ = frozenset(name for name in fields if getattr(old, name) != getattr(new, name))
    return differ - RESTART_ONLY, differ & RESTART_ONLY
