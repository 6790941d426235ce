"""Which plans change only what can go back and forth."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from plan_facts import DEPLOYMENT, a_file, a_reversal, facts

from gitops_rollback.core.errors import Reason
from gitops_rollback.core.guards.facts import ChangedFile
from gitops_rollback.core.guards.irreversible import judge_irreversible
from gitops_rollback.core.plan import GuardAnswer
from gitops_rollback.core.policy import GuardResult


def judged(*files: ChangedFile, created: tuple[ChangedFile, ...] | None = (), **fields: Any) -> GuardAnswer:
    """`created` are the culprit's own files: before -> after."""
    reversal = a_reversal(*(changed.path for changed in files))
    return judge_irreversible(facts(files=files, culprit_files=created, reversal=reversal, **fields))


def allowed(found: GuardAnswer) -> bool:
    assert found.result in (GuardResult.ALLOW, GuardResult.ASK)
    assert (found.reason is Reason.IRREVERSIBLE) == (found.result is GuardResult.ASK)
    return found.result is GuardResult.ALLOW


def an_object(kind: str, api: str = "v1", body: str = "spec: {a: 1}", name: str = "web") -> str:
    return f"apiVersion: {api}\nkind: {kind}\nmetadata: {{name: {name}, namespace: shop}}\n{body}\n"


KINDS = [
    ("Deployment", "apps/v1", True),
    ("DaemonSet", "apps/v1", True),
    ("Rollout", "argoproj.io/v1alpha1", True),
    ("Canary", "flagger.app/v1beta1", True),
    ("CronJob", "batch/v1", True),
    ("Job", "batch/v1", True),
    ("Service", "v1", True),
    ("ConfigMap", "v1", True),
    ("ServiceAccount", "v1", True),
    ("HorizontalPodAutoscaler", "autoscaling/v2", True),
    ("ScaledObject", "keda.sh/v1alpha1", True),
    ("PodDisruptionBudget", "policy/v1", True),
    ("Ingress", "networking.k8s.io/v1", True),
    ("HTTPRoute", "gateway.networking.k8s.io/v1", True),
    ("VirtualService", "networking.istio.io/v1", True),
    ("HelmRelease", "helm.toolkit.fluxcd.io/v2", True),
    ("Kustomization", "kustomize.toolkit.fluxcd.io/v1", True),
    ("Deployment", "example.com/v1", False),
    ("StatefulSet", "apps/v1", False),
    ("PersistentVolumeClaim", "v1", False),
    ("Secret", "v1", False),
    ("SealedSecret", "bitnami.com/v1alpha1", False),
    ("ExternalSecret", "external-secrets.io/v1", False),
    ("Role", "rbac.authorization.k8s.io/v1", False),
    ("ClusterRoleBinding", "rbac.authorization.k8s.io/v1", False),
    ("NetworkPolicy", "networking.k8s.io/v1", False),
    ("ValidatingWebhookConfiguration", "admissionregistration.k8s.io/v1", False),
    ("Certificate", "cert-manager.io/v1", False),
    ("ClusterIssuer", "cert-manager.io/v1", False),
    ("Namespace", "v1", False),
    ("CustomResourceDefinition", "apiextensions.k8s.io/v1", False),
    ("Application", "argoproj.io/v1alpha1", False),
    ("ApplicationSet", "argoproj.io/v1alpha1", False),
    ("AppProject", "argoproj.io/v1alpha1", False),
    ("Bucket", "s3.aws.crossplane.io/v1beta1", False),
    ("Widget", "example.com/v1", False),
]


@pytest.mark.parametrize(("kind", "api", "expected"), KINDS)
def test_only_kinds_that_go_back_and_forth_change_by_themselves(kind: str, api: str, expected: bool) -> None:
    found = judged(a_file(an_object(kind, api), an_object(kind, api, "spec: {a: 2}")))
    assert allowed(found) is expected
    assert expected or kind in found.message


