"""What does Helm do when it installs, upgrades, goes back, uninstalls and tests, and what is said of it?

Source: helm v4 pkg/action; helm-controller internal/reconcile (install, upgrade, rollback_remediation,
uninstall_remediation, test, correct_cluster_drift).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace

from gitops_rollback.sandbox.argocd.scheduler import Steps
from gitops_rollback.sandbox.charts import ChartError, render_chart
from gitops_rollback.sandbox.flux.applying import ApplyError, apply, entries, prune
from gitops_rollback.sandbox.flux.health import waited
from gitops_rollback.sandbox.flux.helm.request import (
    RELEASED,
    REMEDIATED,
    TESTED,
    Request,
    chart_of,
    full_name,
    summarize,
)
from gitops_rollback.sandbox.flux.helm.spec import INSTALL, ROLLBACK, UNINSTALL, UPGRADE
from gitops_rollback.sandbox.flux.helm.storage import (
    DEPLOYED,
    FAILED_RELEASE,
    SUPERSEDED,
    UNINSTALLED,
    UNINSTALLING,
    Release,
    previous,
    snapshot,
    values_digest,
)
from gitops_rollback.sandbox.flux.status import short, stamp
from gitops_rollback.sandbox.kubernetes import kind_of
from gitops_rollback.sandbox.rendering import Json, images_of

OWNER = "helm.toolkit.fluxcd.io"
UNINSTALL_REMEDIATION = "uninstall-remediation"
STEP_SECONDS = 0.02


class NotStoredError(Exception):
    """The action failed before Helm wrote anything down: there is nothing to remediate, and it is tried again."""


def install(request: Request) -> Steps:
    """Release for the first time; what was before is forgotten. Raises: NotStoredError."""
    request.history = []
    yield from _release(request, INSTALL, None)


def upgrade(request: Request) -> Steps:
    """Release over the version that is deployed. Raises: NotStoredError."""
    deployed = [one for one in request.releases if one.status == DEPLOYED]
    yield from _release(request, UPGRADE, deployed[-1] if deployed else request.releases[-1])


def _release(request: Request, action: str, before: Release | None) -> Steps:
    draft, began = request.draft, request.subject.store.now()
    draft.fields["lastAttemptedReleaseAction"] = action
    draft.drop(TESTED, REMEDIATED)
    try:
        made = _rendered(request, before)
    except ChartError as exc:
        _release_failed(request, action, str(exc))
        summarize(request)
        raise NotStoredError(str(exc)) from exc
    problem = yield from _applied(request, made, before, action)
    draft.fields["lastAttemptedReleaseActionDuration"] = short(request.subject.store.now() - began)
    made = replace(made, status=FAILED_RELEASE if problem else DEPLOYED)
    request.keep(made)
    request.history = [snapshot(made, action), *request.history]
    if problem:
        _release_failed(request, action, problem)
        request.count(request.spec.remediation(action).counter)
    else:
        _released(request, action)
    if before is not None:
        _written_again(request, before, superseded=not problem)
    summarize(request)


def _written_again(request: Request, before: Release, superseded: bool) -> None:
    """Helm writes down the version before, too, so that what was once done to it is no longer told of it."""
    if superseded and before.status == DEPLOYED:
        before = replace(before, status=SUPERSEDED)
    request.keep(before)
    request.observe(before, snapshot(before))


def _rendered(request: Request, before: Release | None) -> Release:
    """The version to be, not yet applied. Raises: ChartError."""
    spec, now = request.spec, stamp(request.subject.store.now())
    rendered = render_chart(request.chart, request.values, spec.release_name, spec.target_namespace)
    for one in rendered.manifests:
        try:
            kind_of(one)
        except KeyError as exc:
            words = f'no matches for kind "{one["kind"]}" in version "{one["apiVersion"]}"'
            place = f'resource mapping not found for name: "{one["metadata"]["name"]}"'
            raise ChartError(f"unable to build kubernetes objects from release manifest: {place}: {words}") from exc
    versions = [one.version for one in request.releases]
    return Release(
        name=spec.release_name,
        namespace=spec.target_namespace,
        version=max(versions, default=0) + 1,
        status="pending-upgrade" if before else "pending-install",
        chart=request.chart,
        config_digest=values_digest(request.values),
        manifests=rendered.manifests,
        tests=rendered.tests,
        first_deployed=before.first_deployed if before else now,
        last_deployed=now,
    )


def _released(request: Request, action: str) -> None:
    newest = request.history[0]
    words = f"Helm {action} succeeded for release {full_name(newest)} with chart {chart_of(newest)}"
    request.draft.mark(RELEASED, "True", f"{action.capitalize()}Succeeded", words)
    if request.spec.tests:
        words = f"Helm release {full_name(newest)} with chart {chart_of(newest)} is awaiting tests"
        request.draft.mark(TESTED, "Unknown", "AwaitingTests", words)


def _release_failed(request: Request, action: str, problem: str) -> None:
    named = f"{request.spec.target_namespace}/{request.spec.release_name}"
    chart = f"{request.chart.name}@{request.chart.version}"
    request.count("failures")
    words = f"Helm {action} failed for release {named} with chart {chart}: {problem}"
    request.draft.mark(RELEASED, "False", f"{action.capitalize()}Failed", words)


def _applied(request: Request, made: Release, before: Release | None, action: str) -> Generator[float, None, str]:
    """Apply a release, take away what only the one before had, and wait for health; "" or what went wrong."""
    manifests = [decorated(one, made) for one in made.manifests]
    yield STEP_SECONDS
    request.draft.fields["inventory"] = {"entries": entries(made.manifests)}
    try:
        apply(request.subject, manifests, OWNER)
    except ApplyError as exc:
        return _refused(exc)
    prune(request.subject, entries(before.manifests) if before else (), entries(made.manifests))
    if not request.spec.waits(action):
        return ""
    timeout = request.spec.timeout(action)
    return (yield from waited(request.subject.store, made.manifests, timeout, request.timing.poll))


def _refused(problem: ApplyError) -> str:
    one = problem.manifest
    place = f"{one['metadata'].get('namespace', '')}/{one['metadata']['name']}"
    gvk = f"{one['apiVersion']}, Kind={one['kind']}"
    return f"server-side apply failed for object {place} {gvk}: {problem.problem}"


def decorated(manifest: Json, release: Release) -> Json:
    """An object with what Helm writes on all that it applies."""
    body = copy.deepcopy(manifest)
    metadata = body["metadata"]
    metadata["labels"] = {**(metadata.get("labels") or {}), "app.kubernetes.io/managed-by": "Helm"}
    said = {"meta.helm.sh/release-name": release.name, "meta.helm.sh/release-namespace": release.namespace}
    metadata["annotations"] = {**(metadata.get("annotations") or {}), **said}
    return body


# Remediation


def rollback(request: Request) -> Steps:
    """Go back to the newest good version, which becomes a new version."""
    target = previous(request.history, request.spec.remediation(UPGRADE).ignores_tests)
    if target is None:
        raise ValueError("without a good version before there is no rollback")
    last = request.releases[-1]
    wanted = next(one for one in request.releases if one.version == target["version"])
    now = stamp(request.subject.store.now())
    made = replace(wanted, version=last.version + 1, last_deployed=now, first_deployed=last.first_deployed)
    problem = yield from _applied(request, made, last, ROLLBACK)
    made = replace(made, status=FAILED_RELEASE if problem else DEPLOYED)
    gone = [last] if problem else [one for one in request.releases if one.status == DEPLOYED]
    for one in [made, *(gone if problem else (replace(one, status=SUPERSEDED) for one in gone))]:
        request.keep(one)
        request.observe(one, snapshot(one, ROLLBACK), may_add=one is made)
    words = f"Helm rollback to previous release {full_name(target)} with chart {chart_of(target)}"
    if problem:
        request.count("failures")
        problem = f"release {made.name} failed: {problem}"
        request.draft.mark(REMEDIATED, "False", "RollbackFailed", f"{words} failed: {problem}")
    else:
        request.draft.mark(REMEDIATED, "True", "RollbackSucceeded", f"{words} succeeded")
    summarize(request)


def uninstall_remediation(request: Request) -> Steps:
    """Take the release away, so that the next try installs it anew. Ready goes on to say why that was done."""
    newest = request.history[0]
    yield STEP_SECONDS
    remove(request, UNINSTALL_REMEDIATION)
    words = f"Helm uninstall remediation for release {full_name(newest)} with chart {chart_of(newest)} succeeded"
    request.draft.mark(REMEDIATED, "True", "UninstallSucceeded", words)


def remove(request: Request, action: str = UNINSTALL) -> None:
    """Delete what the newest release applied. Without its history kept, Helm's last word of it is `uninstalling`."""
    last, now = request.releases[-1], stamp(request.subject.store.now())
    prune(request.subject, entries(last.manifests), ())
    last = replace(last, status=UNINSTALLED if request.spec.keeps_history else UNINSTALLING, deleted=now)
    request.observe(last, snapshot(last, action))
    if request.spec.keeps_history:
        request.keep(last)
    else:
        request.storage.purge(request.spec.storage_namespace, last.name)


