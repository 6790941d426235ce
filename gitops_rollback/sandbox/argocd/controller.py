"""What does the application controller do when? Polls the branch, compares, syncs by itself, and follows the cluster.

Source: argo-cd v3.5.1 controller/appcontroller.go (processAppRefreshQueueItem, setAppOperation); the levels of a
comparison are named after its `CompareWith`: recent (after an event), latest (cached head), latest forced (asked git).
"""

from __future__ import annotations

import copy
import math
import random
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum

from gitops_rollback.sandbox.argocd.autosync import decide, revisions_of
from gitops_rollback.sandbox.argocd.cluster import Cluster
from gitops_rollback.sandbox.argocd.comparison import Renderer, Target, application_health, compare, healths
from gitops_rollback.sandbox.argocd.hydrator import Hydrator
from gitops_rollback.sandbox.argocd.live import Health, ObjectKey
from gitops_rollback.sandbox.argocd.operation import OperationRun
from gitops_rollback.sandbox.argocd.repository import BareRepository, RepositoryError
from gitops_rollback.sandbox.argocd.scheduler import Scheduler, Steps, Task
from gitops_rollback.sandbox.argocd.spec import SyncWindow, Timing, may_sync, sources_of
from gitops_rollback.sandbox.argocd.state import Key, Store, stamp
from gitops_rollback.sandbox.argocd.status import put_comparison, put_conditions, put_health
from gitops_rollback.sandbox.rendering import Json

REFRESH = "argocd.argoproj.io/refresh"
GENERATE_PATHS = "argocd.argoproj.io/manifest-generate-paths"
HYDRATE = "argocd.argoproj.io/hydrate"
_FULL_SHA = re.compile(r"[0-9a-f]{40}")


class Level(IntEnum):
    """How fresh the revision must be that a comparison uses."""

    RECENT = 1
    LATEST = 2
    FORCED = 3


class Busy(Exception):
    """Another operation is in progress."""


@dataclass(frozen=True)
class Deployed:
    """What was last applied to an application: full SHAs, one per source, and the images that its workloads ask for."""

    revisions: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    at: datetime | None = None

    @property
    def revision(self) -> str:
        """The first source's revision; "" before the first deployment."""
        return self.revisions[0] if self.revisions else ""


@dataclass
class Watched:
    """The controller's own knowledge of one application."""

    cluster: Cluster
    events: Task | None = None
    operation: Task | None = None
    settling: bool = False  # an operation runs, or the comparison that follows it has not been made
    healths: dict[ObjectKey, Health] = field(default_factory=dict)  # as of the last comparison
    deployed: Deployed = field(default_factory=Deployed)
    unchecked: tuple[str, ...] = ()  # revisions that auto-sync takes for attempted, by issue 27875
    heals: tuple[tuple[str, ...], int] = ((), 0)  # revisions, and how often self-heal acted on them


