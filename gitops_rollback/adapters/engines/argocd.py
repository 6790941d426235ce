"""One Argo CD over REST: what does it say about its applications, and make it refresh, sync or terminate.

The server is told apart from what merely stands at its address: an answer that is no JSON of the expected shape is
`EngineUnavailable`, never an empty list and never "gone".
Source: contracts/argocd.md sections 1-4, 8, 9.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from urllib.parse import quote

import structlog

from gitops_rollback.adapters.engines import argocd_wire as wire
from gitops_rollback.adapters.engines.argocd_answer import (
    FAILED_PRECONDITION,
    INVALID_ARGUMENT,
    NOT_FOUND,
    Answer,
)
from gitops_rollback.adapters.engines.argocd_comparing import answered_by_comparing
from gitops_rollback.adapters.engines.argocd_exchange import Backoff, Exchange, exchange
from gitops_rollback.adapters.engines.argocd_http import Http
from gitops_rollback.adapters.engines.argocd_integrity import signed_only
from gitops_rollback.adapters.engines.argocd_rights import PROBED_PROJECTS, missing_rights
from gitops_rollback.adapters.engines.argocd_settings import ArgoCdSettings
from gitops_rollback.adapters.engines.argocd_stream import EventReader, StreamError
from gitops_rollback.adapters.engines.reading import Reader
from gitops_rollback.adapters.engines.together import Together
from gitops_rollback.adapters.json_node import Node
from gitops_rollback.core.errors import (
    EngineUnavailable,
    RollbackError,
)
from gitops_rollback.core.sync import ApplicationId, ApplicationState, Obstacle
from gitops_rollback.ports import ManagedObject

# Names that the server's hard-coded list knows; it drops others silently, and history is not among them.
LIST_FIELDS = ",".join(
    f"items.{name}"
    for name in (
        *("metadata.name", "metadata.namespace", "metadata.annotations", "metadata.labels"),
        *("metadata.deletionTimestamp", "spec", "status.sync.status", "status.sync.revision", "status.health"),
        *("status.operationState.phase", "status.operationState.startedAt", "status.operationState.finishedAt"),
        "operation.sync",
    )
)
# Without the version two changes of one application look alike, and the server drops the second.
STREAM_FIELDS = "result.type," + ",".join(
    f"result.application.metadata.{name}" for name in ("name", "namespace", "resourceVersion")
)

log = structlog.get_logger(__name__)


class ArgoCd:
    """`ports.Engine` for one Argo CD. Usable from several threads."""

    def __init__(self, settings: ArgoCdSettings, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """Raises: SettingsInvalid for an address or CA file that cannot be used; nothing is asked yet."""
        self.instance = settings.instance
        self._settings = settings
        self._now = now
        self._http = Http(settings)
        self._subject = self._http.subject
        self._reader = Reader()
        self._listing = Together(self._list)

    # What the engine says.

    def applications(self) -> tuple[ApplicationState, ...]:
        """Every application that the token may get; history, conditions, uid and operation results are left out."""
        return self._listing()

    def _list(self) -> tuple[ApplicationState, ...]:
        root = self._read("GET", "applications", {"fields": LIST_FIELDS})
        if not isinstance(root, dict) or "items" not in root or not isinstance(root["items"], list | None):
            raise EngineUnavailable(self._subject, "the answer is no list of applications")
        return wire.read_applications(root, self.instance, self._now(), self._reader)

    def application(self, application: ApplicationId, project: str) -> ApplicationState | None:
        """In full, from Kubernetes itself. None only if Argo CD says "not found" for an application of `project`."""
        answer = self._http.send("GET", _path(application), _scope(application, project))
        if answer.says(404, NOT_FOUND):
            return None
        return self._application(answer, application)

    def refresh(self, application: ApplicationId, project: str) -> None:
        """A normal refresh re-reads the branch without cache. Raises: EngineUnavailable if it takes too long."""
        self._refreshed(application, project)

    def _refreshed(self, application: ApplicationId, project: str) -> ApplicationState:
        query = {**_scope(application, project), "refresh": "normal"}
        answer = self._http.send("GET", _path(application), query, patience=self._settings.refresh_timeout)
        return self._application(answer, application)

    def obstacles(self, application: ApplicationId, project: str) -> tuple[Obstacle, ...]:
        """A sync window. Ask before a push: afterwards a closed one is only seen as nothing happening."""
        answer = self._read("GET", _path(application, "syncwindows"), _scope(application, project))
        return wire.read_windows(answer)

    def live_objects(self, application: ApplicationId, project: str) -> tuple[ManagedObject, ...]:
        """Secrets are masked by the server."""
        answer = self._read("GET", _path(application, "managed-resources"), _scope(application, project))
        try:
            return wire.read_objects(answer)
        except ValueError as exc:
            raise EngineUnavailable(self._subject, "a managed object is no readable JSON") from exc

    def below(self, application: ApplicationId, project: str, what: str, query: Mapping[str, str]) -> object:
        """The answer to one of the questions below an application, such as `resource-tree`.

        None: the object that `query` names is not there. The tree is a cache, and what it shows may have gone.
        """
        answer = self._http.send("GET", _path(application, what), {**_scope(application, project), **query})
        gone = answer.says(404, NOT_FOUND) or answer.says(400, INVALID_ARGUMENT, "not found as part of application")
        return None if query and gone else answer.value()

    # What the engine is asked to do.

    def sync(self, application: ApplicationId, project: str, prune: bool, info: Mapping[str, str]) -> bool:
        """Never with a revision: with auto-sync on Argo CD refuses any, and without one it reads the branch anew."""
        known = answered_by_comparing(lambda: self._refreshed(application, project))
        if known is not None:
            return known
        body = {
            **_scope(application, project),
            "prune": prune,
            "infos": [{"name": name, "value": value} for name, value in info.items()],
        }
        answer = self._http.send("POST", _path(application, "sync"), body=body)
        if answer.says(400, FAILED_PRECONDITION, "another operation is already in progress"):
            return False
        self._application(answer, application)
        return True

    def terminate(self, application: ApplicationId, project: str) -> None:
        """The operation ends some time later; during a closed sync window only when that opens."""
        answer = self._http.send("DELETE", _path(application, "operation"), _scope(application, project))
        if not answer.says(400, INVALID_ARGUMENT, "No operation is in progress"):
            answer.value()

    # Access and waking up.

    def probe(self) -> tuple[str, ...]:
        """Version, login, and for one application of each project (20 at most) whether get and sync are allowed."""
        try:
            if not Node(self._read("GET", "/api/version")).get("Version").text():
                return (f"{self._subject} does not say its version",)
            if not Node(self._read("GET", "session/userinfo")).get("loggedIn").flag():
                return (f"{self._subject} does not accept the token and treats us as anonymous",)
            known = self.applications()
            if not known:
                return (f"{self._subject} shows no application: the token may lack the right `applications, get`",)
            return missing_rights(self._subject, known, lambda path: self._read("GET", path))
        except RollbackError as exc:
            return (str(exc),)

    def demands(self) -> tuple[str, ...]:
        """Each project of ours that takes signed commits only; one that we may not see says nothing."""
        names = sorted({state.project for state in self.applications()})[:PROBED_PROJECTS]
        return tuple(signed_only(project for name in names if (project := self._project(name)) is not None))

    def _project(self, name: str) -> object:
        try:
            return self._read("GET", f"projects/{quote(name, safe='')}")
        except RollbackError:  # to see projects is no right that we need
            return None

    def watch(self, wake: Callable[[ApplicationId], None], stop: threading.Event) -> None:
        """Reads the stream until `stop`, reconnecting for ever with backoff; each connection replays all as added."""
        current: list[Exchange] = []

        def cut_when_stopped() -> None:
            stop.wait()
            for running in tuple(current):
                running.cut()

        threading.Thread(target=cut_when_stopped, name=f"argocd-{self.instance}-stop", daemon=True).start()
        backoff = Backoff(self._settings.reconnect_after)
        while not stop.is_set():
            trouble = "the stream ended"
            try:
                for changed in self._changes(stop, current):
                    backoff.reset()
                    wake(changed)
            except RollbackError as exc:
                trouble = exc.message
            if not stop.is_set():
                log.info("watch interrupted", engine=self.instance, message=trouble)
                stop.wait(backoff.next_seconds())

    def _changes(self, stop: threading.Event, current: list[Exchange]) -> Iterator[ApplicationId]:
        """What one connection tells. `current` gets its exchange before `stop` is asked, so that none is missed."""
        reader = EventReader()
        with exchange(None) as running:
            current[:] = [running]
            with closing(self._http.stream("stream/applications", {"fields": STREAM_FIELDS}, running)) as chunks:
                while not stop.is_set() and (chunk := next(chunks, None)) is not None:
                    try:
                        events = tuple(reader.feed(chunk))
                    except ValueError as exc:
                        raise EngineUnavailable(self._subject, f"the stream is unreadable: {exc}") from exc
                    for event in events:
                        if isinstance(event, StreamError):
                            raise EngineUnavailable(self._subject, f"the stream says {event.code} {event.message}")
                        yield ApplicationId(self.instance, wire.KIND, event.namespace, event.name)

    # One request.

    def _read(self, method: str, path: str, query: Mapping[str, str] | None = None) -> object:
        return self._http.send(method, path, query).value()

    def _application(self, answer: Answer, expected: ApplicationId) -> ApplicationState:
        state = wire.read_application(answer.value(), self.instance, self._now())
        if state.id.name != expected.name or (expected.namespace and state.id.namespace != expected.namespace):
            raise EngineUnavailable(self._subject, f"the answer is not about {expected.short}")
        return state


def _path(application: ApplicationId, *rest: str) -> str:
    return "/".join(("applications", quote(application.name, safe=""), *rest))


def _scope(application: ApplicationId, project: str) -> dict[str, str]:
    """Without the project Argo CD answers 403 for what is gone, and deletion looks like lost rights."""
    scope = {"appNamespace": application.namespace, "project": project}
    return {name: value for name, value in scope.items() if value}
