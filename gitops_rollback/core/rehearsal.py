"""Was a rollback of these very contents practised before, on an application that is there for that?

Names say nothing: a tag moves, and files of one name differ from folder to folder. What counts is a file with the same
blob, or a file that differs in nothing but images whose digests stand in what was practised. A version was practised if
a verified rollback led away from it, or if a drill broke the application on top of it and came back to it.
Source: interfaces.md, `rehearse` and `requireRehearsal`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from gitops_rollback.core.differences import Difference, differences
from gitops_rollback.core.drill import is_drill
from gitops_rollback.core.images import images_of
from gitops_rollback.core.manifest_text import documents
from gitops_rollback.core.rollback import RollbackOutcome, RollbackRecord
from gitops_rollback.core.strategies.stages import stages_of

MOST = 10  # rehearsals that are compared, the newest ones
DIGEST = re.compile(r"(?:[^@\s]+@)?(sha256:[0-9a-f]{64})")


@dataclass(frozen=True)
class Practised:
    """A state of an application that was practised. `revision`: a commit at which its files stand like that.

    `reverts` were taken back; of a `drill` these only broke it, on top of the state.
    """

    by: str  # Rollback-Id
    at: datetime
    revision: str
    reverts: tuple[str, ...] = ()
    drill: bool = False
    skips: bool = False  # Flagger promoted it without analysis


@dataclass(frozen=True)
class Rehearsal:
    """Such a state by its contents: the blobs of its files, and the digests of the images that they name."""

    by: str
    at: datetime
    blobs: frozenset[str]
    digests: frozenset[str] = frozenset()
    skips: bool = False


@dataclass(frozen=True)
class Stage:
    """Where the policy says that it is practised: the application's full name, and what was practised there."""

    application: str
    rehearsals: tuple[Rehearsal, ...] = ()


@dataclass(frozen=True)
class Version:
    """One file as it runs, and as the plan puts it back; None: absent there. `blob` is the running one's."""

    path: str
    blob: str | None
    running: bytes | None
    back: bytes | None


def practised_on(application: str, records: Iterable[RollbackRecord]) -> tuple[Practised, ...]:
    """The states of this application whose rollback was seen to be well, the newest first."""
    found = (one for record in records if (one := _practised(record)) and application in record.applications)
    return tuple(sorted(found, key=lambda one: (one.at, one.by), reverse=True)[:MOST])


def digests_of(contents: Iterable[bytes]) -> frozenset[str]:
    """The digests of the images that files name; a tag is none, and a file that cannot be read names none."""
    return frozenset(
        image.version for content in contents for image in images_of(content) or () if DIGEST.fullmatch(image.version)
    )


def rehearsal_of(versions: Sequence[Version], rehearsals: Iterable[Rehearsal]) -> tuple[Rehearsal | None, str]:
    """The newest one that holds all that runs; else None, and the path of a file that none of them holds whole."""
    if not versions:
        return None, ""
    lacking = ""
    for one in rehearsals:
        missing = next((version.path for version in versions if not _holds(one, version)), "")
        if not missing:
            return one, ""
        lacking = lacking or missing
    return None, lacking or versions[0].path


def _practised(record: RollbackRecord) -> Practised | None:
    if record.outcome is not RollbackOutcome.VERIFIED or record.commit is None:
        return None
    at = record.times.get("verified")
    drill = is_drill(record)
    revision = record.commit if drill else record.bad_revision
    stages = stages_of(record)
    skips = stages is not None and bool(stages.skipped)
    return Practised(record.id, at, revision, record.reverts, drill, skips) if at is not None and revision else None


def _holds(rehearsal: Rehearsal, version: Version) -> bool:
    if version.blob is not None and version.blob in rehearsal.blobs:
        return True
    found = _differences(version)
    return bool(found) and all(_digest(one.before) in rehearsal.digests for one in found)


def _differences(version: Version) -> tuple[Difference, ...]:
    """Between what runs and what comes back; () where a side is absent or unreadable."""
    if version.running is None or version.back is None:
        return ()
    running, back = documents(version.running), documents(version.back)
    if running is None or back is None or len(running) != len(back):
        return ()
    return tuple(one for left, right in zip(running, back, strict=True) for one in differences(left, right))


def _digest(value: object) -> str:
    match = DIGEST.fullmatch(value) if isinstance(value, str) else None
    return match[1] if match else ""
