"""Takes what people ask for at a forge: requests as pull requests, and commands as comments on those of ours."""

from __future__ import annotations

from functools import partial

from gitops_rollback.app.comment_acts import CommentActs, Looked
from gitops_rollback.app.comment_door import CommentDoor
from gitops_rollback.app.executor import Executor
from gitops_rollback.app.reconciler import Reconciler, Tick
from gitops_rollback.app.request_judging import RequestJudge
from gitops_rollback.app.requested import RequestedRollbacks
from gitops_rollback.app.requesting import Requests
from gitops_rollback.ports.forge import Forge


def take_requests(reconciler: Reconciler, forge: Forge) -> None:
    """What people ask for at `forge` is taken from now on."""
    repo, clock = reconciler.surroundings.repo, reconciler.clock
    judge = RequestJudge(repo, forge, clock)
    asked = RequestedRollbacks(repo, forge, judge, clock, lambda: reconciler.landed())
    door = CommentDoor(forge, CommentActs(repo, forge, asked.again), judge.login, judge.permission)

    def attend(tick: Tick) -> None:
        executor = reconciler.executor
        if not isinstance(executor, Executor):
            return
        requests = Requests(repo, reconciler, executor, clock)
        asked.attend_all(tick.view, tick.listing, tick.now, requests)
        looked = Looked(tick.view, tick.listing, tick.now, executor)
        for number, record in asked.talked_about(looked).items():
            why = asked.why(number) if record is None or record.request else ""
            asked.guarded(f"comments #{number}", executor, partial(door.attend, number, record, why, looked))

    reconciler.requested = attend