def test_settings_add_kinds_but_never_those_that_always_ask() -> None:
    extra = frozenset({("example.com", "Widget"), ("", "Secret"), ("apps", "StatefulSet")})
    for kind, api, expected in (
        ("Widget", "example.com/v1", True),
        ("Secret", "v1", False),
        ("StatefulSet", "apps/v1", False),
    ):
        changed = a_file(an_object(kind, api), an_object(kind, api, "spec: {a: 2}"))
        assert allowed(judged(changed, extra_kinds=extra)) is expected


FIELDS = {
    "image": (DEPLOYMENT, DEPLOYMENT.replace("1.42.0", "1.41.2"), True),
    "selector": (DEPLOYMENT, DEPLOYMENT.replace("{app: checkout}", "{app: shop}"), False),
    "claim-mounted": (
        DEPLOYMENT + "      volumes: [{name: d, persistentVolumeClaim: {claimName: a}}]\n",
        DEPLOYMENT + "      volumes: [{name: d, persistentVolumeClaim: {claimName: b}}]\n",
        False,
    ),
    "claim-no-longer-mounted": (
        DEPLOYMENT + "      volumes: [{name: d, persistentVolumeClaim: {claimName: a}}]\n",
        DEPLOYMENT,
        False,
    ),
    "service-port": (an_object("Service", body="spec: {x: 80}"), an_object("Service", body="spec: {x: 81}"), True),
    "service-type": (
        an_object("Service", body="spec: {type: LoadBalancer}"),
        an_object("Service", body="spec: {type: ClusterIP}"),
        False,
    ),
    "service-type-left-out": (
        an_object("Service", body="spec: {type: LoadBalancer}"),
        an_object("Service", body="metadata2: {}"),
        False,
    ),
    "immutable-configmap": (
        an_object("ConfigMap", body="immutable: true\ndata: {a: x}"),
        an_object("ConfigMap", body="immutable: true\ndata: {a: y}"),
        False,
    ),
    "job-template": (
        an_object("Job", "batch/v1", "spec: {template: {spec: {a: 1}}}"),
        an_object("Job", "batch/v1", "spec: {template: {spec: {a: 2}}}"),
        False,
    ),
    "flux-path": (
        an_object("Kustomization", "kustomize.toolkit.fluxcd.io/v1", "spec: {path: ./a}"),
        an_object("Kustomization", "kustomize.toolkit.fluxcd.io/v1", "spec: {path: ./b}"),
        False,
    ),
    "flux-chart-version": (
        an_object("HelmRelease", "helm.toolkit.fluxcd.io/v2", "spec: {chart: {spec: {version: '2'}}}"),
        an_object("HelmRelease", "helm.toolkit.fluxcd.io/v2", "spec: {chart: {spec: {version: '1'}}}"),
        True,
    ),
    "flux-chart-name": (
        an_object("HelmRelease", "helm.toolkit.fluxcd.io/v2", "spec: {chart: {spec: {chart: a}}}"),
        an_object("HelmRelease", "helm.toolkit.fluxcd.io/v2", "spec: {chart: {spec: {chart: b}}}"),
        False,
    ),
    "flux-values-persistence": (
        an_object("HelmRelease", "helm.toolkit.fluxcd.io/v2", "spec: {values: {persistence: {size: 2Gi}}}"),
        an_object("HelmRelease", "helm.toolkit.fluxcd.io/v2", "spec: {values: {persistence: {size: 1Gi}}}"),
        False,
    ),
}


@pytest.mark.parametrize(("before", "after", "expected"), FIELDS.values(), ids=FIELDS)
def test_fields_that_cannot_be_taken_back_ask(before: str, after: str, expected: bool) -> None:
    assert allowed(judged(a_file(before, after))) is expected


CLUSTER_IP = an_object("Service", body="spec: {clusterIP: None}")
REMOVED = {
    "configmap": (an_object("ConfigMap"), True),
    "service": (CLUSTER_IP, True),
    "load-balancer": (an_object("Service", body="spec: {type: LoadBalancer}"), False),
    "deployment": (DEPLOYMENT, True),
    "deployment-with-claim": (DEPLOYMENT + "      volumes: [{persistentVolumeClaim: {claimName: a}}]\n", False),
    "helm-release": (an_object("HelmRelease", "helm.toolkit.fluxcd.io/v2"), False),
    "claim": (an_object("PersistentVolumeClaim"), False),
    "namespace": (an_object("Namespace"), False),
}


