"""A small Argo CD for `demo`, `drill` and tests: its REST API and event stream, its controller, its sync operations."""

from gitops_rollback.sandbox.argocd.controller import Deployed
from gitops_rollback.sandbox.argocd.sandbox import ArgoCdSandbox
from gitops_rollback.sandbox.argocd.server import Write
from gitops_rollback.sandbox.argocd.spec import AppSpec, SyncWindow, Timing

__all__ = ["AppSpec", "ArgoCdSandbox", "Deployed", "SyncWindow", "Timing", "Write"]
