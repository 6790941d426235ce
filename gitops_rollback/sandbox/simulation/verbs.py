"""A person's verb beside the controllers: the real parts in a process of their own, which ends with its one word."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import datetime
from typing import cast

from gitops_rollback.app.executor import Executor
from gitops_rollback.app.people_acts import OPEN, aborted
from gitops_rollback.app.requesting import HoldRequests, Requests, Wish, landed
from gitops_rollback.core.errors import Reason, RollbackError
from gitops_rollback.core.rollback import Phase, RollbackOutcome, RollbackRecord, advance
from gitops_rollback.ports import RefUpdate
from gitops_rollback.sandbox.simulation.events import Broken
from gitops_rollback.sandbox.simulation.gate import Gate, Surface
from gitops_rollback.sandbox.simulation.replica import Replica, asked_of
from gitops_rollback.sandbox.simulation.repo import Disk, SimRepo
from gitops_rollback.sandbox.simulation.workers import SimWorkers
from gitops_rollback.sandbox.simulation.world import World

OPERATOR = "operator"


class Verb(ABC):
    """One word of a person's, once. It may be refused, lose a race or die; who wants it still says it again."""

    def __init__(self, world: World, replica: Replica, what: str) -> None:
        self._world = world
        self._what = what
        self._began = world.now
        strands, setup = world.schedule.process(OPERATOR), world.setup
        surface = Surface(world.schedule, world.story, setup.rates, setup.latency, world.stands_still)
        gate = Gate(OPERATOR, strands, surface, world.random(f"{what} at {world.now}"))
        repo = SimRepo(gate, world.remote, Disk(), self._asked)
        reconciler = replica.wired(gate, repo, SimWorkers(world.schedule, strands), None, announces=False)
        executor = cast(Executor, reconciler.executor)  # no verb observes only
        self._requests = Requests(repo, reconciler, executor, replica.clock)
        strands.begin(self._run)

    def _run(self) -> None:
        try:
            self._do()
        except RollbackError as error:
            self._world.tell(OPERATOR, f"cannot {self._what}: {error}")
        except Exception as error:
            self._world.report(Broken(self._world.now, OPERATOR, f"{type(error).__name__}: {error}"))

    @abstractmethod
    def _do(self) -> None:
        """All of it. Raises: RollbackError."""

    def _asked(self, repo: SimRepo, updates: tuple[RefUpdate, ...]) -> None:
        self._world.asked(asked_of(repo, updates, self._world.now, 0, self._began))


class Release(Verb):
    """`gitops-rollback release APP`."""

    def __init__(self, world: World, replica: Replica, application: str) -> None:
        self._application = application
        super().__init__(world, replica, f"release of {application}")

    def _do(self) -> None:
        holds = HoldRequests(self._requests)
        held = holds.prepare(self._application, OPERATOR, "it was not the image")
        if held.stopped:
            self._world.tell(OPERATOR, f"may not release {self._application}: {held.stopped}")
            return
        self._world.tell(OPERATOR, f"releases {self._application}: {held.selected}")
        landing = holds.carry_out(held)
        if not landed(landing):
            self._world.tell(OPERATOR, f"has not released {self._application}: {landing.outcome.value}")


class Approve(Verb):
    """`gitops-rollback approve ID`: the plan is made anew, and pushed as that person."""

    def __init__(self, world: World, replica: Replica, application: str, identity: str) -> None:
        self._wish = Wish(application, OPERATOR, "approved", waiting=identity)
        super().__init__(world, replica, f"approve {identity}")

    def _do(self) -> None:
        prepared = self._requests.prepare(self._wish)
        plan = prepared.plan
        if prepared.stopped or plan is None or plan.rollback_id != self._wish.waiting:
            self._world.tell(OPERATOR, f"does not {self._what}: {prepared.stopped or 'something else is the plan now'}")
            return
        self._world.tell(OPERATOR, f"does {self._what}")
        landing = self._requests.carry_out(prepared)
        self._world.tell(OPERATOR, f"did {self._what}: {landing.outcome.value}")


class Reject(Verb):
    """`gitops-rollback reject ID`."""

    def __init__(self, world: World, replica: Replica, identity: str) -> None:
        self._identity = identity
        super().__init__(world, replica, f"reject {identity}")

    def _do(self) -> None:
        record = self._requests.record(self._identity)
        if record is not None and record.phase is Phase.AWAITING_APPROVAL:
            kept = self._requests.close_record(record, _rejected)
            self._world.tell(OPERATOR, f"{'does' if kept else 'cannot'} {self._what}")


class Abort(Verb):
    """`gitops-rollback abort ID`."""

    def __init__(self, world: World, replica: Replica, identity: str) -> None:
        self._identity = identity
        super().__init__(world, replica, f"abort {identity}")

    def _do(self) -> None:
        record = self._requests.record(self._identity)
        if record is not None and record.phase in OPEN:
            self._requests.close_record(record, _aborted)
            self._world.tell(OPERATOR, f"does {self._what}")


def _aborted(record: RollbackRecord, at: datetime) -> RollbackRecord:
    return aborted(record, at, OPERATOR, "enough of it")


def _rejected(record: RollbackRecord, at: datetime) -> RollbackRecord:
    message = f"{OPERATOR} rejected it: not now"
    return advance(
        record, Phase.DONE, at, outcome=RollbackOutcome.REFUSED, reason=Reason.REJECTED.value, message=message
    )
