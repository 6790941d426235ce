"""A Kubernetes API that answers what a test says, and a client of it over real HTTP."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from canned_http import Request, Server, canned, serving

from gitops_rollback.adapters.kubernetes.client import Kubernetes
from gitops_rollback.adapters.kubernetes.credentials import Credentials, Fixed
from gitops_rollback.adapters.kubernetes.resources import Resource
from gitops_rollback.adapters.kubernetes.settings import KubernetesSettings
from gitops_rollback.adapters.kubernetes.transport import Transport

KUSTOMIZATIONS = Resource("kustomize.toolkit.fluxcd.io", "v1", "kustomizations")
TYPE = "Content-Type: application/json"

Reply = Callable[[socket.socket, Request], None]
UNSERVED: Reply = canned("404 Not Found", b"404 page not found\n", "Content-Type: text/plain; charset=utf-8")
SETTINGS = KubernetesSettings()
ANONYMOUS = Fixed()


def entry(name: str, version: int = 1, namespace: str = "flux-system", **more: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace, "resourceVersion": str(version), "uid": f"uid-{name}"}
    return {
        "apiVersion": KUSTOMIZATIONS.api_version,
        "kind": "Kustomization",
        "metadata": metadata | more.pop("metadata", {}),
    } | more


def listing(version: int, *items: dict[str, Any], token: str = "") -> dict[str, Any]:
    metadata = {"resourceVersion": str(version), "continue": token}
    api_version = KUSTOMIZATIONS.api_version
    return {"apiVersion": api_version, "kind": "KustomizationList", "metadata": metadata, "items": list(items)}


def status(code: int, reason: str, message: str = "", **details: Any) -> dict[str, Any]:
    body = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message}
    return body | {"reason": reason, "code": code} | ({"details": details} if details else {})


def reply(body: Any, code: int = 200, *headers: str) -> Reply:
    return canned(f"{code} Said", json.dumps(body).encode(), TYPE, *headers)


def event(kind: str, found: dict[str, Any]) -> bytes:
    return json.dumps({"type": kind, "object": found}).encode() + b"\n"


def bookmark(version: int) -> bytes:
    return event("BOOKMARK", {"kind": "Kustomization", "metadata": {"resourceVersion": str(version)}})


def streaming(*pieces: bytes | Callable[[socket.socket], object]) -> Reply:
    """A watch that sends each piece, and does what is no bytes in between; then it ends as a server ends one."""

    def write(connection: socket.socket, _request: Request) -> None:
        head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n"
        connection.sendall(f"{head}{TYPE}\r\n\r\n".encode())
        for piece in pieces:
            if isinstance(piece, bytes):
                connection.sendall(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            else:
                piece(connection)
        connection.sendall(b"0\r\n\r\n")

    return write


@dataclass
class Script:
    """Answers lists and watches in the order that a test gives; the last answer of each is repeated."""

    lists: list[Reply] = field(default_factory=list)
    watches: list[Reply] = field(default_factory=list)

    def __call__(self, connection: socket.socket, request: Request) -> None:
        replies = self.watches if "watch=true" in request.line else self.lists
        if not replies:
            UNSERVED(connection, request)
            return
        (replies.pop(0) if len(replies) > 1 else replies[0])(connection, request)


@contextmanager
def api(
    script: Reply, settings: KubernetesSettings = SETTINGS, credentials: Credentials = ANONYMOUS
) -> Iterator[tuple[Kubernetes, Server]]:
    """A client of a server that runs `script` for each request."""
    with serving(script) as server:
        client = Kubernetes(Transport(server.url, None, credentials, settings.max_body), "flux-system", settings)
        try:
            yield client, server
        finally:
            client.close()