# Tests and drift


def test(request: Request) -> Steps:
    """Run the chart's test hooks. How one ends stands in its image's tag, as for the sandbox's other Jobs."""
    last = request.releases[-1]
    hooks: dict[str, Json] = {}
    failed = ""
    for one in last.tests:
        name, started = one["metadata"]["name"], stamp(request.subject.store.now())
        tags = [image.rpartition(":")[2] for image in images_of(one)]
        hangs = any("hang" in tag for tag in tags)
        yield request.spec.timeout("test") if hangs else request.timing.ready
        bad = hangs or any("fail" in tag for tag in tags)
        ended = {"lastStarted": started, "lastCompleted": stamp(request.subject.store.now())}
        hooks[name] = {**ended, "phase": "Failed" if bad else "Succeeded"}
        if bad:
            why = "context deadline exceeded" if hangs else f"{one['kind'].lower()} {name} failed"
            failed = f"1 error occurred:\n\t* {why}"
            break
    yield STEP_SECONDS
    request.observe(last, snapshot(last, request.history[0].get("action", ""), hooks))
    _tested(request, len(hooks), failed)
    summarize(request)


def _tested(request: Request, hooks: int, failed: str) -> None:
    newest = request.history[0]
    named = f"release {full_name(newest)} with chart {chart_of(newest)}"
    if not failed:
        count = f"{hooks} test hook{'s' if hooks > 1 else ''} completed successfully" if hooks else "no test hooks"
        request.draft.mark(TESTED, "True", "TestSucceeded", f"Helm test succeeded for {named}: {count}")
        return
    request.count("failures")
    request.draft.mark(TESTED, "False", "TestFailed", f"Helm test failed for {named}: {failed}")
    remediation = request.spec.active_remediation(request.draft.fields)
    if remediation is not None and not remediation.ignores_tests:
        request.count(remediation.counter)


def correct(request: Request, drifted: Sequence[Json]) -> Steps:
    """Apply what somebody changed in the cluster as the release has it."""
    request.draft.mark("Ready", "Unknown", "Progressing", "correcting cluster drift")
    yield STEP_SECONDS
    apply(request.subject, drifted, OWNER)


RELEASES: dict[str, Callable[[Request], Steps]] = {INSTALL: install, UPGRADE: upgrade}
