"""How long may an Argo CD take that is spoken to by its objects?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class ArgoCdObjectsSettings:
    """`refresh_timeout` bounds the wait for a comparison, which is looked for every `look_every`.

    `server` is the address of the Kubernetes API: a destination of that address is this cluster. `if_installed`: nobody
    said that it is there, so a cluster that has never served its objects has no Application.
    """

    instance: str = "default"
    refresh_timeout: timedelta = timedelta(seconds=20)
    look_every: timedelta = timedelta(seconds=1)
    server: str = ""
    if_installed: bool = False