@pytest.mark.parametrize(("content", "expected"), REMOVED.values(), ids=REMOVED)
def test_what_the_culprit_created_may_go_again_if_it_keeps_nothing(content: str, expected: bool) -> None:
    assert allowed(judged(a_file(content, None), created=(a_file(None, content),))) is expected


@pytest.mark.parametrize("created", [(), None], ids=["created-by-another", "cannot-see"])
def test_what_the_culprit_did_not_create_stays(created: tuple[ChangedFile, ...] | None) -> None:
    assert not allowed(judged(a_file(an_object("ConfigMap"), None), created=created))


def test_an_object_that_two_culprits_made_and_changed_may_go_again() -> None:
    first, second = an_object("ConfigMap"), an_object("ConfigMap", body="data: {a: b}")
    culprits = (a_file(first, second), a_file(None, first))
    assert allowed(judged(a_file(second, None), created=culprits))
    assert not allowed(judged(a_file(second, None), created=culprits[:1]))


def test_whether_the_culprit_created_it_is_not_guessed_from_half_a_commit() -> None:
    gone = a_file(an_object("ConfigMap"), None)
    created = a_file(None, an_object("ConfigMap"))
    assert allowed(judged(gone, created=(created,)))
    for unseen in (replace(created, unread="too large"), ChangedFile("b.yaml", None, b"{{ x }}")):
        assert not allowed(judged(gone, created=(created, unseen)))


def test_an_object_that_comes_back_or_is_renamed_asks() -> None:
    assert not allowed(judged(a_file(None, an_object("ConfigMap"))))
    renamed = judged(a_file(an_object("ConfigMap"), an_object("ConfigMap", name="api")))
    assert not allowed(renamed)
    assert "another name" in renamed.message


def test_an_object_that_moves_between_files_is_unchanged() -> None:
    moved = (a_file(DEPLOYMENT, None, "a.yaml"), a_file(None, DEPLOYMENT, "b.yaml"))
    assert allowed(judged(*moved))


def test_the_worst_object_of_a_plan_decides() -> None:
    harmless = a_file(DEPLOYMENT, DEPLOYMENT.replace("1.42.0", "1.41.2"))
    claim = a_file(an_object("PersistentVolumeClaim"), None, "claim.yaml")
    found = judged(harmless, claim, created=(a_file(None, an_object("PersistentVolumeClaim"), "claim.yaml"),))
    assert not allowed(found)
    assert "PersistentVolumeClaim" in found.message


UNSEEN = {
    "template": (a_file("image: {{ .Values.x }}\n", "image: {{ .Values.y }}\n"),),
    "broken": (a_file("a: [", "a: ["),),
    "sql": (a_file("SELECT 1", "SELECT 2", "db/001.sql"),),
    "terraform": (a_file("a = 1", "a = 2", "infra/main.tf"),),
    "binary": (ChangedFile("a.yaml", b"\xff\xfe\x00", b"a: 1"),),
    "too-large": (ChangedFile("a.yaml", b"a: 1", b"a: 1", "larger than 1 MiB"),),
    "json-patch": (
        a_file("[{op: replace, path: /spec/replicas, value: 3}]", "[{op: replace, path: /spec/replicas, value: 2}]"),
    ),
}


@pytest.mark.parametrize("files", UNSEEN.values(), ids=UNSEEN)
def test_what_is_rendered_from_an_unseen_file_asks(files: tuple[ChangedFile, ...]) -> None:
    assert not allowed(judged(*files))


def test_files_that_were_not_read_ask() -> None:
    assert not allowed(judge_irreversible(facts(files=None)))
    assert not allowed(judge_irreversible(facts(files=(), reversal=a_reversal("a.yaml"))))


