"""Where images and charts are kept, as far as the settings name registries and repositories, and Secrets by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from gitops_rollback.core.charts import Chart, ChartPresence
from gitops_rollback.core.images import Image, Presence
from gitops_rollback.core.references import Reference, ReferencePresence
from gitops_rollback.core.sync import ApplicationState


class Registry(Protocol):
    """Where images are kept, as far as the settings name registries."""

    def look_up(self, image: Image) -> Presence:
        """Whether it can be had now. Never raises: see `Found` for what cannot be told."""
        ...


class Charts(Protocol):
    """Where versions of charts are kept, as far as the settings name repositories of charts, or registries."""

    def look_up(self, chart: Chart) -> ChartPresence:
        """Whether it can be had now. Never raises: see `Found` for what cannot be told."""
        ...


class ImageUpdaters(Protocol):
    """What Argo CD Image Updater is told to keep up to date."""

    def beside(self, application: ApplicationState) -> tuple[Mapping[str, object], ...]:
        """Its objects in the Application's namespace; () where there is no such kind. Raises: as an API refuses."""
        ...


class Promoters(Protocol):
    """What GitOps Promoter is told to promote."""

    def objects(self) -> tuple[Mapping[str, object], ...]:
        """Its objects, each with its `kind`; () where there are no such kinds. Raises: as an API refuses."""
        ...


class References(Protocol):
    """Whether Secrets and ConfigMaps are there. No value of one is ever asked for."""

    def look_up(self, application: ApplicationState, reference: Reference) -> ReferencePresence:
        """Whether it is in the application's cluster now. Never raises: see `Found` for what cannot be told."""
        ...
