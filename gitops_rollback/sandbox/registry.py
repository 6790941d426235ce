"""A registry of images on loopback, with the wire shapes of distribution and its token server in one.

It knows manifests by tag and digest; layers are not there, since nothing of ours pulls them. As the real one it wants a
token for each repository, gives anybody one for what is public, and does not know a manifest whose kind the request
does not accept. Source: distribution-spec 1.1; distribution 3.0 `docs/content/spec/auth/token.md` and
`registry/handlers/manifests.go`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from gitops_rollback.sandbox.cuttable_server import CuttableServer, EveryMethod

INDEX = "application/vnd.oci.image.index.v1+json"
SERVICE = "registry.sandbox"
TAGS = re.compile(r"/v2/(?P<repository>[a-z0-9._/-]+)/tags/list")
MANIFEST = re.compile(r"/v2/(?P<repository>[a-z0-9._/-]+)/manifests/(?P<reference>[A-Za-z0-9._:-]+)")
SCOPE = re.compile(r"repository:(?P<repository>[a-z0-9._/-]+):(?P<actions>[a-z,*]+)")
JSON = "application/json"


@dataclass(frozen=True)
class Reply:
    """What is sent; a HEAD gets the same without its body."""

    status: int
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Asked:
    """A request as it came in."""

    method: str
    path: str
    authorization: str


class RegistrySandbox:
    """Start, `put` images, point the settings at `url`, stop. `accounts` may pull what is private."""

    def __init__(self, port: int = 0, accounts: Mapping[str, str] | None = None) -> None:
        self.accounts = dict(accounts or {})
        self.private: set[str] = set()  # repositories
        self.status = 0  # what stands before it answers everything with this, and not the registry
        self.asked: deque[Asked] = deque(maxlen=1000)
        self._manifests: dict[tuple[str, str], tuple[str, bytes]] = {}  # (repository, tag or digest)
        self._tokens: dict[str, str] = {}  # token -> the repository that it pulls
        self._server = _Server(port, self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="registry", daemon=True)

    @property
    def url(self) -> str:
        """Base URL, without a slash at the end."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def failures(self) -> list[BaseException]:
        return self._server.failures

    def start(self) -> None:
        """Serve in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop serving and end open connections."""
        self._server.shutdown()
        self._server.end_connections()
        self._server.server_close()
        self._thread.join(timeout=5)

    def put(self, repository: str, tag: str, kind: str = INDEX) -> str:
        """An image is pushed; its digest."""
        body = json.dumps({"schemaVersion": 2, "mediaType": kind, "annotations": {"tag": tag}}).encode()
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        self._manifests[repository, tag] = self._manifests[repository, digest] = (kind, body)
        return digest

    def remove(self, repository: str, tag: str) -> None:
        """A retention rule throws an image away."""
        gone = self._manifests[repository, tag]
        self._manifests = {key: kept for key, kept in self._manifests.items() if key[0] != repository or kept != gone}

    def digest(self, repository: str, tag: str) -> str:
        """Of an image that is there."""
        _, body = self._manifests[repository, tag]
        return f"sha256:{hashlib.sha256(body).hexdigest()}"

    def answer(self, asked: Asked, accepts: str) -> Reply:
        """The answer to one request."""
        self.asked.append(asked)
        if self.status:
            return Reply(self.status, b"<html><body>no such site</body></html>", {"Content-Type": "text/html"})
        parts = urlsplit(asked.path)
        if parts.path == "/token":
            return self._token(asked.authorization, parse_qs(parts.query))
        found = MANIFEST.fullmatch(parts.path) or TAGS.fullmatch(parts.path)
        if found is None or asked.method not in ("GET", "HEAD"):
            return _error(404, "NOT_FOUND", "page not found")
        repository = found["repository"]
        if self._tokens.get(asked.authorization.removeprefix("Bearer ")) != repository:
            return self._challenge(repository, refused=asked.authorization.startswith("Bearer "))
        if found.re is TAGS:
            return self._listed(repository)
        kind, body = self._manifests.get((repository, found["reference"]), ("", b""))
        if not kind:
            return _error(404, "MANIFEST_UNKNOWN", "manifest unknown")
        if kind not in (one.strip() for one in accepts.split(",")):
            return _error(404, "MANIFEST_UNKNOWN", "OCI index found, but accept header does not support OCI indexes")
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        return Reply(200, body, {"Content-Type": kind, "Docker-Content-Digest": digest})

    def _listed(self, repository: str) -> Reply:
        tags = sorted(tag for name, tag in self._manifests if name == repository and ":" not in tag)
        if not tags:
            return _error(404, "NAME_UNKNOWN", "repository name not known to registry")
        return Reply(200, json.dumps({"name": repository, "tags": tags}).encode(), {"Content-Type": JSON})

    def _challenge(self, repository: str, refused: bool) -> Reply:
        words = f'Bearer realm="{self.url}/token",service="{SERVICE}",scope="repository:{repository}:pull"'
        words += ',error="insufficient_scope"' if refused else ""
        return _error(401, "UNAUTHORIZED", "authentication required", {"WWW-Authenticate": words})

    def _token(self, authorization: str, query: Mapping[str, list[str]]) -> Reply:
        """As the real token server: a token always, and rights in it only for what one may pull."""
        account = _account(authorization)
        if authorization and (account is None or self.accounts.get(account[0]) != account[1]):
            return _error(401, "UNAUTHORIZED", "incorrect username or password")
        scope = SCOPE.fullmatch(query.get("scope", [""])[0])
        wanted = scope["repository"] if scope and scope["actions"] == "pull" else ""
        allowed = wanted if wanted and (account is not None or wanted not in self.private) else ""
        token = hashlib.sha256(f"{len(self._tokens)} {wanted} {authorization}".encode()).hexdigest()
        self._tokens[token] = allowed
        body = json.dumps({"token": token, "expires_in": 300}).encode()
        return Reply(200, body, {"Content-Type": JSON})


def _account(authorization: str) -> tuple[str, str] | None:
    try:
        name, _, password = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (name, password) if name else None


def _error(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Reply:
    body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
    return Reply(status, body, {"Content-Type": JSON, **(headers or {})})


class _Server(CuttableServer):
    def __init__(self, port: int, sandbox: RegistrySandbox) -> None:
        self.sandbox = sandbox
        super().__init__(port, _Handler)


class _Handler(EveryMethod):
    server: _Server

    def do_HEAD(self) -> None:
        self._serve()

    def _serve(self) -> None:
        asked = Asked(self.command, self.path, self.headers.get("Authorization") or "")
        reply = self.server.sandbox.answer(asked, ",".join(self.headers.get_all("Accept") or ()))
        self.send_response(reply.status)
        self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)
