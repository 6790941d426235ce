"""The doctor's whole list: each part that a rollback needs, in the order in which one needs it."""

from __future__ import annotations

from collections.abc import Iterator

from gitops_rollback.app.checkup import (
    Finding,
    of_alerts,
    of_engines,
    of_forge,
    of_lease,
    of_owners,
    of_places,
    of_repository,
    try_push,
)
from gitops_rollback.app.checkup_images import of_images
from gitops_rollback.app.checkup_live import not_tried, of_clock, of_events
from gitops_rollback.app.repositories import open_repository
from gitops_rollback.app.runtime import PauseNow, Runtime
from gitops_rollback.app.settings import Settings
from gitops_rollback.app.settings_input import prepare_state_dir
from gitops_rollback.app.settings_repositories import Repository
from gitops_rollback.app.wiring import wire


def findings_of(settings: Settings, push: bool) -> Iterator[Finding]:
    """As they are found: a part that hangs for a while hides nothing of those before it."""
    prepare_state_dir(settings)
    runtime = Runtime(wire(settings), PauseNow(settings.pause))
    try:
        for repository in settings.repositories:
            yield from _of_repository(runtime, settings, repository, push)
        well = []
        for finding in of_engines(runtime.parts.engines, settings.engines_found):
            yield finding
            well += [finding.part] if finding.well and finding.checked else []
        for engine in runtime.parts.engines:
            if f"engine {engine.instance}" in well:
                yield from of_events(engine)
        yield of_clock(settings, runtime.parts.clock)
        yield from of_alerts(runtime.parts.alerts)
        yield from of_places(settings)
        yield from not_tried(push, bool(settings.registries))
    finally:
        runtime.close()


def _of_repository(runtime: Runtime, settings: Settings, repository: Repository, push: bool) -> Iterator[Finding]:
    opened = open_repository(settings, repository)
    try:
        reconciler = runtime.reconciler(opened)
        yield from of_repository(opened, reconciler, runtime.parts)
        if settings.registries or settings.chart_repositories:
            yield from of_images(reconciler, runtime.parts.clock.now())
        yield from of_lease(runtime.parts.election, opened.repo.name)
        forge, signs = runtime.parts.forges.of(repository.label), repository.signing_key_file is not None
        yield from of_forge(forge, opened.repo.name, opened.repo.branch, signs)
        if forge is not None:
            yield from of_owners(opened, forge.kind)
        if push:
            yield try_push(opened, runtime.parts.clock.now())
    finally:
        opened.repo.close()
        opened.journal_repo.close()
