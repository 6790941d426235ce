"""The engine's own controllers write something senseless into their objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gitops_rollback.sandbox.kubernetes import KubernetesSandbox
from gitops_rollback.sandbox.kubernetes.kinds import Kind


def spoil_writes(kubernetes: KubernetesSandbox, kind: Kind, spoil: Callable[[Any], object]) -> None:
    """From now on `spoil` has the last word on each object of this kind that is written in the sandbox itself."""
    store = kubernetes.store
    true = store.change

    def change(of: Kind, name: str, namespace: str, edit: Callable[[Any], object], *more: Any) -> Any:
        def spoiled(body: Any) -> None:
            edit(body)
            if of is kind:
                spoil(body)

        return true(of, name, namespace, spoiled, *more)

    store.change = change
