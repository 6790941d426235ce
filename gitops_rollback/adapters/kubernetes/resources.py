"""How is a kind of object addressed in the Kubernetes API?

Source: contracts/flux-kubernetes.md, section 1; Kubernetes docs, API concepts, "Resource URIs".
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True)
class Resource:
    """A namespaced resource. `group` is "" for the core group."""

    group: str
    version: str
    plural: str

    def __str__(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def api_version(self) -> str:
        """As objects write it: `apps/v1`, `v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The path of one object, of all in `namespace`, or of all ("")."""
        parts = ["apis", self.group, self.version] if self.group else ["api", self.version]
        if namespace:
            parts += ["namespaces", namespace]
        parts += [part for part in (self.plural, name, subresource) if part]
        return "/" + "/".join(quote(part, safe="") for part in parts)


LEASES = Resource("coordination.k8s.io", "v1", "leases")
EVENTS = Resource("events.k8s.io", "v1", "events")
PODS = Resource("", "v1", "pods")
SECRETS = Resource("", "v1", "secrets")
CONFIG_MAPS = Resource("", "v1", "configmaps")
DEPLOYMENTS = Resource("apps", "v1", "deployments")
STATEFUL_SETS = Resource("apps", "v1", "statefulsets")
DAEMON_SETS = Resource("apps", "v1", "daemonsets")
REPLICA_SETS = Resource("apps", "v1", "replicasets")
ROLLOUTS = Resource("argoproj.io", "v1alpha1", "rollouts")
APPLICATIONS = Resource("argoproj.io", "v1alpha1", "applications")
APP_PROJECTS = Resource("argoproj.io", "v1alpha1", "appprojects")
