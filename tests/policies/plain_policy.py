"""A policy without any fault or warning, for tests that break one thing of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gitops_rollback.adapters.policies.reader import ReadPolicy, read_policy

PLAIN = """\
# +argocd:skip-file-rendering
apiVersion: gitops-rollback.dev/v1alpha1
kind: RollbackPolicy
metadata: {name: shop}
spec:
  suspend: false
  targets:
    - name: api
      application: {namespace: argocd, name: api-prod}
      data: {rollback: safe}
  triggers:
    - name: errors
      query: sum(rate(errors_total{service="$SERVICE"}[2m]))
      comparison: greater_than
      threshold: 0.05
      for: 2m
      severity: auto_rollback
"""


@pytest.fixture
def plain() -> str:
    """Line 6 is `suspend`, 8 the target's name, 13 the query, 14 comparison, 15 threshold, 16 `for`."""
    return PLAIN


@pytest.fixture
def read() -> Callable[[str | bytes], ReadPolicy]:
    """Reads a policy called `p.yaml`."""
    return lambda text: read_policy(text if isinstance(text, bytes) else text.encode(), "p.yaml", "c" * 40)


@pytest.fixture
def read_with(plain: str, read: Callable[[str | bytes], ReadPolicy]) -> Callable[[str, str], ReadPolicy]:
    """Reads the plain policy with one text replaced by another; the text must stand there once."""

    def reading(old: str, new: str) -> ReadPolicy:
        assert plain.count(old) == 1, old
        return read(plain.replace(old, new))

    return reading


@pytest.fixture
def read_spec(plain: str, read: Callable[[str | bytes], ReadPolicy]) -> Callable[[str], ReadPolicy]:
    """Reads the plain policy with more keys of `spec`, from line 18 on; written without indentation."""

    def reading(keys: str) -> ReadPolicy:
        return read(plain + "".join(f"  {line}\n" for line in keys.splitlines()))

    return reading
