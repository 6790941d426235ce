"""Twelve weeks of a shop that nobody watched: its config repository, and what its metrics were.

Three bad releases that people reverted, each in another way; one that was fixed forward; one outage of everything; a
release with a migration; and two weeks of noise. The demo tells it, and a test writes it into a real Prometheus.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml

from gitops_rollback.sandbox.replay import replay
from gitops_rollback.sandbox.services import GOOD, Behaviour, Service

BEGAN = datetime(2026, 2, 2, 0, 0, tzinfo=UTC)  # a Monday
ENDED = BEGAN + timedelta(weeks=12)
SERVICES = ("checkout-api", "ledger-api", "storefront", "search", "mail")
NAMESPACE = "shop"
BAD = Behaviour(error_ratio=0.12)
OUTAGE = Behaviour(error_ratio=0.4)
NOISE = Behaviour(error_ratio=0.012)
PEOPLE = {"jonas": "Jonas Lindqvist <jonas.lindqvist@shop.example>", "mira": "Mira Okafor <mira.okafor@shop.example>"}

POLICY = """\
# +argocd:skip-file-rendering
apiVersion: gitops-rollback.dev/v1alpha1
kind: RollbackPolicy
metadata: {name: shop}
spec:
  timing: {interval: 2m, window: 30m}
  targets:
TARGETS  triggers:
    - name: high-error-rate
      bad: 'sum(rate(http_requests_total{status=~"5..",service="$SERVICE"}[6m]))'
      total: 'sum(rate(http_requests_total{service="$SERVICE"}[6m]))'
      comparison: greater_than
      threshold: 0.05
      for: 4m
      severity: log_only
      minimumTraffic: {perSecond: 1}
"""
TARGET = """\
    - name: NAME
      application: {namespace: argocd, name: NAME-prod}
      data: {rollback: safe, because: each release reads what the next one wrote}
"""
APPLICATION = """\
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: NAME-prod, namespace: argocd}
spec:
  project: default
  source: {repoURL: "https://git.example/shop/config.git", path: apps/NAME, targetRevision: main}
  destination: {namespace: shop, server: "https://kubernetes.default.svc"}
  syncPolicy: {automated: {}}
"""
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME, namespace: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME}}
    spec:
      containers:
        - name: NAME
          image: registry.example/shop/NAME:VERSION
          resources:
            requests: {cpu: 100m}
          env:
            - {name: LOG_LEVEL, value: LEVEL}
"""
MIGRATION = """\
apiVersion: batch/v1
kind: Job
metadata:
  name: ledger-api-migrate
  namespace: shop
  annotations: {argocd.argoproj.io/hook: PreSync}
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
        - {name: migrate, image: "registry.example/shop/ledger-api:VERSION", args: [migrate, up]}
"""


@dataclass(frozen=True)
class Release:
    """A commit at `day` and `hour` of the quarter (UTC) that leaves a service at `version`."""

    label: str
    service: str
    day: int
    hour: float
    version: str
    message: str
    author: str = "jonas"
    level: str = "info"
    migrates: bool = False

    @property
    def at(self) -> datetime:
        return BEGAN + timedelta(days=self.day, hours=self.hour)


RELEASES = (
    Release("checkout-1.1", "checkout-api", 8, 10, "1.1.0", "Release checkout-api 1.1.0"),
    Release("ledger-1.1", "ledger-api", 9, 10, "1.1.0", "Release ledger-api 1.1.0"),
    # 1: reverted by `git revert`.
    Release("checkout-1.2", "checkout-api", 15, 10, "1.2.0", "Release checkout-api 1.2.0"),
    Release("checkout-1.2-back", "checkout-api", 15, 10.7, "1.1.0", 'Revert "Release checkout-api 1.2.0"', "mira"),
    Release("storefront-1.1", "storefront", 17, 9, "1.1.0", "Release storefront 1.1.0"),
    # 2: put back by hand, in words that say nothing of it.
    Release("storefront-1.2", "storefront", 22, 14, "1.2.0", "Release storefront 1.2.0"),
    Release("storefront-1.2-back", "storefront", 22, 14.9, "1.1.0", "Calm the shop down", "mira"),
    Release("ledger-1.2", "ledger-api", 24, 10, "1.2.0", "Release ledger-api 1.2.0"),
    # 3: put back together with a higher log level, so the trees differ.
    Release("search-1.1", "search", 29, 11, "1.1.0", "Release search 1.1.0"),
    Release("search-1.1-more", "search", 29, 11.5, "1.1.0", "Log more of search", level="debug"),
    Release("search-1.1-back", "search", 29, 12, "1.0.0", "Take search back to 1.0.0", "mira", level="debug"),
    # Fixed forward.
    Release("mail-1.1", "mail", 36, 13, "1.1.0", "Release mail 1.1.0"),
    Release("mail-1.1.1", "mail", 36, 13.4, "1.1.1", "Release mail 1.1.1"),
    # Everything is down, ten minutes after a release.
    Release("checkout-1.3", "checkout-api", 44, 15, "1.3.0", "Release checkout-api 1.3.0"),
    # With a migration, and bad.
    Release("ledger-2.0", "ledger-api", 52, 10, "2.0.0", "Release ledger-api 2.0.0", migrates=True),
    # Noise.
    Release("storefront-1.3", "storefront", 65, 10, "1.3.0", "Release storefront 1.3.0"),
    Release("mail-1.2", "mail", 72, 10, "1.2.0", "Release mail 1.2.0"),
)


