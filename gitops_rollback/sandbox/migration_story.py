"""A story about a release that moves data: it goes back in four commits, and no order is lost.

The old code keeps an order's address in `orders`, the new one in a table of its own. The old code drops a table that it
does not know when it starts: a plain revert would lose every address that the new code has written.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path

from gitops_rollback.sandbox.clock import ScaledClock
from gitops_rollback.sandbox.prometheus import PrometheusSandbox
from gitops_rollback.sandbox.rendering import Json
from gitops_rollback.sandbox.stories import (
    DEPLOYMENT,
    NEW_TAG,
    SERVICE,
    decided,
    healthy_again,
    journal_says,
    release,
)
from gitops_rollback.sandbox.story_texts import policy
from gitops_rollback.sandbox.telling import Claim, Story, Telling

FOLDER = f"apps/{SERVICE}"
LIST, BACK_JOB = f"{FOLDER}/kustomization.yaml", "orders-back"
ORDERS_EACH = 40  # that each start of the code sells
OLD_SCHEMA = "create table orders (id integer primary key, address text not null)"
FORWARD = (
    "create table addresses (order_id integer primary key, address text not null)",
    "insert into addresses select id, address from orders",
    "alter table orders drop column address",
)
BACK = (
    "alter table orders add column address text not null default ''",
    "update orders set address = (select address from addresses where order_id = orders.id)",
    "drop table addresses",
)
OLD_ORDER = ("insert into orders (id, address) values (:id, :address)",)
NEW_ORDER = ("insert into orders values (:id)", "insert into addresses values (:id, :address)")
OLD_COUNT = "select count(*) from orders where address like 'street %'"
NEW_COUNT = "select count(*) from addresses where address like 'street %'"
TIDY_UP = ("drop table addresses", "alter table orders add column address text not null default ''")
JOB = """\
apiVersion: batch/v1
kind: Job
metadata: {{name: {name}, labels: {{app.kubernetes.io/part-of: shop}}}}
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: sql
          image: registry.example/shop/{service}:{tag}
          command: [migrate]
          args:
{args}
"""
TRIGGERS = """\
    - name: requests
      query: sum(rate(http_requests_total{service="$SERVICE"}[1m]))
      comparison: greater_than
      threshold: 100000
      severity: log_only
    - name: orders-stored
      query: max(shop_rows{table="orders"})
      comparison: less_than
      threshold: 1
      severity: log_only
"""
RULES = f"""\
  strategies:
    - name: schema
      type: migration
      migration:
        traffic: {{file: {DEPLOYMENT}, field: spec.replicas, quiet: [requests]}}
        workload: {{kind: Deployment, namespace: shop, name: {SERVICE}}}
        reverse:
          file: {LIST}
          field: "resources[NUMBER]"
          to: {BACK_JOB}.yaml
          job: {{namespace: shop, name: {BACK_JOB}}}
        rows: [orders-stored]
"""


class Orders:
    """The shop's database. Each start of the code sells some orders; what it cannot store is never sold."""

    def __init__(self, path: Path, clock: ScaledClock) -> None:
        self._path, self._clock = path, clock
        self.sold = 0
        self._serving: tuple[str, ...] = ()
        self._counted: list[tuple[datetime, int]] = []
        self._run(OLD_SCHEMA)

    def _run(self, *statements: str | tuple[str, Mapping[str, object]]) -> None:
        """All of them or none. Raises: sqlite3.Error."""
        with closing(sqlite3.connect(self._path, isolation_level=None)) as connection:
            connection.execute("begin")
            for one in statements:
                connection.execute(*((one,) if isinstance(one, str) else one))
            connection.execute("commit")

    def _one(self, query: str) -> int:
        with closing(sqlite3.connect(self._path)) as connection:
            return int(connection.execute(query).fetchone()[0])

    @property
    def moved(self) -> bool:
        """The addresses are in their own table."""
        return self._one("select count(*) from sqlite_master where name = 'addresses'") > 0

    def deliverable(self) -> int:
        """Orders whose address is known."""
        return self._one(NEW_COUNT if self.moved else OLD_COUNT)

    def run_job(self, job: Json) -> bool:
        """A Job's arguments are the statements of one transaction."""
        try:
            self._run(*job["spec"]["template"]["spec"]["containers"][0]["args"])
        except (sqlite3.Error, KeyError, IndexError):
            return False
        self._count()
        return True

    def serve(self, images: Sequence[str]) -> None:
        """Other code, or code again: it tidies up if it is the old one, and sells."""
        if not images or tuple(images) == self._serving:
            self._serving = tuple(images)
            return
        self._serving = tuple(images)
        new = any(image.endswith(f":{NEW_TAG}") for image in images)
        if self.moved and not new:
            self._run(*TIDY_UP)
        for number in range(self.sold + 1, self.sold + ORDERS_EACH + 1):
            for statement in NEW_ORDER if new else OLD_ORDER:
                self._run((statement, {"id": number, "address": f"street {number}"}))
        self.sold += ORDERS_EACH
        self._count()

    def publish(self, prometheus: PrometheusSandbox) -> None:
        """How many there were at any time."""
        prometheus.set_evaluator(lambda query: "shop_rows" in query, self._at)

    def _count(self) -> None:
        self._counted.append((self._clock.now(), self.deliverable()))

    def _at(self, _query: str, at: datetime) -> float | None:
        return next((float(count) for since, count in reversed(tuple(self._counted)) if since <= at), None)


