"""What must hold of git, the journal and the log after any fault: what does no fault excuse?

Read from the bare repository, the server's own record of pushes and the controller's log, never by the product's code.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from live_world import MAIN, Document, Live

from gitops_rollback.sandbox.people import People
from gitops_rollback.sandbox.simulation.wire.history import Known, check_history
from gitops_rollback.sandbox.telling import CONTROLLER
from gitops_rollback.sandbox.world import REPOSITORY

REVERTS = re.compile(r"This reverts commit ([0-9a-f]{40})")


def aftermath(live: Live, known: Known | None = None, harmed: bool = False, recorded: bool = True) -> Iterator[str]:
    """Every promise that was broken, in words.

    `known` is what the checker of histories is told; None: the scenario itself moved refs by force, so that it would
    complain. `harmed`: the process itself was, so that an internal error is no surprise. `recorded`: pushes went by the
    world's git server, and none is under way.
    """
    landed = {one.new for one in live.world.git.updates(f"{REPOSITORY}.git") if one.ref == MAIN}
    commits = our_commits(live.people)
    if recorded:
        yield from (f"{sha} of ours came by no push" for sha in commits if sha not in landed)
        yield from (f"a push that is not ours: {sha}" for sha in landed if sha not in commits)
    undone = [sha for commit in commits for sha in REVERTS.findall(live.message(commit))]
    yield from (f"{sha} was reverted {count} times" for sha, count in Counter(undone).items() if count > 1)
    if known is not None:
        yield from check_history(live.world.bare, known)
    if not harmed:
        yield from (f"an internal error: {line}" for line in internal_errors(live))


def internal_errors(live: Live) -> list[Document]:
    """What the controller itself calls so, and what it did not even catch."""
    return [line for line in live.logged() if "exception" in line or _is_one(line)]


def _is_one(line: Document) -> bool:
    return "InternalError" in str(line.get("reason")) or "Traceback" in str(line.get("text"))


def our_commits(people: People) -> list[str]:
    """Commits of the controller on the branch, newest first."""
    log = people.git("log", "--format=%H %cn", "main").splitlines()
    return [line.split()[0] for line in log if line.split(" ", 1)[1] == CONTROLLER]
