"""What does each request of the REST API answer? One short method per endpoint; what it changes, the controller does.

Source: argo-cd v3.5.1 server/application/application.go, application.proto; wording as recorded.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from gitops_rollback.sandbox.argocd.access import Access
from gitops_rollback.sandbox.argocd.answers import Answer, ApiError, found
from gitops_rollback.sandbox.argocd.autosync import pinned, revisions_of
from gitops_rollback.sandbox.argocd.comparison import Target, with_health
from gitops_rollback.sandbox.argocd.controller import Busy, Controller, refresh_pending
from gitops_rollback.sandbox.argocd.repository import BareRepository, RepositoryError
from gitops_rollback.sandbox.argocd.spec import auto_syncs, may_sync, sources_of
from gitops_rollback.sandbox.argocd.state import Key, Store, stamp
from gitops_rollback.sandbox.argocd.tree import resource_tree
from gitops_rollback.sandbox.argocd.views import live_manifest, managed_resources, masked_list
from gitops_rollback.sandbox.rendering import Json, as_json

VERSION = "v3.5.1+sandbox"
_REAL_SECONDS_PER_LOOK = 0.5


@dataclass(frozen=True)
class Request:
    """One authenticated request: the parts of its path, its query (all values of a key) and its JSON body."""

    parts: tuple[str, ...]
    query: Mapping[str, list[str]]
    body: Json
    still_there: threading.Event  # cleared when the client has gone

    def one(self, name: str) -> str:
        """The value of a query key or body key; "" if absent."""
        values = self.query.get(name)
        return values[0] if values else str(self.body.get(name) or "")


class Api:
    """The endpoints. Each may be called by many threads."""

    def __init__(self, store: Store, controller: Controller, repository: BareRepository, access: Access) -> None:
        self.store = store
        self.controller = controller
        self.access = access
        self._repository = repository

    def version(self, _request: Request) -> Answer:
        """GET /api/version, without a token."""
        return found({"Version": VERSION})

    def userinfo(self, _request: Request) -> Answer:
        """GET /api/v1/session/userinfo"""
        return found({"loggedIn": True, "username": self.access.username, "iss": "argocd"})

    def can_i(self, request: Request) -> Answer:
        """GET /api/v1/account/can-i/{resource}/{action}/{project}/{name}"""
        resource, action, project = request.parts[0], request.parts[1], request.parts[2]
        allowed = resource == "applications" and self.access.allows(action, project)
        return found({"value": "yes" if allowed else "no"})

    def list_applications(self, request: Request) -> Answer:
        """GET /api/v1/applications: what may not be seen is left out, and so is the health of resources."""
        applications = self.visible(request)
        fields = request.one("fields")
        if fields:
            items = masked_list(applications, fields)
            return found({"items": items, "metadata": {"resourceVersion": str(self.store.version)}})
        return found({"metadata": {"resourceVersion": str(self.store.version)}, "items": applications})

    def visible(self, request: Request) -> list[Json]:
        """The Applications that match the query and that the account may get."""
        shown = [self.store.shown(key) for key in self.store.names()]
        return [each for each in shown if each is not None and self.matches(request, each, with_repo=True)]

    def matches(self, request: Request, application: Json, with_repo: bool) -> bool:
        """Whether an Application is visible and matches the query's filters."""
        metadata, spec, query = application["metadata"], application["spec"], request.query
        projects = query.get("project") or query.get("projects") or []
        repo = request.one("repo") if with_repo else ""
        return (
            self.access.allows("get", spec["project"])
            and request.one("name") in ("", metadata["name"])
            and request.one("appNamespace") in ("", metadata["namespace"])
            and (not any(projects) or spec["project"] in projects)
            and (not repo or sources_of(spec)[0]["repoURL"] == repo)
            and _selected(metadata.get("labels", {}), request.one("selector"))
        )

    def get_application(self, request: Request) -> Answer:
        """GET /api/v1/applications/{name}, also with `refresh`."""
        key, application = self._application(request, "get")
        if request.one("refresh"):
            fresh = self._refreshed(key, request)
            application = application if self.store.reads_frozen else fresh
        return found(self.whole(application))

    def whole(self, application: Json) -> Json:
        """An Application as one is shown: with the health of its resources, which lists leave out."""
        metadata = application["metadata"]
        known = self.controller.healths((metadata["namespace"], metadata["name"]))
        return application if known is None else with_health(application, known)

    def sync(self, request: Request) -> Answer:
        """POST /api/v1/applications/{name}/sync"""
        key, application = self._application(request, "sync")
        if not self.controller.may_sync(key, manual=True):
            raise ApiError(7, "cannot sync: blocked by sync window")
        spec = application["spec"]
        operation: Json = {"sync": self._sync_part(spec, request.body)}
        operation["initiatedBy"] = {"username": self.access.username}
        operation["retry"] = request.body.get("retryStrategy") or spec["syncPolicy"].get("retry") or {}
        if request.body.get("infos"):
            operation["info"] = request.body["infos"]
        return found(self._start(key, operation))

    def _sync_part(self, spec: Json, body: Json) -> Json:
        revisions = self._revisions(spec, body)
        sync: dict[str, Any] = {**pinned(spec, revisions)}
        for field, name in (("prune", "prune"), ("dryRun", "dryRun"), ("resources", "resources")):
            if body.get(field):
                sync[name] = body[field]
        if body.get("strategy"):
            sync["syncStrategy"] = body["strategy"]
        options = (body.get("syncOptions") or {}).get("items") or spec["syncPolicy"].get("syncOptions")
        if options:
            sync["syncOptions"] = options
        return sync

    def _revisions(self, spec: Json, body: Json) -> tuple[str, ...]:
        sources = [dict(source) for source in sources_of(spec)]
        positions, revisions = body.get("sourcePositions") or [], body.get("revisions") or []
        if len(positions) != len(revisions):
            raise ApiError(3, "source positions and revisions must have the same length")
        if any(not 0 < int(position) <= len(sources) for position in positions):
            raise ApiError(2, "source position is out of range")
        wanted = {int(position) - 1: str(revision) for position, revision in zip(positions, revisions, strict=True)}
        if body.get("revision"):
            wanted[0] = str(body["revision"])
        for position, revision in wanted.items():
            target = sources[position].get("targetRevision") or "HEAD"
            if auto_syncs(spec) and revision != target and not body.get("dryRun"):
                raise ApiError(9, f"Cannot sync to {revision}: auto-sync currently set to {target}")
            sources[position]["targetRevision"] = revision
        try:
            return self.controller.resolve({**spec, **_same_form(spec, sources)}, force=True)
        except RepositoryError as exc:
            raise ApiError(9, f"error resolving repo revision: {exc}") from exc

    def terminate(self, request: Request) -> Answer:
        """DELETE /api/v1/applications/{name}/operation"""
        key, _ = self._application(request, "sync")
        if not self.controller.terminate(key):
            raise ApiError(3, "Unable to terminate operation. No operation is in progress")
        return found({})

    def rollback(self, request: Request) -> Answer:
        """POST /api/v1/applications/{name}/rollback"""
        key, application = self._application(request, "sync")
        if auto_syncs(application["spec"]):
            raise ApiError(9, "rollback cannot be initiated when auto-sync is enabled")
        number = int(request.body.get("id") or 0)
        entry = next((each for each in application["status"].get("history", ()) if each["id"] == number), None)
        if entry is None:
            raise ApiError(3, f"application {key[0]}/{key[1]} does not have deployment with id {number}")
        sync: Json = {**pinned(_same_form(application["spec"], entry_sources(entry)), revisions_of(entry))}
        sync["syncStrategy"] = {"apply": {}}
        if request.body.get("prune"):
            sync["prune"] = True
        return found(self._start(key, {"sync": sync, "initiatedBy": {"username": self.access.username}, "retry": {}}))

    def patch(self, request: Request) -> Answer:
        """PATCH /api/v1/applications/{name}: a JSON merge patch of spec, labels and annotations."""
        key, _ = self._application(request, "update")
        if request.body.get("patchType") != "merge":
            raise ApiError(3, "the sandbox takes merge patches only")
        try:
            patch = json.loads(str(request.body.get("patch")))
        except ValueError as exc:
            raise ApiError(3, "error applying patch: invalid JSON") from exc

        def change(application: Json) -> None:
            application["spec"] = _merge_patch(application["spec"], patch.get("spec", {}))
            for part in ("labels", "annotations"):
                wanted = patch.get("metadata", {}).get(part)
                if wanted:
                    application["metadata"][part] = _merge_patch(application["metadata"].get(part, {}), wanted)

        return found(self.store.write(key, change))

    def sync_windows(self, request: Request) -> Answer:
        """GET /api/v1/applications/{name}/syncwindows"""
        _, application = self._application(request, "get")
        windows = self.controller.windows.get(application["spec"]["project"], ())
        body: Json = {"canSync": may_sync(windows, manual=True)}
        active = [window.as_json() for window in windows if window.active]
        if active:
            body["activeWindows"] = active
        if windows:
            body["assignedWindows"] = [window.as_json() for window in windows]
        return found(body)

    def tree(self, request: Request) -> Answer:
        """GET /api/v1/applications/{name}/resource-tree"""
        key, _ = self._application(request, "get")
        return found(resource_tree(self.controller.cluster(key), self.store.clock.now()))

    def resource(self, request: Request) -> Answer:
        """GET /api/v1/applications/{name}/resource: one live object of the tree, as JSON text."""
        key, _ = self._application(request, "get")
        group, kind, name = (request.one(field) for field in ("group", "kind", "resourceName"))
        wanted = (group, kind, request.one("namespace"), name)
        body = live_manifest(self.controller.cluster(key), self.store.clock.now(), wanted)
        if body is None:
            raise ApiError(3, f"{kind} {group} {name} not found as part of application {key[1]}")
        version = request.one("version")
        if version not in ("", str(body["apiVersion"]).rpartition("/")[2]):
            raise ApiError(5, "error getting resource: the server could not find the requested resource")
        return found({"manifest": as_json(body)})

    def managed(self, request: Request) -> Answer:
        """GET /api/v1/applications/{name}/managed-resources"""
        key, application = self._application(request, "get")
        target = self._compared_target(application)
        items = managed_resources(target, self.controller.cluster(key), self.store.clock.now())["items"]
        for field in ("group", "kind", "namespace", "name"):
            wanted = (request.query.get(field) or [""])[0]
            items = [item for item in items if wanted in ("", item.get(field, ""))]
        return found({"items": items})

    def events(self, request: Request) -> Answer:
        """GET /api/v1/applications/{name}/events"""
        key, _ = self._application(request, "get")
        return found({"metadata": {"resourceVersion": str(self.store.version)}, "items": self.store.events(key)})

    def revision_metadata(self, request: Request) -> Answer:
        """GET /api/v1/applications/{name}/revisions/{sha}/metadata"""
        self._application(request, "get")
        revision = request.parts[1]
        if len(revision) != 40:
            raise ApiError(2, f"revision {revision} must be resolved")
        try:
            metadata = self._repository.metadata(revision)
        except RepositoryError as exc:
            raise ApiError(2, f"rpc error: code = Internal desc = Failed to fetch {revision}: {exc}") from exc
        date = stamp(datetime.fromtimestamp(metadata["author_time"], UTC))
        body: Json = {"author": metadata["author"], "date": date}
        if metadata["tags"]:
            body["tags"] = metadata["tags"]
        return found({**body, "message": metadata["message"]})

    def _compared_target(self, application: Json) -> Target:
        revisions = revisions_of(application["status"]["sync"])
        if not revisions or any(len(revision) != 40 for revision in revisions):
            return Target(revisions)
        return self.controller.renderer.target(application["spec"], revisions)

    def _application(self, request: Request, action: str) -> tuple[Key, Json]:
        """The Application that a request names. Raises: ApiError 7 or 5, as the rights and `project` are."""
        key = (request.one("appNamespace") or "argocd", request.parts[0])
        if len(request.query.get("project", [])) > 1:
            raise ApiError(3, "more than one project specified - this is not allowed")
        project, application = request.one("project"), self.store.shown(key)
        if project and not self.access.allows("get", project):
            raise ApiError(7, "permission denied")
        if not project and (application is None or not self.access.allows("get", application["spec"]["project"])):
            raise ApiError(7, "permission denied")
        if application is None or project not in ("", application["spec"]["project"]):
            raise ApiError(5, f'applications.argoproj.io "{key[1]}" not found')
        if action != "get":
            self.access.require(action, application["spec"]["project"], key[1])
        return key, application

    def _start(self, key: Key, operation: Json) -> Json:
        try:
            application = self.controller.set_operation(key, operation)
        except Busy as exc:
            raise ApiError(9, "another operation is already in progress") from exc
        if application is None:
            raise ApiError(5, f'applications.argoproj.io "{key[1]}" not found')
        what = ", ".join(revisions_of(operation["sync"]))
        self.store.record_event(key, "OperationStarted", f"{self.access.username} initiated sync to '{what}'")
        self.controller.run_operation(key)
        return application

    def _refreshed(self, key: Key, request: Request) -> Json:
        """Ask for a comparison and block until it is made, without end while the client waits, as the real server does.

        The answer is the very object that the comparison wrote, not what followed.
        """
        subscription, _ = self.store.subscribe(internal=True)
        try:
            kind = "hard" if request.one("refresh") == "hard" else "normal"
            marked = self.controller.request_refresh(key, kind)
            while marked is not None and request.still_there.is_set():
                subscription.wake.clear()
                while subscription.pending:
                    event, application = subscription.pending.popleft()
                    if not _is(key, application) or version_of(application) <= version_of(marked):
                        continue
                    if event == "DELETED":
                        raise ApiError(5, f'applications.argoproj.io "{key[1]}" not found')
                    if not refresh_pending(application):
                        return application
                self.controller.scheduler.attend(subscription.wake, _REAL_SECONDS_PER_LOOK)
        finally:
            self.store.unsubscribe(subscription)
        raise ApiError(5, f'applications.argoproj.io "{key[1]}" not found')


