"""One Argo CD over REST: what does it say about its applications, and make it refresh, sync or terminate.

The only file that imports `requests`. The server is told apart from what merely stands at its address: an answer that
is no JSON of the expected shape is `EngineUnavailable`, never an empty list and never "gone".
Source: contracts/argocd.md sections 1-4, 8, 9; argo-cd v3.5.1 server/server.go (content types), grpc-gateway v1.16
runtime/errors.go (error bodies); requests 2.32 "Advanced Usage" (netrc, proxies).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from http.cookiejar import DefaultCookiePolicy
from itertools import islice
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import requests
import structlog
from requests import exceptions
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.exceptions import HTTPError

from gitops_rollback.adapters.engines import argocd_wire as wire
from gitops_rollback.adapters.engines.argocd_answer import (
    FAILED_PRECONDITION,
    INVALID_ARGUMENT,
    JSON_TYPE,
    NOT_FOUND,
    SHOWN,
    Answer,
)
from gitops_rollback.adapters.engines.argocd_exchange import POOLS, Backoff, Exchange, exchange
from gitops_rollback.adapters.engines.argocd_json import Node
from gitops_rollback.adapters.engines.argocd_rights import missing_rights
from gitops_rollback.adapters.engines.argocd_settings import ArgoCdSettings, base_url, is_loopback
from gitops_rollback.adapters.engines.argocd_stream import EventReader, StreamError
from gitops_rollback.adapters.engines.reading import Reader
from gitops_rollback.adapters.engines.together import Together
from gitops_rollback.core.errors import (
    CredentialsRejected,
    EngineUnavailable,
    RollbackError,
    SettingsInvalid,
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

CHUNK = 1 << 16

# What each error of the library means, the first that fits. None of the library's own words: they hold the URL.
LIBRARY_ERRORS: tuple[tuple[type[exceptions.RequestException], str], ...] = (
    (exceptions.ConnectTimeout, "no connection in time"),
    (exceptions.Timeout, "no answer in time"),
    (exceptions.SSLError, "no trusted TLS connection"),
    (exceptions.ProxyError, "the proxy refuses or is not there"),
    (exceptions.RetryError, "no answer"),
    (exceptions.ConnectionError, "no connection"),
    (exceptions.ChunkedEncodingError, "the answer broke off"),
    (exceptions.ContentDecodingError, "the answer's compression is broken"),
    (exceptions.StreamConsumedError, "the answer was read twice"),
    (exceptions.UnrewindableBodyError, "the request could not be sent again"),
    (exceptions.TooManyRedirects, "too many redirects"),
    (exceptions.InvalidHeader, "a header that HTTP does not allow"),
    (exceptions.InvalidProxyURL, "the proxy's address is not usable"),
    (exceptions.URLRequired, "the server's address is not usable"),
    (exceptions.MissingSchema, "the server's address is not usable"),
    (exceptions.InvalidSchema, "the server's address is not usable"),
    (exceptions.InvalidURL, "the server's address is not usable"),
    (exceptions.InvalidJSONError, "JSON could not be written or read"),
    (exceptions.HTTPError, "an error answer"),
    (exceptions.RequestException, "the request failed"),
)

# Besides its own errors: an unreadable CA file, urllib3's depths, and addresses that urllib cannot split.
LIBRARY_FAILURES = (exceptions.RequestException, HTTPError, OSError, ValueError)

log = structlog.get_logger(__name__)


class _BearerToken(AuthBase):
    """Sets the header itself, which also keeps the library from looking into ~/.netrc."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class _Session(requests.Session):
    """Looks into no redirect: even unfollowed, the library would read its whole body and split its address."""

    def get_redirect_target(self, *_: object) -> None:
        return None


class _Adapter(HTTPAdapter):
    """Connections whose exchanges can be cut."""

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **pool_kwargs: Any) -> None:
        super().init_poolmanager(connections, maxsize, block, **pool_kwargs)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **proxy_kwargs)
        manager.pool_classes_by_scheme = POOLS
        return manager


