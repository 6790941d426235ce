"""Which Helm action comes next, until none is left or nothing more may be tried?

Source: helm-controller internal/reconcile/state.go and atomic_release.go.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from enum import Enum

from gitops_rollback.sandbox.argocd.scheduler import Steps
from gitops_rollback.sandbox.flux.draft import RECONCILING
from gitops_rollback.sandbox.flux.helm.actions import (
    RELEASES,
    NotStoredError,
    correct,
    rollback,
    test,
    uninstall_remediation,
)
from gitops_rollback.sandbox.flux.helm.drift import drifted
from gitops_rollback.sandbox.flux.helm.request import RELEASED, REMEDIATED, Request, chart_of, full_name, summarize
from gitops_rollback.sandbox.flux.helm.spec import INSTALL, ROLLBACK, TEST_ACTION, UNINSTALL, UPGRADE, Remediation
from gitops_rollback.sandbox.flux.helm.storage import (
    FAILED_RELEASE,
    UNINSTALLED,
    digest_of,
    failed_test,
    previous,
    truncated,
    values_digest,
)
from gitops_rollback.sandbox.flux.status import long

FORCE_AT, RESET_AT = "reconcile.fluxcd.io/forceAt", "reconcile.fluxcd.io/resetAt"
CORRECT = "correct cluster drift"


class End(Enum):
    """How a reconciliation ended: well, to be tried again at once, or with nothing left to try."""

    DONE = "done"
    RETRY = "retry"
    TERMINAL = "terminal"


class State(Enum):
    """How the release is, against what is wanted."""

    ABSENT = "absent"
    UNMANAGED = "unmanaged"
    FAILED = "failed"
    OUT_OF_SYNC = "out of sync"
    UNTESTED = "untested"
    DRIFTED = "drifted"
    IN_SYNC = "in sync"


class StalledError(Exception):
    """Nothing may be tried any more. `reason` is that of the condition Stalled."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class Action:
    """One thing to do. `sort`: each is done once in a reconciliation; after a remediation it ends."""

    name: str
    sort: str  # release, remediate, test, drift
    steps: Callable[[Request], Steps]


_RELEASES = {name: Action(name, "release", steps) for name, steps in RELEASES.items()}
_ROLLBACK = Action(ROLLBACK, "remediate", rollback)
_UNINSTALL = Action(UNINSTALL, "remediate", uninstall_remediation)
_TEST = Action(TEST_ACTION, "test", test)


def run(request: Request) -> Generator[float, None, End]:
    """Act until there is nothing left to do."""
    draft, done = request.draft, set[str]()
    while True:
        try:
            action = _next(request, _state(request))
        except StalledError as exc:
            draft.mark("Stalled", "True", exc.reason, str(exc))
            return End.TERMINAL
        if action is None:
            draft.drop(RECONCILING)
            summarize(request)
            return End.DONE
        if action.sort in done:
            return _paused(request)
        words = f"Running '{action.name}' action with timeout of {long(request.spec.timeout(action.name))}"
        draft.progressing("Progressing", words)
        if action.sort == "release":
            draft.mark("Ready", "Unknown", "Progressing", words)
        draft.patch()
        try:
            yield from action.steps(request)
        except NotStoredError:
            return End.RETRY
        if action.sort == "remediate":
            return _remediated(request)
        done.add(action.sort)
        draft.patch()


def requested(request: Request, annotation: str, field: str) -> bool:
    """Whether the request of an annotation counts: once, and together with a new request to reconcile."""
    fields, metadata = request.draft.fields, request.subject.body["metadata"]
    asked = (metadata.get("annotations") or {}).get(annotation)
    if asked is None:
        return False
    handled, fields[field] = fields.get(field), asked
    is_new = request.subject.asked not in ("", fields.get("lastHandledReconcileAt", ""))
    return bool(asked == request.subject.asked and is_new and handled != asked)


def _paused(request: Request) -> End:
    """The next action is of a sort that was done already: later, or never."""
    remediation = request.spec.active_remediation(request.draft.fields)
    if remediation is None or not remediation.exhausted(request.draft.fields):
        _again(request)
        return End.RETRY
    request.draft.drop(RECONCILING)
    return End.DONE


def _remediated(request: Request) -> End:
    fields = request.draft.fields
    remediation = request.spec.active_remediation(fields)
    if remediation is None or not remediation.exhausted(fields):
        _again(request)
        return End.RETRY
    request.draft.mark("Stalled", "True", "RetriesExceeded", _exceeded(request, remediation))
    return End.TERMINAL


