"""What a node does, as far as a rollback can see it: Pods get a status by the tag of their image, and count requests.

`*missing*` cannot be pulled, `*crash*` crashes again and again, `*slow*` is never ready; with `*bad*` one request in
five fails. Everything else is ready after two seconds.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

NODE = "node1"
LOOK_SECONDS = 1.0
READY_AFTER_SECONDS = 2.0
CRASH_EACH_SECONDS = 8.0
REQUESTS_PER_LOOK = 20.0
FAILING = 0.2
Json = dict[str, Any]


class Kubelet:
    """One node that takes every Pod; its `metrics_port` serves `http_requests_total` by the Pods' label `app`."""

    def __init__(self, api: httpx.Client) -> None:
        self._api = api
        self._seen: dict[str, float] = {}
        self._told: dict[str, str] = {}
        self._counted: dict[str, list[float]] = {}
        self._stopped = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _metrics_of(self))
        self._threads = [
            threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True),
            threading.Thread(target=self._live, daemon=True),
        ]

    @property
    def metrics_port(self) -> int:
        return int(self._server.server_address[1])

    def start(self) -> None:
        self._api.post("/api/v1/nodes", json={"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}})
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._server.shutdown()
        for thread in self._threads:
            thread.join(timeout=30)
        self._server.server_close()

    def metrics(self) -> str:
        lines = ["# TYPE http_requests_total counter"]
        for service, (good, failed) in sorted(self._counted.items()):
            lines.append(f'http_requests_total{{service="{service}",status="200"}} {good}')
            lines.append(f'http_requests_total{{service="{service}",status="500"}} {failed}')
        return "\n".join([*lines, ""])

    def _live(self) -> None:
        while not self._stopped.wait(LOOK_SECONDS):
            try:
                self._look()
            except httpx.HTTPError:
                continue  # the API server is not there at the moment; a real kubelet asks again, too

    def _look(self) -> None:
        for pod in self._api.get("/api/v1/pods").json().get("items", ()):
            path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"
            if pod["metadata"].get("deletionTimestamp"):
                self._api.request("DELETE", path, json={"gracePeriodSeconds": 0})
                continue
            if not pod["spec"].get("nodeName"):
                target = {"apiVersion": "v1", "kind": "Node", "name": NODE}
                named = {"name": pod["metadata"]["name"]}
                self._api.post(
                    f"{path}/binding", json={"apiVersion": "v1", "kind": "Binding", "metadata": named, "target": target}
                )
            self._tell(pod, path)

    def _tell(self, pod: Mapping[str, Any], path: str) -> None:
        uid = pod["metadata"]["uid"]
        began = self._seen.setdefault(uid, time.time())
        status = status_of(pod, began, time.time())
        if self._told.get(uid) != (text := json.dumps(status, sort_keys=True)):
            headers = {"content-type": "application/merge-patch+json"}
            self._api.patch(f"{path}/status", content=json.dumps({"status": status}), headers=headers)
            self._told[uid] = text
        if status["conditions"][0]["status"] == "True":
            self._count(pod)

    def _count(self, pod: Mapping[str, Any]) -> None:
        counted = self._counted.setdefault(pod["metadata"].get("labels", {}).get("app", ""), [0.0, 0.0])
        failed = REQUESTS_PER_LOOK * FAILING if "bad" in _tag(pod["spec"]["containers"][0]) else 0.0
        counted[0] += REQUESTS_PER_LOOK - failed
        counted[1] += failed


def status_of(pod: Mapping[str, Any], began: float, now: float) -> Json:
    """The Pod's status at `now`, by its age and its images' tags; equal inputs within a phase give equal answers."""
    containers = [_container(one, began, now) for one in pod["spec"]["containers"]]
    ready = all(one["ready"] for one in containers)
    at = _time(began + READY_AFTER_SECONDS if ready else began)
    words = {"lastTransitionTime": at} | ({} if ready else {"reason": "ContainersNotReady"})
    up = {"status": str(ready)} | words
    return {
        "phase": "Running"
        if any("running" in one["state"] or one["restartCount"] for one in containers)
        else "Pending",
        "conditions": [
            {"type": "Ready"} | up,
            {"type": "ContainersReady"} | up,
            *({"type": kind, "status": "True", "lastTransitionTime": at} for kind in ("Initialized", "PodScheduled")),
        ],
        "containerStatuses": containers,
        "startTime": _time(began),
        "hostIP": "127.0.0.1",
    }


def _container(container: Mapping[str, Any], began: float, now: float) -> Json:
    tag, image = _tag(container), container["image"]
    status: Json = {"name": container["name"], "image": image, "imageID": "", "ready": False, "restartCount": 0}
    started = {"running": {"startedAt": _time(began + READY_AFTER_SECONDS)}}
    if "missing" in tag:
        return status | {"state": _waiting("ImagePullBackOff", f'Back-off pulling image "{image}"')}
    if "crash" in tag:
        return status | _crashing(began, int((now - began) / CRASH_EACH_SECONDS))
    if now - began < READY_AFTER_SECONDS:
        return status | {"state": _waiting("ContainerCreating", "")}
    if "slow" in tag:
        return status | {"state": started, "started": True}
    return status | {"state": started, "started": True, "ready": True, "imageID": f"{image}@sha256:{'0' * 64}"}


def _crashing(began: float, times: int) -> Json:
    if not times:
        return {"state": {"running": {"startedAt": _time(began)}}}
    ended = began + times * CRASH_EACH_SECONDS
    last = {"exitCode": 1, "reason": "Error", "startedAt": _time(ended - 1), "finishedAt": _time(ended)}
    return {
        "restartCount": times,
        "state": _waiting("CrashLoopBackOff", "back-off 10s restarting failed container"),
        "lastState": {"terminated": last},
    }


def _waiting(reason: str, message: str) -> Json:
    return {"waiting": {"reason": reason} | ({"message": message} if message else {})}


def _tag(container: Mapping[str, Any]) -> str:
    return str(container["image"]).rpartition(":")[2]


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _metrics_of(kubelet: Kubelet) -> type[BaseHTTPRequestHandler]:
    class Metrics(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = kubelet.metrics().encode()
            self.send_response(200)
            self.send_header("content-type", "text/plain; version=0.0.4")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nobody reads what was scraped."""

    return Metrics
