"""What a policy says of whoever writes its branch from elsewhere."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Promotion:
    """What writes the branch from elsewhere, by which habit, and where that reads: there a rollback lands as well.

    `branch` "" is the followed one, `repository` "" ours, else it is another one's URL. `paths` are globs of what the
    writer reads; () leaves them to what is found. `stage` is Kargo's, as `project:stage`; "" is the application's.
    """

    habit: str  # hydrate, render, copy, merge, kargo
    branch: str = ""
    paths: tuple[str, ...] = ()
    repository: str = ""
    stage: str = ""
