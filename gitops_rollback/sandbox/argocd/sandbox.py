"""An Argo CD on loopback as far as the wire shows: real shapes, real order of writes, driven by a real repository."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from pathlib import Path

from gitops_rollback.sandbox.argocd.access import Access
from gitops_rollback.sandbox.argocd.answers import JSON, Answer
from gitops_rollback.sandbox.argocd.api import Api
from gitops_rollback.sandbox.argocd.cluster_objects import SharedStore
from gitops_rollback.sandbox.argocd.controller import Controller, Deployed
from gitops_rollback.sandbox.argocd.faults import Faults
from gitops_rollback.sandbox.argocd.repository import BareRepository
from gitops_rollback.sandbox.argocd.scheduler import Scheduler
from gitops_rollback.sandbox.argocd.server import Server, Write
from gitops_rollback.sandbox.argocd.spec import AppSpec, SyncWindow, Timing, application_object
from gitops_rollback.sandbox.argocd.state import Key, Store
from gitops_rollback.sandbox.clock import SandboxClock
from gitops_rollback.sandbox.kubernetes import Store as KubernetesStore
from gitops_rollback.sandbox.rendering import Json

DEFAULT_JWT = "sandbox.argocd.token"


class ArgoCdSandbox:
    """One Argo CD with its applications and their cluster. All methods may be called from any thread.

    `repo_dir` is the bare repository that is polled, `repo_url` what stands in the applications' sources. `token` must
    have three parts between dots, as the real server ignores others. `rights` and `projects` are the token's.
    `issue_27875`: a revert that is compared while the bad sync still runs is never synced by itself. With `objects` its
    Applications and projects are objects of that Kubernetes API, where others may write them too; those that are there
    already are shown as they are, and nobody works on them.
    """

    def __init__(
        self,
        repo_dir: Path,
        repo_url: str,
        applications: Sequence[AppSpec],
        clock: SandboxClock,
        *,
        token: str = DEFAULT_JWT,
        timing: Timing | None = None,
        rights: Collection[str] = ("get", "sync"),
        projects: Collection[str] | None = None,
        port: int = 0,
        issue_27875: bool = False,
        objects: KubernetesStore | None = None,
    ) -> None:
        if token.count(".") != 2:
            raise ValueError("an Argo CD token has three parts between dots")
        self.repo_url = repo_url
        self.token = token
        self.timing = timing or Timing()
        repository = BareRepository(repo_dir)
        scheduler = Scheduler(clock)
        self._shared = SharedStore(scheduler.clock, objects) if objects is not None else None
        self._store: Store = self._shared or Store(scheduler.clock)
        self._controller = Controller(self._store, scheduler, repository, self.timing, issue_27875)
        if self._shared is not None:
            self._shared.on_foreign = self._controller.noticed
        self._faults = Faults()
        access = Access(token, rights=rights, projects=projects)
        api = Api(self._store, self._controller, repository, access)
        self._server = Server(port, api, self._faults, self.timing.keepalive)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        for wanted in applications:
            self.add(wanted)

    @property
    def port(self) -> int:
        """The port on 127.0.0.1."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """The base URL, without a path."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def writes(self) -> list[Write]:
        """Every request so far that was no GET, refused ones included, in their order."""
        return list(self._server.writes)

    @property
    def requests(self) -> list[str]:
        """Method and path with query of the last requests, in their order."""
        return list(self._server.requests)

    @property
    def failures(self) -> list[BaseException]:
        """What went wrong inside the sandbox itself; a test asserts that this is empty."""
        return [*self._controller.scheduler.failures, *self._server.failures]

    def start(self) -> None:
        """Serve, and let the controller work."""
        self._thread.start()
        self._controller.scheduler.start()

    def start_stepped(self, pass_to: Callable[[datetime], None]) -> None:
        """Serve; the controller works only in `step`, for a clock that stands until `pass_to` moves it."""
        self._thread.start()
        self._controller.scheduler.drive(pass_to)

    def due(self) -> datetime | None:
        """When the controller has something to do next; None if never."""
        return self._controller.scheduler.due()

    def step(self) -> bool:
        """Let time pass to what is due next, and do that; False if there is nothing. Only after `start_stepped`."""
        return self._controller.scheduler.step()

    def stop(self) -> None:
        """End streams and connections, and wait for the threads."""
        self._server.present.clear()
        self._controller.scheduler.stop()
        self._store.close_watches()
        self._server.end_connections()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def add(self, wanted: AppSpec) -> None:
        """Create an application; the controller looks at it at once."""
        created = application_object(wanted, self.repo_url, str(uuid.uuid4()), self._store.now())
        self._store.add(created)
        self._controller.watch((wanted.namespace, wanted.name))

    def delete(self, name: str, namespace: str = "argocd") -> None:
        """Delete an application."""
        self._store.delete((namespace, name))

    def application(self, name: str, namespace: str = "argocd") -> Json:
        """The Application object as it is now, whatever readers are shown. Raises: KeyError."""
        application = self._store.get((namespace, name))
        if application is None:
            raise KeyError(name)
        return application

    def wait_until(self, condition: Callable[[], bool], real_seconds: float = 20.0) -> bool:
        """Wait until `condition` holds after some write to an object, however short; False after `real_seconds`."""
        return self._store.wait_for(condition, real_seconds)

    def deployed(self, name: str, namespace: str = "argocd") -> Deployed:
        """What was last applied to the cluster for an application."""
        return self._controller.deployed((namespace, name))

    def busy(self, name: str, namespace: str = "argocd") -> bool:
        """Whether an operation runs, or the comparison that follows it has not been made."""
        return self._controller.busy((namespace, name))

    def on_change(self, callback: Callable[[str, Deployed], None]) -> None:
        """Call `callback(application, deployed)` when what is applied changes; it must be quick and not raise."""
        self._controller.on_change(callback)

    def on_job(self, callback: Callable[[Json], bool]) -> None:
        """Let `callback(job)` do what each Job is for, when it is made; it says whether the Job succeeds."""
        self._controller.run_job = callback

    def edit_live(self, name: str, kind: str, change: Callable[[Json], None], namespace: str = "argocd") -> None:
        """Change the live objects of a kind behind the engine's back: drift."""
        key: Key = (namespace, name)
        self._controller.edit_live(key, kind, change)

    def set_sync_windows(self, windows: Sequence[SyncWindow], project: str = "default") -> None:
        """The project's sync windows from now on."""
        self._controller.windows[project] = tuple(windows)
        if self._shared is not None:
            self._shared.put_windows(project, windows)

    def drop_stream_events(self, count: int) -> None:
        """Lose the next `count` events on every stream."""
        self._store.drops = count

    def cut_stream(self) -> None:
        """End every open stream in the middle."""
        self._store.close_watches()

    def look_only_when_asked(self) -> None:
        """From now on a commit is seen at a refresh or sync that somebody asks for, and at no time of its own."""
        self._controller.waits_to_be_asked.set()

    def hang_refresh(self, hangs: bool) -> None:
        """Do not answer refreshes that are asked for, until switched off."""
        if hangs:
            self._controller.hangs.set()
        else:
            self._controller.hangs.clear()
            self._controller.answer_refreshes()

    def overtake(self) -> None:
        """Let events of the cluster come before the comparison that follows an operation: auto-sync may go back then.

        Seen on Argo CD 3.6.1 after a sync of a revision that no comparison had seen.
        """
        self._controller.overtaken.set()

    def answer(self, status: int, body: str, content_type: str = JSON, times: int | None = None) -> None:
        """Give this answer to the next `times` requests, or to all until `reset` (None)."""
        self._faults.force(Answer(status, body.encode(), content_type), times)

    def html_login(self, shown: bool) -> None:
        """Answer every request with a login page and 200, as a proxy in front does."""
        self._faults.login_page(shown)

    def stale(self, stale: bool) -> None:
        """Show readers the objects as they are now, whatever happens next, until switched off."""
        self._store.freeze_reads(stale)

    def pause_controller(self, paused: bool) -> None:
        """Stop all work of the controller, operations included, until switched off."""
        self._controller.scheduler.pause(paused)

    def reset(self) -> None:
        """Switch all faults off."""
        self._faults.reset()
        self._store.drops = 0
        self.stale(False)
        self.hang_refresh(False)
        self.pause_controller(False)
