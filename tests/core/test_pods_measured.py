"""Does a trigger on Pods fire on the first look that shows it, within a tick too, and never on what was not seen?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from pods_made import container, pod, rollout

from gitops_rollback.app.measuring import Measuring
from gitops_rollback.app.reading_back import Subject
from gitops_rollback.app.workloads import workloads_of
from gitops_rollback.core.errors import EngineUnavailable, Reason, SettingsInvalid
from gitops_rollback.core.new_pods import WorkloadFacts
from gitops_rollback.core.pod_trouble import Symptom
from gitops_rollback.core.policy import ApplicationRef, MetricSettings, Policy, Severity, Target, Trigger, Workload
from gitops_rollback.core.sync import (
    ApplicationId,
    ApplicationState,
    DeploymentRecord,
    Health,
    ResourceStatus,
    SyncEvent,
    SyncStatus,
)
from gitops_rollback.core.trigger import BaselineLevel, Verdict
from gitops_rollback.ports import MetricSource

T0 = datetime(2026, 11, 26, 12, tzinfo=UTC)
WEB = Workload("Deployment", "shop", "web")
ID = ApplicationId("default", "Application", "argocd", "web")
TRIGGER = Trigger(
    "pods", "crashLoop", Severity.AUTO_ROLLBACK, immediate=True, symptoms=tuple(one.value for one in Symptom)
)
STATE = ApplicationState(
    *(ID, "u", "default", "in-cluster", "shop", (), SyncStatus.SYNCED, (), Health.PROGRESSING, T0),
    resources=(
        ResourceStatus("apps", "Deployment", "shop", "web"),
        ResourceStatus("", "ConfigMap", "shop", "web"),
    ),
)
STARTING = rollout(T0, pod("web-2-x", T0 + timedelta(seconds=2)))
CRASHING = rollout(T0, pod("web-2-x", T0 + timedelta(seconds=2), container(3, "CrashLoopBackOff")))


@dataclass
class Cluster:
    facts: WorkloadFacts | EngineUnavailable = STARTING

    def read(self, application: ApplicationState, workload: Workload) -> WorkloadFacts:
        assert workload == WEB
        if isinstance(self.facts, EngineUnavailable):
            raise self.facts
        return self.facts


def nothing(settings: MetricSettings) -> MetricSource:
    raise SettingsInvalid("metrics", "no metric source is needed")


def subject() -> Subject:
    named = Target("web", "argocd", ApplicationRef("argocd", "web"))
    policy = Policy("web", "web.yaml", "c" * 40, (named,), (TRIGGER,))
    return Subject(policy, named, STATE, SyncEvent(ID, DeploymentRecord(("a" * 40,), (), T0)), {})


def look(measuring: Measuring, at: float) -> Verdict:
    return measuring.measure(subject(), T0 + timedelta(seconds=at))[0]


def test_it_fires_on_the_first_look_with_its_evidence_and_without_a_metric_source() -> None:
    cluster = Cluster()
    measuring = Measuring(nothing, workloads=cluster)
    assert (look(measuring, 15).fires, look(measuring, 15).reason) == (False, Reason.QUIET)
    cluster.facts = CRASHING
    verdict = look(measuring, 30)
    assert verdict.fires
    assert verdict.reason is None
    assert verdict.baseline.level is BaselineLevel.QUIET
    assert verdict.message.startswith("pods: crashLoop of Deployment shop/web: Pod web-2-x restarted 3 times")


def test_pods_are_looked_at_again_within_a_tick() -> None:
    cluster = Cluster()
    measuring = Measuring(nothing, workloads=cluster)
    assert not look(measuring, 30).fires
    cluster.facts = CRASHING
    assert look(measuring, 41).fires
    assert look(measuring, 45).fires


def test_what_was_not_seen_never_fires_and_is_no_quiet() -> None:
    hidden = EngineUnavailable("Kubernetes", "no connection")
    for cluster in (Cluster(hidden), Cluster(WorkloadFacts(None))):
        verdict = look(Measuring(nothing, workloads=cluster), 30)
        assert not verdict.fires
        assert verdict.reason in (Reason.ENGINE_UNAVAILABLE, Reason.ENGINE_UNCLEAR)
    assert look(Measuring(nothing), 30).reason is Reason.ENGINE_UNAVAILABLE


def test_a_target_without_a_workload_is_all_that_the_engine_manages() -> None:
    target = subject().target
    assert workloads_of(target, STATE) == (WEB,)
    other = Workload("StatefulSet", "shop", "db")
    assert workloads_of(replace(target, workload=other), STATE) == (other,)
