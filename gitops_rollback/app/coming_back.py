"""Can be had what a plan brings back: images, charts, versions of the API, and the Secrets that its Pods would need?

Registries, repositories of charts and clusters are asked, as far as the settings name them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from gitops_rollback.core.charts import ChartPresence, addresses_of, charts_coming_back
from gitops_rollback.core.errors import Reason, RollbackError, StalledError, TransientError
from gitops_rollback.core.fields import Unclear
from gitops_rollback.core.guards.facts import ChangedFile, LiveObject, OwnFile
from gitops_rollback.core.guards.images import coming_back
from gitops_rollback.core.image_updater import Managed, managed_by
from gitops_rollback.core.images import Found, Presence
from gitops_rollback.core.promoter import Promoting, promoting
from gitops_rollback.core.references import Reference, ReferencePresence, references_needed
from gitops_rollback.core.served import versions_coming_back
from gitops_rollback.core.sync import ApplicationState
from gitops_rollback.ports import Charts, Objects, References, Registry
from gitops_rollback.ports.lookups import ImageUpdaters, Promoters

MOST = 20  # images, charts, versions or references that are looked up for one plan

T = TypeVar("T")


@dataclass(frozen=True)
class Seeing:
    """Reads one fact; None if it cannot be seen. While it is `patient`, what may be gone at the next look raises."""

    patient: bool

    def __call__(self, read: Callable[[], T]) -> T | None:
        try:
            return read()
        except TransientError:
            if self.patient:
                raise
            return None
        except RollbackError:
            return None


@dataclass(frozen=True)
class ComingBack:
    """Keeps nothing. None: nothing of that kind is looked up. Thread-safe as what it asks is."""

    registry: Registry | None = None
    charts: Charts | None = None
    objects: Objects | None = None
    references: References | None = None
    updaters: ImageUpdaters | None = None
    promoters: Promoters | None = None

    def images_of(
        self, files: tuple[ChangedFile, ...] | None, live: tuple[LiveObject, ...] | None, seen: Seeing
    ) -> tuple[Presence, ...] | None:
        """Those that the plan newly names; None if they cannot be told. Raises: TransientError while it is patient."""
        images = coming_back(files, live) if self.registry is not None and files is not None else None
        if self.registry is None or images is None:
            return None
        asked = tuple(map(self.registry.look_up, images[:MOST]))
        silent = next((one for one in asked if one.found is Found.NO_ANSWER), None)
        if silent is not None and seen.patient:
            raise TransientError(str(silent.image), silent.message, Reason.IMAGE_UNKNOWN)
        why = f"no more than {MOST} images are looked up at once"
        return asked + tuple(Presence(image, Found.UNKNOWN, why) for image in images[MOST:])

    def charts_of(
        self, files: tuple[ChangedFile, ...] | None, own: Sequence[OwnFile], seen: Seeing
    ) -> tuple[ChartPresence, ...] | None:
        """As `images_of`, of charts; () where none is looked up."""
        if self.charts is None or files is None:
            return () if self.charts is None else None
        addresses = addresses_of([*(one.content for one in own), *(one.after for one in files)])
        charts = charts_coming_back([(one.path, one.before, one.after) for one in files], addresses)
        if charts is None:
            return None
        asked = tuple(map(self.charts.look_up, charts[:MOST]))
        silent = next((one for one in asked if one.found is Found.NO_ANSWER), None)
        if silent is not None and seen.patient:
            raise TransientError(str(silent.chart), silent.message, Reason.CHART_UNKNOWN)
        return asked

    def unserved_by(self, state: ApplicationState, files: Iterable[ChangedFile]) -> tuple[str, ...]:
        """Kinds, with the version of the API, that come back and that the application's cluster does not serve.

        () where nobody shows what it serves.
        """
        if self.objects is None:
            return ()
        found = versions_coming_back((one.path, one.before, one.after) for one in files)
        served = ((f"{kind} of {version}", self.objects.serves(state, version, kind)) for version, kind in found[:MOST])
        return tuple(words for words, is_served in served if is_served is False)

    def managed_of(self, state: ApplicationState) -> tuple[Managed, ...]:
        """The images that Argo CD Image Updater keeps up to date in git, by its objects; () where nobody shows these.

        Raises: RollbackError, as for any look that fails.
        """
        if self.updaters is None:
            return ()
        try:
            found = self.updaters.beside(state)
            return managed_by(found, state.id.namespace, state.id.name, state.labels, state.annotations)
        except Unclear as unclear:
            raise StalledError(state.id.short, f"{unclear} of an ImageUpdater cannot be read") from None

    def promoting(self, branch: str, url: str) -> Promoting | None:
        """What GitOps Promoter says that it writes to this branch; None for nothing, and where nobody shows it.

        Raises: RollbackError, as for any look that fails.
        """
        try:
            return promoting(self.promoters.objects(), branch, url) if self.promoters is not None else None
        except Unclear as unclear:
            raise StalledError(branch, f"{unclear} of an object of GitOps Promoter cannot be read") from None

    def references_of(
        self,
        state: ApplicationState,
        own: Sequence[OwnFile] | None,
        files: Sequence[ChangedFile] | None,
        seen: Seeing,
    ) -> tuple[ReferencePresence, ...] | None:
        """Secrets and ConfigMaps that the Pods of the result need and its manifests do not make.

        None if the manifests cannot be seen. Raises: TransientError while it is patient.
        """
        if own is None or files is None:
            return None
        target = {one.path: one.content for one in own if one.content is not None}
        target |= {one.path: one.after for one in files if one.after is not None}
        for gone in (one.path for one in files if one.after is None and not one.unread):
            target.pop(gone, None)
        live = [(one.kind, one.name) for one in state.resources]
        needed = references_needed(target, (one.path for one in files), live)
        asked = tuple(self._reference(state, one) for one in needed[:MOST])
        silent = next((one for one in asked if one.found is Found.NO_ANSWER), None)
        if silent is not None and seen.patient:
            raise TransientError(str(silent.reference), silent.message, Reason.REFERENCE_MISSING)
        why = f"no more than {MOST} are looked up at once"
        return asked + tuple(ReferencePresence(one, Found.UNKNOWN, why) for one in needed[MOST:])

    def _reference(self, state: ApplicationState, reference: Reference) -> ReferencePresence:
        if self.references is None:
            return ReferencePresence(reference, Found.NOT_ASKED, "no Kubernetes API is at hand")
        return self.references.look_up(state, reference)


NOTHING_ASKED = ComingBack()
