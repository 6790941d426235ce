"""What the tests of receivers share: a message, a client of one canned server, and answers as services give them."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping

from canned_http import Request, Script, Server, canned

from gitops_rollback.adapters.http import Http, HttpSettings
from gitops_rollback.adapters.notifiers.exchange import Exchange
from gitops_rollback.adapters.origins import OriginRules
from gitops_rollback.ports import Message

EVIL = "<!channel> @here [x](http://evil.example) *b* & \x1b[0m \u202e"
Answer = tuple[str, object] | tuple[str, object, str]


def exchange(server: Server, token: str = "") -> Exchange:
    headers = (("Authorization", f"Bearer {token}"),) if token else ()
    return Exchange(Http(OriginRules.parse([server.url]), HttpSettings(headers=headers)))


def a_message(key: str = "k", **changes: object) -> Message:
    values: dict[str, object] = {
        "event": "started",
        "application": "default/Application/argocd/shop",
        "title": "Rolling back",
        "text": "because",
        "key": key,
        "reason": "TriggerFired",
        "rollback_id": "rb-1",
    }
    return Message(**{**values, **changes})


def answering(answer: Callable[[Request], Answer]) -> Script:
    """Each request is answered with what `answer` says: a status line, a JSON document, and maybe a header."""

    def script(connection: socket.socket, request: Request) -> None:
        status, document, *headers = answer(request)
        canned(status, json.dumps(document).encode(), "Content-Type: application/json", *headers)(connection, request)

    return script


def bodies(server: Server) -> list[Mapping[str, object]]:
    return [json.loads(request.body) for request in server.requests]


def path_of(request: Request) -> str:
    return request.line.split()[1]
