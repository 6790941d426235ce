"""One application that turned red by one commit, and a forge in memory before its repository."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from app_world import MINUTE, POLICIES, START, TICK, Replica, World, policy, running, ship
from fake_forge import FakeForge

from gitops_rollback.app.executor import Executor, Landing
from gitops_rollback.app.requesting import Requests, Wish
from gitops_rollback.core.rollback import RollbackRecord
from gitops_rollback.ports import PushOutcome

FILE = "apps/web/web.yaml"
ALARM = START + 3 * MINUTE
CONTEXT = "gitops-rollback/plan"


def by_request(text: str, rules: str = "") -> str:
    """The same policy, delivered by pull request."""
    return text + f"  delivery: {{mode: pull-request, pullRequest: {{{rules}}}}}\n"


@dataclass
class Story:
    """One application that turned red by one commit, with a forge."""

    world: World
    forge: FakeForge
    one: Replica
    bad: str

    def until(self, end: datetime, start: datetime | None = None) -> None:
        """Tick from where it is; whatever is on the branch is synced by the engine's own poll."""
        self.one.until((start or self.world.clock.at) + TICK, end)

    def later(self, minutes: float) -> None:
        self.until(self.world.clock.at + timedelta(minutes=minutes))

    @property
    def record(self) -> RollbackRecord:
        records = self.one.reconciler.see_now().journal.records
        assert len(records) == 1, records
        return next(iter(records.values()))

    @property
    def pages(self) -> list[str]:
        return [message.reason for message in self.one.told.messages if message.page]

    def cure(self) -> None:
        self.world.metrics.mend("web", self.world.clock.at)

    def approve(self, by: str) -> Landing:
        """As the verb does: a lost race is tried again."""
        executor = self.one.reconciler.executor
        assert isinstance(executor, Executor)
        requests = Requests(self.one.repo, self.one.reconciler, executor, self.world.clock)
        wish = Wish(self.record.applications[0], by, "approved", waiting=self.record.id)
        landing = Landing(PushOutcome.REJECTED)
        for _ in range(3):
            if landing.outcome is PushOutcome.REJECTED:
                landing = requests.carry_out(requests.prepare(wish))
        return landing

    def comment(self) -> str:
        (found,) = self.forge.comments_of[1].values()
        return found


def a_story(world: World, text: str, name: str = "one", until: datetime = ALARM) -> Story:
    """Up to the moment when the alarm has been dealt with."""
    forge = FakeForge(world)
    world.forge = forge
    running(world, "web", extra={f"{POLICIES}/x.txt": ""})
    world.people.push("The policy", {f"{POLICIES}/web.yaml": text}, START - 50 * MINUTE)
    world.engine.deploy("web", world.head(), START - 49 * MINUTE)
    bad = ship(world, "web", START - MINUTE)
    one = world.replica(name)
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE)
    story = Story(world, forge, one, bad)
    one.until(START, until)
    return story


AUTOMATIC, SUGGESTED = by_request(policy("web")), policy("web", severity="page_and_suggest")
