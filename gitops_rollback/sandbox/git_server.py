"""A git remote on loopback: bare repositories over smart HTTP, with faults that can be switched on.

The wire is git's own: every request goes to `git http-backend`. Used by the demo, the drills and the tests.
Source: git-http-backend(1), RFC 3875 (CGI), githooks(5) for what a receiving repository is told.
"""

from __future__ import annotations

import base64
import os
import re
import ssl
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal
from urllib.parse import urlsplit

from gitops_rollback.sandbox.git_door import HOOKS, Conversation, Door, Page, PageAnswer, RefChange, worded

REQUESTS_KEPT = 10_000
BACKEND_SECONDS = 120.0
BODY_LIMIT = 1 << 30
GIT_PATH = re.compile(r"/(?P<repository>.+?)(?:\.git)?/(?:info/refs|git-upload-pack|git-receive-pack)")


class Operation(StrEnum):
    """What a request is for. PUSH is the one that carries the commits; ANY is every request."""

    ADVERTISE_FETCH = "advertise-fetch"
    ADVERTISE_PUSH = "advertise-push"
    FETCH = "fetch"
    PUSH = "push"
    OTHER = "other"
    ANY = "any"


@dataclass(frozen=True)
class Request:
    """One request as it came. `user` is who the credentials name, right or wrong."""

    method: str
    path: str
    operation: Operation
    user: str


@dataclass
class Fault:
    """What happens to the next `times` requests of `on`; `after`: once git has done its work, else instead of it."""

    kind: Literal["status", "cut", "hang", "drip"]
    on: Operation
    times: int
    code: int = 503
    headers: Mapping[str, str] = field(default_factory=dict)
    after: bool = False