def version_of(application: Json) -> int:
    """The object's resource version as a number."""
    return int(application["metadata"]["resourceVersion"])


def _is(key: Key, application: Json) -> bool:
    return (application["metadata"]["namespace"], application["metadata"]["name"]) == key


def entry_sources(entry: Json) -> list[Json]:
    """The sources of a history entry."""
    return list(entry["sources"]) if entry.get("sources") else [entry["source"]]


def _same_form(spec: Json, sources: list[Json]) -> Json:
    return {"sources": sources} if spec.get("sources") else {"source": sources[0]}


def _selected(labels: Mapping[str, str], selector: str) -> bool:
    """Equality terms of a label selector: `a=b`, `a==b`, `a!=b`, `a`, `!a`."""
    for term in filter(None, (part.strip() for part in selector.split(","))):
        key, operator, value = term.replace("==", "=").partition("=")
        if operator and key.endswith("!"):
            good = labels.get(key[:-1].strip()) != value.strip()
        elif operator:
            good = labels.get(key.strip()) == value.strip()
        else:
            good = (term[1:] not in labels) if term.startswith("!") else term in labels
        if not good:
            return False
    return True


def _merge_patch(base: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    merged = dict(base) if isinstance(base, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merge_patch(merged.get(key), value)
    return merged
