"""How do Flux's controllers write a status? Conditions in their order, requests acknowledged, durations and times.

Source: fluxcd/pkg runtime/conditions/setter.go and apis/meta/history.go; the recorded objects.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from gitops_rollback.sandbox.kubernetes import By, Kind, Store
from gitops_rollback.sandbox.rendering import Json, copied

REQUESTED_AT = "reconcile.fluxcd.io/requestedAt"
FINALIZER = "finalizers.fluxcd.io"
KEPT_HISTORY = 5
_FIRST = ("Stalled", "Reconciling", "Ready")
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class Condition:
    """One condition to be set."""

    type: str
    status: str
    reason: str
    message: str


@dataclass
class Subject:
    """The object that one reconciliation works on, and by whose hand it is written."""

    store: Store
    kind: Kind
    namespace: str
    name: str
    manager: str
    body: Json = field(default_factory=dict)  # as it was when the reconciliation began

    @property
    def spec(self) -> Json:
        return dict(self.body.get("spec") or {})

    @property
    def status(self) -> Json:
        return dict(self.body.get("status") or {})

    @property
    def generation(self) -> int:
        return int(self.body["metadata"]["generation"])

    @property
    def asked(self) -> str:
        """The request that it carries; "" for none."""
        return str((self.body["metadata"].get("annotations") or {}).get(REQUESTED_AT, ""))

    @property
    def is_new_request(self) -> bool:
        """Whether the request has not been acknowledged."""
        return self.asked not in ("", self.status.get("lastHandledReconcileAt", ""))

    def load(self) -> bool:
        """Read it anew; False if it is gone."""
        self.body = self.store.find(self.kind, self.name, self.namespace) or {}
        return bool(self.body)

    def hold(self) -> None:
        """Add the finalizer."""
        if FINALIZER not in (self.body["metadata"].get("finalizers") or ()):
            self.finalize([*(self.body["metadata"].get("finalizers") or ()), FINALIZER])

    def finalize(self, finalizers: Sequence[str]) -> None:
        """Write the finalizers."""

        def write(body: Json) -> None:
            body["metadata"]["finalizers"] = list(finalizers)

        self.body = self.store.change(self.kind, self.name, self.namespace, write, By(self.manager))

    def conditions(self, *wanted: Condition, drop: Sequence[str] = ()) -> None:
        """Set conditions and drop others, in one write, as the first of the patcher's writes."""

        def write(body: Json) -> None:
            now = stamp(self.store.now())
            status = body.setdefault("status", {})
            status["conditions"] = with_conditions(status.get("conditions") or (), wanted, drop, self.generation, now)

        self._write(write)

    def replace_conditions(self, conditions: Sequence[Json]) -> None:
        """Set all conditions to just these, in one write."""

        def write(body: Json) -> None:
            body.setdefault("status", {})["conditions"] = copied(list(conditions))

        self._write(write)

    def fields(self, **wanted: Any) -> None:
        """Set fields of the status other than conditions, in one write; None takes a field away."""

        def write(body: Json) -> None:
            status = {**(body.get("status") or {}), **wanted}
            body["status"] = {name: value for name, value in status.items() if value is not None}

        self._write(write)

    def acknowledged(self) -> Json:
        """The field that says which request was seen when this reconciliation began."""
        return {"lastHandledReconcileAt": self.asked} if self.asked else {}

    def _write(self, write: Any) -> None:
        if self.store.find(self.kind, self.name, self.namespace) is not None:
            self.body = {
                **self.store.change(self.kind, self.name, self.namespace, write, By(self.manager, status=True)),
                "metadata": self.body["metadata"],
                "spec": self.body.get("spec"),
            }


def with_conditions(
    present: Sequence[Json], wanted: Sequence[Condition], drop: Sequence[str], generation: int, now: str
) -> list[Json]:
    """Conditions with others set and some dropped, in the order in which Flux writes them."""
    found = {one["type"]: one for one in present if one["type"] not in drop}
    for one in wanted:
        before = found.get(one.type)
        said = (one.status, one.reason, one.message)
        same = before is not None and said == (before["status"], before["reason"], before["message"])
        moved = before["lastTransitionTime"] if before is not None and same else now
        found[one.type] = {
            "type": one.type, "status": one.status, "reason": one.reason, "message": one.message,
            "observedGeneration": generation, "lastTransitionTime": moved,
        }  # fmt: skip
    return sorted(found.values(), key=lambda one: (_rank(one["type"]), one["type"]))


def _rank(kind: str) -> int:
    return _FIRST.index(kind) if kind in _FIRST else len(_FIRST)


def history(known: Sequence[Json], digest: str, status: str, revision: str, took: timedelta, now: str) -> list[Json]:
    """`status.history` with one more reconciliation: one entry for each digest and outcome, the newest first."""
    same = next((one for one in known if (one["digest"], one["lastReconciledStatus"]) == (digest, status)), None)
    entry = {
        "digest": digest,
        "firstReconciled": same["firstReconciled"] if same else now,
        "lastReconciled": now,
        "lastReconciledDuration": short(took),
        "lastReconciledStatus": status,
        "metadata": {"revision": revision},
        "totalReconciliations": same["totalReconciliations"] + 1 if same else 1,
    }
    return [entry, *(one for one in known if one is not same)][:KEPT_HISTORY]


def stamp(moment: datetime) -> str:
    """A time as status fields carry it: whole seconds."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds(text: object, otherwise: float) -> float:
    """A Go duration in seconds; `otherwise` where there is none."""
    parts = _PART.findall(str(text or ""))
    return sum(float(count) * _SECONDS[unit] for count, unit in parts) if parts else otherwise


def long(total: float) -> str:
    """As Go prints a duration of whole seconds: `9m30s`, `1h0m0s`."""
    whole = round(total)
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def short(took: timedelta) -> str:
    """As Go prints a measured duration: `212.783ms`, `30.168831s`."""
    total = took.total_seconds()
    if total < 1:
        return f"{total * 1000:.3f}".rstrip("0").rstrip(".") + "ms"
    minutes, rest = divmod(total, 60)
    words = f"{rest:.6f}".rstrip("0").rstrip(".") + "s"
    return f"{int(minutes)}m{words}" if minutes else words
