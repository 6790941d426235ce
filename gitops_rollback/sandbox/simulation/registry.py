"""One replica's way to the registry of a simulated world, which throws images away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from gitops_rollback.core.images import Found, Image, Presence
from gitops_rollback.sandbox.simulation.gate import Gate


@dataclass(frozen=True)
class SimRegistry:
    """`gone` is the world's own."""

    gate: Gate
    gone: Mapping[str, datetime]

    def look_up(self, image: Image) -> Presence:
        """As in `ports.Registry`."""
        struck = self.gate.enter("registry.look_up")
        found = Found.MISSING if str(image) in self.gone else Found.PRESENT
        self.gate.leave("registry.look_up")
        return Presence(image, Found.NO_ANSWER, "did not answer") if struck else Presence(image, found)
