"""Small repositories in the shapes that people have, after public ones; each maps paths to texts.

Source: fluxcd/flux2-kustomize-helm-example, fluxcd/flux2-multi-tenancy, argoproj/argocd-example-apps (app of apps,
ApplicationSets), helm/examples; names and addresses are of nobody.
"""

from __future__ import annotations

from collections.abc import Mapping

from gitops_rollback.core.closure.tree import Tree

URL = "https://git.example.com/acme/config"
Files = Mapping[str, str]


def tree_of(files: Files) -> Tree:
    return Tree({path: path for path in files}, lambda path: files[path].encode())


def deployment(name: str, namespace: str = "", more: str = "", kind: str = "Deployment") -> str:
    """A Deployment, or another kind of workload, with `more` in its container."""
    placed = f", namespace: {namespace}" if namespace else ""
    return f"""\
apiVersion: apps/v1
kind: {kind}
metadata: {{name: {name}{placed}}}
spec:
  template:
    spec:
      containers:
        - {{name: {name}, image: "registry.example/{name}:1.0.0"{more}}}
"""


def kustomization(*resources: str, more: str = "") -> str:
    return (
        f"apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [{', '.join(resources)}]\n{more}"
    )


def flux(name: str, path: str, source: str = "flux-system") -> str:
    return f"""\
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {{name: {name}, namespace: flux-system}}
spec:
  interval: 10m
  path: {path}
  sourceRef: {{kind: GitRepository, name: {source}}}
"""


def git_repository(name: str, url: str = "ssh://git@git.example.com/acme/config", branch: str = "main") -> str:
    return f"""\
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {{name: {name}, namespace: flux-system}}
spec:
  url: {url}
  ref: {{branch: {branch}}}
---
"""


def release(name: str, more: str = "") -> str:
    return f"""\
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {{name: {name}{more}}}
spec:
  chart: {{spec: {{chart: {name}, version: "6.5.*", sourceRef: {{kind: HelmRepository, name: {name}}}}}}}
"""


def application(name: str, path: str, url: str = URL, more: str = "") -> str:
    return f"""\
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {{name: {name}, namespace: argocd}}
spec:
  source: {{repoURL: {url}, path: {path}, targetRevision: HEAD{more}}}
  destination: {{namespace: {name}, server: "https://kubernetes.default.svc"}}
"""


CHART = {
    "Chart.yaml": "apiVersion: v2\nname: web\nversion: 0.1.0\n",
    "values.yaml": "image: {tag: 1.0.0}\n",
    "templates/deployment.yaml": (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {{ .Release.Name }}\n"
        "spec: {template: {spec: {containers: []}}}\n"
    ),
}


def chart(folder: str, more: str = "") -> dict[str, str]:
    files = {f"{folder}/{path}": text for path, text in CHART.items()}
    return {**files, f"{folder}/Chart.yaml": CHART["Chart.yaml"] + more}


FLUX_MONOREPO: Files = {
    **{
        f"clusters/{cluster}/{path}": text
        for cluster in ("production", "staging")
        for path, text in {
            "flux-system/gotk-sync.yaml": git_repository("flux-system") + flux("flux-system", f"./clusters/{cluster}"),
            "apps.yaml": flux("apps", f"./apps/{cluster}"),
            "infrastructure.yaml": flux("infra-controllers", "./infrastructure/controllers"),
        }.items()
    },
    "apps/base/podinfo/kustomization.yaml": kustomization(
        "release.yaml", "repository.yaml", more="namespace: podinfo\n"
    ),
    "apps/base/podinfo/release.yaml": release("podinfo"),
    "apps/base/podinfo/repository.yaml": (
        "apiVersion: source.toolkit.fluxcd.io/v1\nkind: HelmRepository\nmetadata: {name: podinfo}\n"
        "spec: {url: https://stefanprodan.github.io/podinfo}\n"
    ),
    **{
        f"apps/{cluster}/{path}": text
        for cluster in ("production", "staging")
        for path, text in {
            "kustomization.yaml": kustomization("../base/podinfo", more="patches: [{path: podinfo-values.yaml}]\n"),
            "podinfo-values.yaml": (
                "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\n"
                f"metadata: {{name: podinfo, namespace: podinfo}}\nspec: {{values: {{ui: {{message: {cluster}}}}}}}\n"
            ),
        }.items()
    },
    "infrastructure/controllers/kustomization.yaml": kustomization("ingress-nginx.yaml"),
    "infrastructure/controllers/ingress-nginx.yaml": release("ingress-nginx", ", namespace: ingress-nginx"),
}

