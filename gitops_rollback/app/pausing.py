"""Writes `pause.yaml` and `silence.yaml` on the control branch by compare-and-swap, for whoever may push there.

The journal branch stays the controller's; this one is where on-call pushes without review.
Source: safety.md, Stop.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from gitops_rollback.core import silence
from gitops_rollback.core.errors import Reason, RepositoryUnavailable, StalledError
from gitops_rollback.core.stop import CONTROL_BRANCH, CONTROL_DOOR, CONTROL_PATH, KIND, Pause, encode_pauses, read_pause
from gitops_rollback.ports import Clock, ConfigRepo, Heads, PushOutcome, RefUpdate

REF = f"refs/heads/{CONTROL_BRANCH}"
TRIES = 8
FIRST_WAIT_SECONDS = 0.05
LONGEST_WAIT_SECONDS = 2.0

Change = Callable[[tuple[Pause, ...]], tuple[Pause, ...]]


@dataclass(frozen=True)
class Paper:
    """One file of the control branch. `unreadable`: what it means that it cannot be read."""

    path: str
    kind: str
    door: str
    unreadable: str


PAUSES = Paper(CONTROL_PATH, KIND, CONTROL_DOOR, "stops everything until it is lifted")
SILENCES = Paper(silence.PATH, silence.KIND, silence.DOOR, "silences nobody until it is mended")


def change_pauses(
    repo: ConfigRepo,
    clock: Clock,
    change: Change,
    subject: str,
    replace_unreadable: bool = False,
    paper: Paper = PAUSES,
) -> bool:
    """Apply `change` to what the control branch says, and push it; somebody else's push in between is built upon.

    False if nothing had to change. `replace_unreadable` writes over a file that cannot be read, which is for lifting
    everything; else such a file is refused, since a timed pause in its place would end a stop that has no end.
    Raises: StalledError `PauseUnreadable` or `BranchProtected`; RepositoryUnavailable; CredentialsRejected.
    """
    for attempt in range(TRIES):
        with repo.exclusive():
            heads = repo.fetch()
            pauses = with_change(repo, heads, change, replace_unreadable, paper)
            if pauses is None:
                return False
            files = {paper.path: encode_pauses(pauses, paper.kind)}
            commit = repo.write_files(heads.control, files, f"{subject}\n", clock.now())
            result = repo.push([RefUpdate(REF, commit, heads.control)])
        if result.outcome in (PushOutcome.LANDED, PushOutcome.REWOUND):
            return True
        if result.outcome is PushOutcome.PROTECTED:
            message = f"{CONTROL_BRANCH} refuses our push; on-call needs the right to push there: {result.message}"
            raise StalledError(repo.name, message, Reason.BRANCH_PROTECTED)
        if result.outcome is PushOutcome.UNKNOWN:
            raise RepositoryUnavailable(repo.name, "did not answer the push, and cannot be read now: look again")
        time.sleep(random.uniform(0, min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2**attempt)))
    raise RepositoryUnavailable(repo.name, f"{CONTROL_BRANCH} moved under each of {TRIES} tries")


def with_change(
    repo: ConfigRepo, heads: Heads, change: Change, replace_unreadable: bool = False, paper: Paper = PAUSES
) -> tuple[Pause, ...] | None:
    """What the control branch would say with `change`; None if it says so already. Raises: StalledError."""
    blob = None if heads.control is None else repo.entry_id(heads.control, paper.path)
    state = read_pause(paper.door, None if blob is None else repo.read(blob), paper.kind)
    if state.unreadable and not replace_unreadable:
        message = f"{paper.door} cannot be read and {paper.unreadable}: {state.unreadable}"
        raise StalledError(repo.name, message, Reason.PAUSE_UNREADABLE)
    pauses = change(state.pauses)
    return None if pauses == state.pauses and not state.unreadable else pauses
