"""Makes the one client of the Kubernetes API that all who need it share, and the leases on it, from the settings."""

from __future__ import annotations

import socket
import uuid
from dataclasses import dataclass
from functools import partial

from gitops_rollback.adapters.kubernetes.client import Kubernetes, connect
from gitops_rollback.adapters.kubernetes.lease import KubernetesLease
from gitops_rollback.adapters.kubernetes.lease_rights import missing_lease_rights
from gitops_rollback.adapters.kubernetes.members import KubernetesMembers
from gitops_rollback.adapters.kubernetes.settings import KubernetesSettings
from gitops_rollback.adapters.notifiers.kubernetes_events import KubernetesEvents
from gitops_rollback.app.origins import is_loopback
from gitops_rollback.app.settings import KubernetesAccess, Settings
from gitops_rollback.core.errors import SettingsInvalid
from gitops_rollback.core.lease import LeaseTimes, lease_name
from gitops_rollback.core.sharing import installation_of, seconds_to_stand_back
from gitops_rollback.ports import Clock


def kubernetes_of(settings: Settings) -> Kubernetes | None:
    """The client, or None where nothing of the settings needs one; nothing is asked of the API yet.

    Raises: SettingsInvalid, also if the extra is not installed; CredentialsRejected for an unusable token.
    """
    if not settings.uses_kubernetes:
        return None
    access = settings.kubernetes or KubernetesAccess()
    client = connect(
        KubernetesSettings(
            kubeconfig=access.kubeconfig,
            context=access.context,
            namespace=access.own_namespace,
            timeout=access.request_timeout,
        )
    )
    if settings.clock is not None and not is_loopback(client.server):
        client.close()
        raise SettingsInvalid(client.subject, "scaled time is for demos: every origin must be loopback")
    return client


def watched_namespaces(settings: Settings) -> tuple[str, ...]:
    """The namespaces that may be looked into; () are all."""
    return settings.kubernetes.namespaces if settings.kubernetes is not None else ()


def events_of(settings: Settings, client: Kubernetes | None, clock: Clock) -> KubernetesEvents | None:
    """What is said on the applications' own objects; None where none of them is in the cluster, or that is off."""
    if client is None or not settings.with_events:
        return None
    return KubernetesEvents(client, settings.with_events, clock)


@dataclass(frozen=True)
class Election:
    """How the replicas agree on who acts for which repository."""

    client: Kubernetes
    identity: str
    times: LeaseTimes
    members: KubernetesMembers

    def lease(self, repository: str) -> KubernetesLease:
        """The Lease of one config repository; a free one is left to the replicas that are to have it rather than us."""
        back = partial(self._seconds_to_stand_back, repository)
        return KubernetesLease(self.client, lease_name(repository), self.identity, self.times, stand_back=back)

    def missing_rights(self, repository: str) -> tuple[str, ...]:
        """A sentence for each right that is missing to lead for this repository; () if none is."""
        return missing_lease_rights(self.client, lease_name(repository))

    def _seconds_to_stand_back(self, repository: str) -> float:
        longest_look = self.times.retry * 2.2
        return seconds_to_stand_back(repository, self.identity, self.members.living(), longest_look)


def election_of(settings: Settings, client: Kubernetes | None) -> Election | None:
    """None where the settings want no lease, or what runs writes nothing. The identity is of this start alone."""
    if client is None or not settings.elects:
        return None
    wanted = settings.leader_election
    times = LeaseTimes(
        wanted.lease_duration.total_seconds(),
        wanted.renew_deadline.total_seconds(),
        wanted.retry_period.total_seconds(),
    )
    identity = f"{socket.gethostname()[:200]}_{uuid.uuid4().hex[:12]}"
    installation = installation_of([lease_name(one.label) for one in settings.repositories])
    members = KubernetesMembers(client, identity, times, installation=installation)
    return Election(client, identity, times, members)