class ArgoCd:
    """`ports.Engine` for one Argo CD. Usable from several threads."""

    def __init__(self, settings: ArgoCdSettings, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """Raises: SettingsInvalid for an address or CA file that cannot be used; nothing is asked yet."""
        self.instance = settings.instance
        self._settings = settings
        self._now = now
        self._base = base_url(settings.server, settings.insecure_http_allowed)
        self._subject = f"Argo CD {urlsplit(self._base).netloc}"
        if settings.ca_file is not None and not settings.ca_file.is_file():
            raise SettingsInvalid(self._subject, f"the CA file {settings.ca_file} does not exist")
        self._session = _Session()
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.trust_env = not is_loopback(urlsplit(self._base).hostname or "")
        self._reader = Reader()
        self._listing = Together(self._list)
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, _Adapter(pool_maxsize=16))

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
        answer = self._send("GET", _path(application), _scope(application, project))
        if answer.says(404, NOT_FOUND):
            return None
        return self._application(answer, application)

    def refresh(self, application: ApplicationId, project: str) -> None:
        """A normal refresh re-reads the branch without cache. Raises: EngineUnavailable if it takes too long."""
        query = {**_scope(application, project), "refresh": "normal"}
        answer = self._send("GET", _path(application), query, patience=self._settings.refresh_timeout)
        self._application(answer, application)

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
        answer = self._send("GET", _path(application, what), {**_scope(application, project), **query})
        gone = answer.says(404, NOT_FOUND) or answer.says(400, INVALID_ARGUMENT, "not found as part of application")
        return None if query and gone else answer.value()

    # What the engine is asked to do.

    def sync(self, application: ApplicationId, project: str, prune: bool, info: Mapping[str, str]) -> bool:
        """Never with a revision: with auto-sync on Argo CD refuses any, and without one it reads the branch anew."""
        body = {
            **_scope(application, project),
            "prune": prune,
            "infos": [{"name": name, "value": value} for name, value in info.items()],
        }
        answer = self._send("POST", _path(application, "sync"), body=body)
        if answer.says(400, FAILED_PRECONDITION, "another operation is already in progress"):
            return False
        self._application(answer, application)
        return True

    def terminate(self, application: ApplicationId, project: str) -> None:
        """The operation ends some time later; during a closed sync window only when that opens."""
        answer = self._send("DELETE", _path(application, "operation"), _scope(application, project))
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
            with closing(self._stream(running)) as chunks:
                while not stop.is_set() and (chunk := next(chunks, None)) is not None:
                    try:
                        events = tuple(reader.feed(chunk))
                    except ValueError as exc:
                        raise EngineUnavailable(self._subject, f"the stream is unreadable: {exc}") from exc
                    for event in events:
                        if isinstance(event, StreamError):
                            raise EngineUnavailable(self._subject, f"the stream says {event.code} {event.message}")
                        yield ApplicationId(self.instance, wire.KIND, event.namespace, event.name)

    def _stream(self, running: Exchange) -> Generator[bytes, None, None]:
        """The bytes of one connection. No status line comes before the first event, so its wait is bounded too."""
        try:
            with self._open("GET", "stream/applications", {"fields": STREAM_FIELDS}, silence=True) as response:
                if response.status_code != 200 or not _media_type(response).startswith("text/event-stream"):
                    self._answer(response).value()
                    raise EngineUnavailable(self._subject, "the stream is no event stream")
                # Only a chunked body is handed over as it comes; of any other, larger pieces would arrive late.
                chunked = response.headers.get("Transfer-Encoding", "").lower() == "chunked"
                yield from response.iter_content(CHUNK if chunked else 1)
        except LIBRARY_FAILURES as exc:
            raise self._unreachable(exc, running, self._settings.silence) from exc

    # One request.

    def _read(self, method: str, path: str, query: Mapping[str, str] | None = None) -> object:
        return self._send(method, path, query).value()

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, object] | None = None,
        patience: timedelta | None = None,
    ) -> Answer:
        """The whole answer within `patience`, whatever its status. A redirect is never followed."""
        patience = patience or self._settings.timeout
        with exchange(patience.total_seconds()) as running:
            try:
                with self._open(method, path, query, body) as response:
                    answer = self._answer(response)
            except LIBRARY_FAILURES as exc:
                raise self._unreachable(exc, running, patience) from exc
            if running.was_cut:
                # A body without a length ends where the connection ends; this one may lack its rest.
                raise EngineUnavailable(self._subject, f"no answer within {patience.total_seconds():g} s")
            return answer

    def _open(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, object] | None = None,
        silence: bool = False,
    ) -> requests.Response:
        url = self._base + (path if path.startswith("/") else f"/api/v1/{path}")
        headers = {"Accept": "text/event-stream" if silence else JSON_TYPE, "User-Agent": "gitops-rollback"}
        if silence:
            headers["Accept-Encoding"] = "identity"
        if method != "GET":
            headers["Content-Type"] = JSON_TYPE
        wait = (self._settings.silence if silence else self._settings.timeout).total_seconds()
        return self._session.request(
            method,
            f"{url}?{urlencode(query)}" if query else url,
            data=None if body is None else json.dumps(body).encode(),
            headers=headers,
            auth=_BearerToken(self._token()),
            timeout=(min(wait, 10.0), wait),
            allow_redirects=False,
            stream=True,
            verify=str(self._settings.ca_file) if self._settings.ca_file else True,
        )

    def _token(self) -> str:
        token = self._settings.token().strip()
        if not token or not token.isascii() or not token.isprintable():
            raise CredentialsRejected(self._subject, "there is no token, or it holds characters that none has")
        return token

    def _answer(self, response: requests.Response) -> Answer:
        body = bytearray()
        for chunk in response.iter_content(CHUNK):
            body += chunk
            if len(body) > self._settings.max_body:
                raise EngineUnavailable(self._subject, f"the answer is larger than {self._settings.max_body} bytes")
        return Answer(
            subject=self._subject,
            status=response.status_code,
            content_type=_media_type(response),
            body=bytes(body),
            location=response.headers.get("Location", ""),
            secret=(response.request.headers.get("Authorization") or "").removeprefix("Bearer "),
        )

    def _application(self, answer: Answer, expected: ApplicationId) -> ApplicationState:
        state = wire.read_application(answer.value(), self.instance, self._now())
        if state.id.name != expected.name or (expected.namespace and state.id.namespace != expected.namespace):
            raise EngineUnavailable(self._subject, f"the answer is not about {expected.short}")
        return state

    def _unreachable(self, exc: Exception, running: Exchange, patience: timedelta) -> EngineUnavailable:
        if running.was_cut:
            return EngineUnavailable(self._subject, f"no answer within {patience.total_seconds():g} s")
        meaning = next((text for kind, text in LIBRARY_ERRORS if isinstance(exc, kind)), "the request failed")
        cause = _system_words(exc)
        return EngineUnavailable(self._subject, f"{meaning} ({cause})" if cause else meaning)


def _path(application: ApplicationId, *rest: str) -> str:
    return "/".join(("applications", quote(application.name, safe=""), *rest))


def _scope(application: ApplicationId, project: str) -> dict[str, str]:
    """Without the project Argo CD answers 403 for what is gone, and deletion looks like lost rights."""
    scope = {"appNamespace": application.namespace, "project": project}
    return {name: value for name, value in scope.items() if value}


def _media_type(response: requests.Response) -> str:
    return response.headers.get("Content-Type", "").split(";")[0].strip().lower()[:60]


def _system_words(exc: BaseException) -> str:
    """What the system said below the library's layers ("Connection refused"): no URL stands in it."""
    system = (one for one in islice(_causes(exc), 10) if isinstance(one, OSError))
    words = (one.strerror for one in system if not isinstance(one, exceptions.RequestException))
    return next((str(one)[:SHOWN] for one in words if one), "")


def _causes(exc: BaseException | None) -> Iterator[BaseException]:
    while exc is not None:
        yield exc
        exc = exc.__cause__ or exc.__context__
