"""What does a Pod look like, and what does its kubelet say of it? Pods obey their image's tag.

`*missing*` cannot be pulled, `*nosecret*` asks for a Secret that is not there, `*crash*` ends soon and again, `*slow*`
runs and is never ready. A ConfigMap `*-missing` is not there either, and a command with `exit 1` ends soon.
Source: kubernetes pkg/kubelet/kubelet_pods.go (waiting reasons), pkg/kubelet/kuberuntime (back-off: the first restart
comes at once); a recorded Pod.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from gitops_rollback.sandbox.rendering import Json, images_of, pod_spec

LETTERS = "bcdfghjklmnpqrstvwxz2456789"
STARTING, READY, CRASHES = "", "ready", "crash"
TROUBLES = ("missing", "nosecret", CRASHES, "slow")
NODE = "node-0"
RUNS, BACK_OFF, LONGEST_BACK_OFF = timedelta(seconds=3), timedelta(seconds=10), timedelta(seconds=300)


@dataclass(frozen=True)
class Seen:
    """What the kubelet says: `state` is one of this module's words, `since` when a running container runs.

    `rests`: it ended, and waits to be started again; `last` is when its last run began and ended.
    """

    state: str
    since: datetime
    restarts: int = 0
    rests: bool = False
    last: tuple[datetime, datetime] | None = None


def trouble_of(images: Iterable[str]) -> str:
    """What keeps a Pod of these images from ever becoming ready; "" if nothing does."""
    tags = [image.rpartition("/")[2].partition(":")[2] for image in images]
    return next((word for word in TROUBLES for tag in tags if word in tag), "")


def trouble_in(manifest: Json) -> str:
    """The same of an object that makes Pods: by their images, by a ConfigMap that is not there, by what they run."""
    found = trouble_of(images_of(manifest))
    for container in pod_spec(manifest).get("containers") or ():
        if _maps_not_there(container):
            found = found or "nosecret"
        if any("exit 1" in str(word) for word in container.get("command") or ()):
            found = found or CRASHES
    return found


def _maps_not_there(container: Json) -> list[str]:
    sources = (str((one.get("configMapRef") or {}).get("name", "")) for one in container.get("envFrom") or ())
    return [name for name in sources if name.endswith("-missing")]


def crashing(created: datetime, now: datetime) -> tuple[Seen, datetime]:
    """How a container is that ends soon after each start, and when that changes."""
    start, restarts, rest = created, 0, timedelta(0)
    last: tuple[datetime, datetime] | None = None
    while True:
        end = start + RUNS
        if now < end:
            return Seen(CRASHES, start, restarts, False, last), end
        again, last = end + rest, (start, end)
        if now < again:
            return Seen(CRASHES, start, restarts, True, last), again
        start, restarts, rest = again, restarts + 1, min(LONGEST_BACK_OFF, rest * 2) or BACK_OFF


def letters(number: int, count: int = 5) -> str:
    """A suffix as Kubernetes makes them, another one for each number."""
    return "".join(LETTERS[number // 27**place % 27] for place in reversed(range(count)))


def pod(owner: Json, template: Json, suffix: str) -> Json:
    """A Pod of `owner`, a ReplicaSet or a controller that makes Pods itself, as its template has it."""
    metadata, template = owner["metadata"], copy.deepcopy(template)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            **(template.get("metadata") or {}),
            "name": f"{metadata['name']}-{suffix}",
            "generateName": f"{metadata['name']}-",
            "namespace": metadata["namespace"],
            "ownerReferences": [owned_by(owner)],
        },
        "spec": {**template["spec"], "nodeName": NODE},
    }


def owned_by(body: Json) -> Json:
    """The owner reference of what `body` controls."""
    metadata = body["metadata"]
    return {
        "apiVersion": body["apiVersion"],
        "kind": body["kind"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def pod_status(spec: Json, seen: Seen, created: datetime) -> Json:
    """The status of a Pod that was made then."""
    ready, waits = seen.state == READY, seen.state in (STARTING, "missing", "nosecret")
    flags = {"PodScheduled": True, "Initialized": True, "Ready": ready, "ContainersReady": ready}
    moved = {kind: seen.since if ready and kind.endswith("Ready") else created for kind in flags}
    return {
        "phase": "Pending" if waits else "Running",
        "conditions": [
            {"type": kind, "status": str(flag), "lastProbeTime": None, "lastTransitionTime": stamp(moved[kind])}
            for kind, flag in flags.items()
        ],
        "startTime": stamp(created),
        "podIP": "10.1.0.1",
        "podIPs": [{"ip": "10.1.0.1"}],
        "containerStatuses": [_container(one, seen) for one in spec["containers"]],
        "qosClass": "Burstable" if any(one.get("resources") for one in spec["containers"]) else "BestEffort",
    }


def stamp(moment: datetime) -> str:
    """A time as Kubernetes writes it: whole seconds, UTC."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _container(spec: Json, seen: Seen) -> Json:
    waiting, last = _waiting(spec, seen), {}
    if seen.last is not None:
        began, ended = (stamp(moment) for moment in seen.last)
        last = {"terminated": {"exitCode": 1, "reason": "Error", "startedAt": began, "finishedAt": ended}}
    never_ran = waiting and seen.last is None
    return {
        "name": spec["name"],
        "state": {"waiting": waiting} if waiting else {"running": {"startedAt": stamp(seen.since)}},
        "lastState": last,
        "ready": seen.state == READY,
        "started": not waiting,
        "restartCount": seen.restarts,
        "image": spec["image"],
        "imageID": "" if never_ran else f"img://{spec['image']}",
    }


def _waiting(spec: Json, seen: Seen) -> Json:
    if seen.state == STARTING:
        return {"reason": "ContainerCreating"}
    if seen.state == "missing":
        return {"reason": "ImagePullBackOff", "message": _not_pulled(spec["image"])}
    if seen.state == "nosecret":
        gone = next(iter(_maps_not_there(spec)), "")
        what = f'configmap "{gone}"' if gone else f'secret "{spec["name"]}"'
        return {"reason": "CreateContainerConfigError", "message": f"{what} not found"}
    if seen.rests:
        return {"reason": "CrashLoopBackOff", "message": f"back-off restarting failed container={spec['name']}"}
    return {}


def _not_pulled(image: str) -> str:
    why = f'failed to pull and unpack image "{image}": failed to resolve reference "{image}": {image}: not found'
    return f'Back-off pulling image "{image}": ErrImagePull: rpc error: code = NotFound desc = {why}'
