"""All that the cluster is asked about image updaters and promoters is among the rights that `doctor --rbac` prints."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import yaml
from kubernetes_server import UNSERVED, api
from test_live_workloads import STATE

from gitops_rollback.adapters.kubernetes.image_updaters import ClusterImageUpdaters
from gitops_rollback.adapters.kubernetes.promoters import ClusterPromoters
from gitops_rollback.app.rights import rights_of
from gitops_rollback.app.settings_input import load_settings
from gitops_rollback.core.sync import ApplicationId

ASKED = re.compile(r"GET /apis/(?P<group>[^/]+)/[^/]+/(?:namespaces/[^/]+/)?(?P<plural>[a-z]+)")
BY_API = {"ARGOCD_SERVER": "https://argocd.example.com", "ARGOCD_AUTH_TOKEN": "t"}


@pytest.mark.parametrize(
    ("kind", "environment", "kinds"),
    [
        pytest.param("Kustomization", {"GITOPS_ROLLBACK_FLUX": "true"}, 3, id="flux"),
        pytest.param("Application", {"GITOPS_ROLLBACK_ARGOCD_OBJECTS": "true"}, 4, id="argocd-by-its-objects"),
        pytest.param("Application", {**BY_API, "GITOPS_ROLLBACK_LEADER_ELECT": "true"}, 4, id="argocd-by-its-api"),
    ],
)
def test_what_else_writes_may_be_listed_with_the_printed_rights(
    kind: str, environment: dict[str, str], kinds: int
) -> None:
    settings = load_settings({"HOME": "/home/kim", **environment}, {"repo": ("https://git.example.com/a/b.git",)})
    with api(UNSERVED) as (client, server):
        ClusterPromoters(client).objects()
        ClusterImageUpdaters(client).beside(replace(STATE, id=ApplicationId("default", kind, "argocd", "web")))
        found = [ASKED.match(request.line) for request in server.requests]
    asked = {(one["group"], one["plural"]) for one in found if one is not None}
    assert len(asked) == kinds
    assert asked <= set(may_be_listed(rights_of(settings)))


def may_be_listed(manifests: str) -> list[tuple[str, str]]:
    rules = [rule for one in yaml.safe_load_all(manifests) for rule in one.get("rules", ()) if "list" in rule["verbs"]]
    return [(group, resource) for rule in rules for group in rule["apiGroups"] for resource in rule["resources"]]