FLUX_TENANTS: Files = {
    "clusters/staging/flux-system/gotk-sync.yaml": git_repository("flux-system")
    + flux("flux-system", "./clusters/staging"),
    "clusters/staging/tenants.yaml": flux("tenants", "./tenants/staging"),
    "tenants/base/dev-team/kustomization.yaml": kustomization("sync.yaml", "rbac.yaml", more="namespace: apps\n"),
    "tenants/base/dev-team/rbac.yaml": "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: dev-team}\n",
    "tenants/base/dev-team/sync.yaml": git_repository("dev-team", branch="dev-team")
    + flux("dev-team", "./", "dev-team"),
    "tenants/staging/kustomization.yaml": kustomization(
        "../base/dev-team", more="patches: [{path: dev-team-patch.yaml}]\n"
    ),
    "tenants/staging/dev-team-patch.yaml": (
        "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: dev-team}\n"
        "spec: {path: ./staging}\n"
    ),
}

FLUX_ROOT: Files = {
    "flux-system/gotk-sync.yaml": git_repository("flux-system") + flux("flux-system", "./"),
    "web/deployment.yaml": deployment("web", "shop"),
}

APP_OF_APPS: Files = {
    "root.yaml": application("root", "apps"),
    "apps/Chart.yaml": "apiVersion: v2\nname: applications\nversion: 0.1.0\n",
    "apps/values.yaml": f"spec: {{source: {{repoURL: {URL}}}}}\n",
    "apps/templates/helm-guestbook.yaml": application("helm-guestbook", "helm-guestbook", "{{ .Values.spec.repoURL }}"),
    "apps/templates/kustomize-guestbook.yaml": application(
        "kustomize-guestbook", "kustomize-guestbook", "{{ .Values.spec.repoURL }}"
    ),
    "apps/templates/elsewhere.yaml": application("elsewhere", "charts/elsewhere", "https://git.example.com/others/app"),
    **chart("helm-guestbook"),
    "kustomize-guestbook/kustomization.yaml": kustomization("deployment.yaml", more="namePrefix: kustomize-\n"),
    "kustomize-guestbook/deployment.yaml": deployment("guestbook-ui"),
}


def application_set(name: str, generators: str, label: str, path: str) -> str:
    return f"""\
apiVersion: argoproj.io/v1alpha1
kind: ApplicationSet
metadata: {{name: {name}, namespace: argocd}}
spec:
  generators: {generators}
  template:
    metadata: {{name: '{label}'}}
    spec:
      source: {{repoURL: {URL}.git, targetRevision: HEAD, path: '{path}'}}
      destination: {{namespace: '{label}'}}
"""


ADDONS = f"""
  - git:
      repoURL: {URL}
      directories: [{{path: addons/*}}, {{path: addons/legacy, exclude: true}}]"""
STAGES = f"""
  - matrix:
      generators:
        - git: {{repoURL: {URL}, files: [{{path: "services/*/config.json"}}]}}
        - list: {{elements: [{{stage: dev}}, {{stage: prod}}]}}"""

APPLICATION_SETS: Files = {
    "sets/addons.yaml": application_set("addons", ADDONS, "{{path.basename}}", "{{path}}"),
    "sets/stages.yaml": application_set(
        "stages", STAGES, "{{.service.name}}-{{.stage}}", "{{ .path.path }}/{{ .stage }}"
    ),
    "sets/clusters.yaml": application_set("everywhere", "[{clusters: {}}]", "{{name}}-agent", "agent"),
    "addons/metrics/deployment.yaml": deployment("metrics-server", "kube-system"),
    "addons/legacy/deployment.yaml": deployment("legacy"),
    "services/orders/config.json": '{"service": {"name": "orders"}}',
    "services/orders/dev/kustomization.yaml": kustomization("../base"),
    "services/orders/prod/kustomization.yaml": kustomization("../base"),
    "services/orders/base/kustomization.yaml": kustomization("orders.yaml"),
    "services/orders/base/orders.yaml": deployment(
        "orders", more=", env: [{name: ORDERS_DATABASE_URL, value: 'postgres://db/orders'}]"
    ),
    "agent/agent.yaml": deployment("agent"),
}

UMBRELLA: Files = {
    **chart("charts/shop", 'dependencies: [{name: api, version: "*", repository: "file://../api"}]\n'),
    **chart("charts/api"),
    **chart("charts/common", "type: library\n"),
    ".gitlab-ci.yml": "stages: [deploy]\n",
}

OVERLAYS: Files = {
    "apps/checkout/base/kustomization.yaml": kustomization("deployment.yaml"),
    "apps/checkout/base/deployment.yaml": deployment("checkout"),
    "apps/checkout/overlays/prod/kustomization.yaml": kustomization("../../base", more="namespace: shop-prod\n"),
    "apps/checkout/overlays/dev/kustomization.yaml": kustomization("../../base", more="namespace: shop-dev\n"),
    "apps/ledger/kustomization.yaml": kustomization("ledger.yaml", more="namespace: shop-prod\n"),
    "apps/ledger/ledger.yaml": deployment("ledger", kind="StatefulSet"),
}

PLAIN: Files = {
    "k8s/web/deployment.yaml": deployment("web", "shop"),
    "k8s/web/service.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\n",
    "k8s/worker/worker.yaml": deployment("worker", "shop"),
    ".github/workflows/ci.yml": "jobs: {}\n",
}
