"""A person's verb beside the controllers: the real parts in a process of their own, which ends with its one word."""

from __future__ import annotations

from typing import cast

from gitops_rollback.app.executor import Executor
from gitops_rollback.app.requesting import HoldRequests, Requests, landed
from gitops_rollback.core.errors import RollbackError
from gitops_rollback.ports import RefUpdate
from gitops_rollback.sandbox.simulation.events import Broken
from gitops_rollback.sandbox.simulation.gate import Gate, Surface
from gitops_rollback.sandbox.simulation.replica import Replica, asked_of
from gitops_rollback.sandbox.simulation.repo import Disk, SimRepo
from gitops_rollback.sandbox.simulation.workers import SimWorkers
from gitops_rollback.sandbox.simulation.world import World

OPERATOR = "operator"


class Release:
    """`gitops-rollback release APP`, once. It may be refused, lose a race or die; a person runs it again then."""

    def __init__(self, world: World, replica: Replica, application: str) -> None:
        self._world = world
        self._application = application
        self._began = world.now
        strands, setup = world.schedule.process(OPERATOR), world.setup
        surface = Surface(world.schedule, world.story, setup.rates, setup.latency, world.stands_still)
        gate = Gate(OPERATOR, strands, surface, world.random(f"release of {application} at {world.now}"))
        repo = SimRepo(gate, world.remote, Disk(), self._asked)
        reconciler = replica.wired(gate, repo, SimWorkers(world.schedule, strands), None, announces=False)
        executor = cast(Executor, reconciler.executor)  # no verb observes only
        self._requests = HoldRequests(Requests(repo, reconciler, executor, replica.clock))
        strands.begin(self._run)

    def _run(self) -> None:
        try:
            self._release()
        except RollbackError as error:
            self._world.tell(OPERATOR, f"cannot release {self._application}: {error}")
        except Exception as error:
            self._world.report(Broken(self._world.now, OPERATOR, f"{type(error).__name__}: {error}"))

    def _release(self) -> None:
        held = self._requests.prepare(self._application, OPERATOR, "it was not the image")
        if held.stopped:
            self._world.tell(OPERATOR, f"may not release {self._application}: {held.stopped}")
            return
        self._world.tell(OPERATOR, f"releases {self._application}: {held.selected}")
        landing = self._requests.carry_out(held)
        if not landed(landing):
            self._world.tell(OPERATOR, f"has not released {self._application}: {landing.outcome.value}")

    def _asked(self, repo: SimRepo, updates: tuple[RefUpdate, ...]) -> None:
        self._world.asked(asked_of(repo, updates, self._world.now, 0, self._began))