class Controller:
    """One application controller. What other threads may call says so."""

    def __init__(
        self,
        store: Store,
        scheduler: Scheduler,
        repository: BareRepository,
        timing: Timing,
        issue_27875: bool = False,
    ) -> None:
        self.store = store
        self.renderer = Renderer(repository)
        self._hydrator = Hydrator(repository)
        self.timing = timing
        self.scheduler = scheduler
        self.windows: dict[str, tuple[SyncWindow, ...]] = {}  # by project
        self.hangs = threading.Event()  # set: refreshes that were asked for are not answered
        self.waits_to_be_asked = threading.Event()  # set: it does not look at the branch by itself
        self.overtaken = threading.Event()  # set: events come before the comparison that follows an operation
        self._issue_27875 = issue_27875
        self._repository = repository
        self._watched: dict[Key, Watched] = {}
        self._heads: dict[str, str] = {}
        self._callbacks: list[Callable[[str, Deployed], None]] = []
        self.run_job: Callable[[Json], bool] = lambda _job: True
        self._random = random.Random(7)

    def watch(self, key: Key) -> None:
        """Begin to look after an application. Any thread."""
        watched = self._watched[key] = Watched(Cluster(self.timing, lambda job: self.run_job(job)))
        watched.events = self.scheduler.spawn(f"events of {key[1]}", self._follow(key), after=math.inf)
        self.scheduler.spawn(f"poll of {key[1]}", self._poll(key))

    def on_change(self, callback: Callable[[str, Deployed], None]) -> None:
        """Call `callback(application, deployed)` on the controller's thread after each change. Any thread."""
        self._callbacks.append(callback)

    def deployed(self, key: Key) -> Deployed:
        """What was last applied to an application. Any thread. Raises: KeyError."""
        return self._watched[key].deployed

    def busy(self, key: Key) -> bool:
        """Whether an operation runs, or the comparison that follows it has not been made. Any thread."""
        return self._watched[key].settling

    def cluster(self, key: Key) -> Cluster:
        """The live objects of an application. Any thread."""
        return self._watched[key].cluster

    def healths(self, key: Key) -> dict[ObjectKey, Health] | None:
        """The health of the live objects as of the last comparison; None: nobody looks after it. Any thread."""
        watched = self._watched.get(key)
        return None if watched is None else watched.healths

    def request_refresh(self, key: Key, kind: str) -> Json | None:
        """Mark the application for a comparison, as the API server does; the marked object. Any thread."""

        def mark(application: Json) -> None:
            application["metadata"].setdefault("annotations", {}).update({REFRESH: kind, HYDRATE: "normal"})

        marked = self.store.write(key, mark, metadata_only=True)
        if not self.hangs.is_set():
            self.answer_refreshes()
        return marked

    def answer_refreshes(self) -> None:
        """Compare every application that is marked for it. Any thread."""
        for key in self.store.names():
            if refresh_pending(self.store.get(key)):
                self.scheduler.spawn(f"refresh of {key[1]}", self.refresh(key, Level.FORCED))

    def set_operation(self, key: Key, operation: Json) -> Json | None:
        """Write an operation and remove the state of the last one; None: the application is gone.

        Any thread. Raises: Busy.
        """

        def put(application: Json) -> None:
            if application.get("operation"):
                raise Busy
            application["operation"] = operation
            application["status"].pop("operationState", None)

        return self.store.write(key, put)

    def run_operation(self, key: Key) -> None:
        """Carry out the operation that stands in the object. Any thread."""
        application = self.store.get(key)
        if application is not None and application.get("operation"):
            self._watched[key].settling = True
            run = OperationRun(self, key, application["operation"])
            self._watched[key].operation = self.scheduler.spawn(
                f"operation of {key[1]}", run.steps(), after=self.timing.write
            )

    def terminate(self, key: Key) -> bool:
        """Ask the running operation to end; False if there is none. Any thread."""
        found = False

        def mark(application: Json) -> None:
            nonlocal found
            state = application["status"].get("operationState")
            found = bool(application.get("operation")) and state is not None
            if found:
                state["phase"] = "Terminating"

        self.store.write(key, mark)
        if found:
            self._end_operation(key)
        return found

    def noticed(self, key: Key, before: Json, after: Json) -> None:
        """Act on what somebody else wrote into an Application; `before` is {} for a new one. Any thread."""
        if key not in self._watched:
            return
        if after.get("operation") and not before.get("operation"):
            self.run_operation(key)
        if refresh_pending(after) and not refresh_pending(before) and not self.hangs.is_set():
            self.scheduler.spawn(f"refresh of {key[1]}", self.refresh(key, Level.FORCED))
        if _phase(after) == "Terminating" != _phase(before):
            self._end_operation(key)

    def _end_operation(self, key: Key) -> None:
        task = self._watched[key].operation
        if task is not None:
            self.scheduler.wake(task, after=self.timing.write)

    def resolve(self, spec: Mapping[str, Json], force: bool) -> tuple[str, ...]:
        """The commits that the sources' target revisions name now (`force`) or named last. Raises: RepositoryError."""
        return tuple(self._head(str(source.get("targetRevision", "")), force) for source in sources_of(spec))

    def may_sync(self, key: Key, manual: bool) -> bool:
        """Whether the sync windows allow it now. Any thread."""
        application = self.store.get(key)
        project = application["spec"]["project"] if application else ""
        return may_sync(self.windows.get(project, ()), manual)

    def edit_live(self, key: Key, kind: str, change: Callable[[Json], None]) -> None:
        """Change the live objects of `kind` behind the engine's back. Any thread."""
        cluster = self.cluster(key)
        for live in cluster.managed().values():
            if live.manifest["kind"] == kind:
                manifest = copy.deepcopy(live.manifest)
                change(manifest)
                cluster.apply(manifest, self.store.clock.now())
        self.cluster_changed(key)

    def cluster_changed(self, key: Key) -> None:
        """Tell the controller that something happened to the application's live objects. Any thread."""
        task = self._watched[key].events
        if task is not None:
            self.scheduler.wake(task, after=self.timing.events)

    def applied(self, key: Key, revisions: tuple[str, ...]) -> None:
        """Note what an operation has just applied, and tell who wants to know."""
        watched = self._watched[key]
        now = Deployed(revisions, watched.cluster.wanted_images(), self.store.clock.now())
        before, watched.deployed = watched.deployed, now
        if (before.revisions, before.images) != (now.revisions, now.images):
            for callback in self._callbacks:
                callback(key[1], now)

    def ended(self, key: Key, manual: bool) -> Steps:
        """What follows the end of an operation: a comparison."""
        yield self.timing.write
        if self.overtaken.is_set():
            yield from self.refresh(key, Level.RECENT)
        yield from self.refresh(key, Level.FORCED if manual else Level.LATEST)
        with self.store.lock:
            application = self.store.get(key)
            if application is None or not application.get("operation"):
                self._watched[key].settling = False
                self.store.notify()

    def refresh(self, key: Key, level: Level) -> Steps:
        """Compare, start an auto-sync where due, and persist the status."""
        application = self.store.get(key)
        if application is None:
            return
        if level is Level.FORCED:
            self._hydrator.hydrate(self.store, key)
        target = self._target(application, level)
        # An event that overtakes the comparison after an operation starts a sync back to the revision before it.
        early = level is Level.RECENT and self._watched[key].settling and not self.overtaken.is_set()
        started = not early and self._auto_sync(key, target)
        if started:
            yield self.timing.write / 5
        self._persist(key, target, level)
        if started:
            self.run_operation(key)

    def _poll(self, key: Key) -> Steps:
        while self.store.get(key) is not None:
            if not self.waits_to_be_asked.is_set():
                yield from self.refresh(key, Level.FORCED)
            self._arm(key)
            yield self.timing.reconciliation + self._random.random() * self.timing.jitter

    def _follow(self, key: Key) -> Steps:
        """Compare after each event in the cluster."""
        while (application := self.store.get(key)) is not None:
            if revisions_of(application["status"]["sync"]):
                yield from self.refresh(key, Level.RECENT)
            yield self._seconds_to_next_change(key)

    def _arm(self, key: Key) -> None:
        task = self._watched[key].events
        seconds = self._seconds_to_next_change(key)
        if task is not None and not math.isinf(seconds):
            self.scheduler.wake(task, after=seconds)

    def _seconds_to_next_change(self, key: Key) -> float:
        now = self.store.clock.now()
        moment = self.cluster(key).next_change(now)
        return math.inf if moment is None else (moment - now) / timedelta(seconds=1) + 0.001

    def _head(self, revision: str, force: bool) -> str:
        if force or revision not in self._heads:
            self._heads[revision] = self._repository.resolve(revision)
        return self._heads[revision]

    def _target(self, application: Json, level: Level) -> Target:
        spec, known = application["spec"], revisions_of(application["status"]["sync"])
        if level is Level.RECENT and known and all(_FULL_SHA.fullmatch(revision) for revision in known):
            return self.renderer.target(spec, known)
        try:
            revisions = self.resolve(spec, force=level is not Level.LATEST)
        except RepositoryError as exc:
            names = tuple(str(source.get("targetRevision", "HEAD")) for source in sources_of(spec))
            return Target(names, trouble=f"Failed to load target state: failed to resolve revision: {exc}")
        return self.renderer.target(spec, revisions)

    def _auto_sync(self, key: Key, target: Target) -> bool:
        application = self.store.get(key)
        if application is None or not self.may_sync(key, manual=False):
            return False
        watched = self._watched[key]
        revisions, heals = watched.heals
        heals = heals if revisions == target.revisions else 0
        found = compare(target, watched.cluster)
        operation = decide(application, target, found, heals, self._unchecked(key, application, target)).operation
        if operation is None or self._heals_too_soon(key, operation, application, heals):
            return False
        if operation["sync"].get("autoHealAttemptsCount"):
            watched.heals = (target.revisions, heals + 1)
        try:
            self.set_operation(key, operation)
        except Busy:  # a person was faster
            return False
        what = ", ".join(target.revisions)
        self.store.record_event(key, "OperationStarted", f"Initiated automated sync to '{what}'")
        return True

    def _unchecked(self, key: Key, application: Json, target: Target) -> bool:
        """With issue 27875: whether these revisions were first compared while an operation ran on others.

        Only for applications with manifest-generate-paths. Source: argo-cd issue 27875, PRs 28227 and 28692.
        """
        if not self._issue_27875 or GENERATE_PATHS not in application["metadata"].get("annotations", {}):
            return False
        running = application.get("operation", {}).get("sync")
        if running and revisions_of(running) != target.revisions:
            self._watched[key].unchecked = target.revisions
        return self._watched[key].unchecked == target.revisions

    def _heals_too_soon(self, key: Key, operation: Json, application: Json, heals: int) -> bool:
        """Self-heal waits 2 s after the first attempt, three times as long after each further one, 300 s at most."""
        if not operation["sync"].get("autoHealAttemptsCount") or heals == 0:
            return False
        finished = datetime.fromisoformat(application["status"]["operationState"]["finishedAt"])
        left: float = min(2.0 * 3 ** (heals - 1), 300.0) - (self.store.clock.now() - finished).total_seconds()
        task = self._watched[key].events
        if left > 0 and task is not None:
            self.scheduler.wake(task, after=left)
        return left > 0

    def _persist(self, key: Key, target: Target, level: Level) -> None:
        application = self.store.get(key)
        if application is None:
            return
        now = self.store.clock.now()
        cluster = self.cluster(key)
        found = compare(target, cluster)
        health = application_health(target, cluster, now)
        self._watched[key].healths = healths(cluster, now)
        unchecked = self._unchecked(key, application, target)
        error = "" if application.get("operation") else decide(application, target, found, unchecked=unchecked).error

        def persist(fresh: Json) -> None:
            status = fresh["status"]
            if level is not Level.RECENT:
                status["reconciledAt"] = stamp(now)
                if not self.hangs.is_set():
                    fresh["metadata"].get("annotations", {}).pop(REFRESH, None)
            put_comparison(fresh["spec"], status, target, found)
            put_health(status, health, cluster.images(now), now)
            put_conditions(status, target.trouble, error, now)

        self._note_changes(key, application["status"], found.sync, health)
        self.store.write(key, persist)

    def _note_changes(self, key: Key, status: Json, sync: str, health: str) -> None:
        for what, before, after in (
            ("sync", status["sync"].get("status", ""), sync),
            ("health", status["health"].get("status", ""), health),
        ):
            if before != after:
                self.store.record_event(key, "ResourceUpdated", f"Updated {what} status: {before} -> {after}")


def refresh_pending(application: Json | None) -> bool:
    """Whether a refresh that was asked for has not been answered."""
    return application is not None and REFRESH in application["metadata"].get("annotations", {})


def _phase(application: Json) -> str:
    return str(application.get("status", {}).get("operationState", {}).get("phase", ""))
