"""A scene in a world of Flux: the controller reaches the Kubernetes API over a fault proxy."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from aftermath import aftermath
from flux_world import FluxWorld
from live_world import Document, Live, probed
from proxy import FaultProxy, asks_for, status
from scene import Scene

from gitops_rollback.sandbox.simulation.wire.history import Known


class FluxLive(FluxWorld):
    """What a scene asks of a world, answered by Flux's. `link` is the controller's way to the API."""

    def __init__(self, folder: Path, **words: Any) -> None:
        super().__init__(folder, **words)
        self.link = FaultProxy(self.kubernetes.url)
        self.api_url = self.link.url

    @property
    def world(self) -> FluxWorld:
        return self

    def fail(self) -> str:
        return self.release()

    def runs(self, revision: str) -> bool:
        return self.applied() == revision

    def now(self) -> datetime:
        return self.clock.now()

    def logged(self) -> list[Document]:
        return self.said()

    def log_text(self) -> str:
        return self.log.read_text("utf-8", "replace")

    def pages(self, reason: str = "") -> list[Document]:
        return [line for line in self.said() if line.get("page") and reason in ("", line.get("reason"))]

    def message(self, revision: str = "main") -> str:
        return str(self.people.git("log", "-1", "--format=%B", revision))

    def probe(self, path: str) -> tuple[int, str]:
        address = [line["probes"] for line in self.said() if line.get("msg") == "started"][-1]
        return probed(address, path)

    def engine_answers(self, code: int, body: str, content_type: str) -> None:
        """To what concerns Flux; the Leases of the same API are as ever."""
        self.link.strike(status(code, {"Content-Type": content_type}, body.encode()), asks_for(".toolkit.fluxcd.io/"))
        self.link.cut_open()

    def engine_heals(self) -> None:
        self.link.heal()
        self.kubernetes.reset()

    def engine_rests(self, rests: bool) -> None:
        """Its controllers do nothing meanwhile."""
        assert self.flux is not None
        self.flux.pause(rests)

    def stop(self) -> None:
        if self.controller is not None:
            self.kill()
        self.link.stop()
        super().stop()


@contextmanager
def flux_scene(folder: Path, seed: int, **words: Any) -> Iterator[Scene]:
    """A started world of Flux with a running controller; afterwards nothing of it is left."""
    folder.mkdir(parents=True, exist_ok=True)
    world = FluxLive(folder, **words)
    try:
        world.start()
        world.run()
        one = Scene(cast(Live, world), random.Random(seed))
        try:
            yield one
        except AssertionError as error:
            raise AssertionError("\n".join((*one.broken, str(error)))) from error
        assert world.kubernetes.failures == []
        assert world.flux is not None
        assert world.flux.failures == []
        one.broken += aftermath(cast(Live, world), Known(secrets=one.secrets, texts={"log": world.log_text()}))
    finally:
        world.stop()
