"""Flux's helm-controller, and the HelmCharts of its source-controller."""

from gitops_rollback.sandbox.flux.helm.chart import HelmChartController, Packages
from gitops_rollback.sandbox.flux.helm.release import HelmController

__all__ = ["HelmChartController", "HelmController", "Packages"]
