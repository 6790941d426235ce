"""A sandbox Argo CD with its repository and a watcher, and the stories that tests play on it."""

from __future__ import annotations

import http.client
import json
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitops_rollback.sandbox.argocd import AppSpec, ArgoCdSandbox, Timing
from gitops_rollback.sandbox.clock import ScaledClock

Json = dict[str, Any]
SPEED = 25.0
JSON_TYPE = {"Content-Type": "application/json"}
QUICK = Timing(reconciliation=100_000)  # so that only the story moves the world


def deployment(name: str, tag: str, replicas: int = 2) -> str:
    return json.dumps(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name},
            "spec": {
                "replicas": replicas,
                "progressDeadlineSeconds": 15,
                "selector": {"matchLabels": {"app": name}},
                "template": {
                    "metadata": {"labels": {"app": name}},
                    "spec": {"containers": [{"name": name, "image": f"registry.example/{name}:{tag}"}]},
                },
            },
        }
    )


def hook(name: str, kind: str, tag: str) -> str:
    return json.dumps(
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"generateName": f"{name}-hook-", "annotations": {"argocd.argoproj.io/hook": kind}},
            "spec": {
                "template": {"spec": {"containers": [{"name": "h", "image": f"registry.example/{name}-hook:{tag}"}]}}
            },
        }
    )


def config_map(name: str, value: str) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"value": value}})


