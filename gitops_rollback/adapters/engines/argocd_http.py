"""How does one request reach Argo CD and end in time? The only file that imports `requests`.

Source: argo-cd v3.5.1 server/server.go (content types), grpc-gateway v1.16 runtime/errors.go (error bodies); requests
2.32 "Advanced Usage" (netrc, proxies).
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Mapping
from datetime import timedelta
from http.cookiejar import DefaultCookiePolicy
from itertools import islice
from typing import Any
from urllib.parse import urlencode, urlsplit

import requests
from requests import exceptions
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.exceptions import HTTPError

from gitops_rollback.adapters.engines.argocd_answer import JSON_TYPE, SHOWN, Answer
from gitops_rollback.adapters.engines.argocd_exchange import POOLS, Exchange, exchange
from gitops_rollback.adapters.engines.argocd_settings import ArgoCdSettings, base_url, is_loopback
from gitops_rollback.core.errors import CredentialsRejected, EngineUnavailable, SettingsInvalid

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


class Http:
    """One server, asked with our token. Usable from several threads."""

    def __init__(self, settings: ArgoCdSettings) -> None:
        """Raises: SettingsInvalid for an address or CA file that cannot be used; nothing is asked yet."""
        self._settings = settings
        self._base = base_url(settings.server, settings.insecure_http_allowed)
        self.subject = f"Argo CD {urlsplit(self._base).netloc}"
        if settings.ca_file is not None and not settings.ca_file.is_file():
            raise SettingsInvalid(self.subject, f"the CA file {settings.ca_file} does not exist")
        self._session = _Session()
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.trust_env = not is_loopback(urlsplit(self._base).hostname or "")
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, _Adapter(pool_maxsize=16))

    def send(
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
                raise EngineUnavailable(self.subject, f"no answer within {patience.total_seconds():g} s")
            return answer

    def stream(self, path: str, query: Mapping[str, str], running: Exchange) -> Generator[bytes, None, None]:
        """The bytes of one connection. No status line comes before the first event, so its wait is bounded too."""
        try:
            with self._open("GET", path, query, silence=True) as response:
                if response.status_code != 200 or not _media_type(response).startswith("text/event-stream"):
                    self._answer(response).value()
                    raise EngineUnavailable(self.subject, "the stream is no event stream")
                # Only a chunked body is handed over as it comes; of any other, larger pieces would arrive late.
                chunked = response.headers.get("Transfer-Encoding", "").lower() == "chunked"
                yield from response.iter_content(CHUNK if chunked else 1)
        except LIBRARY_FAILURES as exc:
            raise self._unreachable(exc, running, self._settings.silence) from exc

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
            raise CredentialsRejected(self.subject, "there is no token, or it holds characters that none has")
        return token

    def _answer(self, response: requests.Response) -> Answer:
        body = bytearray()
        for chunk in response.iter_content(CHUNK):
            body += chunk
            if len(body) > self._settings.max_body:
                raise EngineUnavailable(self.subject, f"the answer is larger than {self._settings.max_body} bytes")
        return Answer(
            subject=self.subject,
            status=response.status_code,
            content_type=_media_type(response),
            body=bytes(body),
            location=response.headers.get("Location", ""),
            secret=(response.request.headers.get("Authorization") or "").removeprefix("Bearer "),
        )

    def _unreachable(self, exc: Exception, running: Exchange, patience: timedelta) -> EngineUnavailable:
        if running.was_cut:
            return EngineUnavailable(self.subject, f"no answer within {patience.total_seconds():g} s")
        meaning = next((text for kind, text in LIBRARY_ERRORS if isinstance(exc, kind)), "the request failed")
        cause = _system_words(exc)
        return EngineUnavailable(self.subject, f"{meaning} ({cause})" if cause else meaning)


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
