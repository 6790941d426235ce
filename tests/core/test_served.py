"""Which versions of the API come back, and what a plan waits for when the cluster has one no more."""

from __future__ import annotations

from plan_facts import facts

from gitops_rollback.core.errors import Reason
from gitops_rollback.core.guards.served import judge_served
from gitops_rollback.core.policy import GuardResult
from gitops_rollback.core.served import versions_coming_back

OLD = b"apiVersion: policy/v1beta1\nkind: PodDisruptionBudget\nmetadata: {name: web}\n"
NEW = OLD.replace(b"v1beta1", b"v1")
BUDGET = ("policy/v1beta1", "PodDisruptionBudget")


def test_what_comes_back_is_what_no_file_of_the_plan_has_now() -> None:
    assert versions_coming_back([("a.yaml", NEW, OLD)]) == (BUDGET,)
    assert versions_coming_back([("a.yaml", NEW, OLD), ("b.yaml", OLD, None)]) == (), "another one has it still"
    assert versions_coming_back([("a.yaml", None, OLD + b"---\n" + NEW)]) == (("policy/v1", BUDGET[1]), BUDGET)


def test_what_no_cluster_knows_or_nobody_can_read_names_none() -> None:
    ours = b"apiVersion: gitops-rollback.dev/v1alpha1\nkind: RollbackRequest\nmetadata: {name: a}\n"
    kustomization = b"apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: []\n"
    for path, text in (("a.yaml", ours), ("a.yaml", kustomization), ("a.yaml", OLD + b"a: {{ .b }}\n"), ("a.md", OLD)):
        assert versions_coming_back([(path, None, text)]) == ()


def test_a_plan_waits_where_the_cluster_has_not_what_comes_back() -> None:
    found = judge_served(facts(unserved=("A of x/v1", "B of x/v1", "C of x/v1", "D of x/v1")))
    assert (found.result, found.reason) == (GuardResult.ASK, Reason.VERSION_NOT_SERVED)
    assert found.message == "the cluster does not serve A of x/v1, B of x/v1, C of x/v1 and 1 more"
    assert judge_served(facts()).result is GuardResult.ALLOW
