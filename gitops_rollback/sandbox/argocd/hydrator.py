"""The source hydrator: renders an Application's dry source into the branch that it syncs, once for each dry commit.

A dry commit that leaves the manifests as they are makes no commit; only the status says that it was read.
Source: argo-cd v3.5.1 controller/hydrator/hydrator.go, commitserver/commit/hydratorhelper.go.
"""

from __future__ import annotations

import json
from typing import Any

import yaml

from gitops_rollback.sandbox.argocd.repository import BareRepository, RepositoryError
from gitops_rollback.sandbox.argocd.state import Key, Store
from gitops_rollback.sandbox.people import People
from gitops_rollback.sandbox.rendering import Json, RenderError, render

AUTHOR = "Argo CD <argo-cd@example.com>"
METADATA = "hydrator.metadata"
README = "# Manifest Hydration\n\nTo hydrate the manifests in this repository, see hydrator.metadata.\n"


class Hydrator:
    """Used by the controller's thread alone."""

    def __init__(self, repository: BareRepository) -> None:
        self._repository = repository

    def hydrate(self, store: Store, key: Key) -> None:
        """Look at the dry source, and write what is new of it; nothing for an Application without one."""
        application = store.get(key)
        hydrator = application["spec"].get("sourceHydrator") if application else None
        if application is None or not hydrator:
            return
        known = application["status"].get("sourceHydrator", {}).get("lastSuccessfulOperation", {}).get("drySHA", "")
        operation: Json = {"startedAt": store.now(), "sourceHydrator": hydrator}
        try:
            dry = self._repository.resolve(hydrator["drySource"].get("targetRevision", ""))
            if dry == known:
                return
            hydrated = self._written(application, hydrator, dry, store)
            operation |= {"phase": "Hydrated", "drySHA": dry, "hydratedSHA": hydrated, "finishedAt": store.now()}
        except (RepositoryError, RenderError) as exc:
            operation |= {"phase": "Failed", "message": str(exc), "finishedAt": store.now()}

        def put(fresh: Json) -> None:
            status = fresh["status"].setdefault("sourceHydrator", {})
            status["currentOperation"] = operation
            if operation["phase"] == "Hydrated":
                status["lastSuccessfulOperation"] = {
                    name: operation[name] for name in ("drySHA", "hydratedSHA", "sourceHydrator")
                }

        store.write(key, put)

    def _written(self, application: Json, hydrator: Json, dry: str, store: Store) -> str:
        """The commit of the synced branch that holds the manifests of `dry`."""
        source, target = hydrator["drySource"], hydrator["syncSource"]
        branch = People(self._repository.directory, target["targetBranch"])
        tree = self._repository.tree(dry)
        rendering = render(tree, source, application["spec"]["destination"]["namespace"])
        manifests = "---\n".join(yaml.safe_dump(one, sort_keys=False) for one in rendering.manifests)
        path = target["path"]
        if branch.head() and branch.read(f"{path}/manifest.yaml") == manifests:
            return branch.head()
        said = self._repository.metadata(dry)
        about: dict[str, Any] = {"repoURL": source["repoURL"], "drySha": dry}
        subject = said["message"].partition("\n")[0]
        files: dict[str, str | None] = {
            f"{path}/manifest.yaml": manifests,
            f"{path}/README.md": README,
            f"{path}/{METADATA}": json.dumps({"commands": [], **about}, indent=2),
            METADATA: json.dumps({**about, "author": said["author"], "subject": subject}, indent=2),
        }
        return branch.push(f"{dry[:7]}: {subject}", files, store.clock.now(), AUTHOR)
