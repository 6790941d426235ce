"""Flux's source-, kustomize- and helm-controller and a cluster's rollouts, on the sandbox's Kubernetes API."""

from gitops_rollback.sandbox.flux.sandbox import FluxSandbox
from gitops_rollback.sandbox.flux.spec import Timing

__all__ = ["FluxSandbox", "Timing"]
