"""Texts of strangers on their way to people: quoted, cut, and as the plain document that several receivers take.

Source: reliability.md, A19.
"""

from __future__ import annotations

from collections.abc import Iterator

from gitops_rollback.core.journal import plain
from gitops_rollback.ports import Message

MAX_TEXT = 200  # characters of a title, and of each line of a text
MAX_LINES = 40

# What makes Slack, Teams, GitHub or a terminal do something; a zero-width space keeps it readable and dead.
_LIVE = {"@": "@\u200b", "<": "‹", ">": "›", "[": "［", "]": "］", "`": "'"}


def quoted(text: str, limit: int = MAX_TEXT) -> str:
    """One line of a stranger's text that mentions nobody, links nowhere and moves no cursor."""
    safe = "".join(_LIVE.get(character, character) for character in text if character.isprintable())
    return safe if len(safe) <= limit else safe[: limit - 1] + "…"


def quoted_lines(text: str) -> str:
    """As `quoted`, for several lines."""
    lines = text.splitlines()
    kept = [quoted(line.replace("\t", " ")) for line in lines[:MAX_LINES]]
    return "\n".join([*kept, "…"] if len(lines) > MAX_LINES else kept)


def body_lines(message: Message) -> Iterator[str]:
    """What a person reads below the title, a quoted line each: the text, then what to do."""
    yield from quoted_lines(message.text).splitlines()
    if message.guide:
        yield ""
        yield from (quoted(line) for line in message.guide[:MAX_LINES])


def cut(text: str, limit: int) -> str:
    """At most `limit` characters, with a mark where something is missing."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def message_document(message: Message) -> dict[str, object]:
    """The message as JSON. Texts of strangers are quoted; ids and reasons are ours."""
    return {
        "event": message.event,
        "application": quoted(message.application),
        "title": quoted(message.title),
        "text": quoted_lines(message.text),
        "guide": [quoted(line) for line in message.guide[:MAX_LINES]],
        "key": message.key,
        "reason": message.reason,
        "rollbackId": message.rollback_id,
        "page": message.page,
        "details": _quoted_tree(plain(dict(message.details or {}))),
    }


def _quoted_tree(node: object) -> object:
    if isinstance(node, dict):
        return {quoted(str(key)): _quoted_tree(item) for key, item in node.items()}
    if isinstance(node, list):
        return [_quoted_tree(item) for item in node]
    return quoted_lines(node) if isinstance(node, str) else node
