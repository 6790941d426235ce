"""A shop whose releases change the shape of a real database, and a cluster that runs its code and its Jobs.

The old code keeps an order's address in `orders`, the new one in a table of its own. The old code tidies up when it
starts: a table that it does not know is dropped, and with it whatever the new code has written there.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import yaml
from app_world import MINUTE, POLICIES, START, TICK, MemoryEngine, MemoryMetrics, Replica, World, policy
from databases import Database

from gitops_rollback.app.executor import Executor
from gitops_rollback.app.requesting import Requests, Wish
from gitops_rollback.cli.asking import plan_document, plan_lines
from gitops_rollback.core.new_pods import WorkloadFacts
from gitops_rollback.core.policy import Workload
from gitops_rollback.core.request import ToCommit
from gitops_rollback.core.rollback import RollbackRecord
from gitops_rollback.core.sync import ApplicationId, ApplicationState
from gitops_rollback.ports import ManagedObject, PushOutcome

FOLDER = "apps/web"
WEB, LIST = f"{FOLDER}/web.yaml", f"{FOLDER}/kustomization.yaml"
OLD_SCHEMA = "create table orders (id integer primary key, address text not null)"
FORWARD = """
create table addresses (order_id integer primary key, address text not null);
insert into addresses select id, address from orders;
alter table orders drop column address"""
BACK = """
alter table orders add column address text not null default '';
update orders set address = (select address from addresses where order_id = orders.id);
drop table addresses"""
TIDY_UP = "drop table if exists addresses; alter table orders add column address text not null default ''"
DELIVERABLE = {
    True: "select count(*) from orders where address <> ''",
    False: "select count(*) from addresses where address <> ''",
}
OLD_ORDER = "insert into orders (id, address) values ({0}, 'street {0}')"
NEW_ORDER = "insert into orders (id) values ({0}); insert into addresses values ({0}, 'street {0}')"
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, namespace: shop}}
spec:
  replicas: 3   # by hand
  template:
    spec:
      containers: [{{name: web, image: "registry.example/web:{version}"}}]
"""
JOB = """\
apiVersion: batch/v1
kind: Job
metadata: {{name: {name}, namespace: shop}}
spec:
  template:
    spec:
      restartPolicy: Never
      containers: [{{name: sql, image: "registry.example/web:1.1", args: ["{sql}"]}}]
"""
RULES = """\
  strategies:
    - name: schema
      type: migration
      migration:
        traffic: {file: apps/web/web.yaml, field: spec.replicas, quiet: [requests]}
        workload: {kind: Deployment, namespace: shop, name: web}
        reverse:
          file: apps/web/kustomization.yaml
          field: "resources[1]"
          to: migrate-back.yaml
          job: {namespace: shop, name: migrate-back}
        rows: [orders]
"""
MEASURED = """\
    - {name: requests, query: 'requests{service="web"}', comparison: greater_than, threshold: 1000, severity: log_only}
    - {name: orders, query: 'orders{service="web"}', comparison: less_than, threshold: 1, severity: log_only}
"""
STEPS = [
    "Roll back web: stop traffic, spec.replicas 3 -> 0",
    "Roll back web: reverse migration, Job shop/migrate-back",
    'Revert "Ship 1.1"',
    "Roll back web: start traffic, spec.replicas 0 -> 3",
]


def listing(*names: str) -> str:
    return "resources:\n" + "".join(f"  - {name}\n" for name in names)


