"""Is an application's destination the very cluster whose API we speak to?"""

from __future__ import annotations

HERE = ("in-cluster", "https://kubernetes.default.svc", "https://kubernetes.default.svc.cluster.local")


def is_here(destination: str, server: str) -> bool:
    """By one of the names that Argo CD has for its own cluster, or by `server`, the address that we reach it at.

    An Argo CD that runs outside of the cluster names it by its address, as a kubeconfig does.
    """
    return destination in HERE or (server != "" and destination.rstrip("/") == server.rstrip("/"))
