"""Writes `pause.yaml` on the control branch by compare-and-swap, for whoever may push there.

The journal branch stays the controller's; this one is where on-call pushes without review.
Source: safety.md, Stop.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from gitops_rollback.core.errors import Reason, RepositoryUnavailable, StalledError
from gitops_rollback.core.stop import CONTROL_BRANCH, CONTROL_DOOR, CONTROL_PATH, Pause, encode_pauses, read_pause
from gitops_rollback.ports import Clock, ConfigRepo, Heads, PushOutcome, RefUpdate

REF = f"refs/heads/{CONTROL_BRANCH}"
TRIES = 8
FIRST_WAIT_SECONDS = 0.05
LONGEST_WAIT_SECONDS = 2.0

Change = Callable[[tuple[Pause, ...]], tuple[Pause, ...]]


def change_pauses(
    repo: ConfigRepo, clock: Clock, change: Change, subject: str, replace_unreadable: bool = False
) -> bool:
    """Apply `change` to what the control branch says, and push it; somebody else's push in between is built upon.

    False if nothing had to change. `replace_unreadable` writes over a file that cannot be read, which is for lifting
    everything; else such a file is refused, since a timed pause in its place would end a stop that has no end.
    Raises: StalledError `PauseUnreadable` or `BranchProtected`; RepositoryUnavailable; CredentialsRejected.
    """
    for attempt in range(TRIES):
        with repo.exclusive():
            heads = repo.fetch()
            pauses = _changed(repo, heads, change, replace_unreadable)
            if pauses is None:
                return False
            commit = repo.write_files(heads.control, {CONTROL_PATH: encode_pauses(pauses)}, f"{subject}\n", clock.now())
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


def _changed(repo: ConfigRepo, heads: Heads, change: Change, replace_unreadable: bool) -> tuple[Pause, ...] | None:
    blob = None if heads.control is None else repo.entry_id(heads.control, CONTROL_PATH)
    state = read_pause(CONTROL_DOOR, None if blob is None else repo.read(blob))
    if state.unreadable and not replace_unreadable:
        message = f"{CONTROL_DOOR} cannot be read and stops everything until it is lifted: {state.unreadable}"
        raise StalledError(repo.name, message, Reason.PAUSE_UNREADABLE)
    pauses = change(state.pauses)
    return None if pauses == state.pauses and not state.unreadable else pauses
