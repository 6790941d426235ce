"""What does the server refuse to store? Names, durations, times and required fields, as far as a client can trip over.

Source: the CRDs of Flux 2.9; Kubernetes pkg/apis/coordination/validation, pkg/apis/core/validation/events.go,
k8s.io/apimachinery pkg/apis/meta/v1/micro_time.go; the recorded 422.
"""

from __future__ import annotations

import re
from typing import Any

from gitops_rollback.sandbox.kubernetes.answers import bad_request, invalid
from gitops_rollback.sandbox.kubernetes.kinds import KUSTOMIZATION, LEASE, NEW_EVENT, Kind
from gitops_rollback.sandbox.kubernetes.lists import as_object
from gitops_rollback.sandbox.rendering import Json

DURATION = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"
DURATIONS = ("interval", "timeout", "retryInterval")
REQUIRED = {
    "Kustomization": ("interval", "prune", "sourceRef"),
    "GitRepository": ("interval", "url"),
    "OCIRepository": ("interval", "url"),
    "HelmRelease": ("interval",),
}
MICRO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)")
MICRO_LAYOUT = "2006-01-02T15:04:05.000000Z07:00"
SUBDOMAIN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
BAD_NAME = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is '" + SUBDOMAIN + "')"
)
_EVENT_LENGTHS = {"note": 1024, "reportingInstance": 128, "action": 128, "reason": 128}


def validate(kind: Kind, body: Json) -> None:
    """Raises: Refusal 400 or 422 for a body that this kind does not take."""
    name = as_object(body.get("metadata")).get("name", "")
    if not re.fullmatch(SUBDOMAIN, name) or len(name) > 253:
        raise invalid(kind, name, "metadata.name", "FieldValueInvalid", f'Invalid value: "{name}": {BAD_NAME}')
    spec = as_object(body.get("spec"))
    if kind is LEASE:
        _lease(kind, name, spec)
    elif kind is NEW_EVENT:
        _event(kind, name, body)
    elif kind.group.endswith("toolkit.fluxcd.io"):
        _flux(kind, name, spec)


def _flux(kind: Kind, name: str, spec: Json) -> None:
    for field in REQUIRED.get(kind.kind, ()):
        if field not in spec:
            raise invalid(kind, name, f"spec.{field}", "FieldValueRequired", "Required value")
    for field in DURATIONS:
        value = spec.get(field)
        if isinstance(value, str) and not re.fullmatch(DURATION, value):
            complaint = f"Invalid value: \"{value}\": spec.{field} in body should match '{DURATION}'"
            raise invalid(kind, name, f"spec.{field}", "FieldValueInvalid", complaint)
    for field, wanted in (("suspend", bool), ("path", str if kind is KUSTOMIZATION else object)):
        if field in spec and not isinstance(spec[field], wanted):
            word = "boolean" if wanted is bool else "string"
            complaint = f'Invalid value: "{_go_type(spec[field])}": spec.{field} in body must be of type {word}: '
            complaint += f'"{_go_type(spec[field])}"'
            raise invalid(kind, name, f"spec.{field}", "FieldValueTypeInvalid", complaint)


def _go_type(value: Any) -> str:
    names = {bool: "boolean", str: "string", int: "integer", float: "number", list: "array", dict: "object"}
    return names.get(type(value), "null")


def _lease(kind: Kind, name: str, spec: Json) -> None:
    for field in ("acquireTime", "renewTime"):
        _micro(kind, spec.get(field))
    if spec.get("leaseDurationSeconds", 1) <= 0:
        complaint = f"Invalid value: {spec['leaseDurationSeconds']}: must be greater than 0"
        raise invalid(kind, name, "spec.leaseDurationSeconds", "FieldValueInvalid", complaint)
    if spec.get("leaseTransitions", 0) < 0:
        complaint = f"Invalid value: {spec['leaseTransitions']}: must be greater than or equal to 0"
        raise invalid(kind, name, "spec.leaseTransitions", "FieldValueInvalid", complaint)


def _micro(kind: Kind, value: Any) -> None:
    """Go reads a micro time with its six digits or not at all."""
    if value is not None and not (isinstance(value, str) and MICRO.fullmatch(value)):
        raise bad_request(
            f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: '
            f'parsing time "{value}" as "{MICRO_LAYOUT}": cannot parse'
        )


def _event(kind: Kind, name: str, body: Json) -> None:
    _micro(kind, body.get("eventTime"))
    for field in ("eventTime", "reportingController", "reportingInstance", "action", "reason"):
        if not body.get(field):
            raise invalid(kind, name, field, "FieldValueRequired", "Required value")
    if body.get("type") not in ("Normal", "Warning"):
        raise invalid(kind, name, "type", "FieldValueInvalid", f'Invalid value: "{body.get("type", "")}"')
    for field, most in _EVENT_LENGTHS.items():
        if len(str(body.get(field, "")).encode()) > most:
            complaint = f'Invalid value: "{body[field]}": can have at most {most} characters'
            raise invalid(kind, name, field, "FieldValueInvalid", complaint)
    about = as_object(body.get("regarding")).get("namespace") or "default"
    if about != body["metadata"].get("namespace"):
        complaint = f'Invalid value: "{about}": does not match event.namespace'
        raise invalid(kind, name, "regarding.namespace", "FieldValueInvalid", complaint)
    for field in ("deprecatedSource", "deprecatedFirstTimestamp", "deprecatedLastTimestamp", "deprecatedCount"):
        if body.get(field):
            raise invalid(kind, name, field, "FieldValueInvalid", "Invalid value: must be unset")
