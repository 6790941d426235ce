"""Is a rollback one region in Grafana, from the bad sync to the recovery, over restarts and repeats?"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import pytest
from canned_http import Request, serving
from notifying import EVIL, Answer, a_message, answering, exchange, path_of

from gitops_rollback.adapters.notifiers.grafana import Grafana
from gitops_rollback.adapters.notifiers.sender import Outcome

DEPLOYED, DECIDED, VERIFIED = "2026-11-23T03:11:42Z", "2026-11-23T03:15:46Z", "2026-11-23T03:18:25Z"
STARTED_TIMES = {"deployed": DEPLOYED, "decided": DECIDED, "pushed": "2026-11-23T03:15:47Z"}


@dataclass
class GrafanaWorld:
    """Annotations as the HTTP API keeps them."""

    rows: list[dict[str, object]] = field(default_factory=list)
    status: str = ""

    def answer(self, request: Request) -> Answer:
        method, target = request.line.split()[:2]
        parts = urlsplit(target)
        if self.status:
            return self.status, {"message": "Permission denied"}
        if method == "GET":
            tags = parse_qs(parts.query)["tags"]
            return "200 OK", [row for row in self.rows if set(tags) <= set(row["tags"])]
        body = json.loads(request.body)
        if method == "POST":
            self.rows.append({"id": len(self.rows) + 1, **body})
            return "200 OK", {"message": "Annotation added", "id": len(self.rows)}
        number = int(parts.path.rsplit("/", 1)[1])
        self.rows[number - 1].update(body)
        return "200 OK", {"message": "Annotation patched"}


def test_a_rollback_is_one_region_from_the_bad_sync_to_the_recovery() -> None:
    world = GrafanaWorld()
    started = a_message("1", details={"times": STARTED_TIMES})
    verified = a_message("2", event="verified", details={"times": {**STARTED_TIMES, "verified": VERIFIED}})
    with serving(answering(world.answer)) as server:
        before = Grafana(exchange(server, "glsa-canary"), f"{server.url}/", ("prod",))
        assert before.send(started).outcome is Outcome.DELIVERED
        before.close()
        after = Grafana(exchange(server, "glsa-canary"), server.url, ("prod",))  # another process
        after.send(started)
        after.send(verified)
        after.close()
    (row,) = world.rows
    assert (row["time"], row["timeEnd"]) == (1_795_403_502_000, 1_795_403_905_000)
    assert {"gitops-rollback", "rb-1", "argocd/shop", "verified", "prod"} <= set(row["tags"])
    assert all(request.headers["authorization"] == "Bearer glsa-canary" for request in server.requests)


def test_what_is_no_rollback_marks_nothing() -> None:
    world = GrafanaWorld()
    with serving(answering(world.answer)) as server:
        grafana = Grafana(exchange(server), server.url)
        assert grafana.send(a_message(rollback_id="")).outcome is Outcome.DELIVERED
        assert grafana.send(a_message(details={"times": {"deployed": "nonsense"}})).outcome is Outcome.DELIVERED
        grafana.close()
    assert server.requests == []


@pytest.mark.parametrize(
    ("status", "outcome"), [("403 Forbidden", Outcome.REFUSED), ("502 Bad Gateway", Outcome.LATER)]
)
def test_a_grafana_that_says_no_is_no_delivery(status: str, outcome: Outcome) -> None:
    world = GrafanaWorld(status=status)
    with serving(answering(world.answer)) as server:
        grafana = Grafana(exchange(server), server.url)
        assert grafana.send(a_message(details={"times": STARTED_TIMES})).outcome is outcome
        assert grafana.check().outcome is outcome
        grafana.close()
    assert all(path_of(request).startswith("/api/annotations?") for request in server.requests)


def test_the_text_of_a_region_runs_nothing() -> None:
    world = GrafanaWorld()
    with serving(answering(world.answer)) as server:
        grafana = Grafana(exchange(server), server.url)
        grafana.send(a_message(title=f"<script>{EVIL}", details={"times": STARTED_TIMES}))
        grafana.close()
    assert "<script>" not in world.rows[0]["text"]