class Repository:
    """A bare repository, written without a work tree."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.files: dict[str, str] = {}
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(directory)], check=True)

    def push(self, message: str, **files: str | None) -> str:
        """Commit `files` (keys with `__` for `/` and a last `_` for the dot; None removes) and return the SHA."""
        for key, content in files.items():
            path = key.replace("__", "/")
            path = ".".join(path.rsplit("_", 1))
            self.files.pop(path, None)
            if content is not None:
                self.files[path] = content
        lines = [f"commit refs/heads/main\ncommitter A Person <person@example.com> now\ndata {len(message)}\n{message}"]
        if self._head():
            lines.append(f"from {self._head()}")
        lines.append("deleteall")
        lines += [f"M 100644 inline {path}\ndata {len(text)}\n{text}" for path, text in sorted(self.files.items())]
        command = ["git", "--git-dir", str(self.directory), "fast-import", "--quiet", "--date-format=now"]
        subprocess.run(command, input=("\n".join(lines) + "\n").encode(), check=True)
        return self._head()

    def _head(self) -> str:
        command = ["git", "--git-dir", str(self.directory), "rev-parse", "-q", "--verify", "main"]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


@dataclass(frozen=True)
class Reply:
    status: int
    content_type: str
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class Stream:
    """A watcher of all applications by the event stream; `lines` as they came, `states` parsed."""

    def __init__(self, sandbox: ArgoCdSandbox, query: str = "", accept: str = "text/event-stream") -> None:
        self.lines: list[str] = []
        self.headers: dict[str, str] = {}
        self.ended = False
        self._grown = threading.Condition()
        self._connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=20)
        headers = {"Authorization": f"Bearer {sandbox.token}", "Accept": accept}
        self._connection.request("GET", f"/api/v1/stream/applications{query}", headers=headers)
        self._socket = self._connection.sock
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        try:
            with self._connection.getresponse() as response:
                self.headers = {key.lower(): value for key, value in response.getheaders()}
                while line := response.readline():
                    with self._grown:
                        self.lines.append(line.decode())
                        self._grown.notify_all()
        except (OSError, ValueError, http.client.HTTPException):
            pass
        finally:
            self._connection.close()
            with self._grown:
                self.ended = True
                self._grown.notify_all()

    @property
    def events(self) -> list[Json]:
        bodies = [line.removeprefix("data: ") for line in list(self.lines)]
        return [json.loads(body)["result"] for body in bodies if body.startswith("{")]

    def states(self, name: str) -> list[Json]:
        shown = [event["application"] for event in self.events]
        return [application for application in shown if application["metadata"]["name"] == name]

    def wait(self, condition: Callable[[], bool]) -> bool:
        with self._grown:
            return self._grown.wait_for(condition, timeout=20)

    def close(self) -> None:
        if self._socket is not None and not self.ended:
            self._socket.shutdown(2)
        self._thread.join(timeout=20)


class World:
    """One repository, one sandbox, one watcher, and what was asked and answered so far."""

    def __init__(self, sandbox: ArgoCdSandbox, repository: Repository) -> None:
        self.sandbox = sandbox
        self.repository = repository
        self.replies: dict[str, list[Reply]] = {}  # by note, in their order

    def ask(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None, note: str = ""
    ) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.sandbox.port, timeout=20)
        try:
            sent = {"Authorization": f"Bearer {self.sandbox.token}", "Accept": "application/json"}
            sent |= (JSON_TYPE if method != "GET" else {}) if headers is None else headers
            data = body if isinstance(body, str) or body is None else json.dumps(body)
            connection.request(method, path, data, sent)
            response = connection.getresponse()
            shown = {key.lower(): value for key, value in response.getheaders()}
            reply = Reply(response.status, shown.get("content-type", ""), shown, response.read().decode())
        finally:
            connection.close()
        self.replies.setdefault(note, []).append(reply)
        return reply

    def refresh(self, name: str, note: str = "") -> Reply:
        return self.ask("GET", f"/api/v1/applications/{name}?project=default&refresh=normal", note=note)

    def sync(self, name: str, note: str = "", **more: object) -> Reply:
        body = {"project": "default", "prune": True, **more}
        return self.ask("POST", f"/api/v1/applications/{name}/sync", body, note=note)

    def terminate(self, name: str, note: str = "", headers: Mapping[str, str] | None = None) -> Reply:
        return self.ask("DELETE", f"/api/v1/applications/{name}/operation?project=default", headers=headers, note=note)

    def status(self, name: str) -> Json:
        return dict(self.sandbox.application(name)["status"])

    def until(self, name: str, what: str, condition: Callable[[Json], bool]) -> Json:
        """The first state of the application that satisfies `condition`; fails with `what` and the last state."""
        found: list[Json] = []

        def look() -> bool:
            application = self.sandbox.application(name)
            if condition(application):
                found.append(application)
            return bool(found)

        fine = self.sandbox.wait_until(look)
        assert fine, f"never: {what}; last: {json.dumps(self.sandbox.application(name)['status'])}"
        return found[0]

    def until_calm(self, name: str) -> Json:
        """Wait until the application is synced and healthy at what it was last compared to, and nothing goes on."""
        return self.until(name, "calm", lambda app: settled(app, "") and not self.sandbox.busy(name))

    def until_calm_after(self, name: str, entries: int) -> Json:
        """Wait until history has so many entries and nothing goes on any more."""
        self.until(name, f"{entries} entries", lambda app: len(app["status"].get("history", ())) == entries)
        return self.until_calm(name)

    def until_settled(self, name: str, revision: str) -> Json:
        """Wait until `revision` is compared, healthy and no operation runs."""
        what = f"healthy at {revision}"
        return self.until(name, what, lambda app: settled(app, revision) and not self.sandbox.busy(name))


def settled(application: Json, revision: str) -> bool:
    """Synced at `revision` ("": at any) and healthy, the last operation ended."""
    sync, state = application["status"]["sync"], application["status"].get("operationState", {})
    return (
        "operation" not in application
        and state.get("phase") in ("Succeeded", "Failed", "Error")
        and sync["status"] == "Synced"
        and revision in ("", sync.get("revision"), *sync.get("revisions", ()))
        and application["status"]["health"].get("status") == "Healthy"
    )


@contextmanager
def world(tmp_path: Path, applications: Sequence[AppSpec], files: Mapping[str, str], **options: Any) -> Iterator[World]:
    """A started sandbox whose repository holds `files` in its first commit; `paused`: the controller waits."""
    repository = Repository(tmp_path / "config.git")
    repository.push("first", **files)
    options.setdefault("timing", QUICK)
    clock = options.pop("clock", None) or ScaledClock(options.pop("speed", SPEED))
    url = "http://127.0.0.1:3080/config.git"
    paused = options.pop("paused", False)
    sandbox = ArgoCdSandbox(repository.directory, url, applications, clock, **options)
    sandbox.pause_controller(paused)
    sandbox.start()
    try:
        yield World(sandbox, repository)
    finally:
        sandbox.stop()
    assert sandbox.failures == []
