"""The stories of a service that comes by a HelmRelease: its values are released, and Flux may go back by itself."""

from __future__ import annotations

from typing import Any

from gitops_rollback.sandbox.flux_stories import HEALTH_TIMEOUT, flux_of
from gitops_rollback.sandbox.kubernetes.kinds import DEPLOYMENT, HELM_RELEASE
from gitops_rollback.sandbox.rendering import images_of
from gitops_rollback.sandbox.stories import NEW_TAG, OLD_TAG, SERVICE, rolled_back
from gitops_rollback.sandbox.story_texts import policy
from gitops_rollback.sandbox.telling import Claim, Story, Telling
from gitops_rollback.sandbox.world import NAMESPACE

RELEASE_PATH = f"apps/{SERVICE}/release.yaml"
CHART = {
    "charts/service/Chart.yaml": "apiVersion: v2\nname: service\nversion: 0.3.0\n",
    "charts/service/values.yaml": "image: {}\n",
    "charts/service/templates/deployment.yaml": """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: "{{ .Release.Name }}"
  labels: {app.kubernetes.io/name: "{{ .Release.Name }}"}
spec:
  replicas: 3
  selector: {matchLabels: {app.kubernetes.io/name: "{{ .Release.Name }}"}}
  template:
    metadata: {labels: {app.kubernetes.io/name: "{{ .Release.Name }}"}}
    spec:
      containers:
        - name: "{{ .Chart.Name }}"
          image: "{{ .Values.image.repository }}:{{ .Values.image.tag }}"
          ports: [{name: http, containerPort: 8080}]
""",
    "charts/service/templates/service.yaml": """\
apiVersion: v1
kind: Service
metadata: {name: "{{ .Release.Name }}"}
spec:
  selector: {app.kubernetes.io/name: "{{ .Release.Name }}"}
  ports: [{name: http, port: 80, targetPort: http}]
""",
}
RELEASE = f"""\
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata:
  name: {SERVICE}
spec:
  interval: 1h
  chart:
    spec:
      chart: ./charts/service
      sourceRef: {{kind: GitRepository, name: config, namespace: flux-system}}
  values:
    image:
      repository: registry.example/shop/{SERVICE}
      tag: {OLD_TAG}
"""
REMEDIATED = f"""\
  timeout: {HEALTH_TIMEOUT.seconds // 60}m
  upgrade: {{remediation: {{remediateLastFailure: true}}}}
"""


def by_release(text: str) -> str:
    """A story's policy that names the HelmRelease, and as its own its folder alone: the chart serves others, too.

    Templates of a chart are no YAML that could be searched for hooks that move data: with them among its own files a
    person would be asked.
    """
    named = "application: {namespace: argocd, name: checkout-api-prod}"
    release = f"application: {{namespace: {NAMESPACE}, name: {SERVICE}, kind: HelmRelease}}"
    return text.replace(named, f'{release}\n      paths: ["apps/{SERVICE}/**"]')


def move_to_helm(telling: Telling, more: str = "") -> None:
    """The service comes by a HelmRelease, of a chart in the same repository. `more` stands in its spec besides."""
    people, folder = telling.world.people, f"apps/{SERVICE}"
    gone = people.git("ls-tree", "-r", "--name-only", "main", f"{folder}/").split()
    files: dict[str, str | None] = {**dict.fromkeys(gone), **CHART, RELEASE_PATH: RELEASE + more}
    people.push("Release checkout-api by Helm", files, telling.world.clock.now())


def release_values(telling: Telling, tag: str) -> None:
    """A developer lands a release whose requests fail: one value changes."""
    world = telling.world
    world.failing_tags.add(tag)
    telling.before = world.people.head()
    message = f"feat(payments): {SERVICE} v{tag}"
    telling.bad = world.people.edit(message, RELEASE_PATH, f"tag: {OLD_TAG}", f"tag: {tag}", world.clock.now())
    telling.refresh()


def helm_release(telling: Telling) -> dict[str, Any]:
    """The HelmRelease as the API has it."""
    return flux_of(telling).store.get(HELM_RELEASE, SERVICE, NAMESPACE)


def released_again(telling: Telling) -> list[Claim]:
    """What Flux and the cluster say in the end, whoever brought it about."""
    status = helm_release(telling)["status"]
    conditions = {one["type"]: one["status"] for one in status["conditions"]}
    live = flux_of(telling).store.get(DEPLOYMENT, SERVICE, NAMESPACE)
    return [
        Claim("the HelmRelease is Ready", conditions.get("Ready") == "True"),
        Claim("no remediation of Flux's stands", "Remediated" not in conditions and "Stalled" not in conditions),
        Claim("the old version runs", images_of(live) == (f"registry.example/shop/{SERVICE}:{OLD_TAG}",)),
    ]


def actions_of(telling: Telling) -> list[str]:
    """What Helm did to each version of the release that is still told of, the newest first."""
    return [str(one.get("action", "")) for one in helm_release(telling)["status"].get("history") or ()]


def upgraded_back(telling: Telling) -> list[Claim]:
    return [
        *rolled_back(telling),
        *released_again(telling),
        Claim("Flux took nothing back: Helm upgraded to what the revert asks for", actions_of(telling)[0] == "upgrade"),
    ]


def went_back_itself(telling: Telling) -> list[Claim]:
    return [
        *rolled_back(telling),
        *released_again(telling),
        Claim("Flux had gone back by itself, and Helm had nothing left to do", actions_of(telling)[0] == "rollback"),
    ]


HELM_STORIES: tuple[Story, ...] = (
    Story(
        "helm-release",
        "A HelmRelease gets a bad value; to Flux the release went well. The commit is found, reverted and verified.",
        prepare=move_to_helm,
        act=lambda telling: release_values(telling, NEW_TAG),
        ended=lambda telling: telling.is_done("verified"),
        claims=upgraded_back,
        policy=by_release(policy()),
        engines=("flux",),
    ),
    Story(
        "helm-remediated",
        "An upgrade fails and Flux itself goes back, while git asks for the bad one. The commit is reverted, too.",
        prepare=lambda telling: move_to_helm(telling, REMEDIATED),
        act=lambda telling: release_values(telling, f"{NEW_TAG}-slow"),
        ended=lambda telling: telling.is_done("verified"),
        claims=went_back_itself,
        policy=by_release(policy()),
        engines=("flux",),
    ),
)