SECRETS = {
    "sops": a_file("a: ENC[AES256_GCM,data:x]\nsops: {mac: x}\n", "a: ENC[AES256_GCM,data:y]\nsops: {mac: y}\n"),
    "git-crypt": ChangedFile("a.yaml", b"\0GITCRYPT\0a", b"\0GITCRYPT\0b"),
    "ansible-vault": a_file("$ANSIBLE_VAULT;1.1\n1", "$ANSIBLE_VAULT;1.1\n2"),
    "private-key": a_file("k: |\n  -----BEGIN RSA PRIVATE KEY-----", "k: b"),
    "name": a_file("a: 1", "a: 2", "apps/web/secrets.yaml"),
    "env-file": a_file("A=1", "A=2", "apps/web/.env"),
}


@pytest.mark.parametrize("changed", SECRETS.values(), ids=SECRETS)
def test_secrets_in_every_form_ask(changed: ChangedFile) -> None:
    found = judged(changed)
    assert not allowed(found)
    assert "secret" in found.message


def test_documentation_beside_the_manifests_stands_in_nobodys_way() -> None:
    files = (a_file(DEPLOYMENT, DEPLOYMENT.replace("1.42.0", "1.41.2")), a_file("# new", "# old", "apps/README.md"))
    assert allowed(judged(*files))


VALUES = {
    "image-tag": ("image: {repository: a, tag: v2}", "image: {repository: a, tag: v1}", True),
    "nested-tag": ("web: {image: {tag: v2}}", "web: {image: {tag: v1}}", True),
    "replicas": ("replicaCount: 3", "replicaCount: 2", True),
    "flag": ("features: {newCheckout: true}", "features: {newCheckout: false}", True),
    "environment-pair": ("env: [{name: A, value: b}]", "env: []", True),
    "limit": ("resources: {limits: {memory: 1Gi}}", "resources: {limits: {memory: 2Gi}}", True),
    "key-gone": ("timeout: 30s\na: b", "a: b", True),
    "image-override": ("web: {image: {tag: v2}}", "web: {}", True),
    "image-override-with-more": ("web: {image: {pull: {secrets: [a]}}}", "web: {}", False),
    "image-override-of-a-database": ("postgresql: {image: {tag: v2}}", "postgresql: {}", False),
    "node-selector": ("nodeSelector: {pool: a}", "nodeSelector: {pool: b}", True),
    "selector": ("selector: {app: a}", "selector: {app: b}", False),
    "ingress-switch": ("ingress: {enabled: true}", "ingress: {enabled: false}", False),
    "persistence": ("persistence: {size: 2Gi}", "persistence: {size: 1Gi}", False),
    "claim": ("web: {existingClaim: a}", "web: {existingClaim: b}", False),
    "secret": ("web: {existingSecret: a}", "web: {existingSecret: b}", False),
    "rbac": ("rbac: {rules: a}", "rbac: {rules: b}", False),
    "name": ("fullnameOverride: a", "fullnameOverride: b", False),
    "service-type": ("service: {type: LoadBalancer}", "service: {type: ClusterIP}", False),
    "network-policy": ("networkPolicy: {ports: a}", "networkPolicy: {ports: b}", False),
    "database-tag": ("postgresql: {image: {tag: v2}}", "postgresql: {image: {tag: v1}}", False),
    "whole-objects": ("extra: [{a: b}]", "extra: []", False),
    "objects-as-text": ('x: "kind: Secret"', 'x: ""', False),
    "migration-switch": ("migrations: {image: v2}", "migrations: {image: v1}", False),
    "came-as-a-whole": ("a: b\n---\nc: d\n", "a: b\n", False),
}


@pytest.mark.parametrize(("before", "after", "expected"), VALUES.values(), ids=VALUES)
def test_single_values_go_back_unless_they_decide_about_objects_data_or_rights(
    before: str, after: str, expected: bool
) -> None:
    assert allowed(judged(a_file(before, after, "apps/web/values.yaml"))) is expected


