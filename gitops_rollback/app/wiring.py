"""Puts the parts together. Only `wiring*.py` name concrete adapters."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Protocol

from gitops_rollback.adapters.chart_repositories import ChartRepositories, ChartRepositorySettings
from gitops_rollback.adapters.clock import ScaledClock, SystemClock
from gitops_rollback.adapters.kubernetes.client import Kubernetes
from gitops_rollback.adapters.kubernetes.image_updaters import ClusterImageUpdaters
from gitops_rollback.adapters.kubernetes.promoters import ClusterPromoters
from gitops_rollback.adapters.kubernetes.references import ClusterReferences
from gitops_rollback.adapters.metrics.cloudwatch import CloudwatchSettings, CloudwatchSource
from gitops_rollback.adapters.metrics.datadog import DatadogSettings, DatadogSource
from gitops_rollback.adapters.metrics.installed import Access, ClosingSource, installed_source
from gitops_rollback.adapters.metrics.prometheus import PrometheusSettings, PrometheusSource
from gitops_rollback.adapters.metrics.rationed import Counted, QueryRations
from gitops_rollback.adapters.metrics.web import WebSettings, WebSource
from gitops_rollback.adapters.notifiers.slack_answers import SlackAnswers
from gitops_rollback.adapters.packages import metric_providers
from gitops_rollback.adapters.probe import HttpProbe
from gitops_rollback.adapters.registry import OciRegistries, RegistrySettings
from gitops_rollback.app.audit_stream import AuditStream
from gitops_rollback.app.coming_back import ComingBack
from gitops_rollback.app.past import GitPast
from gitops_rollback.app.runs import UNSEEN, ObjectReaders
from gitops_rollback.app.settings import MetricServer, Settings
from gitops_rollback.app.wiring_alerts import Alertmanagers
from gitops_rollback.app.wiring_argocd import argocd_of
from gitops_rollback.app.wiring_flux import flux_of
from gitops_rollback.app.wiring_forges import Forges, forges_of
from gitops_rollback.app.wiring_installed import installed_engines
from gitops_rollback.app.wiring_kubernetes import Election, election_of, events_of, kubernetes_of
from gitops_rollback.app.wiring_notifiers import answers_of, audit_stream_of, notifier_of, offered
from gitops_rollback.app.wiring_workloads import objects_of_engines, workloads_of_engines
from gitops_rollback.app.workloads import NOBODY, WorkloadReaders
from gitops_rollback.core.errors import SettingsInvalid
from gitops_rollback.core.policy import MetricSettings
from gitops_rollback.core.query_language import OF_PROVIDER
from gitops_rollback.core.tenants import Tenancy
from gitops_rollback.ports import Clock, Engine, MetricSource, Notifier, References
from gitops_rollback.ports.lookups import ImageUpdaters, Promoters

MAX_POLICY_SOURCES = 64


class Sources(Protocol):
    """Finds the metric source of a policy."""

    def of(self, wanted: MetricSettings) -> MetricSource:
        """Raises: SettingsInvalid where nothing serves it, or its secret may not go there; OutboundBlocked."""
        ...

    def close(self) -> None:
        """End what is held outside."""
        ...


@dataclass(frozen=True)
class Parts:
    """Everything outside that the controller talks to, made from one state of the settings."""

    settings: Settings
    clock: Clock
    engines: tuple[Engine, ...]
    sources: Sources
    probe: HttpProbe
    notifier: Notifier
    past: GitPast
    audit: AuditStream
    alerts: Alertmanagers
    kubernetes: Kubernetes | None = None  # shared by all that needs it; None where nothing does
    election: Election | None = None  # None: there is one replica
    registry: OciRegistries | None = None  # None: the settings name none
    charts: ChartRepositories | None = None
    forges: Forges = field(default_factory=Forges)
    answers: SlackAnswers | None = None  # None: nobody may press a button
    workloads: WorkloadReaders = NOBODY
    objects: ObjectReaders = UNSEEN
    references: References | None = None  # None: no Kubernetes API is at hand
    updaters: ImageUpdaters | None = None  # the same
    promoters: Promoters | None = None  # the same
    leave_workloads: Callable[[], None] = lambda: None

    @property
    def coming_back(self) -> ComingBack:
        """All that says whether what a rollback brings back can be had."""
        return ComingBack(self.registry, self.charts, self.objects, self.references, self.updaters, self.promoters)

    @property
    def keeps_looking(self) -> bool:
        """Something can say all the time whether what a rollback would bring back is there."""
        asked = self.registry is not None or bool(self.settings.chart_repositories)
        return asked or self.references is not None

    def close(self) -> None:
        """End what is held outside; after all that uses it has ended."""
        self.sources.close()
        self.alerts.close()
        self.leave_workloads()
        self.forges.close()
        if self.answers is not None:
            self.answers.close()
        for one in (self.registry, self.charts):
            if one is not None:
                one.close()
        if self.kubernetes is not None:
            self.kubernetes.close()


def wire(settings: Settings, clock: Clock | None = None) -> Parts:
    """`clock`: instead of the settings' one. Raises: SettingsInvalid with what cannot be used."""
    clock = clock or clock_of(settings)
    client, past = kubernetes_of(settings), GitPast()
    ours: tuple[Engine, ...] = (*argocd_of(settings, client, clock), *flux_of(settings, client, clock, past))
    engines = (*ours, *installed_engines(client, clock, ours))
    workloads, leave = workloads_of_engines(engines, client, clock)
    registry = _registries(settings)
    return Parts(
        settings=settings,
        clock=clock,
        engines=engines,
        workloads=workloads,
        objects=objects_of_engines(engines, client),
        references=ClusterReferences(client) if client is not None else None,
        updaters=ClusterImageUpdaters(client) if client is not None else None,
        promoters=ClusterPromoters(client) if client is not None else None,
        leave_workloads=leave,
        sources=MetricSources(settings),
        probe=HttpProbe(settings.origin_rules),
        notifier=notifier_of(settings, events_of(settings, client, clock)),
        audit=audit_stream_of(settings),
        alerts=Alertmanagers(settings),
        kubernetes=client,
        past=past,
        registry=registry,
        charts=_charts(settings, registry),
        forges=forges_of(settings, clock),
        answers=answers_of(settings),
        election=election_of(settings, client),
    )