def _again(request: Request) -> None:
    request.draft.progressing("ProgressingWithRetry", request.draft.condition("Ready").get("message", ""))


def _exceeded(request: Request, remediation: Remediation) -> str:
    fields = request.draft.fields
    return f"Failed to {fields['lastAttemptedReleaseAction']} after {remediation.count(fields)} attempt(s)"


def _state(request: Request) -> State:
    releases, history = request.releases, request.history
    if not releases:
        return State.ABSENT
    last = releases[-1]
    if not history:
        return State.ABSENT if last.status == UNINSTALLED else State.UNMANAGED
    newest = history[0]
    if newest["version"] != last.version or newest["digest"] != digest_of(last):
        return State.UNMANAGED
    if last.status == FAILED_RELEASE:
        return State.FAILED
    if last.status == UNINSTALLED:
        return State.ABSENT
    same_chart = (last.chart.name, last.chart.version) == (request.chart.name, request.chart.version)
    if not same_chart or newest["configDigest"] != values_digest(request.values):
        return State.OUT_OF_SYNC
    if request.spec.tests and "testHooks" not in newest:
        return State.UNTESTED
    remediation = request.spec.active_remediation(request.draft.fields)
    if request.spec.tests and remediation and not remediation.ignores_tests and failed_test(newest):
        return State.FAILED
    return State.DRIFTED if drifted(request) else State.IN_SYNC


def _next(request: Request, state: State) -> Action | None:
    """Raises: StalledError."""
    forced = requested(request, FORCE_AT, "lastHandledForceAt")
    if state is State.ABSENT:
        return _tried(request, INSTALL, forced)
    if state is State.OUT_OF_SYNC:
        return _tried(request, UPGRADE, forced)
    if state is State.UNMANAGED:
        request.history = []
        return _RELEASES[UPGRADE]
    if state is State.FAILED:
        return _after_failure(request, forced)
    if state is State.DRIFTED:
        return _corrected(request)
    if state is State.IN_SYNC:
        remediation = request.spec.active_remediation(request.draft.fields)
        ignored = remediation.ignores_tests if remediation else request.spec.ignores_tests
        request.history = truncated(request.history, ignored)
        if forced:
            return _RELEASES[UPGRADE]
    _accept(request)
    return _TEST if state is State.UNTESTED else None


def _tried(request: Request, action: str, forced: bool) -> Action:
    remediation = request.spec.remediation(action)
    if remediation.exhausted(request.draft.fields) and not forced:
        active = request.spec.active_remediation(request.draft.fields) or remediation
        raise StalledError("RetriesExceeded", _exceeded(request, active))
    return _RELEASES[action]


def _accept(request: Request) -> None:
    """What Flux went back to is what is wanted now: it counts as released, though Helm did nothing."""
    if not request.draft.is_true(REMEDIATED):
        return
    newest = request.history[0]
    words = f"Helm upgrade succeeded for release {full_name(newest)} with chart {chart_of(newest)}"
    request.draft.turn(REMEDIATED, RELEASED, "UpgradeSucceeded", words)


def _after_failure(request: Request, forced: bool) -> Action:
    """Raises: StalledError."""
    fields = request.draft.fields
    remediation = request.spec.active_remediation(fields)
    if remediation is None or remediation.count(fields) <= 0 or forced:
        return _RELEASES[UPGRADE]
    if remediation.exhausted(fields) and not remediation.last_too:
        raise StalledError("RetriesExceeded", _exceeded(request, remediation))
    request.history = truncated(request.history, remediation.ignores_tests)
    if remediation.strategy == UNINSTALL:
        return _UNINSTALL
    target = previous(request.history, remediation.ignores_tests)
    if target is None:
        words = "missing target release for rollback: cannot remediate failed release"
        raise StalledError("MissingRollbackTarget", f"Failed to perform remediation: {words}")
    kept = next((one for one in request.releases if one.version == target["version"]), None)
    return _ROLLBACK if kept is not None and digest_of(kept) == target["digest"] else _RELEASES[UPGRADE]


def _corrected(request: Request) -> Action | None:
    if (request.spec.spec.get("driftDetection") or {}).get("mode") != "enabled":
        return None
    changed = drifted(request)
    return Action(CORRECT, "drift", lambda one: correct(one, changed))
