"""One Flux through the Kubernetes API: what does it say about its applications, and make it fetch and apply.

Flux has no operation that could be started with a revision, and none that could be ended: it is asked to look again, by
an annotation, the source first and what applies it then. That a request was answered says nothing: a suspended or
failing object answers too. So nobody here concludes success; the next look does. `suspend` is never lifted.
Source: contracts/flux-kubernetes.md sections 7 and 8; fluxcd/pkg apis/meta/annotations.go.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from gitops_rollback.adapters.engines import flux_helm, flux_kustomization
from gitops_rollback.adapters.engines.cluster import Changes, Cluster, Object, is_served
from gitops_rollback.adapters.engines.flux_access import OPTIONAL, REQUIRED, WATCHED, advice, missing_rights
from gitops_rollback.adapters.engines.flux_live import live_objects
from gitops_rollback.adapters.engines.flux_memory import Memory
from gitops_rollback.adapters.engines.flux_objects import REQUESTED_AT, RESET_AT
from gitops_rollback.adapters.engines.flux_past import NoPast, Past
from gitops_rollback.adapters.engines.flux_settings import FluxSettings
from gitops_rollback.adapters.engines.flux_sources import GIT
from gitops_rollback.adapters.engines.flux_versions import ServedVersions
from gitops_rollback.adapters.engines.flux_wire import asked_at
from gitops_rollback.adapters.engines.flux_world import (
    APPLIERS,
    HELM_RELEASES,
    KUSTOMIZATIONS,
    SOURCE_RESOURCES,
    Named,
    States,
    World,
    needed,
    read_world,
    resource_of,
)
from gitops_rollback.adapters.engines.reading import Reader
from gitops_rollback.adapters.json_node import Node
from gitops_rollback.adapters.kubernetes.errors import Missing, Unserved
from gitops_rollback.adapters.kubernetes.resources import Resource
from gitops_rollback.core.deployments import ROLLBACK_ID_INFO
from gitops_rollback.core.errors import CredentialsRejected, EngineUnavailable, Reason, StalledError
from gitops_rollback.core.sync import ApplicationId, ApplicationState, Obstacle
from gitops_rollback.ports import ManagedObject

SUBJECT = "Flux"
# In the way, and still nothing speaks against asking.
MAY_PASS = (
    *(Reason.DEPENDENCY_BLOCKS, Reason.SIGNED_COMMITS_ONLY, Reason.IMAGE_AUTOMATION),
    Reason.SOURCE_NOT_READY,  # to be asked ends its back-off, which grows to a quarter of an hour
)


class Flux:
    """`ports.Engine` for the Flux of one cluster. Usable from several threads."""

    def __init__(
        self,
        settings: FluxSettings,
        cluster: Cluster,
        changes: Changes,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        past: Past | None = None,
        pause: Callable[[float], None] = time.sleep,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        """`past` is what others know of what Flux does not tell. `pause` and `elapsed`: real seconds, while we wait."""
        self.instance = settings.instance
        self._settings = settings
        self._cluster = self._changes = ServedVersions(cluster, changes, elapsed)
        self._now = now
        self._past = past or NoPast()
        self._pause = pause
        self._elapsed = elapsed
        self._lock = threading.Lock()
        self._memories: dict[ApplicationId, Memory] = {}
        self._world: World | None = None
        self._reader = Reader()
        self._served = False

    # What the engine says.

    def applications(self) -> tuple[ApplicationState, ...]:
        """Every Kustomization and HelmRelease that we may see, in full: the lists hold all that there is."""
        listed = {resource: self._list(resource) for resource in (*REQUIRED, *OPTIONAL)}
        with self._lock:
            world = read_world(listed, self._reader)
            self._reader.next_look()
            self._world = world
            states = States(self.instance, world, self._memories, self._now(), self._past)
            found = states.all()
            self._memories = {**states.memories, **self._forgotten_last(states.memories)}
        return found

    def application(self, application: ApplicationId, project: str) -> ApplicationState | None:
        """One application from fresh objects; dependencies and image automations are those of the last list."""
        return self._state(application, self._fresh_world(application))

    def refresh(self, application: ApplicationId, project: str) -> None:
        """Make its sources fetch. Raises: EngineUnavailable if one has not answered in time, and if it is gone."""
        world = self._fresh_world(application)
        if self._state(application, world) is None:
            raise EngineUnavailable(self._subject(application), "it is gone")
        self._request_sources(world, application, self._token({}))

    def obstacles(self, application: ApplicationId, project: str) -> tuple[Obstacle, ...]:
        """Flux has no windows; but objects are suspended, pinned, or wait for what will not come."""
        state = self.application(application, project)
        if state is None:
            raise EngineUnavailable(self._subject(application), "it is gone")
        return state.obstacles

    def live_objects(self, application: ApplicationId, project: str) -> tuple[ManagedObject, ...]:
        """Its workloads and what scales them; what Flux wants of them is read from the fields that it owns."""
        applier = self._cluster.get(APPLIERS[application.kind], application.namespace, application.name)
        if applier is None:
            raise EngineUnavailable(self._subject(application), "it is gone")
        return live_objects(self._cluster, application, applier, self._subject(application))

    # What the engine is asked to do.

    def sync(self, application: ApplicationId, project: str, prune: bool, info: Mapping[str, str]) -> bool:
        """Ask the sources, then what applies them; `prune` is what the object itself says. Never False: it queues.

        Asked again soon after, nothing is written. Raises besides: StalledError where nothing would come of it.
        """
        world = self._fresh_world(application)
        state = self._state(application, world)
        if state is None:
            raise EngineUnavailable(self._subject(application), "it is gone")
        found = _pointless(state)
        if found:
            raise StalledError(self._subject(application), "; ".join(one.message for one in found), found[0].reason)
        token = self._token(info)
        self._request_sources(world, application, token)
        self._request_appliers(world, application, token)
        return True

    def terminate(self, application: ApplicationId, project: str) -> None:
        """No wait of Flux can be ended from outside. It is told that there is something newer.

        With the feature gate `CancelHealthCheckOnNewRevision` that ends the wait at once; without it Flux looks at the
        end of its own time-out, which the state's operation names (`ends_by`).
        """
        world = self._fresh_world(application)
        state = self._state(application, world)
        if state is None or _pointless(state):
            return
        token = self._token({})
        for kind, key in self._source_keys(world, application):
            self._request(SOURCE_RESOURCES[kind], key, token)
        self._request_appliers(world, application, token)

    # Access and waking up.

    def installed(self) -> bool:
        """Whether the cluster serves its objects at all."""
        return is_served(self._cluster, KUSTOMIZATIONS)

    def probe(self) -> tuple[str, ...]:
        """Which verb on which resource is missing; each is tried, and nothing is changed by it."""
        return missing_rights(self._cluster, self.instance)

    def advice(self) -> tuple[str, ...]:
        """Health waits that would keep a revert from being looked at, and what ends them sooner."""
        return advice(self._cluster)

    def watch(self, wake: Callable[[ApplicationId], None], stop: threading.Event) -> None:
        """Wake for each change of an applier, and of a source for all that it feeds. Blocks until `stop`."""

        def changed(found: Object) -> None:
            for application in self._concerned(found):
                wake(application)

        threads = [
            threading.Thread(
                target=self._changes.follow, args=(resource, changed, stop), name=f"flux-{resource.plural}", daemon=True
            )
            for resource in WATCHED
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _concerned(self, found: Object) -> tuple[ApplicationId, ...]:
        root = Node(found)
        kind, metadata = root.get("kind").text(), root.get("metadata")
        key = (metadata.get("namespace").text(), metadata.get("name").text())
        if kind in APPLIERS:
            return (ApplicationId(self.instance, kind, *key),)
        world = self._world or World()
        known = [ApplicationId(self.instance, flux_kustomization.KIND, *one) for one in world.kustomizations]
        known += [ApplicationId(self.instance, flux_helm.KIND, *one) for one in world.releases]
        return tuple(one for one in known if (kind, key) in needed(world, one))

    # The world.

    def _list(self, resource: Resource) -> tuple[Object, ...]:
        try:
            items = self._cluster.list_objects(resource).items
        except Unserved:
            if resource is KUSTOMIZATIONS and (self._served or not self._settings.if_installed):
                raise
            return ()
        except CredentialsRejected:
            if resource not in OPTIONAL:
                raise
            return ()
        self._served = self._served or resource is KUSTOMIZATIONS
        return items

    def _fresh_world(self, application: ApplicationId) -> World:
        """The last list with this application and what decides about it read anew; a first list if there is none.

        A release is read after what brings it: an older release beside a newer Kustomization would look arrived.
        """
        if self._world is None:
            self.applications()
        world = self._world or World()
        if application.kind not in APPLIERS:
            return world
        own = (application.kind, (application.namespace, application.name))
        last = application.kind == flux_helm.KIND and own[1] in world.releases
        read = {own}
        world = self._read_around(world if last else self._read(world, *own), application, read)
        return self._read_around(self._read(world, *own), application, read) if last else world

    def _read_around(self, world: World, application: ApplicationId, read: set[tuple[str, Named]]) -> World:
        while unread := [one for one in needed(world, application) if one not in read]:
            read.add(unread[-1])
            world = self._read(world, *unread[-1])
        return world

    def _read(self, world: World, kind: str, name: Named) -> World:
        resource = resource_of(kind)
        return world if resource is None else world.with_object(kind, name, self._get(resource, name))

    def _get(self, resource: Resource, name: Named) -> Object | None:
        try:
            return self._cluster.get(resource, *name)
        except Unserved:
            if resource in APPLIERS.values():
                raise
            return None

    def _state(self, application: ApplicationId, world: World) -> ApplicationState | None:
        with self._lock:
            states = States(self.instance, world, self._memories, self._now(), self._past)
            state = states.one(application)
            self._memories.update(states.memories)
        return state

    def _forgotten_last(self, fresh: Mapping[ApplicationId, Memory]) -> dict[ApplicationId, Memory]:
        """What is not listed is remembered for a while: a list may have been a stale one."""
        gone = [key for key in self._memories if key not in fresh]
        return {key: self._memories[key] for key in gone[-(len(fresh) + 100) :]}

    # One request.

    def _token(self, info: Mapping[str, str]) -> str:
        return f"{info.get(ROLLBACK_ID_INFO) or 'rb-0'}/{self._now().isoformat()}"

    def _source_keys(self, world: World, application: ApplicationId) -> tuple[tuple[str, Named], ...]:
        """Git sources alone: a chart's registry has the old version still, and one of type OCI answers no request."""
        return tuple((kind, key) for kind, key in needed(world, application) if kind == GIT)

    def _request_sources(self, world: World, application: ApplicationId, token: str) -> None:
        for kind, key in self._source_keys(world, application):
            resource = SOURCE_RESOURCES[kind]
            before = self._request(resource, key, token)
            self._await_handled(resource, key, before)

    def _request_appliers(self, world: World, application: ApplicationId, token: str) -> None:
        """The Kustomization after those that it needs, or the one that brings the HelmRelease and then that.

        A stalled release starts anew.
        """
        key = (application.namespace, application.name)
        release = world.releases.get(key) if application.kind == flux_helm.KIND else None
        if release is None:
            for needed_first in world.depends_on(key):
                self._request(KUSTOMIZATIONS, needed_first, token)
            self._request(KUSTOMIZATIONS, key, token)
            return
        if release.owner is not None and release.owner in world.kustomizations:
            self._request(KUSTOMIZATIONS, release.owner, token)
        self._request(HELM_RELEASES, key, token, reset=release.common.stalled)

    def _request(self, resource: Resource, key: Named, token: str, reset: bool = False) -> str:
        """Annotate unless a request of ours is young, or not answered yet; what was handled before is returned.

        The object itself holds the request, so a new process or another replica does not repeat it either.
        """
        found = self._cluster.get(resource, *key)
        if found is None:
            raise EngineUnavailable(f"{SUBJECT} {resource.plural} {'/'.join(key)}", "it is gone")
        root = Node(found)
        requested = root.get("metadata", "annotations").pairs().get(REQUESTED_AT, "")
        handled = root.get("status", "lastHandledReconcileAt").text()
        made = asked_at(requested)
        ours = made is not None and requested.split("/")[0] == token.split("/")[0]
        young = made is not None and timedelta() <= self._now() - made < self._settings.ask_again_after
        if ours and handled != requested:
            return handled
        if ours and young:
            return "\0"
        annotations = {REQUESTED_AT: token, **({RESET_AT: token} if reset else {})}
        try:
            self._cluster.merge_patch(resource, *key, {"metadata": {"annotations": annotations}})
        except Missing as exc:
            raise EngineUnavailable(f"{SUBJECT} {resource.plural} {'/'.join(key)}", "it is gone") from exc
        return handled

    def _await_handled(self, resource: Resource, key: Named, before: str) -> None:
        """Until the answer has *changed*: somebody else may have written another token over ours meanwhile."""
        deadline = self._elapsed() + self._settings.handled_within.total_seconds()
        while True:
            found = self._cluster.get(resource, *key)
            if found is None or Node(found).get("status", "lastHandledReconcileAt").text() != before:
                return
            if self._elapsed() >= deadline:
                patience = f"{self._settings.handled_within.total_seconds():g} s"
                raise EngineUnavailable(f"{SUBJECT} {resource.plural} {'/'.join(key)}", f"no answer within {patience}")
            self._pause(self._settings.look_every.total_seconds())

    def _subject(self, application: ApplicationId) -> str:
        return f"{SUBJECT} {application.kind} {application.short}"


def _pointless(state: ApplicationState) -> tuple[Obstacle, ...]:
    """Why to ask for a reconciliation would change nothing, though it would be answered."""
    return tuple(one for one in state.obstacles if one.reason not in MAY_PASS)
