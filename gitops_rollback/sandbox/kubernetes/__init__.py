"""A small Kubernetes API for `demo`, `drill` and tests: versioned objects, watches, and what goes wrong with them."""

from gitops_rollback.sandbox.kubernetes.access import Rule
from gitops_rollback.sandbox.kubernetes.answers import Refusal
from gitops_rollback.sandbox.kubernetes.kinds import KINDS, Kind, kind_of
from gitops_rollback.sandbox.kubernetes.patching import Patch
from gitops_rollback.sandbox.kubernetes.sandbox import KubernetesSandbox
from gitops_rollback.sandbox.kubernetes.server import Write
from gitops_rollback.sandbox.kubernetes.store import By, Store

__all__ = ["KINDS", "By", "Kind", "KubernetesSandbox", "Patch", "Refusal", "Rule", "Store", "Write", "kind_of"]
