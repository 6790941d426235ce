"""Which kinds of objects can go back and forth, and which of their fields cannot?

An allow-list: what does not stand here asks a person. Source: safety.md, Irreversible.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from gitops_rollback.core.differences import Difference
from gitops_rollback.core.manifest import ChangeKind, ManifestObject, ObjectChange, at, walk
from gitops_rollback.core.values import risk

REVERSIBLE = frozenset(
    {
        ("apps", "Deployment"),
        ("apps", "DaemonSet"),
        ("argoproj.io", "Rollout"),
        ("flagger.app", "Canary"),
        ("argocd-image-updater.argoproj.io", "ImageUpdater"),
        ("batch", "Job"),
        ("batch", "CronJob"),
        ("", "Service"),
        ("", "ConfigMap"),
        ("", "ServiceAccount"),
        ("autoscaling", "HorizontalPodAutoscaler"),
        ("keda.sh", "ScaledObject"),
        ("keda.sh", "ScaledJob"),
        ("policy", "PodDisruptionBudget"),
        ("networking.k8s.io", "Ingress"),
        ("gateway.networking.k8s.io", "HTTPRoute"),
        ("gateway.networking.k8s.io", "GRPCRoute"),
        ("gateway.networking.k8s.io", "TCPRoute"),
        ("gateway.networking.k8s.io", "TLSRoute"),
        ("networking.istio.io", "VirtualService"),
        ("networking.istio.io", "DestinationRule"),
        ("split.smi-spec.io", "TrafficSplit"),
        ("traefik.io", "IngressRoute"),
        ("traefik.io", "TraefikService"),
        ("projectcontour.io", "HTTPProxy"),
        ("helm.toolkit.fluxcd.io", "HelmRelease"),
        ("kustomize.toolkit.fluxcd.io", "Kustomization"),
    }
)

# No setting makes these automatic.
ALWAYS_ASK = frozenset(
    {
        "Role",
        "RoleBinding",
        "ClusterRole",
        "ClusterRoleBinding",
        "NetworkPolicy",
        "CiliumNetworkPolicy",
        "CiliumClusterwideNetworkPolicy",
        "GlobalNetworkPolicy",
        "AuthorizationPolicy",
        "PeerAuthentication",
        "ValidatingWebhookConfiguration",
        "MutatingWebhookConfiguration",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "MutatingAdmissionPolicy",
        "ClusterPolicy",
        "Certificate",
        "CertificateRequest",
        "Issuer",
        "ClusterIssuer",
        "StatefulSet",
        "PersistentVolume",
        "PersistentVolumeClaim",
        "StorageClass",
        "VolumeSnapshot",
        "Namespace",
        "CustomResourceDefinition",
        "APIService",
        "Application",
        "ApplicationSet",
        "AppProject",
    }
)

_IMMUTABLE: Mapping[str, tuple[str, ...]] = {
    "Deployment": ("spec.selector",),
    "DaemonSet": ("spec.selector",),
    "Rollout": ("spec.selector", "spec.workloadRef"),
    "Canary": ("spec.targetRef",),
    "Job": ("spec.selector", "spec.template", "spec.completions", "spec.completionMode"),
    "Service": (
        "spec.type",
        "spec.clusterIP",
        "spec.clusterIPs",
        "spec.ipFamilies",
        "spec.ipFamilyPolicy",
        "spec.loadBalancerIP",
        "spec.loadBalancerClass",
        "spec.externalIPs",
    ),
    "ConfigMap": ("immutable",),
    "ServiceAccount": ("secrets", "metadata.annotations"),
    "HelmRelease": (
        "spec.releaseName",
        "spec.targetNamespace",
        "spec.storageNamespace",
        "spec.chart.spec.chart",
        "spec.chart.spec.sourceRef",
        "spec.chartRef",
        "spec.valuesFrom",
        "spec.postRenderers",
    ),
    "Kustomization": (
        "spec.path",
        "spec.sourceRef",
        "spec.targetNamespace",
        "spec.prune",
        "spec.deletionPolicy",
        "spec.components",
        "spec.patches",
        "spec.namePrefix",
        "spec.nameSuffix",
        "spec.serviceAccountName",
    ),
}
_CLAIM_KEYS = frozenset({"persistentVolumeClaim", "volumeClaimTemplate", "volumeClaimTemplates"})
_NEVER_REMOVED = frozenset({"HelmRelease", "Kustomization"})


def why_not(change: ObjectChange, created: Collection[str] | None, extra: Collection[tuple[str, str]]) -> str:
    """Why this change of an object needs a person, as half a sentence; "" if it can go back and forth.

    `created` holds the keys of objects that the culprit itself created (None: nobody can tell). `extra` are kinds,
    (group, kind), that the controller's settings add.
    """
    found = change.object
    if found.kind in ALWAYS_ASK or "secret" in found.kind.lower():
        return f"{found.label} is of a kind that always asks"
    if (found.group, found.kind) not in REVERSIBLE and (found.group, found.kind) not in extra and not _runs(change):
        return f"{found.label} is of kind {found.group or 'core'}/{found.kind}, which is not known to go back and forth"
    if change.kind is ChangeKind.CHANGED:
        return _why_not_changed(change)
    if change.kind is ChangeKind.REMOVED:
        return _why_not_removed(found, created)
    if change.kind is ChangeKind.RENAMED:
        return f"{found.label} would get another name"
    return f"{found.label} would appear again"


def immutable_fields(change: ObjectChange) -> tuple[str, ...]:
    """The changed fields of this object that the API server or its controller will not take back."""
    if _stays_hook(change):
        return ()
    prefixes = _IMMUTABLE.get(change.object.kind, ())
    return tuple(one.dotted for one in change.fields if any(_under(one, prefix) for prefix in prefixes))


def bears_claims(found: ManifestObject) -> bool:
    """True if it holds a volume claim, or mounts one."""
    return any(_CLAIM_KEYS & mapping.keys() for _, mapping in walk(dict(found.document)))


def _runs(change: ObjectChange) -> bool:
    """Hook objects count by what they run, which the migrations guard judges."""
    found = change.object
    return _stays_hook(change) and (found.group, found.kind) in {("", "Pod"), ("batch", "Job")}


def _stays_hook(change: ObjectChange) -> bool:
    return change.object.hook and (change.after is None or change.after.hook)


def _under(difference: Difference, prefix: str) -> bool:
    """True if it lies below `prefix`, or is a whole subtree above it."""
    dotted = difference.dotted
    return (
        dotted == prefix
        or dotted.startswith(prefix + ".")
        or (not difference.scalar and prefix.startswith(dotted + "."))
    )


def _why_not_changed(change: ObjectChange) -> str:
    found = change.object
    fields = immutable_fields(change)
    if fields:
        return f"{found.label}: {fields[0]} cannot be changed back in place"
    if any(_CLAIM_KEYS & set(one.path) or _holds_claim(one) for one in change.fields):
        return f"{found.label}: its volume claims would change"
    if found.kind == "ConfigMap" and "true" in (found.document.get("immutable"), _after(change).get("immutable")):
        return f"{found.label} is immutable"
    if found.kind == "HelmRelease":
        embedded = (one for one in change.fields if one.path[:2] == ("spec", "values"))
        return next((f"{found.label}: {why}" for one in embedded if (why := risk(one))), "")
    return ""


def _after(change: ObjectChange) -> Mapping[str, object]:
    return dict(change.after.document) if change.after else {}


def _holds_claim(difference: Difference) -> bool:
    sides = (difference.before, difference.after)
    return any(_CLAIM_KEYS & mapping.keys() for side in sides for _, mapping in walk(side))


def _why_not_removed(found: ManifestObject, created: Collection[str] | None) -> str:
    if created is None:
        return f"{found.label} would be removed, and whether the culprit created it cannot be told"
    if found.key not in created:
        return f"{found.label} would be removed, and the culprit did not create it"
    if found.kind in _NEVER_REMOVED or bears_claims(found):
        return f"{found.label} would be removed with all that it keeps"
    if found.kind == "Service" and at(found.document, "spec", "type") not in (None, "ClusterIP"):
        return f"{found.label} would be removed, and its address with it"
    return ""
