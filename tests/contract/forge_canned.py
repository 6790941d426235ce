"""A forge that answers what a test says, request by request."""

from __future__ import annotations

import json
import socket
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta

from canned_http import Request, Server, canned, serving

from gitops_rollback.adapters.forges.exchange import Exchange
from gitops_rollback.adapters.forges.settings import ForgeSettings
from gitops_rollback.adapters.origins import OriginRules
from gitops_rollback.app.wiring_forges import CLIENTS
from gitops_rollback.ports.forge import Forge

HEAD = "3a6442420549b0a27be3316b59babdb55f9b7781"
TOKEN = "canary-7f3a"


@dataclass
class Meter:
    """Counts as the controller's metrics do."""

    requests: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    remaining: int | None = None

    def asked(self, forge: str, operation: str, code: str) -> None:
        self.requests[forge, operation, code] += 1

    def left(self, forge: str, requests: int) -> None:
        self.remaining = requests


@dataclass(frozen=True)
class Reply:
    """One answer; `cut`: none at all; `hangs`: none while the test lasts. `body` is sent as JSON unless it is text."""

    body: object = None
    status: int = 200
    headers: tuple[str, ...] = ()
    cut: bool = False
    hangs: bool = False


@dataclass
class Canned:
    """Replies by method and path (without the query); the last one of a path is given again and again."""

    server: Server
    replies: Mapping[str, list[Reply]]
    meter: Meter = field(default_factory=Meter)
    exchanges: list[Exchange] = field(default_factory=list)

    def client(self, kind: str, **changes: object) -> Forge:
        settings = ForgeSettings(kind, self.server.url, "owner/config", self.server.url, TOKEN, settling=timedelta())
        exchange = Exchange(replace(settings, **changes), OriginRules.parse([self.server.url]), self.meter)
        self.exchanges.append(exchange)
        return CLIENTS[kind](exchange)

    @property
    def asked(self) -> list[str]:
        """Method and path with its query of each request."""
        return [request.line.removesuffix(" HTTP/1.1") for request in self.server.requests]

    def sent(self, start: str) -> list[object]:
        """The bodies of the requests that begin so."""
        found = [one for one in self.server.requests if one.line.startswith(start)]
        return [json.loads(one.body) if one.body else None for one in found]


@contextmanager
def answering(replies: Mapping[str, Reply | list[Reply]]) -> Iterator[Canned]:
    """Anything else is a 404 in the forge's words."""
    left = {key: [one] if isinstance(one, Reply) else list(one) for key, one in replies.items()}
    given: dict[str, int] = defaultdict(int)

    def script(connection: socket.socket, request: Request) -> None:
        key = " ".join(request.line.split()[:2]).split("?")[0]
        known = left.get(key, [Reply({"message": "Not Found"}, 404)])
        reply = known[min(given[key], len(known) - 1)]
        given[key] += 1
        if reply.hangs:
            server.done.wait(20)
        if reply.cut or reply.hangs:
            return
        text = reply.body if isinstance(reply.body, str) else json.dumps(reply.body) if reply.body is not None else ""
        kind = "Content-Type: application/json; charset=utf-8"
        canned(f"{reply.status} Said", text.encode(), kind, *reply.headers)(connection, request)

    with serving(script) as server:
        made = Canned(server, left)
        try:
            yield made
        finally:
            for exchange in made.exchanges:
                exchange.close()


def pull(**changes: object) -> dict[str, object]:
    """A pull request of GitHub's; Gitea's differs little."""
    repository = {"id": 1}
    found: dict[str, object] = {
        "number": 1,
        "node_id": "PR_1",
        "html_url": "https://github.com/owner/config/pull/1",
        "title": "Revert",
        "user": {"login": "bot"},
        "state": "open",
        "draft": False,
        "merged": False,
        "merged_at": None,
        "mergeable": True,
        "mergeable_state": "clean",
        "merge_commit_sha": None,
        "auto_merge": None,
        "labels": [],
        "created_at": "2026-11-23T08:29:00Z",
        "updated_at": "2026-11-23T08:29:00Z",
        "head": {"ref": "b", "sha": HEAD, "repo": repository, "repo_id": 1},
        "base": {"ref": "main", "sha": "0" * 40, "repo": repository, "repo_id": 1},
    }
    return found | changes


def merge_request(**changes: object) -> dict[str, object]:
    """A merge request of GitLab's."""
    found: dict[str, object] = {
        "iid": 1,
        "web_url": "https://gitlab.com/owner/config/-/merge_requests/1",
        "title": "Revert",
        "author": {"username": "bot"},
        "source_branch": "b",
        "target_branch": "main",
        "source_project_id": 7,
        "target_project_id": 7,
        "sha": HEAD,
        "state": "opened",
        "draft": False,
        "detailed_merge_status": "mergeable",
        "merge_when_pipeline_succeeds": False,
        "labels": [],
        "created_at": "2026-11-23T08:29:00.123Z",
    }
    return found | changes
