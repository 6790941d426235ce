"""Where is the Kubernetes API, and how long may it take?

Source: product.md, Kubernetes access.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class KubernetesSettings:
    """How to reach one API. All empty: inside a cluster the Pod's own account, else KUBECONFIG or ~/.kube/config.

    `kubeconfig` and `context` outrank the Pod's account. `timeout` bounds each request as a whole.
    """

    kubeconfig: str = ""
    context: str = ""
    namespace: str = ""  # "": that of the context, or of the Pod
    timeout: timedelta = timedelta(seconds=30)
    max_body: int = 64 << 20  # bytes of one answer
    page: int = 500  # objects asked for at once
    max_objects: int = 50_000  # of one list