def history() -> Mapping[str, object]:
    """The repository as `replay` takes it; the policy came last."""
    first: dict[str, object] = {f"apps/{one}/deployment.yaml": _deployment(one, "1.0.0", "info") for one in SERVICES}
    first |= {f"argocd/{one}.yaml": APPLICATION.replace("NAME", one) for one in SERVICES}
    commits: list[dict[str, object]] = [_commit("first", BEGAN - timedelta(days=20), "mira", "Start", first)]
    for one in sorted(RELEASES, key=lambda release: release.at):
        files: dict[str, object] = {
            f"apps/{one.service}/deployment.yaml": _deployment(one.service, one.version, one.level)
        }
        if one.migrates:
            files[f"apps/{one.service}/migrate.yaml"] = MIGRATION.replace("VERSION", one.version)
        commits.append(_commit(one.label, one.at, one.author, one.message, files))
    targets = "".join(TARGET.replace("NAME", one) for one in SERVICES)
    policy: dict[str, object] = {".gitops-rollback/policies/shop.yaml": POLICY.replace("TARGETS", targets)}
    commits.append(_commit("policy", ENDED - timedelta(hours=8), "mira", "Watch the shop", policy))
    return {"people": PEOPLE, "commits": commits}


def _commit(label: str, at: datetime, author: str, message: str, files: Mapping[str, object]) -> dict[str, object]:
    return {"id": label, "author": author, "date": at, "message": message, "put": dict(files)}


def _deployment(service: str, version: str, level: str) -> str:
    return DEPLOYMENT.replace("NAME", service).replace("VERSION", version).replace("LEVEL", level)


def write_repository(bare: Path) -> Mapping[str, str]:
    """The repository at `bare`; label -> SHA."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as text:
        yaml.safe_dump(history(), text, sort_keys=False)
        text.flush()
        return replay(Path(text.name), bare)


def services() -> tuple[Service, ...]:
    """Each service with its whole past."""
    changes = sorted(_behaviours(), key=lambda change: change[1])
    made = {name: Service(name, NAMESPACE) for name in SERVICES}
    for name, at, behaviour in changes:
        made[name].behave(behaviour, at)
    return tuple(made.values())


def _behaviours() -> Iterator[tuple[str, datetime, Behaviour]]:
    by_label = {one.label: one for one in RELEASES}
    for bad, back in (
        ("checkout-1.2", "checkout-1.2-back"), ("storefront-1.2", "storefront-1.2-back"),
        ("search-1.1", "search-1.1-back"), ("mail-1.1", "mail-1.1.1"),
    ):  # fmt: skip
        yield by_label[bad].service, by_label[bad].at + timedelta(seconds=20), BAD
        yield by_label[back].service, by_label[back].at + timedelta(seconds=40), GOOD
    down = by_label["checkout-1.3"].at + timedelta(minutes=10)
    for name in SERVICES:
        yield name, down, OUTAGE
        yield name, down + timedelta(minutes=14), GOOD
    migrated = by_label["ledger-2.0"].at
    yield "ledger-api", migrated + timedelta(minutes=1), BAD
    yield "ledger-api", migrated + timedelta(minutes=26), GOOD
    for day in range(63, 77):  # two weeks
        for hour in (3, 10, 17):
            for number, name in enumerate(SERVICES):
                at = BEGAN + timedelta(days=day, hours=hour, minutes=7 * number + 4)
                yield name, at, NOISE
                yield name, at + timedelta(minutes=5), GOOD
