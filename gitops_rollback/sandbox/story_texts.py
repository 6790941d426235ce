"""The files that the stories land in the config repository."""

from __future__ import annotations

import re
from collections.abc import Sequence

TARGET = "    - name: checkout-api\n"
NAMED = re.compile(r"application: \{namespace: argocd, name: ([a-z-]+)-prod\}")  # Flux's are called as the service is
POLICY_PATH = ".gitops-rollback/policies/shop.yaml"

PODS_CHECKED = ", checks: [{name: pods, type: kubernetes, expect: complete}]"
PODS_TRIGGER = "pods-do-not-come-up"
WATCHED_PODS = f"""\
    - name: {PODS_TRIGGER}
      type: crashLoop
      severity: auto_rollback
"""

POLICY = """\
# +argocd:skip-file-rendering
apiVersion: gitops-rollback.dev/v1alpha1
kind: RollbackPolicy
metadata: {name: shop}
spec:
  targets:
    - name: checkout-api
      engine: argocd
      application: {namespace: argocd, name: checkout-api-prod}
      workload: {kind: Deployment, namespace: shop, name: checkout-api}
      data: {rollback: safe, because: each release reads what the next one wrote}
  triggers:
    - name: high-error-rate
      bad: 'sum(rate(http_requests_total{status=~"5..",service="$SERVICE"}[2m]))'
      total: 'sum(rate(http_requests_total{service="$SERVICE"}[2m]))'
      comparison: greater_than
      threshold: 0.05
      for: 2m
      severity: auto_rollback
      noDataFor: 5m
      minimumTraffic: {perSecond: 1}
      baseline: {lookback: 30m, mustExceedFactor: 2}
    - name: crash-loop
      query: >-
        sum(increase(kube_pod_container_status_restarts_total{namespace="$NAMESPACE",
        pod=~"$SERVICE-[a-z0-9]+-[a-z0-9]{5}"}[5m]))
      comparison: greater_than
      threshold: 3
      for: 1m
      severity: auto_rollback
PODS  verification: {startAfter: 30s, holdFor: 2m, timeout: VERIFYCHECKS}
GUARDS"""

FREEZE = """\
  guards:
    - {name: freeze, type: schedule, during: [{cron: "0 0 * * *", duration: 24h, timezone: UTC}], result: ask}
"""

CLAIM = """\
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: checkout-cache, labels: {app.kubernetes.io/part-of: shop}}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 10Gi}}
"""

PROXY = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: proxy, labels: {app.kubernetes.io/part-of: shop}}
spec:
  replicas: 1
  selector: {matchLabels: {app.kubernetes.io/name: proxy}}
  template:
    metadata: {labels: {app.kubernetes.io/name: proxy}}
    spec:
      containers:
        - name: proxy
          image: registry.example/shop/proxy:2.3.0
"""

SMOKE_TEST = """\
apiVersion: batch/v1
kind: Job
metadata:
  name: smoke-test
  annotations:
    argocd.argoproj.io/hook: PostSync
    argocd.argoproj.io/hook-delete-policy: BeforeHookCreation
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: smoke-test
          image: registry.example/shop/smoke-test:2.3.1
          args: ["--wait-for", "/healthz"]
"""


def policy(guards: str = "", verify_for: str = "15m", watch_pods: bool = False) -> str:
    """The policy of the stories, with these guards and this patience of the verification.

    `watch_pods`: what the Pods show is a trigger too, and that the rollout is complete the only check.
    """
    text = POLICY.replace("VERIFY", verify_for).replace("GUARDS", guards)
    pods, checks = (WATCHED_PODS, PODS_CHECKED) if watch_pods else ("", "")
    return text.replace("PODS", pods).replace("CHECKS", checks)


def policy_of(services: Sequence[str]) -> str:
    """The policy of the stories for all these services. It looks once a minute: there are many of them."""
    text = policy()
    targets = text[text.index(TARGET) : text.index("  triggers:")]
    every = "".join(targets.replace("checkout-api", name) for name in services)
    return text.replace(targets, every).replace("  verification:", "  timing: {interval: 1m}\n  verification:")


def for_engine(text: str, engine: str) -> str:
    """A story's policy, naming its applications as this engine does."""
    if engine != "flux":
        return text
    return NAMED.sub(r"application: {name: \1}", text.replace("engine: argocd", "engine: flux"))
