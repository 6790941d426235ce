"""How does one request leave the controller, and what comes back at most? The only file that knows httpx.

Where it connects to, and its deadline, are `connecting`'s. No redirect is followed. A body is bounded after decoding.
Errors name the origin only.
Source: httpx 0.28 `BaseTransport`; RFC 9110, 15.4.5, for 304.
"""

from __future__ import annotations

import ssl
import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from urllib.parse import urlencode

import httpcore
import httpx

from gitops_rollback.adapters.connecting import Call, CheckedBackend
from gitops_rollback.adapters.origins import Origin, OriginRules, OutboundBlocked, origin_of
from gitops_rollback.core.errors import Reason, SettingsInvalid, TransientError

MAX_BODY = 16 << 20


class Failure(StrEnum):
    """What went wrong on the way, for the adapters that tell people."""

    TIMEOUT = "timeout"
    CONNECT = "connect"  # nobody answers there: asking again in the same tick is pointless
    BROKEN = "broken"
    TOO_LARGE = "too-large"
    REDIRECT = "redirect"


class HttpFailed(TransientError):
    """No usable answer came back. The subject is the origin; nothing of the request or the answer is quoted."""

    reason = Reason.REMOTE_UNAVAILABLE

    def __init__(self, origin: Origin, message: str, failure: Failure) -> None:
        super().__init__(str(origin), message)
        self.failure = failure


@dataclass(frozen=True)
class HttpSettings:
    """How one adapter talks: files of PEM, headers of each request (credentials included, so never shown)."""

    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    max_connections: int = 8
    max_body: int = MAX_BODY  # bytes, decoded


@dataclass(frozen=True)
class HttpAnswer:
    """A whole answer, whatever its status but a redirect. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Http:
    """A client with kept connections, for one adapter and one set of credentials. Safe for several threads."""

    def __init__(self, rules: OriginRules, settings: HttpSettings = HttpSettings()) -> None:
        self._rules = rules
        self._settings = settings
        self._client = httpx.Client(
            transport=_Transport(_pool(rules, settings)),
            headers=_headers(settings),
            trust_env=False,  # a proxy would resolve names for us, unchecked
            follow_redirects=False,
        )

    def get(
        self, url: str, timeout: timedelta, headers: Mapping[str, str] = MappingProxyType({}), method: str = "GET"
    ) -> HttpAnswer:
        """GET `url`, or HEAD it: then the body is empty. Raises: OutboundBlocked; HttpFailed."""
        return self._send(method, url, timeout, None, headers)

    def post_form(self, url: str, form: Mapping[str, str], timeout: timedelta) -> HttpAnswer:
        """POST `form`, url-encoded. Raises: OutboundBlocked; HttpFailed."""
        return self.post(url, urlencode(form).encode(), "application/x-www-form-urlencoded", timeout)

    def post(
        self,
        url: str,
        content: bytes,
        content_type: str,
        timeout: timedelta,
        headers: Mapping[str, str] = MappingProxyType({}),
        method: str = "POST",
    ) -> HttpAnswer:
        """POST `content`, or PATCH or PUT it. Raises: OutboundBlocked; HttpFailed."""
        return self._send(method, url, timeout, content, {**headers, "Content-Type": content_type})

    def send(
        self,
        method: str,
        url: str,
        timeout: timedelta,
        content: bytes | None = None,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> HttpAnswer:
        """One request of any method. A 304 is the answer of who asked `If-None-Match`. Raises: as `get`."""
        return self._send(method, url, timeout, content, headers)

    def close(self) -> None:
        """Close all kept connections; the client is unusable afterwards."""
        self._client.close()

    def _send(
        self, method: str, url: str, timeout: timedelta, content: bytes | None, headers: Mapping[str, str]
    ) -> HttpAnswer:
        origin = self._checked(url)
        if self._client.is_closed:
            raise HttpFailed(origin, "the client was closed", Failure.BROKEN)
        with Call(origin, time.monotonic() + timeout.total_seconds()):
            try:
                with self._client.stream(method, url, content=content, headers=headers) as response:
                    return self._received(origin, response)
            except httpx.TimeoutException as exc:
                raise HttpFailed(origin, f"no answer within {timeout.total_seconds():g} s", Failure.TIMEOUT) from exc
            except httpx.ConnectError as exc:
                raise HttpFailed(origin, "cannot connect", Failure.CONNECT) from exc
            except httpx.HTTPError as exc:
                raise HttpFailed(origin, f"the connection broke ({type(exc).__name__})", Failure.BROKEN) from exc

    def _checked(self, url: str) -> Origin:
        origin = origin_of(url)
        self._rules.check(origin)
        try:
            host = httpx.URL(url).raw_host.decode("ascii")
        except (httpx.InvalidURL, UnicodeDecodeError) as exc:
            raise OutboundBlocked(str(origin), "not a URL") from exc
        if host.lower() != origin.host and origin_of(f"{origin.scheme}://[{host}]").host != origin.host:
            raise OutboundBlocked(str(origin), "the host can be read in two ways")
        return origin

    def _received(self, origin: Origin, response: httpx.Response) -> HttpAnswer:
        unchanged = response.status_code == 304 and "if-none-match" in response.request.headers
        if 300 <= response.status_code < 400 and not unchanged:
            raise HttpFailed(origin, f"answered with a redirect ({response.status_code})", Failure.REDIRECT)
        if response.request.method == "HEAD":
            return HttpAnswer(response.status_code, dict(response.headers), b"")  # no body, whatever its headers say
        chunks: list[bytes] = []
        left = self._settings.max_body
        for chunk in _decoded(origin, response, left):
            left -= len(chunk)
            if left < 0:
                raise HttpFailed(origin, f"the answer is over {self._settings.max_body} bytes", Failure.TOO_LARGE)
            chunks.append(chunk)
        return HttpAnswer(response.status_code, dict(response.headers), b"".join(chunks))


def _decoded(origin: Origin, response: httpx.Response, limit: int) -> Iterator[bytes]:
    """The body's bytes; a gzip bomb is unpacked no further than one byte over `limit`."""
    encoding = response.headers.get("content-encoding", "identity").lower()
    if encoding == "identity":
        yield from response.iter_raw()
        return
    if encoding != "gzip":
        raise HttpFailed(origin, "answered in an encoding that was not asked for", Failure.BROKEN)
    unpacker = zlib.decompressobj(wbits=31)
    unpacked = 0
    try:
        for chunk in response.iter_raw():
            part = unpacker.decompress(chunk, limit - unpacked + 1)
            unpacked += len(part)
            yield part
    except zlib.error as exc:
        raise HttpFailed(origin, "the compressed answer is broken", Failure.BROKEN) from exc
    if not unpacker.eof:
        raise HttpFailed(origin, "the compressed answer is cut off", Failure.BROKEN)