class Cluster(MemoryEngine):
    """Applies what a revision lists: Jobs run once, and the code starts where it is another or has replicas again."""

    def __init__(self, world: World, database: Database) -> None:
        super().__init__(world.url, world.head, world.clock)
        self.people, self.database = world.people, database
        self.version, self.replicas = "", 0
        self.jobs: dict[str, dict[str, Any]] = {}
        self.left = 0  # Pods that do not go
        self.orders = 0
        self.moved = False  # the addresses are in their own table

    def deploy(self, name: str, revision: str, at: datetime, info: Mapping[str, str] | None = None) -> None:
        super().deploy(name, revision, at, info)
        listed = yaml.safe_load(self.people.read(LIST, revision))["resources"]
        objects = [yaml.safe_load(self.people.read(f"{FOLDER}/{one}", revision)) for one in listed]
        jobs = {one["metadata"]["name"]: one for one in objects if one["kind"] == "Job"}
        self.jobs = {name: found for name, found in self.jobs.items() if name in jobs}
        for job, manifest in jobs.items():
            if job not in self.jobs:
                self.jobs[job] = self.run(manifest, at)
        web = next(one for one in objects if one["kind"] == "Deployment")
        image = web["spec"]["template"]["spec"]["containers"][0]["image"]
        self._start(image.rpartition(":")[2], web["spec"]["replicas"])

    def run(self, manifest: dict[str, Any], at: datetime) -> dict[str, Any]:
        done = {"type": "Complete", "status": "True"}
        status: dict[str, Any] = {"conditions": [done], "completionTime": f"{at:%FT%TZ}"}
        try:
            self.database.run(manifest["spec"]["template"]["spec"]["containers"][0]["args"][0])
        except RuntimeError as error:
            status = {"conditions": [{"type": "Failed", "status": "True", "message": str(error)[:100]}]}
        return {**manifest, "status": status}

    def _start(self, version: str, replicas: int) -> None:
        begins = replicas > 0 and (version != self.version or self.replicas == 0)
        self.version, self.replicas = version, replicas
        self.moved = self._has_addresses()
        if begins and version == "1.0" and self.moved:
            self.database.run(TIDY_UP)
            self.moved = False

    def _has_addresses(self) -> bool:
        try:
            self.database.run(DELIVERABLE[False])
        except RuntimeError:
            return False
        return True

    def deliverable(self) -> int:
        """Orders that can be sent somewhere."""
        return int(self.database.run(DELIVERABLE[not self.moved])[0])

    def serve(self, customers: int = 1) -> None:
        """Each customer orders something, if the code is there."""
        if not self.replicas:
            return
        numbers = range(self.orders + 1, self.orders + customers + 1)
        order = OLD_ORDER if self.version == "1.0" else NEW_ORDER
        with suppress(RuntimeError):  # the code that runs does not fit the data: nothing is sold
            self.database.run(";".join(order.format(number) for number in numbers))
            self.orders += customers

    def live_objects(self, application: ApplicationId, project: str) -> tuple[ManagedObject, ...]:
        return tuple(ManagedObject(one, one) for one in self.jobs.values())

    def read(self, application: ApplicationState, workload: Workload) -> WorkloadFacts:
        ready = {
            "replicas": self.replicas + self.left,
            "updatedReplicas": self.replicas,
            "availableReplicas": self.replicas,
        }
        return WorkloadFacts({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": workload.name, "generation": 1},
            "spec": {"replicas": self.replicas}, "status": {**ready, "observedGeneration": 1},
        })  # fmt: skip


