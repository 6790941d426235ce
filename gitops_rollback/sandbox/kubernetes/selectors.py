"""Which objects does a label or field selector mean?

Source: k8s.io/apimachinery pkg/labels/selector.go and pkg/fields; custom resources have two fields alone,
those of metadata.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from gitops_rollback.sandbox.kubernetes.answers import bad_request
from gitops_rollback.sandbox.kubernetes.kinds import Kind
from gitops_rollback.sandbox.rendering import Json

Selects = Callable[[Json], bool]
FIELDS = {
    "Event": (
        *("involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid"),
        *("involvedObject.apiVersion", "reason", "type", "source", "reportingComponent"),
    ),
    "Pod": ("status.phase", "spec.nodeName", "spec.restartPolicy", "spec.serviceAccountName", "status.podIP"),
    "Secret": ("type",),
    "Namespace": ("status.phase",),
    "Job": ("status.successful",),
    "ReplicaSet": ("status.replicas",),
}
_IN = re.compile(r"(?P<key>[^\s=!,]+)\s+(?P<word>in|notin)\s+\((?P<values>[^)]*)\)")
_EQUAL = re.compile(r"(?P<key>[^\s=!,]+)\s*(?P<word>==|=|!=)\s*(?P<values>[^\s=!,]*)")
_THERE = re.compile(r"(?P<not>!?)\s*(?P<key>[^\s=!,()]+)")
_BETWEEN = re.compile(r",(?![^(]*\))")


def everything(_body: Json) -> bool:
    """No selector."""
    return True


def selection(kind: Kind, labels: str, fields: str) -> Selects:
    """Both selectors as one test. Raises: Refusal 400."""
    tests = [*map(_label_test, _parts(labels)), *(_field_test(kind, part) for part in _parts(fields))]
    if not tests:
        return everything
    return lambda body: all(test(body) for test in tests)


def _parts(selector: str) -> list[str]:
    return [part.strip() for part in _BETWEEN.split(selector) if part.strip()]


def _label_test(part: str) -> Selects:
    match = _IN.fullmatch(part) or _EQUAL.fullmatch(part)
    if match:
        values = {value.strip() for value in match["values"].split(",")}
        key, unwanted = match["key"], match["word"] in ("notin", "!=")
        return lambda body: (_labels(body).get(key) in values) is not unwanted
    there = _THERE.fullmatch(part)
    if there is None:
        raise bad_request(f"unable to parse requirement: found '{part}', expected: identifier")
    key, absent = there["key"], bool(there["not"])
    return lambda body: (key in _labels(body)) is not absent


def _labels(body: Json) -> Json:
    found: Json = body["metadata"].get("labels") or {}
    return found


def _field_test(kind: Kind, part: str) -> Selects:
    match = _EQUAL.fullmatch(part)
    if match is None:
        raise bad_request(f"invalid selector: '{part}'; can't understand '{part}'")
    key, wanted, unwanted = match["key"], match["values"], match["word"] == "!="
    if key not in ("metadata.name", "metadata.namespace", *(() if kind.custom else FIELDS.get(kind.kind, ()))):
        raise bad_request(
            f'Unable to find "{kind.api_version}, Resource={kind.plural}" that match label selector "", '
            f'field selector "{part}": field label not supported: {key}'
        )
    return lambda body: (str(_at(body, key)) == wanted) is not unwanted


def _at(body: Json, path: str) -> object:
    value: Any = body
    for word in path.split("."):
        value = value.get(word) if isinstance(value, dict) else None
    return "" if value is None else value
