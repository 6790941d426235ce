"""Which Flux objects are there, and what do they say of all applications together?

The resources are listed here, the parsed objects of one look are held, and the states are built in the order in which
they need each other: a HelmRelease needs to know what the Kustomization that brings it had applied.
Source: contracts/flux-kubernetes.md section 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar

from gitops_rollback.adapters.engines import flux_helm, flux_kustomization, flux_sources
from gitops_rollback.adapters.engines.flux_helm import HelmChart, HelmRelease
from gitops_rollback.adapters.engines.flux_helm_wire import Around, chart_key, chart_source_key, helm_state
from gitops_rollback.adapters.engines.flux_kustomization import Kustomization
from gitops_rollback.adapters.engines.flux_memory import Memory
from gitops_rollback.adapters.engines.flux_past import Past
from gitops_rollback.adapters.engines.flux_sources import FluxSource, ImageWriter, Sources
from gitops_rollback.adapters.engines.flux_wire import Known, Told, kustomization_state
from gitops_rollback.adapters.engines.reading import Reader
from gitops_rollback.adapters.kubernetes.resources import Resource
from gitops_rollback.core.sync import ApplicationId, ApplicationState

SOURCE_GROUP, IMAGE_GROUP = "source.toolkit.fluxcd.io", "image.toolkit.fluxcd.io"
KUSTOMIZATIONS = Resource("kustomize.toolkit.fluxcd.io", "v1", "kustomizations")
HELM_RELEASES = Resource("helm.toolkit.fluxcd.io", "v2", "helmreleases")
HELM_CHARTS = Resource(SOURCE_GROUP, "v1", "helmcharts")
SOURCE_RESOURCES = {
    flux_sources.GIT: Resource(SOURCE_GROUP, "v1", "gitrepositories"),
    flux_sources.OCI: Resource(SOURCE_GROUP, "v1", "ocirepositories"),
    flux_sources.BUCKET: Resource(SOURCE_GROUP, "v1", "buckets"),
    flux_sources.HELM_REPOSITORY: Resource(SOURCE_GROUP, "v1", "helmrepositories"),
    flux_sources.EXTERNAL: Resource(SOURCE_GROUP, "v1", "externalartifacts"),
}
IMAGE_WRITERS = Resource(IMAGE_GROUP, "v1", "imageupdateautomations")
IMAGE_POLICIES = Resource(IMAGE_GROUP, "v1", "imagepolicies")
APPLIERS = {flux_kustomization.KIND: KUSTOMIZATIONS, flux_helm.KIND: HELM_RELEASES}

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")
Named = tuple[str, str]
Objects = Iterable[Mapping[str, object]]


@dataclass(frozen=True)
class World:
    """The parsed objects of one look, by namespace and name; sources by their kind besides."""

    sources: Mapping[tuple[str, str, str], FluxSource] = field(default_factory=dict)
    kustomizations: Mapping[Named, Kustomization] = field(default_factory=dict)
    releases: Mapping[Named, HelmRelease] = field(default_factory=dict)
    charts: Mapping[Named, HelmChart] = field(default_factory=dict)
    writers: tuple[ImageWriter, ...] = ()

    def depends_on(self, key: Named) -> tuple[Named, ...]:
        """The Kustomizations that this one waits for and that a request would move, the first needed first."""
        found: dict[Named, None] = {}
        self._collect(key, found, {key})
        return tuple(found)

    def _collect(self, key: Named, found: dict[Named, None], on_the_way: set[Named]) -> None:
        one = self.kustomizations.get(key)
        for needed in one.depends_on if one is not None else ():
            other = self.kustomizations.get(needed)
            if needed not in on_the_way and needed not in found and other is not None and not other.common.suspended:
                self._collect(needed, found, on_the_way | {needed})
                found[needed] = None

    def with_object(self, kind: str, key: Named, value: Mapping[str, object] | None) -> World:
        """The same with one object read anew; None: it is gone."""
        if kind == flux_kustomization.KIND:
            read = flux_kustomization.read_kustomization(value) if value is not None else None
            return replace(self, kustomizations=_with(self.kustomizations, key, read))
        if kind == flux_helm.KIND:
            release = flux_helm.read_helm_release(value) if value is not None else None
            return replace(self, releases=_with(self.releases, key, release))
        if kind == flux_helm.CHART_KIND:
            chart = flux_helm.read_helm_chart(value) if value is not None else None
            return replace(self, charts=_with(self.charts, key, chart))
        source = flux_sources.read_source(value, kind) if value is not None else None
        return replace(self, sources=_with(self.sources, (kind, *key), source))


def read_world(listed: Mapping[Resource, Objects], reader: Reader | None = None) -> World:
    """All lists of one look; a resource that is not served has none. Objects without a name are left out."""
    reader = reader or Reader()
    kustomizations = reader.read(flux_kustomization.read_kustomization, listed.get(KUSTOMIZATIONS, ()))
    releases = reader.read(flux_helm.read_helm_release, listed.get(HELM_RELEASES, ()))
    charts = reader.read(flux_helm.read_helm_chart, listed.get(HELM_CHARTS, ()))
    policies = dict(map(flux_sources.read_image_policy, listed.get(IMAGE_POLICIES, ())))
    sources = (
        flux_sources.read_source(value, kind)
        for kind, resource in SOURCE_RESOURCES.items()
        for value in listed.get(resource, ())
    )
    return World(
        sources={(one.common.kind, one.common.namespace, one.common.name): one for one in sources if one.common.name},
        kustomizations={_key(one): one for one in kustomizations if one.common.name},
        releases={_key(one): one for one in releases if one.common.name},
        charts={_key(one): one for one in charts if one.common.name},
        writers=tuple(flux_sources.read_image_writer(one, policies) for one in listed.get(IMAGE_WRITERS, ())),
    )


class States:
    """Builds the states of one world; what it had to remember for them is in `memories` afterwards."""

    def __init__(
        self, instance: str, world: World, memories: Mapping[ApplicationId, Memory], now: datetime, past: Past
    ) -> None:
        self.memories: dict[ApplicationId, Memory] = {}
        self._instance = instance
        self._world = world
        self._before = memories
        self._now = now
        self._known = Known(Sources(world.sources, world.writers), world.kustomizations, past)
        self._told: dict[ApplicationId, Told] = {}

    def all(self) -> tuple[ApplicationState, ...]:
        """Every Kustomization and every HelmRelease."""
        kustomizations = [self._kustomization(one) for one in self._world.kustomizations.values()]
        releases = [self._release(one) for one in self._world.releases.values()]
        return tuple(told.state for told in (*kustomizations, *releases))

    def one(self, application: ApplicationId) -> ApplicationState | None:
        """One application; None if it is not there."""
        key = (application.namespace, application.name)
        kustomization, release = self._world.kustomizations.get(key), self._world.releases.get(key)
        if application.kind == flux_kustomization.KIND and kustomization is not None:
            return self._kustomization(kustomization).state
        if application.kind == flux_helm.KIND and release is not None:
            return self._release(release).state
        return None

    def _kustomization(self, one: Kustomization) -> Told:
        key = ApplicationId(self._instance, flux_kustomization.KIND, *_key(one))
        if key not in self._told:
            told = kustomization_state(self._instance, one, self._known, self._before.get(key), self._now)
            self._keep(key, told)
        return self._told[key]

    def _release(self, one: HelmRelease) -> Told:
        key = ApplicationId(self._instance, flux_helm.KIND, *_key(one))
        if key not in self._told:
            near = self._around(one, self._before.get(key))
            told = helm_state(self._instance, one, near, self._known, self._now)
            self._keep(key, told)
        return self._told[key]

    def _around(self, one: HelmRelease, memory: Memory | None) -> Around:
        world = self._world
        chart = world.charts.get(chart_key(one))
        owner = world.kustomizations.get(one.owner) if one.owner else None
        return Around(
            chart=chart,
            chart_source=world.sources.get(chart_source_key(one, chart)),
            owner=owner,
            owner_source=self._known.source_of(owner) if owner else None,
            owner_memory=self._kustomization(owner).memory if owner else None,
            memory=memory,
            releases=world.releases,
        )

    def _keep(self, key: ApplicationId, told: Told) -> None:
        self._told[key] = told
        self.memories[key] = told.memory


def needed(world: World, application: ApplicationId) -> tuple[tuple[str, Named], ...]:
    """Kind, namespace and name of the objects that decide about an application, besides itself: what to read anew."""
    key = (application.namespace, application.name)
    release = world.releases.get(key) if application.kind == flux_helm.KIND else None
    if release is None:
        found = world.kustomizations.get(key)
        return ((found.source[0], found.source[1:]),) if found else ()
    owner = world.kustomizations.get(release.owner) if release.owner else None
    chart = world.charts.get(chart_key(release))
    source = chart_source_key(release, chart)
    names = [(source[0], source[1:])]
    names += [(owner.source[0], owner.source[1:])] if owner else []
    names += [(flux_helm.CHART_KIND, chart_key(release))] if chart else []
    names += [(flux_kustomization.KIND, release.owner)] if release.owner else []
    return tuple(dict.fromkeys(name for name in names if name[1][1]))


def resource_of(kind: str) -> Resource | None:
    """The resource of a kind that is read here; None for any other."""
    if kind == flux_helm.CHART_KIND:
        return HELM_CHARTS
    return APPLIERS.get(kind) or SOURCE_RESOURCES.get(kind)


def _key(one: Kustomization | HelmRelease | HelmChart) -> Named:
    return one.common.namespace, one.common.name


def _with(known: Mapping[_Key, _Value], key: _Key, value: _Value | None) -> dict[_Key, _Value]:
    found = {one: kept for one, kept in known.items() if one != key}
    return found if value is None else {**found, key: value}
