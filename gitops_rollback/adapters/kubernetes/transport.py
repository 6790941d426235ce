"""How does one request reach the Kubernetes API and end in time? The only file that imports `httpcore2`.

One deadline covers a whole request, however slowly the answer comes, and another thread can cut it. No redirect is
followed, no proxy is used, no compression is asked for. Errors name the server only.
Source: httpcore2 2.16 `NetworkBackend` (the pool's own seam for connecting).
"""

from __future__ import annotations

import ssl
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpcore2

from gitops_rollback.adapters.kubernetes.answer import Answer
from gitops_rollback.adapters.kubernetes.credentials import Credentials
from gitops_rollback.adapters.kubernetes.errors import ApiUnavailable
from gitops_rollback.adapters.kubernetes.wire import Call, Sent

CONNECTIONS = 256  # each watch keeps one, of each resource in each namespace that is watched alone
CONNECT_SECONDS = 10.0
MAX_ERROR = 1 << 16  # bytes of an error that answers a watch

_FAILURES = (
    httpcore2.TimeoutException,
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.ProxyError,
    httpcore2.UnsupportedProtocol,
    httpcore2.ConnectionNotAvailable,
    OSError,
    ValueError,
)


class Transport:
    """`wire.Wire` over httpcore2."""

    def __init__(
        self,
        server: str,
        tls: ssl.SSLContext | None,
        credentials: Credentials,
        max_body: int = 64 << 20,
        server_name: str = "",
    ) -> None:
        """`server_name` is the name in the server's certificate; "" is that of its address."""
        self._base = server.rstrip("/")
        self.subject = f"Kubernetes {urlsplit(server).netloc}"
        self._credentials = credentials
        self._max_body = max_body
        self._server_name = server_name
        self._pool = httpcore2.ConnectionPool(
            ssl_context=tls,
            max_connections=CONNECTIONS,
            max_keepalive_connections=CONNECTIONS,
            keepalive_expiry=60.0,
            network_backend=_Backend(),
        )

    def send(self, sent: Sent, seconds: float) -> Answer:
        """The whole answer, whatever its status. Raises: ApiUnavailable; CredentialsRejected."""
        call = Call(seconds)
        with self._opened(sent, call) as (answer, chunks):
            body = self._body(chunks, self._max_body)
            if call.was_cut:
                raise ApiUnavailable(self.subject, "the request was cut off")
            return Answer(self.subject, answer.status, answer.headers, body, answer.secret)

    @contextmanager
    def stream(self, sent: Sent, call: Call) -> Iterator[Iterator[bytes]]:
        """The bytes of a successful answer as they come. Raises: what the answer says no with; ApiUnavailable."""
        with self._opened(sent, call) as (answer, chunks):
            if answer.status != 200 or not answer.headers.get("content-type", "").startswith("application/json"):
                body = self._body(chunks, MAX_ERROR)
                Answer(self.subject, answer.status, answer.headers, body, answer.secret).value()
                raise ApiUnavailable(self.subject, "the watch is none")
            yield chunks

    def close(self) -> None:
        """Close all kept connections; the transport is unusable afterwards."""
        self._pool.close()

    @contextmanager
    def _opened(self, sent: Sent, call: Call) -> Iterator[tuple[Answer, Iterator[bytes]]]:
        """Status and headers, and the body to read; after a 401 once more with what the credentials hold now."""
        with call.running():
            try:
                authorization = self._credentials.authorization(call.left())
                response = self._response(sent, authorization, call)
                if response.status == 401 and (other := self._credentials.renewed(authorization, call.left())):
                    response.close()
                    authorization, response = other, self._response(sent, other, call)
            except _FAILURES as exc:
                raise self._unreachable(exc, call) from exc
            try:
                chunks = self._chunks(response, call)
                secret = authorization.partition(" ")[2]
                yield Answer(self.subject, response.status, _headers(response), b"", secret), chunks
            finally:
                response.close()

    def _response(self, sent: Sent, authorization: str, call: Call) -> httpcore2.Response:
        target = f"{self._base}{sent.path}" + (f"?{urlencode(sent.query)}" if sent.query else "")
        headers = {"Host": urlsplit(self._base).netloc, "Accept": sent.accept, "User-Agent": "gitops-rollback"}
        if sent.body is not None:
            headers |= {"Content-Type": sent.content_type, "Content-Length": str(len(sent.body))}
        if authorization:
            headers["Authorization"] = authorization
        extensions: dict[str, Any] = {"timeout": dict.fromkeys(("connect", "read", "write", "pool"), call.left())}
        if self._server_name:
            extensions["sni_hostname"] = self._server_name
        request = httpcore2.Request(
            sent.method,
            target,
            headers=list(headers.items()),
            content=sent.body,
            extensions=extensions,
        )
        return self._pool.handle_request(request)

    def _chunks(self, response: httpcore2.Response, call: Call) -> Generator[bytes, None, None]:
        try:
            yield from response.iter_stream()
        except _FAILURES as exc:
            raise self._unreachable(exc, call) from exc

    def _body(self, chunks: Iterable[bytes], limit: int) -> bytes:
        body = bytearray()
        for chunk in chunks:
            body += chunk
            if len(body) > limit:
                raise ApiUnavailable(self.subject, f"the answer is larger than {limit} bytes")
        return bytes(body)

    def _unreachable(self, exc: Exception, call: Call) -> ApiUnavailable:
        if call.was_cut:
            return ApiUnavailable(self.subject, "the request was cut off")
        if isinstance(exc, httpcore2.PoolTimeout):
            return ApiUnavailable(self.subject, "too many requests are under way")
        if isinstance(exc, (httpcore2.TimeoutException, TimeoutError)):
            return ApiUnavailable(self.subject, f"no answer within {call.patience()}")
        cause = _system_words(exc)
        if isinstance(exc, httpcore2.ConnectError):
            return ApiUnavailable(self.subject, f"cannot connect ({cause})" if cause else "cannot connect")
        return ApiUnavailable(self.subject, f"the connection broke ({cause or type(exc).__name__})")


class _Backend(httpcore2.NetworkBackend):
    """Connections that end at the deadline of the call that uses them."""

    def __init__(self) -> None:
        self._plain = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        patience = min(Call.current().left(timeout), CONNECT_SECONDS)
        return _Stream(self._plain.connect_tcp(host, port, patience, local_address, socket_options))


class _Stream(httpcore2.NetworkStream):
    def __init__(self, stream: httpcore2.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        call = Call.current()
        call.hold(self._stream)
        return self._stream.read(max_bytes, call.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        call = Call.current()
        call.hold(self._stream)
        self._stream.write(buffer, call.left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        call = Call.current()
        call.hold(self._stream)
        patience = min(call.left(timeout), CONNECT_SECONDS)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, patience))

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)


def _headers(response: httpcore2.Response) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}


def _system_words(exc: BaseException) -> str:
    """What the system said below the library's layers ("Connection refused"): no URL stands in it."""
    cause: BaseException | None = exc
    for _ in range(10):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"certificate: {cause.verify_message}"[:200]
        if isinstance(cause, OSError) and cause.strerror:
            return str(cause.strerror)[:200]
        cause = (cause.__cause__ or cause.__context__) if cause is not None else None
    return ""
