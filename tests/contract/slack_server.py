"""Slack's methods on loopback, as docs.slack.dev has them: 200 with `ok: false`, ids for names, metadata that stays."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import parse_qsl

from canned_http import Request
from notifying import Answer, path_of

TOKEN = "xoxb-canary"
CHANNEL = "C0123456789"
Words = dict[str, object]


@dataclass
class SlackWorld:
    """One channel, `#ops`. `refusals` answers the next calls of a method; `scopes` are the token's."""

    messages: list[Words] = field(default_factory=list)
    calls: list[tuple[str, Words]] = field(default_factory=list)
    refusals: dict[str, list[Answer]] = field(default_factory=dict)
    scopes: frozenset[str] = frozenset({"chat:write", "channels:history", "channels:read"})

    def answer(self, request: Request) -> Answer:
        method = path_of(request).removeprefix("/api/")
        kind = request.headers.get("content-type", "")
        body = (
            json.loads(request.body) if kind.startswith("application/json") else dict(parse_qsl(request.body.decode()))
        )
        self.calls.append((method, body))
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return "200 OK", {"ok": False, "error": "invalid_auth"}
        if self.refusals.get(method):
            return self.refusals[method].pop(0)
        if method.startswith("conversations.") and kind.startswith("application/json"):
            return "200 OK", {"ok": False, "error": "invalid_arguments"}  # these take no JSON
        return "200 OK", getattr(self, method.replace(".", "_"))(body)

    def auth_test(self, _body: Words) -> Words:
        return {"ok": True, "team": "acme", "user": "rollback-bot", "bot_id": "B1"}

    def chat_postMessage(self, body: Words) -> Words:
        if body["channel"] not in (CHANNEL, "#ops"):
            return {"ok": False, "error": "channel_not_found"}
        root = body.get("thread_ts")
        if root is not None and not any(one["ts"] == root for one in self.messages):
            return {"ok": False, "error": "thread_not_found"}
        ts = f"1700000000.{len(self.calls):06d}"
        self.messages.append({**body, "ts": ts, "channel": CHANNEL})
        return {"ok": True, "channel": CHANNEL, "ts": ts, "message": {"text": body["text"]}}

    def chat_update(self, body: Words) -> Words:
        found = [one for one in self.messages if one["ts"] == body["ts"] and body["channel"] == CHANNEL]
        if not found:
            return {"ok": False, "error": "message_not_found"}
        found[0].update(body)
        return {"ok": True, "channel": CHANNEL, "ts": body["ts"]}

    def conversations_list(self, _body: Words) -> Words:
        if "channels:read" not in self.scopes:
            return {"ok": False, "error": "missing_scope", "needed": "channels:read", "provided": "chat:write"}
        return {"ok": True, "channels": [{"id": "C9", "name": "random"}, {"id": CHANNEL, "name": "ops"}]}

    def conversations_history(self, body: Words) -> Words:
        if "channels:history" not in self.scopes:
            return {"ok": False, "error": "missing_scope", "needed": "channels:history", "provided": "chat:write"}
        if body["channel"] != CHANNEL:
            return {"ok": False, "error": "channel_not_found"}
        roots = [one for one in self.messages if "thread_ts" not in one]
        shown = [one if body.get("include_all_metadata") == "true" else _without_metadata(one) for one in roots]
        return {"ok": True, "messages": shown[::-1], "has_more": False}

    @property
    def roots(self) -> list[Words]:
        return [one for one in self.messages if "thread_ts" not in one]

    @property
    def replies(self) -> list[Words]:
        return [one for one in self.messages if "thread_ts" in one]

    def buttons(self, number: int = 0) -> list[Words]:
        """The buttons of a root message."""
        blocks = cast("list[Words]", self.roots[number]["blocks"])
        return [
            button
            for block in blocks
            if block["type"] == "actions"
            for button in cast("list[Words]", block["elements"])
        ]


def _without_metadata(message: Words) -> Words:
    return {key: value for key, value in message.items() if key != "metadata"}
