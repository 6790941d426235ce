"""How requests reach a dialect and answers leave it: routes, JSON, pages of a list.

What a dialect must say by itself (its routes, its errors, who a token is) it brings; the rest is the same for all.
"""

from __future__ import annotations

import json
import re
from base64 import encodebytes
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from gitops_rollback.sandbox.git_door import Page, PageAnswer
from gitops_rollback.sandbox.rendering import Json

Item = TypeVar("Item")
JSON = "application/json; charset=utf-8"


@dataclass(frozen=True)
class Reply:
    """An answer; a body that is None is empty."""

    status: int
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Refused(Exception):
    """An answer that is an error, from wherever it is noticed."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(f"{reply.status} {reply.body}")
        self.reply = reply


@dataclass(frozen=True)
class Call:
    """One request to the API. `login` is who asks; "" for nobody. `parts` are what the route left open."""

    method: str
    url: str  # with scheme and host, without the query
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]  # names in lower case
    body: Json
    login: str = ""
    scopes: frozenset[str] | None = None
    app: bool = False
    parts: tuple[str, ...] = ()

    def one(self, name: str, default: str = "") -> str:
        """The first value of a parameter of the query."""
        return self.query.get(name, [default])[0]

    def text(self, name: str, default: str = "") -> str:
        """A field of the body as text; null is as if it were not there."""
        found = self.body.get(name)
        return default if found is None else str(found)

    def flag(self, name: str) -> bool:
        return self.body.get(name) in (True, "true", "1", 1)

    def number(self, place: int) -> int:
        return int(self.parts[place])


Handler = Callable[[Call], Reply]


@dataclass(frozen=True)
class Route:
    """A method and a path, who answers, and the scope that a token needs for it ("" for none)."""

    method: str
    pattern: re.Pattern[str]
    handler: Handler
    scope: str = ""


def route(method: str, pattern: str, handler: Handler, scope: str = "") -> Route:
    """`{}` in the pattern is one part of a path, `{n}` a number, `{+}` all that follows."""
    expression = re.escape(pattern).replace(r"\{\}", "([^/]+)").replace(r"\{n\}", "([0-9]+)").replace(r"\{\+\}", "(.+)")
    return Route(method, re.compile(expression), handler, scope)


def find_route(routes: Sequence[Route], method: str, path: str) -> tuple[Route | None, tuple[str, ...], bool]:
    """The route, what it left open, and whether the path is known at all."""
    known = False
    for one in routes:
        match = one.pattern.fullmatch(path)
        if match is not None:
            known = True
            if one.method == method:
                return one, tuple(unquote(part) for part in match.groups()), True
    return None, (), known


def file_document(path: str, text: str) -> Json:
    """What all of them tell of a file with its content."""
    raw = text.encode()
    name = path.rpartition("/")[2]
    return {"name": name, "path": path, "size": len(raw), "encoding": "base64", "content": encodebytes(raw).decode()}


def parsed(page: Page) -> tuple[str, dict[str, list[str]], str]:
    """The path, the query and the address without a query."""
    parts = urlsplit(page.path)
    url = f"http://{page.headers.get('host', '127.0.0.1')}{parts.path}"
    return parts.path, parse_qs(parts.query, keep_blank_values=True), url


def body_of(page: Page) -> tuple[Json, str]:
    """The JSON object or form that came, and what is wrong with it ("" if nothing)."""
    if not page.body:
        return {}, ""
    if "x-www-form-urlencoded" in page.headers.get("content-type", ""):
        return {name: values[-1] for name, values in parse_qs(page.body.decode(), keep_blank_values=True).items()}, ""
    try:
        found: Any = json.loads(page.body)
    except ValueError:
        return {}, page.body.decode(errors="replace")
    return (found, "") if isinstance(found, dict) else ({}, page.body.decode(errors="replace"))


def packed(reply: Reply, headers: Mapping[str, str], content_type: str) -> PageAnswer:
    """Ready to send: a body of JSON, or none."""
    if reply.body is None:
        return PageAnswer(reply.status, b"", {**headers, **reply.headers})
    text = json.dumps(reply.body, separators=(",", ":"), ensure_ascii=False)
    return PageAnswer(reply.status, text.encode(), {"Content-Type": content_type, **headers, **reply.headers})


def moment(text: str) -> datetime:
    """A time of a query, aware UTC. Raises: ValueError."""
    found = datetime.fromisoformat(text.replace(" ", "+").replace("Z", "+00:00"))
    return found if found.tzinfo else found.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Window:
    """One page of a list."""

    items: list[Any]
    page: int
    size: int
    total: int

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // self.size))


def window(call: Call, items: Sequence[Item], size_name: str, size: int, most: int) -> Window:
    """The page that the query asks for."""
    asked = call.one(size_name, str(size))
    count = min(int(asked) if asked.isdigit() and int(asked) else size, most)
    number = call.one("page", "1")
    page = int(number) if number.isdigit() and int(number) else 1
    return Window(list(items[(page - 1) * count : page * count]), page, count, len(items))


def link(call: Call, relations: Mapping[str, int], by_name: bool = False) -> str:
    """A `Link` header: the same request with other pages."""
    parts = []
    for relation, page in relations.items():
        query = {name: values[0] for name, values in call.query.items()} | {"page": str(page)}
        items = sorted(query.items()) if by_name else list(query.items())
        parts.append(f'<{call.url}?{urlencode(items)}>; rel="{relation}"')
    return (",", ", ")[not by_name].join(parts)
