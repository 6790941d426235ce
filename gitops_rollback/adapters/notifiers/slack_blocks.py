"""How a message looks in Slack: Block Kit, whose texts are plain, so that no word of a stranger is obeyed.

Source: docs.slack.dev, Block Kit (50 blocks; header 150, section 3,000, button value 2,000 characters; `plain_text` is
not parsed), Formatting (`&`, `<` and `>` are escaped in a top-level `text`).
"""

from __future__ import annotations

from collections.abc import Iterator

from gitops_rollback.adapters.notifiers.texts import body_lines, cut, quoted
from gitops_rollback.ports import Message

MOST_BLOCKS = 50
HEADER = 150
SECTION = 3000
FALLBACK = 3000
MARKS = {"verified": "✅", "started": "⏪", "suggested": "✋", "stopped": "⏸"}
APPROVE, PAUSE, DIFF = "gitops_rollback_approve", "gitops_rollback_pause_1h", "gitops_rollback_diff"
WAITING = frozenset({"suggested"})
RUNNING = frozenset({"suggested", "started", "held", "unverified"})


def escaped(text: str) -> str:
    """Text that Slack's mrkdwn shows as it is."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def headline(message: Message) -> str:
    """The first line, which is also what a phone shows."""
    mark = MARKS.get(message.event, "🚨" if message.page else "ℹ")
    return f"{mark} {quoted(message.title)}"


def fallback(message: Message) -> str:
    """The top-level text: for notifications and screen readers."""
    return escaped(cut("\n".join([headline(message), *body_lines(message)]), FALLBACK))


def blocks(message: Message, buttons: bool = True) -> list[dict[str, object]]:
    """The whole message; `buttons` where a person may answer it."""
    found: list[dict[str, object]] = [{"type": "header", "text": _plain(cut(headline(message), HEADER))}]
    room = MOST_BLOCKS - 3
    for part in list(_sections("\n".join(body_lines(message))))[:room]:
        found.append({"type": "section", "text": _plain(part)})
    facts = " · ".join(word for word in (message.application, message.reason, message.rollback_id) if word)
    found.append({"type": "context", "elements": [_plain(cut(quoted(facts, 600), SECTION))]})
    if buttons and message.rollback_id and message.event in RUNNING:
        found.append({"type": "actions", "block_id": "gitops_rollback", "elements": _buttons(message)})
    return found


def button_value(message: Message) -> str:
    """What a click sends back: the Rollback-Id, and the head of the branch that the person saw."""
    return f"{message.rollback_id} {message.head}".strip()


def _buttons(message: Message) -> list[dict[str, object]]:
    found = [_button(PAUSE, "Pause 1 h", message), _button(DIFF, "Show diff", message)]
    if message.event in WAITING:
        found.insert(0, {**_button(APPROVE, "Approve", message), "style": "primary"})
    return found


def _button(action: str, label: str, message: Message) -> dict[str, object]:
    return {"type": "button", "action_id": action, "text": _plain(label), "value": button_value(message)}


def _plain(text: str) -> dict[str, object]:
    return {"type": "plain_text", "text": text, "emoji": False}


def _sections(text: str) -> Iterator[str]:
    """Pieces of at most 3,000 characters, parted between lines; none is empty, which Slack refuses."""
    piece = ""
    for line in text.split("\n"):
        line = cut(line, SECTION)
        if piece and len(piece) + 1 + len(line) > SECTION:
            yield piece
            piece = line
        else:
            piece = f"{piece}\n{line}" if piece else line
    if piece.strip():
        yield piece
