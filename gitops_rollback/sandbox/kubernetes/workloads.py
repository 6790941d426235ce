"""What does the server fill into a workload that says little? The defaults of apps/v1 and of its pods.

Source: Kubernetes pkg/apis/apps/v1/defaults.go, pkg/apis/core/v1/defaults.go; a recorded Deployment.
"""

from __future__ import annotations

import copy
from typing import Any

from gitops_rollback.sandbox.kubernetes.lists import as_object
from gitops_rollback.sandbox.rendering import Json

_POD: Json = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "securityContext": {},
    "schedulerName": "default-scheduler",
}
_CONTAINER: Json = {
    "resources": {},
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
}
_SPEC: dict[str, Json] = {
    "Deployment": {
        "replicas": 1,
        "revisionHistoryLimit": 10,
        "progressDeadlineSeconds": 600,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}},
    },
    "StatefulSet": {
        "replicas": 1,
        "revisionHistoryLimit": 10,
        "podManagementPolicy": "OrderedReady",
        "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
    },
    "DaemonSet": {
        "revisionHistoryLimit": 10,
        "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}},
    },
    "ReplicaSet": {"replicas": 1},
}


def filled(body: Json) -> Json:
    """The workload with every default; other kinds unchanged."""
    spec = body.get("spec")
    if body.get("kind") not in _SPEC or not isinstance(spec, dict):
        return body
    spec = _over(_SPEC[body["kind"]], spec)
    template = as_object(spec.get("template"))
    pod = template.get("spec")
    if isinstance(pod, dict):
        containers = [_container(one) if isinstance(one, dict) else one for one in pod.get("containers") or ()]
        spec["template"] = {**template, "spec": {**_over(_POD, pod), "containers": containers}}
    return {**body, "spec": spec}


def _over(defaults: Json, given: Json) -> Json:
    return {**given, **{name: copy.deepcopy(value) for name, value in defaults.items() if given.get(name) is None}}


def _container(given: Json) -> Json:
    image: Any = given.get("image", "")
    tag = str(image).rpartition("/")[2].partition(":")[2]
    pull = "IfNotPresent" if tag not in ("", "latest") or "@" in str(image) else "Always"
    return _over({**_CONTAINER, "imagePullPolicy": pull}, given)
