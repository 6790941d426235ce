"""A sandbox Kubernetes API, and a client that speaks plain HTTP and reads watches line by line."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from gitops_rollback.sandbox.clock import ScaledClock
from gitops_rollback.sandbox.kubernetes import By, KubernetesSandbox, kind_of
from gitops_rollback.sandbox.kubernetes.kinds import GIT_REPOSITORY, KUSTOMIZATION, LEASE

Json = dict[str, Any]
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
KUSTOMIZATIONS = KUSTOMIZATION.path("flux-system")
SOURCES = GIT_REPOSITORY.path("flux-system")
LEASES = LEASE.path("default")
PATIENCE = 20.0
READER = "reader of a watch"


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def reason(self) -> str:
        return str(self.json["reason"])


def ask(
    sandbox: KubernetesSandbox,
    method: str,
    path: str,
    body: object = None,
    media: str = "application/json",
    token: str | None = None,
    timeout: float = PATIENCE,
) -> Reply:
    """One request on its own connection."""
    connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=timeout)
    bearer = sandbox.token if token is None else token
    headers = {"Accept": "application/json", **({"Authorization": f"Bearer {bearer}"} if bearer else {})}
    if body is not None:
        headers["Content-Type"] = media
    text = None if body is None else json.dumps(body)
    with contextlib.closing(connection):
        connection.request(method, path, body=text, headers=headers)
        with connection.getresponse() as response:
            names = {key.lower(): value for key, value in response.getheaders()}
            return Reply(response.status, names, response.read().decode())


class Watcher:
    """One watch: `events` as they came; `ended` when the stream did, `broken` if in the middle, after some event."""

    def __init__(self, sandbox: KubernetesSandbox, path: str, query: str = "") -> None:
        self.events: list[Json] = []
        self.status = 0
        self.headers: dict[str, str] = {}
        self.ended = False
        self.broken = False
        self._grown = threading.Condition()
        self._connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=PATIENCE)
        headers = {"Authorization": f"Bearer {sandbox.token}", "Accept": "application/json"}
        self._connection.request("GET", f"{path}?watch=true{query}", headers=headers)
        self._socket = self._connection.sock
        threading.Thread(target=self._read, daemon=True, name=READER).start()

    def _read(self) -> None:
        try:
            with self._connection.getresponse() as response:
                self.status = response.status
                self.headers = {key.lower(): value for key, value in response.getheaders()}
                self._grow(lambda: None)
                while line := response.readline():
                    self._grow(partial(self.events.append, json.loads(line)))
                self.broken = response.chunk_left is not None  # the last chunk, of length zero, never came
        except (OSError, ValueError, http.client.HTTPException):
            self.broken = True
        self._connection.close()
        self._grow(lambda: setattr(self, "ended", True))

    def _grow(self, step: Callable[[], object]) -> None:
        with self._grown:
            step()
            self._grown.notify_all()

    def wait(self, condition: Callable[[], bool], seconds: float = PATIENCE) -> bool:
        """Wait until it holds after something came; False when it never did."""
        with self._grown:
            return self._grown.wait_for(condition, seconds)

    def wait_for(self, *words: str) -> bool:
        """Wait until the events so far are of these types, in this order."""
        return self.wait(lambda: self.types == list(words))

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.events]

    @property
    def names(self) -> list[str]:
        return [event["object"]["metadata"].get("name", "") for event in self.events]

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(2)


@contextmanager
def cluster(speed: float = 1.0, **options: Any) -> Iterator[KubernetesSandbox]:
    """A running API server; nothing may have gone wrong inside it."""
    sandbox = KubernetesSandbox(ScaledClock(speed), **options)
    sandbox.start()
    try:
        yield sandbox
    finally:
        sandbox.stop()
        for thread in [one for one in threading.enumerate() if one.name == READER]:
            thread.join(PATIENCE)
        assert sandbox.failures == []


def kustomization(name: str, **spec: Any) -> Json:
    wanted = {"interval": "10m", "path": f"./apps/{name}", "prune": True, **spec}
    return {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": name, "namespace": "flux-system"},
        "spec": {**wanted, "sourceRef": {"kind": "GitRepository", "name": "fleet"}},
    }


def lease(holder: str = "a", **metadata: str) -> Json:
    moment = "2026-11-23T08:00:00.000000Z"
    spec = {"holderIdentity": holder, "leaseDurationSeconds": 15, "acquireTime": moment, "renewTime": moment}
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "gitops-rollback", **metadata},
        "spec": {**spec, "leaseTransitions": 0},
    }


def put_there(sandbox: KubernetesSandbox, *manifests: Json) -> None:
    """Make objects as a person with kubectl does."""
    for manifest in manifests:
        sandbox.store.create(kind_of(manifest), manifest, By("kubectl-client-side-apply"))