class GitServer:
    """Serves `root/*.git` at `url/<name>.git`, for reading and writing, until `stop`."""

    def __init__(
        self,
        root: Path,
        user: str = "",
        password: str = "",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """With a `user`, every request needs basic authentication."""
        self.root = root
        self.user = user
        self.password = password
        self.read_only = False
        self.atomic = True
        self.push_options = False
        self.before_push: Callable[[Path], None] | None = None
        self.door: Door | None = None  # accounts, rules and pages of a forge, where one stands before the repositories
        self.on_request: Callable[[Operation], None] | None = None  # on the thread that will answer
        self.failures: list[BaseException] = []  # of what stands before the repositories
        self.requests: deque[Request] = deque(maxlen=REQUESTS_KEPT)
        self._faults: list[Fault] = []
        self._under_way = 0
        self._lock = threading.Lock()
        self._ended = threading.Condition(self._lock)
        self._released = threading.Event()
        self._hooks = TemporaryDirectory(prefix="gitops-rollback-hooks-")
        self._write_hooks()
        self._server = _Server(("127.0.0.1", port), self)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._scheme = "https" if tls is not None else "http"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> GitServer:
        self._thread.start()
        return self

    def stop(self) -> None:
        """End at once; requests that hang are let go."""
        self.release()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._hooks.cleanup()

    def updates(self, repository: str) -> tuple[RefChange, ...]:
        """Every update that came in by a push and was accepted, oldest first; `repository` is `<name>.git`."""
        log = self.root / repository / "accepted-updates"
        lines = log.read_text("utf-8").splitlines() if log.exists() else []
        return tuple(RefChange(*line.split(" ", 2)) for line in lines)

    def refuse_push(self, message: str, ref: str = "") -> None:
        """As a branch rule does: refuse `ref` ("" is every ref) with these words, until `accept_push`."""
        fresh = Path(self._hooks.name) / "refused.new"
        fresh.write_text(f"{ref}\n{message}\n", "utf-8")
        os.replace(fresh, fresh.with_suffix(""))

    def accept_push(self) -> None:
        (Path(self._hooks.name) / "refused").unlink(missing_ok=True)

    def cut_reply(self, times: int = 1) -> None:
        """Close the connection after a push has landed, before its answer."""
        self._add(Fault("cut", Operation.PUSH, times, after=True))

    def status(
        self,
        code: int,
        headers: Mapping[str, str] | None = None,
        on: Operation = Operation.ANY,
        times: int = 1,
        after: bool = False,
    ) -> None:
        """Answer with this status; `after` git has done its work, as a proxy that gives up does."""
        self._add(Fault("status", on, times, code, headers or {}, after))

    def hang(self, on: Operation = Operation.ANY, times: int = 1, after: bool = False) -> None:
        """Take the request and stay silent until `release`; without `after`, a push lands only then."""
        self._released.clear()
        self._add(Fault("hang", on, times, after=after))

    def drip(self, on: Operation = Operation.ANY, times: int = 1) -> None:
        """Answer, but one byte a second."""
        self._released.clear()
        self._add(Fault("drip", on, times))

    def release(self) -> None:
        """Let everything go on that hangs, and forget faults that have not struck yet."""
        with self._lock:
            self._faults.clear()
        self._released.set()

    def wait_until_idle(self, real_seconds: float) -> bool:
        """Wait until every request that came has been dealt with; False if that takes longer."""
        with self._ended:
            return self._ended.wait_for(lambda: self._under_way == 0, real_seconds)

    @contextmanager
    def dealing(self) -> Iterator[None]:
        """A request is under way."""
        with self._ended:
            self._under_way += 1
        try:
            yield
        finally:
            with self._ended:
                self._under_way -= 1
                self._ended.notify_all()

    def _add(self, fault: Fault) -> None:
        with self._lock:
            self._faults.append(fault)

    def take_fault(self, operation: Operation) -> Fault | None:
        """The fault that strikes this request, used up by one."""
        with self._lock:
            for fault in self._faults:
                if fault.on in (operation, Operation.ANY):
                    fault.times -= 1
                    if fault.times <= 0:
                        self._faults.remove(fault)
                    return fault
        return None

    def pause(self, seconds: float | None) -> bool:
        """Wait, at most until `release`. True if released."""
        return self._released.wait(seconds)

    def backend_environment(self) -> dict[str, str]:
        """For `git http-backend`: our hooks, and no configuration of the machine's owner."""
        config = {"core.hooksPath": self._hooks.name, "http.receivepack": "true", "uploadpack.allowFilter": "true"}
        config |= {"receive.advertiseAtomic": "true" if self.atomic else "false", "gc.auto": "0"}
        config |= {"receive.advertisePushOptions": "true"} if self.push_options else {}
        config |= {"uploadpack.allowAnySHA1InWant": "true", "receive.autogc": "false"}
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        environment |= {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "LC_ALL": "C"}
        environment |= {"GIT_PROJECT_ROOT": str(self.root), "GIT_HTTP_EXPORT_ALL": "1"}
        environment["GIT_CONFIG_COUNT"] = str(len(config))
        for number, (key, value) in enumerate(config.items()):
            environment |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
        return environment

    def _write_hooks(self) -> None:
        for name, text in HOOKS.items():
            hook = Path(self._hooks.name) / name
            hook.write_text(text, "ascii")
            hook.chmod(0o755)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], git_server: GitServer) -> None:
        self.git_server = git_server
        super().__init__(address, _Handler)

    def handle_error(self, *_about: object) -> None:
        """A client that goes away mid-way is what some faults are about; it is not the server's trouble."""
        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, OSError):
            self.git_server.failures.append(error)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        with self.server.git_server.dealing():
            self._handle()

    def do_POST(self) -> None:
        self.do_GET()

    def do_PUT(self) -> None:
        self.do_GET()

    def do_PATCH(self) -> None:
        self.do_GET()

    def do_DELETE(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:
        """Requests are kept in `GitServer.requests`, not printed."""

    def _handle(self) -> None:
        git_server = self.server.git_server
        body = self._body()
        if git_server.door is not None and not GIT_PATH.fullmatch(urlsplit(self.path).path):
            headers = {name.lower(): value for name, value in self.headers.items()}
            self._send_page(git_server.door.page(Page(self.command, self.path, headers, body)))
            return
        operation = self._operation()
        user, password = self._credentials()
        git_server.requests.append(Request(self.command, self.path, operation, user))
        if git_server.on_request is not None:
            git_server.on_request(operation)
        fault = git_server.take_fault(operation)
        if fault is not None and not fault.after and self._strike(fault):
            return
        login = self._admitted(operation, user, password)
        if login is None:
            return
        if git_server.user and (user, password) != (git_server.user, git_server.password):
            self._answer(401, {"WWW-Authenticate": 'Basic realm="git"'}, b"")
            return
        if git_server.read_only and operation in (Operation.PUSH, Operation.ADVERTISE_PUSH):
            self._answer(403, {}, b"read only\n")
            return
        if operation is Operation.PUSH and git_server.before_push is not None:
            git_server.before_push(git_server.root / urlsplit(self.path).path.split("/")[1])
        status, headers, content = self._backend(body, login, operation)
        if fault is not None and fault.after and self._strike(fault):
            return
        self._answer(status, headers, content, slowly=fault is not None and fault.kind == "drip")

    def _admitted(self, operation: Operation, user: str, password: str) -> str | None:
        """The login that asks, by what stands before the repositories; None: it has been answered."""
        door = self.server.git_server.door
        if door is None:
            return user
        found = GIT_PATH.fullmatch(urlsplit(self.path).path)
        writes = operation in (Operation.PUSH, Operation.ADVERTISE_PUSH) or self.path.endswith("/git-receive-pack")
        admitted = door.admit(found["repository"] if found else "", user, password, writes)
        if isinstance(admitted, str):
            return admitted
        self._send_page(admitted)
        return None

    def _strike(self, fault: Fault) -> bool:
        """True if the request needs nothing more."""
        if fault.kind == "status":
            self._answer(fault.code, fault.headers, b"fault\n")
        elif fault.kind == "cut":
            self.close_connection = True
        elif fault.kind == "hang":
            self.server.git_server.pause(None)
        return fault.kind in ("status", "cut")

    def _operation(self) -> Operation:
        if "service=git-receive-pack" in self.path:
            return Operation.ADVERTISE_PUSH
        if "service=git-upload-pack" in self.path:
            return Operation.ADVERTISE_FETCH
        if self.path.endswith("/git-receive-pack"):
            # A probe that git sends before a large push: it carries nothing yet.
            return Operation.PUSH if self.headers.get("Content-Length") != "4" else Operation.OTHER
        return Operation.FETCH if self.path.endswith("/git-upload-pack") else Operation.OTHER

    def _credentials(self) -> tuple[str, str]:
        kind, _, value = self.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "basic":
            return "", ""
        user, _, password = base64.b64decode(value).decode("utf-8", "replace").partition(":")
        return user, password

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            chunks = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(chunks)
        return self.rfile.read(min(int(self.headers.get("Content-Length", "0")), BODY_LIMIT))

    def _backend(self, body: bytes, user: str, operation: Operation) -> tuple[int, dict[str, str], bytes]:
        door = self.server.git_server.door
        found = GIT_PATH.fullmatch(urlsplit(self.path).path)
        if door is None or operation is not Operation.PUSH or found is None:
            return self._run_backend(body, user, {})
        with Conversation(door.asked, user, found["repository"]) as talk:
            status, headers, content = self._run_backend(body, user, talk.environment)
        self.server.git_server.failures += talk.failures
        return status, headers, worded(content, talk.declined) if talk.declined else content

    def _run_backend(self, body: bytes, user: str, more: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
        parts = urlsplit(self.path)
        environment = self.server.git_server.backend_environment() | {
            "REQUEST_METHOD": self.command,
            "PATH_INFO": parts.path,
            "QUERY_STRING": parts.query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REMOTE_ADDR": self.client_address[0],
            "REMOTE_USER": user,
            **more,
        }
        done = subprocess.run(
            ["git", "http-backend"],
            input=body,
            env=environment,
            capture_output=True,
            timeout=BACKEND_SECONDS,
            check=False,
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode("latin-1").split("\r\n") if ": " in line)
        status = int(headers.pop("Status", "200" if headers else "500").split()[0])
        return status, headers, content

    def _send_page(self, page: PageAnswer) -> None:
        if page.status is None:
            self.close_connection = True
        else:
            self._answer(page.status, page.headers, page.body)

    def _answer(self, status: int, headers: Mapping[str, str], content: bytes, slowly: bool = False) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if not slowly:
            self.wfile.write(content)
            return
        for byte in content:
            self.wfile.write(bytes((byte,)))
            self.wfile.flush()
            if self.server.git_server.pause(1.0):
                break
        self.close_connection = True
