"""The dashboard: each page a document of `app.showing*`, as HTML or, with `.json` at its end, as it is.

It only reads; what people may do, where a login is configured, is `web.actions`.
Source: product.md section 8; reliability.md, A19, for whose words are shown.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, select_autoescape
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gitops_rollback import __version__
from gitops_rollback.app.board import Board, Picture
from gitops_rollback.app.showing import Document, Row, Shelf, brief, elsewhere, matching, overview, page_of, stops
from gitops_rollback.app.showing_application import application_document, policies_document, policy_document
from gitops_rollback.app.showing_rollback import Charts, rollback_document
from gitops_rollback.core.duration import format_duration
from gitops_rollback.core.headline import amount
from gitops_rollback.core.reasons import meaning_of, sections
from gitops_rollback.core.rollback import RollbackRecord
from gitops_rollback.core.stop import names_of
from gitops_rollback.ports import Clock
from gitops_rollback.web.actions import POSTS, Actions
from gitops_rollback.web.charts import metric_svg, timeline_svg
from gitops_rollback.web.setup import Setup

STATIC = Path(__file__).parent / "static"
KINDS = {".js": "text/javascript", ".css": "text/css", ".txt": "text/plain", ".svg": "image/svg+xml"}
MOST_STREAMS = 32
STREAM_SECONDS = 600.0
LOOK_SECONDS = 0.5
QUIET_SECONDS = 15.0
MOST_COLUMNS = 500
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with less, browsers do not say where a form of ours comes from
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


@dataclass
class Dashboard:
    """`app` is the ASGI application. `hosts`: by which names, besides addresses and localhost, it may be called.

    `actions` None: nobody can log in, and nothing can be pressed.
    """

    board: Board
    clock: Callable[[], Clock]
    setup: Setup
    hosts: Collection[str] = ()
    actions: Actions | None = None
    closing: bool = False  # pages that wait for news are let go
    _charts: Charts = field(default_factory=Charts)
    _streams: int = 0

    @cached_property
    def _shelf(self) -> Shelf:
        return Shelf(self.board)

    @cached_property
    def app(self) -> Starlette:
        pages = {
            "/": self._overview,
            "/applications": self._applications,
            "/a/{name:path}": self._application,
            "/rollbacks": self._rollbacks,
            "/r/{id}": self._rollback,
            "/policies": self._policies,
            "/p/{repository:path}": self._policy,
            "/setup": self._setup,
            "/reasons": self._reasons,
        }
        routes = [
            Route("/index.json", self._overview),
            Route("/events", self._events),
            Route("/static/{version}/{name}", self._static),
        ]
        for path, page in pages.items():
            routes += [Route(f"{path}.json", page), Route(path, page)] if path != "/" else [Route(path, page)]
        if self.actions is not None:
            routes += [*self.actions.routes, Route("/login", self._login)]
        posts = POSTS if self.actions is not None else frozenset[tuple[str, str]]()
        guard = Middleware(_Guarded, hosts=frozenset(self.hosts), posts=posts)
        return Starlette(routes=routes, middleware=[guard], exception_handlers={HTTPException: self._refused})

    @cached_property
    def _pages(self) -> Environment:
        made = Environment(loader=PackageLoader("gitops_rollback.web"), autoescape=select_autoescape(default=True))
        made.filters |= {
            "means": means,
            "short": _short,
            "seconds": _in_words,
            "clock": _clock,
            "amount": amount,
            "instant": _instant,
            "visible": visible,
            "outline": outline,
        }
        made.globals |= {
            "timeline_svg": timeline_svg,
            "metric_svg": metric_svg,
            "version": __version__,
            "static": f"/static/{_fingerprint()}",
        }
        return made

    def _answer(self, request: Request, template: str, document: Document, status: int = 200) -> Response:
        if request.url.path.endswith(".json"):
            return JSONResponse(document, status)
        looker = self.actions.looker(request) if self.actions is not None else None
        there = {"doc": document, "path": request.url.path, "query": request.query_params, "looker": looker}
        html = self._pages.get_template(template).render(there)
        return Response(html, status, media_type="text/html", headers={"Cache-Control": "no-store"})

    def _found(self) -> list[Row]:
        return self._shelf.rows(self.clock().now())

    def _overview(self, request: Request) -> Response:
        document = overview(self.board.pictures(), self._found(), self._shelf.past(), self.clock().now())
        return self._answer(request, "overview.html", document)

    def _applications(self, request: Request) -> Response:
        word, state = request.query_params.get("q", "")[:100], request.query_params.get("state", "")[:20]
        found, where = page_of(matching(self._found(), word, state), _number(request))
        document: Document = {"rows": [row.document for row in found], "q": word, "state": state, **where}
        return self._answer(request, "applications.html", document)

    def _application(self, request: Request) -> Response:
        name, found = request.path_params["name"], self._found()
        row = next((one for one in found if one.name == name), None)
        picture = self.board.pictures().get(row.repository) if row else None
        if row is None and (named := [one for one in found if name in _names(one)]):
            return self._by_a_shorter_name(request, name, named)
        if row is None or picture is None:
            read = [words for words in map(elsewhere, self.board.pictures().values()) if words]
            raise HTTPException(404, " ".join(["No application of this name is watched here.", *read]))
        stopped = list(stops(row.repository, picture, self.clock().now(), _names(row)))
        document = {**application_document(picture, row, self._shelf.past()), "stops": stopped}
        return self._answer(request, "application.html", document)

    def _by_a_shorter_name(self, request: Request, name: str, named: list[Row]) -> Response:
        if len({one.name for one in named}) == 1:
            ending = ".json" if request.url.path.endswith(".json") else ""
            return RedirectResponse(f"/a/{quote(named[0].name)}{ending}", 302, {"Cache-Control": "no-store"})
        found, where = page_of(named, _number(request))
        document: Document = {"rows": [row.document for row in found], "name": name, **where}
        return self._answer(request, "applications.html", document, 300)

    def _rollbacks(self, request: Request) -> Response:
        found, where = page_of(self._shelf.past().records, _number(request))
        return self._answer(request, "rollbacks.html", {"rollbacks": [brief(one) for one in found], **where})

    def _rollback(self, request: Request) -> Response:
        found = self._record(request.path_params["id"])
        if found is None:
            raise HTTPException(404, "The journal of the last 30 days holds no such rollback.")
        picture, record = found
        chart = self._charts.of(picture, record, self.clock().now())
        return self._answer(request, "rollback.html", rollback_document(picture, record, chart))

    def _record(self, identity: str) -> tuple[Picture, RollbackRecord] | None:
        """By its id, or a start of it that fits no other."""
        pictures = self.board.pictures().values()
        for picture in pictures:
            if identity in picture.view.journal.records:
                return picture, picture.view.journal.records[identity]
        named = [
            (picture, record)
            for picture in pictures
            for name, record in picture.view.journal.records.items()
            if name.startswith(identity)
        ]
        return named[0] if len(named) == 1 else None

    def _policies(self, request: Request) -> Response:
        return self._answer(request, "policies.html", policies_document(self.board.pictures()))

    def _policy(self, request: Request) -> Response:
        picture = self.board.pictures().get(request.path_params["repository"])
        document = policy_document(picture, request.query_params.get("path", "")) if picture else None
        if document is None:
            raise HTTPException(404, "No policy of this name is at the branch's head.")
        return self._answer(request, "policy.html", document)

    def _setup(self, request: Request) -> Response:
        return self._answer(request, "setup.html", self.setup.document())

    def _reasons(self, request: Request) -> Response:
        found = [{"title": title, "reasons": [asdict(one) for one in meanings]} for title, meanings in sections()]
        return self._answer(request, "reasons.html", {"sections": found})

    def _login(self, request: Request) -> Response:
        return self._answer(request, "login.html", {})

    def _static(self, request: Request) -> Response:
        path = STATIC / request.path_params["name"]
        if path.parent != STATIC or path.suffix not in KINDS or not path.is_file():
            raise HTTPException(404)
        forever = {"Cache-Control": "public, max-age=31536000, immutable"}
        return Response(path.read_bytes(), media_type=KINDS[path.suffix], headers=forever)

    async def _events(self, request: Request) -> Response:
        """A word after each look; an `EventSource` comes back by itself when it ends."""
        if self._streams >= MOST_STREAMS:
            raise HTTPException(503, "Too many pages are open.", {"Retry-After": "60"})
        return StreamingResponse(self._words(request), media_type="text/event-stream")

    async def _words(self, request: Request) -> AsyncIterator[str]:
        loop, said, quiet = asyncio.get_running_loop(), self._news, 0.0
        self._streams += 1
        end = loop.time() + STREAM_SECONDS
        try:
            yield f"retry: 3000\nid: {said}\n\n"
            while not self.closing and loop.time() < end and not await request.is_disconnected():
                await asyncio.sleep(LOOK_SECONDS)
                quiet += LOOK_SECONDS
                if self._news != said:
                    said, quiet = self._news, 0.0
                    yield f"event: look\ndata: {said}\n\n"
                elif quiet >= QUIET_SECONDS:
                    quiet = 0.0
                    yield ": still here\n\n"
        finally:
            self._streams -= 1

    @property
    def _news(self) -> int:
        """Another number after each look, and after each answer to a press."""
        return self.board.version + (self.actions.receipts.version if self.actions is not None else 0)

    def _refused(self, request: Request, error: Exception) -> Response:
        status, words = (error.status_code, error.detail) if isinstance(error, HTTPException) else (500, "")
        headers = error.headers if isinstance(error, HTTPException) else None
        answer = self._answer(request, "refused.html", {"status": status, "message": words}, status)
        for name, value in (headers or {}).items():
            answer.headers[name] = value
        return answer


class _Guarded:
    """Around all pages: whose name it was called by, what may be asked, and the headers that bound the browser.

    A page of a stranger whose name was pointed at our address calls us by that name: it gets nothing.
    """

    def __init__(self, app: ASGIApp, hosts: frozenset[str], posts: frozenset[tuple[str, str]]) -> None:
        self._app = app
        self._hosts = hosts
        self._posts = posts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers: Mapping[bytes, bytes] = dict(scope["headers"])

        async def bounded(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
                message = {**message, "headers": [*message["headers"], *own]}
            await send(message)

        host = headers.get(b"host", b"").decode("latin-1")
        if not is_ours(host, self._hosts):
            words = f"Not called by a name of ours: add {host[:100]!r} to dashboard.hosts.\n"
            await Response(words, 421, media_type="text/plain")(scope, receive, bounded)
        elif scope["method"] not in ("GET", "HEAD") and (scope["method"], scope["path"]) not in self._posts:
            await Response("This page only reads.\n", 405, media_type="text/plain")(scope, receive, bounded)
        else:
            await self._app(scope, receive, bounded)


def is_ours(host: str, hosts: Collection[str]) -> bool:
    """Whether a `Host` header names us: an address, localhost, or one of `hosts`."""
    name = host[1:].partition("]")[0] if host.startswith("[") else host.rpartition(":")[0] or host
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name.lower() == "localhost" or name.lower() in {one.lower() for one in hosts}
    return True


def _names(row: Row) -> set[str]:
    """All by which a person may call it, as the verbs take them."""
    return names_of(row.name) | {row.watched.target.name}


def _number(request: Request) -> int:
    text = request.query_params.get("page", "1")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 8 else 1


def _short(sha: str) -> str:
    return sha[:7]


def _clock(text: str | None) -> str:
    return f"{text[:10]} {text[11:19]}" if text else ""


def _instant(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%F %T}"


def visible(line: str) -> str:
    """A line of a file that can neither reorder nor hide what stands beside it (A19)."""
    return "".join(one if one.isprintable() or one == "\t" else f"\\u{ord(one):04x}" for one in line[:MOST_COLUMNS])


def outline(value: object, indent: str = "") -> list[str]:
    """Nested values as indented lines, a dash before each of a list."""
    if isinstance(value, Mapping):
        pairs = [(f"{key}:", one) for key, one in value.items()]
    else:
        pairs = [("-", one) for one in value] if isinstance(value, list | tuple) else []
    lines: list[str] = []
    for head, one in pairs:
        if head == "-" and isinstance(one, Mapping) and one:
            first, *rest = outline(one, indent + "  ")
            lines += [f"{indent}- {first.strip()}", *rest]
        elif isinstance(one, Mapping | list | tuple):
            lines += [indent + head, *outline(one, indent + "  ")]
        else:
            words = str(one).lower() if isinstance(one, bool) else " ".join(str(one).split())
            lines.append(f"{indent}{head} {words}")
    return lines


def _in_words(seconds: float) -> str:
    return format_duration(timedelta(seconds=seconds))


def _fingerprint() -> str:
    digest = sha256(json.dumps(__version__).encode())
    for path in sorted(STATIC.iterdir()):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


@lru_cache(maxsize=256)
def means(reason: str) -> str:
    """What `gitops-rollback explain REASON` says of it, in one line; "" for a word that is none."""
    meaning = meaning_of(reason)
    return f"{meaning.says} To do: {meaning.todo}" if meaning is not None else ""
