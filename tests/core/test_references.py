"""Which Secrets and ConfigMaps do the Pods need that come back, and what does a plan wait for when one is gone?"""

from __future__ import annotations

import pytest
from plan_facts import facts

from gitops_rollback.core.errors import Reason
from gitops_rollback.core.guards.references import judge_references
from gitops_rollback.core.images import Found
from gitops_rollback.core.policy import GuardResult
from gitops_rollback.core.references import UNCLEAR, Reference, ReferencePresence, references_needed

POD = """\
      imagePullSecrets: [{name: pull}]
      initContainers:
        - {name: a, image: i, envFrom: [{secretRef: {name: env-from}}, {configMapRef: {name: maybe, optional: true}}]}
      containers:
        - name: web
          image: i
          env:
            - {name: A, valueFrom: {secretKeyRef: {name: key, key: a}}}
            - {name: B, valueFrom: {configMapKeyRef: {name: settings, key: b}}}
      volumes:
        - {name: v, secret: {secretName: mounted}}
        - {name: w, configMap: {name: files}}
        - {name: x, projected: {sources: [{secret: {name: projected}}, {configMap: {name: both}}]}}
        - {name: y, secret: {secretName: "${LATER}"}}
"""
DEPLOYMENT = f"""\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  template:
    spec:
{POD}"""
ALL = {
    *(("Secret", name) for name in ("pull", "env-from", "key", "mounted", "projected")),
    *(("ConfigMap", name) for name in ("settings", "files", "both")),
}
FILE = "apps/web/web.yaml"
NEEDS_ONE = (
    "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: tidy, namespace: night}\n"
    "spec: {jobTemplate: {spec: {template: {spec: {containers: [{envFrom: [{configMapRef: {name: hours}}]}]}}}}}\n"
)
ONE = Reference("ConfigMap", "night", "hours")
PATH = "apps/tidy/job.yaml"


def needed(more: str = "", path: str = "apps/tidy/more.yaml", changed: str = PATH) -> tuple[Reference, ...]:
    files = {PATH: NEEDS_ONE.encode(), **({path: more.encode()} if more else {})}
    return references_needed(files, [changed])


def test_every_way_to_name_one_is_seen_and_what_may_be_missing_is_not_needed() -> None:
    found = references_needed({FILE: DEPLOYMENT.encode()}, [FILE])
    assert {(one.kind, one.name) for one in found} == ALL
    assert {one.namespace for one in found} == {""}, "the application's own"


def test_a_reference_in_a_file_that_the_plan_leaves_alone_starts_no_pod() -> None:
    assert needed() == (ONE,)
    assert needed(changed="apps/tidy/other.yaml") == ()
    overlay = "resources: [job.yaml]\nimages: [{name: i, newTag: '1'}]\n"
    path = "apps/tidy/kustomization.yaml"
    assert needed(overlay, path, changed=path) == (ONE,), "a kustomization may change each of them"


MADE = {
    "itself": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: hours}\n",
    "a-generator": "configMapGenerator: [{name: hours, files: [hours.txt]}]\n",
    "a-generator-of-a-typed-kustomization": "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
    "configMapGenerator: [{name: hours, literals: [a=b]}]\n",
}


@pytest.mark.parametrize("made", MADE.values(), ids=MADE)
def test_what_the_same_manifests_make_comes_back_with_them(made: str) -> None:
    assert needed(made, "apps/tidy/kustomization.yaml") == ()
    assert needed(made.replace("hours", "days"), "apps/tidy/kustomization.yaml") == (ONE,)


SEALED = [
    "apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nmetadata: {name: key}\n",
    "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {name: a}\nspec: {target: {name: key}}\n",
    "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {name: key}\nspec: {}\n",
    "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: a}\nspec: {secretName: key}\n",
]


@pytest.mark.parametrize("sealed", SEALED)
def test_what_seals_or_fetches_a_secret_makes_it(sealed: str) -> None:
    found = references_needed({FILE: DEPLOYMENT.encode(), "apps/web/s.yaml": sealed.encode()}, [FILE])
    assert {(one.kind, one.name) for one in found} == ALL - {("Secret", "key")}


HASHED = [("hours-7h2k9m8f4c", True), ("prod-hours-v2-7h2k9m8f4c", True), ("hours-of-work", False), ("hours-1", False)]


@pytest.mark.parametrize(("live", "made"), HASHED)
def test_a_generator_that_lies_elsewhere_shows_by_the_hash_of_what_runs(live: str, made: bool) -> None:
    found = references_needed({PATH: NEEDS_ONE.encode()}, [PATH], [("ConfigMap", live)])
    assert found == (() if made else (ONE,))
    assert references_needed({PATH: NEEDS_ONE.encode()}, [PATH], [("Secret", live)]) == (ONE,)


def test_the_namespace_is_the_kustomizations_and_of_two_nobody_knows_which() -> None:
    assert [one.namespace for one in needed("namespace: day\n", "apps/tidy/kustomization.yaml")] == ["day"]
    files = {"a/kustomization.yaml": b"namespace: day\n", "b/kustomization.yaml": b"namespace: dawn\n"}
    (found,) = references_needed({PATH: NEEDS_ONE.encode(), **files}, [PATH])
    assert found.namespace == UNCLEAR


THERE, GONE = ReferencePresence(ONE, Found.PRESENT), ReferencePresence(ONE, Found.MISSING)
UNSEEN = ReferencePresence(ONE, Found.UNKNOWN, "answers 403: forbidden")
ALLOW, ASK, NOT_EVALUATED = GuardResult.ALLOW, GuardResult.ASK, GuardResult.NOT_EVALUATED
ANSWERS: dict[str, tuple[tuple[ReferencePresence, ...] | None, GuardResult, str]] = {
    "none-needed": ((), ALLOW, "no Secret or ConfigMap but what its manifests make"),
    "there": ((THERE,), ALLOW, "there: ConfigMap night/hours"),
    "gone": ((THERE, UNSEEN, GONE), ASK, "gone: ConfigMap night/hours"),
    "not-seen-is-not-gone": ((THERE, UNSEEN), NOT_EVALUATED, "ConfigMap night/hours (answers 403: forbidden)"),
    "many": ((GONE,) * 5, ASK, "and 2 more"),
    "files-unseen": (None, NOT_EVALUATED, "cannot be seen"),
}


@pytest.mark.parametrize(("found", "result", "words"), ANSWERS.values(), ids=ANSWERS)
def test_a_plan_waits_for_what_is_gone_alone(
    found: tuple[ReferencePresence, ...] | None, result: GuardResult, words: str
) -> None:
    answer = judge_references(facts(references=found))
    assert (answer.guard, answer.result) == ("references", result)
    assert answer.reason is (Reason.REFERENCE_MISSING if result is ASK else None)
    assert words in answer.message
    assert bool(answer.remedy) == (result is ASK)