def prepare(telling: Telling) -> None:
    telling.world.data = Orders(telling.world.directory / "orders.sqlite", telling.world.clock)


def _job(name: str, statements: Sequence[str]) -> str:
    args = "\n".join(f'            - "{one}"' for one in statements)
    return JOB.format(name=name, service=SERVICE, tag=NEW_TAG, args=args)


def moving_release(telling: Telling) -> None:
    """A release migrates the orders, brings the way back with it, and fails."""
    telling.world.failing_tags.add(NEW_TAG)
    more = {
        f"{FOLDER}/orders-forward.yaml": _job("orders-forward", FORWARD),
        f"{FOLDER}/{BACK_JOB}.yaml": _job(BACK_JOB, BACK),
        LIST: telling.world.people.read(LIST).rstrip() + "\n  - orders-forward.yaml\n",
    }
    release(telling, more=more)


def approve(telling: Telling) -> None:
    """A person has read the sequence."""
    waiting = [record["id"] for record in telling.records() if record["phase"] == "AwaitingApproval"]
    if waiting:
        telling.command(("approve", waiting[0], "--yes"))


def no_order_lost(telling: Telling) -> list[Claim]:
    people, ours, data = telling.world.people, list(reversed(telling.reverts())), telling.world.data
    said = [people.git("log", "-1", "--format=%s", sha) for sha in ours]
    expected = [
        f"Roll back {SERVICE}: stop traffic, spec.replicas 3 -> 0",
        f"Roll back {SERVICE}: reverse migration, Job shop/{BACK_JOB}",
        f'Revert "feat(payments): {SERVICE} v{NEW_TAG}"',
        f"Roll back {SERVICE}: start traffic, spec.replicas 0 -> 3",
    ]
    steps = [people.git("log", "-1", "--format=%(trailers:key=Rollback-Step,valueonly)", sha) for sha in ours]
    stored = data.deliverable() if isinstance(data, Orders) else 0
    sold = data.sold if isinstance(data, Orders) else -1
    return [
        decided(telling, "MigrationRan"),
        Claim("four commits: traffic stops, the data goes back, the old code, traffic", said == expected),
        Claim("they are the steps of one rollback", steps == [f"{n}/4" for n in range(1, 5)]),
        Claim(f"all {sold} orders are stored with their address", stored == sold >= 3 * ORDERS_EACH),
        Claim("the old image is back", people.read(DEPLOYMENT) == people.read(DEPLOYMENT, telling.before)),
        *healthy_again(telling),
        *journal_says(telling, "verified"),
    ]


MIGRATION_STORIES: tuple[Story, ...] = (
    Story(
        "migration",
        "A release moves data, and fails. A person approves the way back in four commits, and no order is lost.",
        prepare=prepare,
        act=moving_release,
        ended=lambda telling: telling.has_decided("MigrationRan") and bool(telling.records()),
        then=approve,
        ended_again=lambda telling: telling.is_done("verified"),
        claims=no_order_lost,
        policy=policy(RULES.replace("NUMBER", "2")).replace("  verification:", TRIGGERS + "  verification:"),
        engines=("argocd",),
    ),
)