class Counts(MemoryMetrics):
    """What the cluster does, besides: requests, and orders as they are stored, each as it was at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.past: list[tuple[datetime, float, float]] = []
        self.leak = 0.0  # requests that come by another way

    def _value(self, expression: str, at: datetime) -> float:
        if not expression.startswith(("requests", "orders")):
            return super()._value(expression, at)
        known = [one for one in self.past if one[0] <= at]
        _, requests, orders = known[-1] if known else (at, 5.0, 0.0)
        return requests + self.leak if expression.startswith("requests") else orders


class Shop:
    """The world of these tests: 1.1 was shipped with a migration, serves, and is bad."""

    def __init__(
        self,
        world: World,
        database: Database,
        rules: str = RULES,
        back: str = BACK,
        journal: str = "",
        earlier: Mapping[str, str] | None = None,
    ) -> None:
        """`earlier` are files that the list named before the release."""
        self.world, self.cluster, self.counts = world, Cluster(world, database), Counts()
        world.engine, world.metrics, world.workloads = self.cluster, self.counts, self.cluster
        database.run(OLD_SCHEMA)
        known = policy("web").replace("data: {rollback: safe, because: each release reads what the next one wrote}", "")
        known = known.replace("  timing:", MEASURED + "  timing:").replace("timeout: 5m", "timeout: 1m")
        named = (path.rpartition("/")[2] for path in earlier or {})
        files = {WEB: DEPLOYMENT.format(version="1.0"), LIST: listing("web.yaml", *named), **(earlier or {})}
        first = world.first({**files, f"{POLICIES}/web.yaml": known + rules})
        self.cluster.add("web")
        self.cluster.deploy("web", first, START - 60 * MINUTE)
        self.sell(50)
        jobs = {f"{FOLDER}/{name}.yaml": JOB.format(name=name, sql=" ".join(sql.split()))
                for name, sql in (("migrate", FORWARD), ("migrate-back", back))}  # fmt: skip
        changed = {WEB: DEPLOYMENT.format(version="1.1"), LIST: listing("web.yaml", "migrate.yaml"), **jobs}
        self.bad = world.people.push("Ship 1.1", changed, START - MINUTE)
        self.one = world.replica(journal=journal)
        self.until(self.one, START - 2 * MINUTE, START - MINUTE)
        self.cluster.deploy("web", self.bad, START)
        self.counts.break_from("web", START + MINUTE)

    def sell(self, orders: int) -> None:
        self.cluster.serve(orders)

    def until(self, one: Replica, start: datetime, end: datetime) -> None:
        """Tick by tick, with a customer in each."""
        for n in range((end - start) // TICK + 1):
            self.tick(one, start + n * TICK)

    def tick(self, one: Replica, now: datetime) -> None:
        self.sell(1)
        self.counts.past.append((now, 5.0 if self.cluster.replicas else 0.0, float(self.cluster.deliverable())))
        one.tick(now)

    def go_on(self, one: Replica, passed: timedelta) -> None:
        self.until(one, self.world.clock.at + TICK, self.world.clock.at + passed)

    def _requests(self, one: Replica) -> Requests:
        executor = one.reconciler.executor
        assert isinstance(executor, Executor)
        return Requests(one.repo, one.reconciler, executor, one.clock)

    def plan_document(self) -> dict[str, object]:
        """What `plan -o json` prints now."""
        return plan_document(self._requests(self.one).prepare(Wish("web", "ann", "plan")), self.one.repo)

    def plan_lines(self, to: str = "") -> list[str]:
        """What `plan` prints now, of the way back to a commit if one is named."""
        wish = Wish("web", "ann", "plan", ToCommit(to) if to else None)
        return list(plan_lines(self._requests(self.one).prepare(wish), self.one.repo))

    def approve(self, one: Replica) -> None:
        """A person gives the plan that waits their word."""
        requests = self._requests(one)
        assert requests.carry_out(requests.prepare(Wish("web", "ann", "the data first"))).outcome is PushOutcome.LANDED

    def steps(self) -> list[str]:
        """The subjects of our commits, oldest first."""
        log = self.world.people.git("log", "--first-parent", "--reverse", "--format=%s", f"{self.bad}..main")
        return log.splitlines()

    def until_step(self, one: Replica, number: int) -> None:
        """Tick until that many of our commits are on the branch."""
        for _ in range(40):
            if len(self.steps()) >= number:
                return
            self.tick(one, self.world.clock.at + TICK)
        raise AssertionError(f"{self.steps()}: {[message.text for message in one.told.messages]}")

    def record(self, one: Replica) -> RollbackRecord:
        tick = one.tick(self.world.clock.at + TICK)
        return next(one for one in tick.view.journal.records.values() if one.steps)
