"""One Argo CD by its objects: Applications read and synced through the Kubernetes API, for who gives no Argo CD token.

What Argo CD's server does for its clients is done here as it does it: an operation is written into the object, never
over another one and never over what was not seen; a refresh is an annotation that goes away once it was answered. The
sync windows of the project are asked as the server asks them. What needs the server is not to be had: the health of
single resources, rendered manifests, Argo CD's own rights (those of the Kubernetes API count instead).
Source: contracts/argocd.md section 13; argo-cd v3.5.1 server/application/application.go (Sync, TerminateOperation),
util/argo/argo.go (SetAppOperation, RefreshApp), controller/appcontroller.go.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime

from gitops_rollback.adapters.engines import argocd_wire as wire
from gitops_rollback.adapters.engines.argocd_comparing import answered_by_comparing
from gitops_rollback.adapters.engines.argocd_integrity import signed_only
from gitops_rollback.adapters.engines.argocd_live import live_objects
from gitops_rollback.adapters.engines.argocd_objects_access import missing_rights
from gitops_rollback.adapters.engines.argocd_objects_settings import ArgoCdObjectsSettings
from gitops_rollback.adapters.engines.argocd_windows import manual_sync_obstacles
from gitops_rollback.adapters.engines.cluster import Changes, Cluster, Object, is_served
from gitops_rollback.adapters.engines.reading import Reader
from gitops_rollback.adapters.engines.together import Together
from gitops_rollback.adapters.json_node import Node
from gitops_rollback.adapters.kubernetes.errors import Conflict, Missing, Unserved
from gitops_rollback.adapters.kubernetes.resources import APP_PROJECTS, APPLICATIONS
from gitops_rollback.core.errors import CredentialsRejected, EngineUnavailable, StalledError
from gitops_rollback.core.sync import ApplicationId, ApplicationState, Obstacle, OperationPhase
from gitops_rollback.ports import ManagedObject

SUBJECT = "Argo CD by its objects"
USERNAME = "gitops-rollback"  # whom Argo CD names as the one who started the operation
REFRESH, HYDRATE = "argocd.argoproj.io/refresh", "argocd.argoproj.io/hydrate"
SKIPS = "argocd.argoproj.io/skip-reconcile"
WRITE_TRIES = 5  # the controller writes the same object several times a second while it works


class ArgoCdObjects:
    """`ports.Engine` for the Argo CD of one cluster. Usable from several threads."""

    def __init__(
        self,
        settings: ArgoCdObjectsSettings,
        cluster: Cluster,
        changes: Changes,
        now: Callable[[], datetime],
    ) -> None:
        self.instance = settings.instance
        self._settings = settings
        self._cluster = cluster
        self._changes = changes
        self._now = now
        self._reader = Reader()
        self._listing = Together(self._list)
        self._served = False

    # What the engine says.

    def applications(self) -> tuple[ApplicationState, ...]:
        """Every Application that we may see, in full: a list holds all that there is."""
        return self._listing()

    def _list(self) -> tuple[ApplicationState, ...]:
        try:
            listed = self._cluster.list_objects(APPLICATIONS).items
        except Unserved:
            if self._settings.if_installed and not self._served:
                return ()
            raise  # what was there once is not gone because a server says so for a moment
        self._served = True
        return wire.read_each(listed, self.instance, self._now(), self._reader)

    def application(self, application: ApplicationId, project: str) -> ApplicationState | None:
        """As fresh as the API has it. None if it is gone, and if it belongs to another project by now."""
        found = self._cluster.get(APPLICATIONS, application.namespace, application.name)
        state = None if found is None else self._state(found)
        moved = state is not None and not state.malformed and project not in ("", state.project)
        return None if moved else state

    def refresh(self, application: ApplicationId, project: str) -> None:
        """A normal refresh re-reads the branch without cache. Raises: EngineUnavailable if it takes too long."""
        self._refreshed(application)

    def _refreshed(self, application: ApplicationId) -> ApplicationState:
        found = self._get(application)
        annotations = Node(found).get("metadata", "annotations").pairs()
        if annotations.get(SKIPS) == "true":
            raise EngineUnavailable(self._subject(application), f"its annotation {SKIPS} keeps it from being compared")
        if annotations.get(REFRESH) != "hard":  # which is more than we want, and on its way
            wanted = {REFRESH: "normal", **({HYDRATE: "normal"} if self._state(found).hydrated else {})}
            try:
                self._patch(application, {"metadata": {"annotations": wanted}})
            except Conflict as exc:
                raise self._too_fast(application) from exc
        return self._await_refreshed(application)

    def obstacles(self, application: ApplicationId, project: str) -> tuple[Obstacle, ...]:
        """A sync window of the project. Ask before a push: a closed one is only seen as nothing happening."""
        return self._windows(application, self._get(application))

    def live_objects(self, application: ApplicationId, project: str) -> tuple[ManagedObject, ...]:
        """Its workloads, what scales them and its Jobs, as far as the Kubernetes API shows them; see `argocd_live`."""
        subject = self._subject(application)
        return live_objects(self._cluster, self._get(application), subject, self._settings.server)

    # What the engine is asked to do.

    def sync(self, application: ApplicationId, project: str, prune: bool, info: Mapping[str, str]) -> bool:
        """Write an operation without a revision, so that Argo CD reads the branch anew; False if there is one already.

        The version that was read goes along: whoever wrote meanwhile is looked at first.
        """
        known = answered_by_comparing(lambda: self._refreshed(application))
        if known is not None:
            return known
        for _ in range(WRITE_TRIES):
            found = self._get(application)
            root = Node(found)
            if root.get("operation").value is not None:
                return False
            if root.get("metadata", "deletionTimestamp").value is not None:
                raise EngineUnavailable(self._subject(application), "application is deleting")
            closed = self._windows(application, found)
            if closed:
                raise StalledError(self._subject(application), closed[0].message, closed[0].reason)
            # The result of the last one goes, as where Argo CD itself starts one.
            last = {"status": {"operationState": None}} if root.get("status", "operationState") else {}
            if self._write(application, root, {"operation": _operation(root, prune, info), **last}):
                return True
        raise self._too_fast(application)

    def terminate(self, application: ApplicationId, project: str) -> None:
        """The operation ends some time later; during a closed sync window only when that opens."""
        for _ in range(WRITE_TRIES):
            found = self._cluster.get(APPLICATIONS, application.namespace, application.name)
            state = None if found is None else self._state(found)
            if state is None or state.operation is None or Node(found).get("operation").value is None:
                return
            if not state.operation.in_progress or state.operation.phase is OperationPhase.TERMINATING:
                return
            if self._write(application, Node(found), {"status": {"operationState": {"phase": "Terminating"}}}):
                return
        raise self._too_fast(application)

    # Access and waking up.

    def installed(self) -> bool:
        """Whether the cluster serves its objects at all."""
        return is_served(self._cluster, APPLICATIONS)

    def probe(self) -> tuple[str, ...]:
        """Which verb on which resource is missing; each is tried, and nothing is changed by it."""
        return missing_rights(self._cluster, self.instance)

    def demands(self) -> tuple[str, ...]:
        """Each project that takes signed commits only; whether we may see them, `probe` says."""
        try:
            return tuple(signed_only(self._cluster.list_objects(APP_PROJECTS).items))
        except (CredentialsRejected, Unserved):
            return ()

    def watch(self, wake: Callable[[ApplicationId], None], stop: threading.Event) -> None:
        """Follow the Applications until `stop`; each list and each reconnect wakes for what has changed only."""

        def changed(found: Object) -> None:
            metadata = Node(found).get("metadata")
            wake(ApplicationId(self.instance, wire.KIND, metadata.get("namespace").text(), metadata.get("name").text()))

        self._changes.follow(APPLICATIONS, changed, stop)

    # One request.

    def _state(self, found: Object) -> ApplicationState:
        return wire.read_application(found, self.instance, self._now())

    def _get(self, application: ApplicationId) -> Object:
        found = self._cluster.get(APPLICATIONS, application.namespace, application.name)
        if found is None:
            raise EngineUnavailable(self._subject(application), "it is gone")
        return found

    def _windows(self, application: ApplicationId, found: Object) -> tuple[Obstacle, ...]:
        """The project stands beside Argo CD itself, wherever the Application is."""
        root = Node(found)
        namespace = root.get("status", "controllerNamespace").text() or application.namespace
        project = self._cluster.get(APP_PROJECTS, namespace, root.get("spec", "project").text() or "default")
        if project is None:
            raise EngineUnavailable(self._subject(application), f"its project is not in the namespace {namespace}")
        return manual_sync_obstacles(project, found, self._now())

    def _patch(self, application: ApplicationId, patch: Mapping[str, object]) -> Object:
        try:
            return self._cluster.merge_patch(APPLICATIONS, application.namespace, application.name, patch)
        except Missing as exc:
            raise EngineUnavailable(self._subject(application), "it is gone") from exc

    def _write(self, application: ApplicationId, read: Node, change: Mapping[str, object]) -> bool:
        """False if somebody wrote since `read` was read."""
        version = read.get("metadata", "resourceVersion").text()
        try:
            self._patch(application, {"metadata": {"resourceVersion": version}, **change})
        except Conflict:
            return False
        return True

    def _await_refreshed(self, application: ApplicationId) -> ApplicationState:
        deadline = time.monotonic() + self._settings.refresh_timeout.total_seconds()
        pause = threading.Event()
        while REFRESH in Node(found := self._get(application)).get("metadata", "annotations").pairs():
            if time.monotonic() >= deadline:
                patience = f"{self._settings.refresh_timeout.total_seconds():g} s"
                raise EngineUnavailable(self._subject(application), f"not compared within {patience}")
            pause.wait(self._settings.look_every.total_seconds())
        return self._state(found)

    def _too_fast(self, application: ApplicationId) -> EngineUnavailable:
        return EngineUnavailable(self._subject(application), f"it changed {WRITE_TRIES} times while we wrote to it")

    def _subject(self, application: ApplicationId) -> str:
        return f"{SUBJECT}, {application.short}"


def _operation(root: Node, prune: bool, info: Mapping[str, str]) -> dict[str, object]:
    """What the server makes of a sync: options and retries are those of the spec."""
    policy = root.get("spec", "syncPolicy")
    options, retry = policy.get("syncOptions").texts(), policy.get("retry").mapping()
    sync = {**({"prune": True} if prune else {}), **({"syncOptions": list(options)} if options else {})}
    return {
        "sync": sync,
        "initiatedBy": {"username": USERNAME},
        "info": [{"name": name, "value": value} for name, value in info.items()],
        **({"retry": dict(retry)} if retry else {}),
    }
