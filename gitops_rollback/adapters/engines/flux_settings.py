"""What is needed to speak to Flux through one Kubernetes API."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class FluxSettings:
    """`handled_within` bounds the wait for a source to fetch; `ask_again_after` keeps requests rare.

    `if_installed`: nobody said that it is there, so a cluster that has never served its objects has no application.
    """

    instance: str = "flux"
    handled_within: timedelta = timedelta(seconds=30)
    ask_again_after: timedelta = timedelta(seconds=60)
    look_every: timedelta = timedelta(seconds=1)
    if_installed: bool = False
