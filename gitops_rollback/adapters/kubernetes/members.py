"""Which replicas of the controller live? Each says so, every few seconds, in one annotation of one Lease.

One object with a known name needs no more than the right to get, create and update leases, and leaves nothing behind
for each process that ever ran. Nothing but the sharing-out hangs on it: what is unreadable counts as nobody.
"""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import structlog

from gitops_rollback.adapters.kubernetes.client import Kubernetes, Object
from gitops_rollback.adapters.kubernetes.errors import Conflict
from gitops_rollback.adapters.kubernetes.lease import DEFAULT_TIMES, REAL, Clocks
from gitops_rollback.adapters.kubernetes.resources import LEASES
from gitops_rollback.core.errors import RollbackError
from gitops_rollback.core.lease import LeaseTimes
from gitops_rollback.core.sharing import Beat, hear, is_beside, living, said_word

NAME = "gitops-rollback-replicas"
ANNOTATION = "gitops-rollback.dev/replicas"
MAX_REPLICAS = 64
TRIES = 4
LONGEST_PAUSE_SECONDS = 0.2  # between tries, where several write at once

log = structlog.get_logger(__name__)


class KubernetesMembers:
    """`replicas.Members`. `run` is for one thread, `living` for any.

    Several installations may live in one namespace and share the object: each knows its own by `installation`.
    """

    def __init__(
        self,
        client: Kubernetes,
        identity: str,
        times: LeaseTimes = DEFAULT_TIMES,
        clocks: Clocks = REAL,
        installation: str = "",
    ) -> None:
        self._client = client
        self._identity = identity
        self._installation = installation
        self._times = times
        self._clocks = clocks
        self._heard: Mapping[str, Beat] = {}

    def living(self) -> frozenset[str]:
        """As in `replicas.Members`."""
        beside = {replica: beat for replica, beat in self._heard.items() if is_beside(beat, self._installation)}
        return living(beside, self._times.duration, self._clocks.monotonic()) | {self._identity}

    def run(self, stop: threading.Event) -> None:
        """As in `replicas.Members`."""
        while not stop.is_set():
            self.beat()
            stop.wait(self._times.retry * random.uniform(1.0, 1.5))
        self.beat(leaves=True)

    def beat(self, leaves: bool = False) -> None:
        """One word of ours, and a look at the others'. Never raises for what the API says."""
        for _ in range(TRIES):
            try:
                self._say(leaves)
                return
            except Conflict:
                threading.Event().wait(random.uniform(0, LONGEST_PAUSE_SECONDS))
            except RollbackError as exc:
                log.debug("cannot say that we live", message=exc.message)
                return

    def _say(self, leaves: bool) -> None:
        patience = timedelta(seconds=self._times.renew_deadline / 2)
        found = self._client.get(LEASES, self._client.namespace, NAME, patience)
        now = self._clocks.monotonic()
        self._heard = hear(self._heard, read_members(found), now)
        alive = living(self._heard, self._times.duration, now) - {self._identity}
        said = {replica: self._heard[replica].word for replica in sorted(alive)[: MAX_REPLICAS - 1]}
        if not leaves:
            said[self._identity] = said_word(self._clocks.wall().isoformat(), self._installation)
        if found is None:
            metadata = {"name": NAME, "namespace": self._client.namespace}
            made = {"apiVersion": LEASES.api_version, "kind": "Lease", "metadata": metadata, "spec": {}}
            self._client.create(LEASES, _written(made, said), patience)
        else:
            self._client.replace(LEASES, _written(found, said), patience)


def read_members(found: Object | None) -> dict[str, str]:
    """Who said what; {} where that cannot be read."""
    metadata = found.get("metadata") if found is not None else None
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    text = annotations.get(ANNOTATION) if isinstance(annotations, dict) else None
    try:
        said = json.loads(text) if isinstance(text, str) else {}
    except (ValueError, RecursionError):
        return {}
    if not isinstance(said, dict) or len(said) > MAX_REPLICAS:
        return {}
    return {replica: word for replica, word in said.items() if isinstance(word, str)}


def _written(found: Object, said: Mapping[str, str]) -> dict[str, Any]:
    metadata = found.get("metadata")
    kept = dict(metadata) if isinstance(metadata, dict) else {}
    annotations = kept.get("annotations")
    others = annotations if isinstance(annotations, dict) else {}
    return {**found, "metadata": {**kept, "annotations": {**others, ANNOTATION: json.dumps(said)}}}
