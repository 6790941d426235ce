"""Microsoft Teams, by a workflow's webhook: an Adaptive Card. The webhook's URL is the secret.

Source: learn.microsoft.com, Create incoming webhooks with Workflows (`type: message` with one attachment; 202), Format
cards in Teams (Adaptive Cards up to 28 KB; a TextBlock shows Markdown); adaptivecards.io, schema 1.4.
"""

from __future__ import annotations

import json
import re

from gitops_rollback.adapters.notifiers.exchange import Exchange
from gitops_rollback.adapters.notifiers.sender import Receipt
from gitops_rollback.adapters.notifiers.texts import body_lines, quoted
from gitops_rollback.ports import Message

LARGEST_CARD = 25_000  # bytes, below the 28 KB at which Teams refuses
_MARKDOWN = re.compile(r"([\\*_~#|!(){}])")


class Teams:
    """One channel or chat, by the URL of its workflow."""

    folds = True

    def __init__(self, exchange: Exchange, url: str) -> None:
        self._exchange = exchange
        self._url = url

    def send(self, message: Message) -> Receipt:
        lines = list(body_lines(message))
        while len(json.dumps(card(message, lines))) > LARGEST_CARD and lines:
            lines = lines[: len(lines) // 2]
        return self._exchange.post(self._url, card(message, lines)).receipt

    def check(self) -> Receipt | None:
        return None

    def close(self) -> None:
        self._exchange.close()


def card(message: Message, lines: list[str]) -> dict[str, object]:
    """The whole body of the request."""
    colour = "Attention" if message.page else "Good" if message.event == "verified" else "Default"
    title = {"type": "TextBlock", "text": _shown(quoted(message.title)), "weight": "Bolder", "size": "Medium"}
    facts = [
        {"title": "Application", "value": _shown(quoted(message.application))},
        {"title": "Reason", "value": message.reason},
        *([{"title": "Rollback", "value": message.rollback_id}] if message.rollback_id else []),
    ]
    text = {"type": "TextBlock", "text": "\n\n".join(_shown(line) for line in lines) or "-", "wrap": True}
    content = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [{**title, "wrap": True, "color": colour}, text, {"type": "FactSet", "facts": facts}],
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": content}
    return {"type": "message", "attachments": [attachment]}


def _shown(text: str) -> str:
    """Text that a TextBlock's Markdown shows as it is."""
    return _MARKDOWN.sub(r"\\\1", text)
