"""The forge that CONTRIBUTING.md shows, before a sandbox that speaks as much of its API as it asks.

Source: the REST API of Bitbucket Data Center 9.4, "pull-requests", and its paged answers and errors.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from forge_canned import Meter
from forge_doors import BRANCH, FORGES, MESSAGE, ForgeDoor, forge_door
from page_packages import FORGE, installed
from sandbox_forge_world import forge_world

from gitops_rollback.core.pull_request import PullRequest as Seen
from gitops_rollback.ports.forge import Forge
from gitops_rollback.sandbox.forge import BOT
from gitops_rollback.sandbox.forge.dialect import bearer
from gitops_rollback.sandbox.forge.gitea import Gitea
from gitops_rollback.sandbox.forge.machine import Machine
from gitops_rollback.sandbox.forge.state import Block, PullRequest, Token
from gitops_rollback.sandbox.forge.wire import Call, Refused, Reply, route
from gitops_rollback.sandbox.rendering import Json

READ_FORGES = (*FORGES, "page")
API = "/rest/api/latest"
STATES = {"open": "OPEN", "merged": "MERGED", "closed": "DECLINED"}


class Bitbucket(Gitea):
    """Its answers to reads of pull requests; whatever else there is, pushes for one, is as at another forge."""

    def __init__(self, forge: Machine, origin: str) -> None:
        super().__init__(forge, origin)
        project, _, name = self.state.repository.partition("/")
        pulls = f"{API}/projects/{project}/repos/{name}/pull-requests"
        self.routes = [
            route("GET", f"{API}/application-properties", lambda _call: Reply(200, {"version": "9.4.0"})),
            route("GET", pulls, self._all),
            route("GET", f"{pulls}/{{n}}", lambda call: Reply(200, self._shown(self._pull(call)))),
            route("GET", f"{pulls}/{{n}}/merge", lambda call: Reply(200, self._against(self._pull(call)))),
            route("GET", f"{pulls}/{{n}}/changes", self._changes),
        ]

    def who(self, headers: Mapping[str, str]) -> Token | None:
        token = self.state.tokens.get(bearer(headers, "bearer"))
        if token is None:
            raise Refused(_error(401, "Authentication failed. Please check your credentials and try again."))
        return token

    def unknown(self, known_path: bool) -> Reply:
        del known_path
        return _error(404, "null for uri")

    def _pull(self, call: Call) -> PullRequest:
        found = self.state.pulls.get(call.number(0))
        if found is None:
            raise Refused(_error(404, f"Pull request {call.parts[0]} does not exist in {self.state.repository}."))
        return found

    def _all(self, call: Call) -> Reply:
        wanted, base = call.one("state", "OPEN"), call.one("at").removeprefix("refs/heads/")
        found = [one for one in self.state.pulls.values() if wanted in ("ALL", STATES[one.state])]
        shown = [self._shown(one) for one in reversed(found) if not base or one.base == base]
        return _page(call, shown)

    def _changes(self, call: Call) -> Reply:
        pull = self._pull(call)
        begin = self.git.merge_base(pull.base_sha or self.git.head(pull.base), pull.head_sha)
        changes = self.git.changes(begin, pull.head_sha)
        shown = [
            {"path": {"toString": one.path}, **({"srcPath": {"toString": one.was}} if one.was else {})}
            for one in changes
        ]
        return _page(call, shown)

    def _shown(self, pull: PullRequest) -> Json:
        merged = {"mergeCommit": {"id": pull.merge_sha}} if pull.merge_sha else {}
        return {
            "id": pull.number,
            "version": 0,
            "title": pull.title,
            "description": pull.body,
            "state": STATES[pull.state],
            "open": pull.open,
            "closed": not pull.open,
            "draft": pull.draft,
            "createdDate": _milliseconds(pull.created_at),
            "updatedDate": _milliseconds(pull.updated_at),
            "fromRef": self._ref(pull.head, pull.head_sha, 8 if pull.fork else 7),
            "toRef": self._ref(pull.base, self.git.head(pull.base), 7),
            "author": {"user": {"name": pull.author}, "role": "AUTHOR"},
            "properties": merged,
            "links": {"self": [{"href": f"{self.origin}/projects/owner/repos/config/pull-requests/{pull.number}"}]},
        }

    def _ref(self, branch: str, sha: str, repository: int) -> Json:
        return {"id": f"refs/heads/{branch}", "latestCommit": sha, "repository": {"id": repository}}

    def _against(self, pull: PullRequest) -> Json:
        if not pull.open:
            raise Refused(_error(409, "The pull request is not open."))
        found = set(self.forge.look(pull)) - {Block.CHECKING}
        return {"canMerge": not found, "conflicted": Block.CONFLICT in found, "vetoes": []}


def _error(status: int, message: str) -> Reply:
    return Reply(status, {"errors": [{"context": None, "message": message, "exceptionName": None}]})


def _page(call: Call, items: Sequence[Json]) -> Reply:
    start, limit = int(call.one("start", "0")), min(int(call.one("limit", "25")), 100)
    shown, end = items[start : start + limit], start + limit >= len(items)
    after = {} if end else {"nextPageStart": start + limit}
    return Reply(200, {"size": len(shown), "limit": limit, "start": start, "isLastPage": end, "values": shown, **after})


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)


class PageDoor(ForgeDoor):
    """Whatever has to be done at the forge is done there by people."""

    def open(self, name: str = BRANCH, base: str = "main", title: str = MESSAGE.splitlines()[0]) -> Seen:
        return self.forge.get(self.stage.forge.people.open(BOT, name, title, base).number)

    def close(self, number: int) -> None:
        self.stage.forge.people.close(BOT, number)

    def client(self, **changes: object) -> Forge:
        return super().client(api=f"{self.stage.forge.url}{API}", **changes)


@contextmanager
def read_door(kind: str, directory: Path) -> Iterator[ForgeDoor]:
    """As `forge_door`, of those that are only read, too."""
    with page_door(directory) if kind == "page" else forge_door(kind, directory) as made:
        yield made


@contextmanager
def page_door(directory: Path) -> Iterator[ForgeDoor]:
    """The page's package, installed, before a forge that speaks its API."""
    with installed(directory, FORGE), forge_world(directory, "gitea") as stage:
        stage.forge.dialect = Bitbucket(stage.forge.machine, stage.forge.url)
        door = PageDoor("bitbucket", stage, Meter())
        try:
            yield door
        finally:
            for exchange in door.made:
                exchange.close()
