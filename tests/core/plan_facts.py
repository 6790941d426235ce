"""One plan that may be carried out without a person: an image tag goes back. Tests change one fact of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from gitops_rollback.core.commit import Commit, FileChange
from gitops_rollback.core.ground import Ground
from gitops_rollback.core.guards.facts import (
    BranchFacts,
    ChangedFile,
    GuardFacts,
    LiveObject,
    OwnFile,
    WriterFacts,
)
from gitops_rollback.core.images import Found, Presence, parse_image
from gitops_rollback.core.plan import PlanOutcome, Reversal
from gitops_rollback.core.policy import ApplicationRef, GuardRule, Policy, Target
from gitops_rollback.core.sync import Operation, OperationPhase, ResourceResult

NOW = datetime(2026, 11, 20, 19, 30, tzinfo=UTC)  # a Friday
APPLICATION = "default/Application/argocd/payments-prod"
CULPRIT = "7c1d9e2f0b6a4c55b1f1b6d7c9c0f4a2e8d31c77"
FILE = "apps/payments/deployment.yaml"

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: checkout, namespace: shop}
spec:
  replicas: 3
  selector: {matchLabels: {app: checkout}}
  template:
    spec:
      containers:
        - name: checkout
          image: registry.example/checkout:1.42.0
"""


def sha(digit: str) -> str:
    return digit * 40


def text(content: str) -> bytes:
    return content.encode()


def a_commit(name: str = CULPRIT, *paths: str, message: str = "Raise checkout to 1.42.0", at: datetime = NOW) -> Commit:
    changes = tuple(a_change(path) for path in (paths or (FILE,)))
    return Commit(name, (sha("0"),), sha("e"), "Ann <ann@example.com>", "Ann <ann@example.com>", at, message, changes)


def a_change(path: str, old: str | None = "a" * 40, new: str | None = "b" * 40) -> FileChange:
    modes = ("100644" if old else "000000", "100644" if new else "000000")
    return FileChange(path, *modes, old, new)


def a_reversal(*paths: str, **fields: Any) -> Reversal:
    changes = tuple(a_change(path, "b" * 40, "a" * 40) for path in (paths or (FILE,)))
    plain = Reversal(PlanOutcome.CLEAN, sha("1"), (CULPRIT,), sha("f"), 1, changes)
    return replace(plain, **fields)


def a_policy(*guards: GuardRule, **fields: Any) -> Policy:
    plain = Policy(
        "payments-prod", ".gitops-rollback/policies/payments.yaml", sha("5"), (a_target(),), (), guards=guards
    )
    return replace(plain, **fields)


def a_target(**fields: Any) -> Target:
    return replace(Target("checkout", "argocd", ApplicationRef("argocd", "payments-prod")), **fields)


def an_operation(*results: ResourceResult) -> Operation:
    synced = results or (ResourceResult("apps", "Deployment", "shop", "checkout", "Synced"),)
    return Operation(OperationPhase.SUCCEEDED, (CULPRIT,), (), NOW - timedelta(minutes=5), NOW, results=synced)


def a_file(before: str | None, after: str | None, path: str = FILE) -> ChangedFile:
    return ChangedFile(path, before and text(before), after and text(after))


def live(document: dict[str, object], desired: dict[str, object] | None = None) -> LiveObject:
    return LiveObject(document if desired is None else desired, document)


def a_live_deployment(replicas: int = 3) -> dict[str, object]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "checkout", "namespace": "shop"},
        "spec": {"replicas": replicas, "template": {"spec": {"containers": [{"name": "checkout"}]}}},
    }


def facts(**fields: Any) -> GuardFacts:
    """Every guard allows this; each test changes one thing."""
    older = DEPLOYMENT.replace("1.42.0", "1.41.2")
    plain = GuardFacts(
        now=NOW,
        policy=a_policy(),
        target=a_target(),
        reversal=a_reversal(),
        suspects=(a_commit(),),
        repository="shop/config",
        applications=(APPLICATION,),
        files=(a_file(DEPLOYMENT, older),),
        culprit_files=(a_file(older, DEPLOYMENT),),
        own_files=(OwnFile(FILE, text(DEPLOYMENT)),),
        operation=an_operation(),
        live=(live(a_live_deployment()),),
        asks_registries=True,
        images=(Presence(parse_image("registry.example/checkout:1.41.2"), Found.PRESENT),),
        ground=Ground.KNOWN,
        inputs="tree-bad",
        taken_back=(),
        branch=BranchFacts(True, spec_changed=False, auto_sync=True, obstacles=()),
        writer=WriterFacts(
            root_files=("README.md",), authors=("Ann <ann@example.com>",), copied_from="", merged_from=""
        ),
        rollbacks=(),
    )
    return replace(plain, **fields)
