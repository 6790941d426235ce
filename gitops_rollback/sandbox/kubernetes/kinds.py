"""Which kinds of objects does the sandbox's Kubernetes serve, and by which rules does each live?

Source: the CRDs of Flux 2.9 and Argo CD 3.5, Kubernetes 1.36 registry strategies, and the recorded answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gitops_rollback.sandbox.rendering import Json

UNSEEN = {"status": {"observedGeneration": -1}}


@dataclass(frozen=True, eq=False)
class Kind:
    """One kind in one version. `custom`: of a CRD, which has no strategic merge and sorts its fields by name."""

    group: str
    version: str
    kind: str
    plural: str
    short: tuple[str, ...] = ()
    namespaced: bool = True
    custom: bool = False
    status: bool = True  # whether `/status` is a subresource, so that plain writes leave the status alone
    generation: bool = True
    create_on_update: bool = False  # PUT of what is not there makes it
    blind_update: bool = True  # PUT without a resourceVersion is taken
    defaults: Mapping[str, Any] = field(default_factory=dict)  # by path, "spec.timeout"

    @property
    def api_version(self) -> str:
        """As objects carry it: `apps/v1`, `v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def resource(self) -> str:
        """As errors name it: `kustomizations.kustomize.toolkit.fluxcd.io`, `pods`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def qualified(self) -> str:
        """As complaints about a body name it: `Kustomization.kustomize.toolkit.fluxcd.io`."""
        return f"{self.kind}.{self.group}" if self.group else self.kind

    def path(self, namespace: str = "", name: str = "") -> str:
        """The URL path of the collection, or of one object in it."""
        root = f"/apis/{self.api_version}" if self.group else f"/api/{self.version}"
        inside = f"/namespaces/{namespace}" if namespace else ""
        return f"{root}{inside}/{self.plural}" + (f"/{name}" if name else "")


def _flux(group: str, version: str, kind: str, plural: str, *short: str, **more: Any) -> Kind:
    defaults = {**UNSEEN, **more.pop("defaults", {})}
    return Kind(group, version, kind, plural, short, custom=True, blind_update=False, defaults=defaults, **more)


def _source(kind: str, plural: str, *short: str, **defaults: Any) -> Kind:
    return _flux("source.toolkit.fluxcd.io", "v1", kind, plural, *short, defaults={**UNSEEN, **defaults})


def _bare_custom(group: str, version: str, kind: str, plural: str, *short: str) -> Kind:
    """A custom kind without a status subresource."""
    return Kind(group, version, kind, plural, short, custom=True, status=False, blind_update=False)


def _plain(group: str, version: str, kind: str, plural: str, *short: str, **more: Any) -> Kind:
    """A built-in kind without a generation and without a status."""
    return Kind(group, version, kind, plural, short, generation=False, status=False, **more)


GIT_REPOSITORY = _source("GitRepository", "gitrepositories", "gitrepo", **{"spec.timeout": "60s"})
OCI_REPOSITORY = _source("OCIRepository", "ocirepositories", "ocirepo", **{"spec.timeout": "60s"})
BUCKET = _source("Bucket", "buckets", **{"spec.timeout": "60s"})
HELM_REPOSITORY = _source("HelmRepository", "helmrepositories", "helmrepo")
HELM_CHART = _source("HelmChart", "helmcharts", "hc", **{"spec.version": "*", "spec.reconcileStrategy": "ChartVersion"})
EXTERNAL_ARTIFACT = _source("ExternalArtifact", "externalartifacts")
KUSTOMIZATION = _flux(
    "kustomize.toolkit.fluxcd.io", "v1", "Kustomization", "kustomizations", "ks", defaults={"spec.force": False}
)
HELM_RELEASE = _flux(
    *("helm.toolkit.fluxcd.io", "v2", "HelmRelease", "helmreleases", "hr"),
    defaults={"spec.chart.spec.version": "*", "spec.chart.spec.reconcileStrategy": "ChartVersion"},
)
IMAGE_UPDATE_AUTOMATION = _flux("image.toolkit.fluxcd.io", "v1", "ImageUpdateAutomation", "imageupdateautomations")
IMAGE_POLICY = _flux("image.toolkit.fluxcd.io", "v1", "ImagePolicy", "imagepolicies", "imgpol")
IMAGE_REPOSITORY = _flux("image.toolkit.fluxcd.io", "v1", "ImageRepository", "imagerepositories", "imgrepo")
RECEIVER = _flux("notification.toolkit.fluxcd.io", "v1", "Receiver", "receivers")
ALERT = _bare_custom("notification.toolkit.fluxcd.io", "v1beta3", "Alert", "alerts")
PROVIDER = _bare_custom("notification.toolkit.fluxcd.io", "v1beta3", "Provider", "providers")
# Its CRD has no status subresource: the generation moves with every write of the status.
APPLICATION = _bare_custom("argoproj.io", "v1alpha1", "Application", "applications", "app", "apps")
APP_PROJECT = _bare_custom("argoproj.io", "v1alpha1", "AppProject", "appprojects", "appproj", "appprojs")
ROLLOUT = Kind("argoproj.io", "v1alpha1", "Rollout", "rollouts", ("ro",), custom=True, blind_update=False)
CANARY = Kind("flagger.app", "v1beta1", "Canary", "canaries", custom=True, blind_update=False)
LEASE = _plain("coordination.k8s.io", "v1", "Lease", "leases", create_on_update=True, blind_update=False)
EVENT = _plain("", "v1", "Event", "events", "ev", create_on_update=True)
NEW_EVENT = _plain("events.k8s.io", "v1", "Event", "events", "ev", create_on_update=True)
NAMESPACE = Kind("", "v1", "Namespace", "namespaces", ("ns",), namespaced=False, generation=False)
CONFIG_MAP = _plain("", "v1", "ConfigMap", "configmaps", "cm")
SECRET = _plain("", "v1", "Secret", "secrets")
VOLUME_CLAIM = Kind("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", ("pvc",), generation=False)
SERVICE = Kind("", "v1", "Service", "services", ("svc",), generation=False)
POD = Kind("", "v1", "Pod", "pods", ("po",))
DEPLOYMENT = Kind("apps", "v1", "Deployment", "deployments", ("deploy",))
REPLICA_SET = Kind("apps", "v1", "ReplicaSet", "replicasets", ("rs",))
STATEFUL_SET = Kind("apps", "v1", "StatefulSet", "statefulsets", ("sts",))
DAEMON_SET = Kind("apps", "v1", "DaemonSet", "daemonsets", ("ds",))
JOB = Kind("batch", "v1", "Job", "jobs")

KINDS: tuple[Kind, ...] = (
    *(
        NAMESPACE,
        CONFIG_MAP,
        SECRET,
        VOLUME_CLAIM,
        SERVICE,
        POD,
        EVENT,
        DEPLOYMENT,
        REPLICA_SET,
        STATEFUL_SET,
        DAEMON_SET,
        JOB,
    ),
    *(LEASE, NEW_EVENT, APPLICATION, APP_PROJECT, ROLLOUT, CANARY, KUSTOMIZATION, HELM_RELEASE),
    *(GIT_REPOSITORY, OCI_REPOSITORY, BUCKET, HELM_REPOSITORY, HELM_CHART, EXTERNAL_ARTIFACT),
    *(IMAGE_UPDATE_AUTOMATION, IMAGE_POLICY, IMAGE_REPOSITORY, RECEIVER, ALERT, PROVIDER),
)

# Of controllers that few clusters have.
TERRAFORM = Kind(
    "infra.contrib.fluxcd.io", "v1alpha2", "Terraform", "terraforms", ("tf",), custom=True, blind_update=False
)
CLOUD_BUCKET = Kind("s3.aws.upbound.io", "v1beta1", "Bucket", "buckets", custom=True, blind_update=False)
CLOUD_KINDS = (TERRAFORM, CLOUD_BUCKET)


def kind_of(manifest: Json, kinds: Iterable[Kind] = KINDS) -> Kind:
    """The kind of an object by its `apiVersion` and `kind`. Raises: KeyError."""
    wanted = (manifest.get("apiVersion"), manifest.get("kind"))
    for kind in kinds:
        if (kind.api_version, kind.kind) == wanted:
            return kind
    raise KeyError(f"{wanted[0]} {wanted[1]}")