def clock_of(settings: Settings) -> Clock:
    """Real time, or the scaled time of a demo."""
    if settings.clock is None:
        return SystemClock()
    return ScaledClock(datetime.fromtimestamp(settings.clock.start, UTC), settings.clock.speed)


def committer_of(settings: Settings) -> str:
    """Author and committer of our commits, as git writes them."""
    return f"{settings.commit.name} <{settings.commit.email}>"


class MetricSources:
    """Finds the metric source of a policy: one of the settings', or a URL of its own on an allowed origin."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._by_server = {server.name: self._make(server) for server in settings.metrics}
        self._by_policy: OrderedDict[MetricSettings, ClosingSource] = OrderedDict()

    def of(self, wanted: MetricSettings) -> MetricSource:
        """Raises: SettingsInvalid where nothing serves it, or its secret may not go there; OutboundBlocked."""
        if not wanted.url:
            return self._default(wanted.cluster)
        wanted = replace(wanted, cluster="")
        for server in self._settings.metrics:
            is_same = server.url.rstrip("/") == wanted.url.rstrip("/") and not wanted.secret
            if is_same and wanted.provider not in {*OF_PROVIDER, *metric_providers()}:
                return self._by_server[server.name]
        with self._lock:
            if wanted not in self._by_policy:
                self._by_policy[wanted] = self._own(wanted)
                while len(self._by_policy) > MAX_POLICY_SOURCES:
                    self._by_policy.popitem(last=False)[1].close()
            return self._by_policy[wanted]

    def close(self) -> None:
        for source in (*self._by_server.values(), *self._by_policy.values()):
            source.close()

    def _default(self, cluster: str) -> MetricSource:
        """The first of the settings' sources that serves the cluster; one that names no clusters serves all."""
        if not self._by_server:
            raise SettingsInvalid("metrics", "the policy names no metrics.url, and PROMETHEUS_URL is not set")
        for server in self._settings.metrics:
            if not server.clusters or cluster in server.clusters:
                return self._by_server[server.name]
        raise SettingsInvalid(
            "metrics", f"no metric source of the settings serves the cluster {cluster or '(unknown)'}"
        )

    def _own(self, wanted: MetricSettings) -> ClosingSource:
        token = offered(self._settings, wanted.secret, wanted.url) if wanted.secret else ""
        if wanted.provider in metric_providers():
            access = Access(wanted.url, self._settings.origin_rules, token, wanted.headers)
            return installed_source(wanted.provider, access)
        if wanted.provider == "datadog":
            key = offered(self._settings, wanted.application_secret, wanted.url)
            return DatadogSource(DatadogSettings(wanted.url, wanted.url, token, key), self._settings.origin_rules)
        if wanted.provider == "cloudwatch":
            return CloudwatchSource(CloudwatchSettings(wanted.url, wanted.url, token), self._settings.origin_rules)
        if wanted.provider == "web":
            settings = WebSettings(wanted.url, wanted.url, token, wanted.headers)
            return WebSource(settings, self._settings.origin_rules)
        return PrometheusSource(
            PrometheusSettings(
                name=wanted.url,
                url=wanted.url,
                flavour=wanted.provider,
                headers=wanted.headers,
                tenant=wanted.tenant,
                bearer_token=token,
            ),
            self._settings.origin_rules,
        )

    def _make(self, server: MetricServer) -> PrometheusSource:
        auth = server.auth
        return PrometheusSource(
            PrometheusSettings(
                name=server.name,
                url=server.url,
                flavour=server.flavour,
                tenant=server.tenant,
                headers=tuple((name, value.get_secret_value()) for name, value in server.headers.items()),
                bearer_token=auth.token.get_secret_value() if auth.token else "",
                username=auth.username,
                password=auth.password.get_secret_value() if auth.password else "",
                ca_file=server.ca_file or "",
                cert_file=server.client_cert_file or "",
                key_file=server.client_key_file or "",
                max_in_flight=server.max_in_flight,
                max_queries_per_minute=server.max_queries_per_minute,
            ),
            self._settings.origin_rules,
        )


def rations_of(settings: Settings, tenancy: Tenancy, counted: Counted) -> QueryRations:
    """How much each tenant may ask; `counted` is told of each query."""
    limits = {one.name: one.queries_per_minute for one in settings.tenants if one.queries_per_minute is not None}
    return QueryRations(tenancy, limits, counted)


def _registries(settings: Settings) -> OciRegistries | None:
    made = [
        RegistrySettings(
            name=one.name,
            url=one.asked_at,
            token_url=one.tokens_from,
            username=one.username,
            password=one.password.get_secret_value() if one.password else "",
            ca_file=one.ca_file or "",
            mirrors=one.mirrors,
        )
        for one in settings.registries
    ]
    return OciRegistries(made, settings.origin_rules) if made else None


def _charts(settings: Settings, registry: OciRegistries | None) -> ChartRepositories:
    made = [
        ChartRepositorySettings(
            url=one.url,
            username=one.username,
            password=one.password.get_secret_value() if one.password else "",
            ca_file=one.ca_file or "",
        )
        for one in settings.chart_repositories
    ]
    return ChartRepositories(made, settings.origin_rules, registry.look_up if registry is not None else None)