def _asked(request: httpx.Request, left: float) -> httpcore.Request:
    """The request in the pool's words; `left` are seconds."""
    return httpcore.Request(
        method=request.method,
        url=httpcore.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        ),
        headers=request.headers.raw,
        content=request.read(),
        extensions={"timeout": dict.fromkeys(("connect", "read", "write", "pool"), left)},
    )


class _Transport(httpx.BaseTransport):
    """httpx over a pool whose connections are checked. Errors of the pool become httpx's, by name."""

    def __init__(self, pool: httpcore.ConnectionPool) -> None:
        self._pool = pool

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        try:  # with what is left of the time: there may be nothing
            answer = self._pool.handle_request(_asked(request, Call.current().left()))
        except _POOL_ERRORS as exc:
            raise _mapped(exc) from exc
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(answer), extensions=answer.extensions)

    def close(self) -> None:
        self._pool.close()


class _Body(httpx.SyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._answer.iter_stream()
        except _POOL_ERRORS as exc:
            raise _mapped(exc) from exc

    def close(self) -> None:
        self._answer.close()


_POOL_ERRORS = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.UnsupportedProtocol,
    httpcore.ConnectionNotAvailable,
)


def _mapped(exc: Exception) -> httpx.HTTPError:
    if isinstance(exc, httpcore.TimeoutException):
        return httpx.ReadTimeout("deadline")
    if isinstance(exc, httpcore.ConnectError):
        return httpx.ConnectError("connect")
    return httpx.RemoteProtocolError(type(exc).__name__)


def _headers(settings: HttpSettings) -> httpx.Headers:
    try:
        return httpx.Headers({"User-Agent": "gitops-rollback", "Accept-Encoding": "gzip", **dict(settings.headers)})
    except (ValueError, TypeError):
        # The library's error quotes the value, which may be a credential: it must not be chained.
        raise SettingsInvalid("headers", "a header or credential holds characters that HTTP does not carry") from None


def _pool(rules: OriginRules, settings: HttpSettings) -> httpcore.ConnectionPool:
    return httpcore.ConnectionPool(
        ssl_context=_tls(settings),
        max_connections=settings.max_connections,
        max_keepalive_connections=settings.max_connections,
        keepalive_expiry=60.0,
        network_backend=CheckedBackend(rules),
    )


def _tls(settings: HttpSettings) -> ssl.SSLContext:
    try:
        context = httpx.create_ssl_context()
        if settings.ca_file:
            context.load_verify_locations(settings.ca_file)
        if settings.cert_file:
            context.load_cert_chain(settings.cert_file, settings.key_file or None, password="")
    except (OSError, ValueError) as exc:
        raise SettingsInvalid("tls", "a CA, certificate or key file cannot be used") from exc
    return context