KUSTOMIZATIONS = {
    "new-tag": ("images: [{name: a, newTag: v2}]", "images: [{name: a, newTag: v1}]", True),
    "new-name": ("images: [{name: a, newName: b}]", "images: [{name: a, newName: c}]", True),
    "database": ("images: [{name: r.example/postgres, newTag: '16'}]", "images: [{name: r.example/postgres}]", False),
    "replicas": ("replicas: [{name: a, count: 3}]", "replicas: [{name: a, count: 2}]", True),
    "configmap-literal": (
        "configMapGenerator: [{name: a, literals: [A=1]}]",
        "configMapGenerator: [{name: a, literals: [A=2]}]",
        True,
    ),
    "configmap-gone": ("configMapGenerator: [{name: a, literals: [A=1]}]", "configMapGenerator: []", False),
    "secret-literal": (
        "secretGenerator: [{name: a, literals: [A=1]}]",
        "secretGenerator: [{name: a, literals: [A=2]}]",
        False,
    ),
    "namespace": ("namespace: a", "namespace: b", False),
    "prefix": ("namePrefix: a-", "namePrefix: b-", False),
    "labels": ("commonLabels: {a: b}", "commonLabels: {a: c}", False),
    "inline-patch": ("patches: [{patch: a}]", "patches: [{patch: b}]", False),
    "remote-base": ("resources: [a.yaml, 'https://x/y?ref=2']", "resources: [a.yaml]", False),
    "resource-outside-of-the-plan": ("resources: [a.yaml, b.yaml]", "resources: [a.yaml]", False),
}


@pytest.mark.parametrize(("before", "after", "expected"), KUSTOMIZATIONS.values(), ids=KUSTOMIZATIONS)
def test_a_kustomization_gives_back_images_and_counts(before: str, after: str, expected: bool) -> None:
    assert allowed(judged(a_file(before, after, "apps/web/kustomization.yaml"))) is expected


@pytest.mark.parametrize(("kind", "expected"), [("ConfigMap", True), ("PersistentVolumeClaim", False)])
def test_a_resource_entry_goes_with_the_file_that_it_names(kind: str, expected: bool) -> None:
    entry = a_file("resources: [a.yaml, new.yaml]", "resources: [a.yaml]", "apps/web/kustomization.yaml")
    added = a_file(None, an_object(kind), "apps/web/new.yaml")
    removed = a_file(an_object(kind), None, "apps/web/new.yaml")
    assert allowed(judged(entry, removed, created=(added,))) is expected


CHARTS = {
    "own-version": ("version: 1.1.0\nappVersion: '2'", "version: 1.0.0\nappVersion: '1'", True),
    "dependency": ("dependencies: [{name: a, version: '2'}]", "dependencies: [{name: a, version: '1'}]", False),
}


@pytest.mark.parametrize(("before", "after", "expected"), CHARTS.values(), ids=CHARTS)
def test_a_charts_dependencies_bring_unknown_objects(before: str, after: str, expected: bool) -> None:
    assert allowed(judged(a_file(before, after, "charts/web/Chart.yaml"))) is expected


def test_a_hook_counts_by_what_it_runs_and_not_by_its_kind() -> None:
    hook = DEPLOYMENT.replace("apps/v1", "batch/v1").replace("kind: Deployment", "kind: Job")
    hook = hook.replace("namespace: shop}", "annotations: {argocd.argoproj.io/hook: PreSync}}")
    assert allowed(judged(a_file(hook, hook.replace("1.42.0", "1.41.2"))))


@pytest.mark.parametrize(("kind", "api", "expected"), [("Pod", "v1", True), ("Widget", "example.com/v1", False)])
def test_only_hooks_that_run_something_are_left_to_the_migrations_guard(kind: str, api: str, expected: bool) -> None:
    hook = (
        f"apiVersion: {api}\nkind: {kind}\nmetadata: {{name: a, annotations: {{helm.sh/hook: test}}}}\nspec: {{a: 1}}\n"
    )
    assert allowed(judged(a_file(hook, hook.replace("a: 1", "a: 2")))) is expected
    assert not allowed(judged(a_file(hook, hook.replace("helm.sh/hook", "other"))))


def test_of_many_objections_the_first_are_named_and_the_rest_counted() -> None:
    files = tuple(a_file("a", "b", f"{index}.sql") for index in range(5))
    assert judged(*files).message.endswith("and 2 more")
    assert "more" not in judged(*files[:3]).message
