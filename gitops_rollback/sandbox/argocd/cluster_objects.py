"""The same Application objects in a Kubernetes API: Argo CD's second door, beside its own server.

All that the controller writes is written there, and what others write there is acted on as the real controller does: an
operation is carried out, a refresh answered, an operation ended whose phase somebody set to Terminating.
Source: argo-cd v3.5.1 controller/appcontroller.go (the informer's handlers; operations are found by level).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from gitops_rollback.sandbox.argocd.spec import SyncWindow
from gitops_rollback.sandbox.argocd.state import Key, Store
from gitops_rollback.sandbox.clock import SandboxClock
from gitops_rollback.sandbox.kubernetes import By, Refusal
from gitops_rollback.sandbox.kubernetes import Store as KubernetesStore
from gitops_rollback.sandbox.kubernetes.history import DELETED, Change
from gitops_rollback.sandbox.kubernetes.kinds import APP_PROJECT, APPLICATION
from gitops_rollback.sandbox.rendering import Json

CONTROL_PLANE = "argocd"
CONTROLLER = By("argocd-application-controller")
PERSON = By("kubectl-client-side-apply")
SELDOM = {"schedule": "0 0 29 2 *", "duration": "1m"}  # a window that is not active stands in the object as this


class SharedStore(Store):
    """The `Store` of Argo CD over the objects of a Kubernetes API. One lock guards both.

    `on_foreign(key, before, after)` hears of each write that did not come through this store, in the writer's thread;
    it must not write.
    """

    def __init__(self, clock: SandboxClock, objects: KubernetesStore) -> None:
        self._objects = objects
        self._ours = 0
        super().__init__(clock)
        self.lock = objects.lock
        self.on_foreign: Callable[[Key, Json, Json], None] = lambda *_: None
        objects.on_change(self._changed)

    def add(self, application: Json) -> None:
        """Create an Application, and the project that it names if that is missing."""
        with self._writing():
            project = application["spec"]["project"]
            if self._objects.find(APP_PROJECT, project, CONTROL_PLANE) is None:
                self._objects.create(APP_PROJECT, _project(project), PERSON)
            head = {"apiVersion": APPLICATION.api_version, "kind": APPLICATION.kind}
            metadata = {key: value for key, value in application["metadata"].items() if key != "resourceVersion"}
            self._objects.create(APPLICATION, {**head, **application, "metadata": metadata}, PERSON)

    def delete(self, key: Key) -> None:
        """Remove an Application; absent is no error."""
        with suppress(Refusal):
            self._objects.delete(APPLICATION, key[1], key[0])

    def get(self, key: Key) -> Json | None:
        """The Application as it is now, or None."""
        return self._objects.held(APPLICATION, key[1], key[0])

    def names(self) -> list[Key]:
        """All Applications, by name."""
        found = [one["metadata"] for one in self._objects.held_at(APPLICATION)[1]]
        return sorted(((one["namespace"], one["name"]) for one in found), key=lambda key: (key[1], key[0]))

    def write(self, key: Key, change: Callable[[Json], None], metadata_only: bool = False) -> Json | None:
        """As the base; the generation is the Kubernetes API's own matter."""
        with self._writing():
            try:
                return self._objects.change(APPLICATION, key[1], key[0], change, CONTROLLER)
            except Refusal:
                return None

    def put_windows(self, project: str, windows: Sequence[SyncWindow]) -> None:
        """The sync windows of a project as they stand in its object."""
        shown = [{**one.as_json(), **({} if one.active else SELDOM), "applications": ["*"]} for one in windows]
        with self._writing():
            if self._objects.find(APP_PROJECT, project, CONTROL_PLANE) is None:
                self._objects.create(APP_PROJECT, _project(project), PERSON)
            spec = {"syncWindows": shown}
            self._objects.change(APP_PROJECT, project, CONTROL_PLANE, lambda body: body["spec"].update(spec), PERSON)

    def _writing(self) -> _Ours:
        return _Ours(self)

    def _changed(self, change: Change) -> None:
        """Called under the lock by whoever writes."""
        if change.ref.kind is not APPLICATION:
            return
        self.version = change.version
        self._tell(change.type, change.after)
        if not self._ours and change.type != DELETED:
            self.on_foreign((change.ref.namespace, change.ref.name), change.before or {}, change.after)


class _Ours:
    """Marks the writes of one thread as the sandbox's own; the lock keeps others out meanwhile."""

    def __init__(self, store: SharedStore) -> None:
        self._store = store

    def __enter__(self) -> None:
        self._store.lock.acquire()
        self._store._ours += 1

    def __exit__(self, *_: object) -> None:
        self._store._ours -= 1
        self._store.lock.release()


def _project(name: str) -> Json:
    return {
        "apiVersion": APP_PROJECT.api_version,
        "kind": APP_PROJECT.kind,
        "metadata": {"name": name, "namespace": CONTROL_PLANE},
        "spec": {"sourceRepos": ["*"], "destinations": [{"namespace": "*", "server": "*"}]},
    }
