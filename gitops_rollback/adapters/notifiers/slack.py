"""Slack, as a bot: one thread for each rollback, whose first message is edited to how things are.

A later message of a rollback is a reply in its thread. Nothing is kept on disk: the first message carries as metadata
which rollback it is about and which messages the thread holds, so a process that starts anew reads the channel's last
messages once, goes on in the old thread, and says nothing again. That takes `channels:history` (or `groups:history`),
and `channels:read` where the channel is given by its name; without them a new thread is begun after a restart.
Source: docs.slack.dev, chat.postMessage, chat.update, conversations.history, conversations.list, auth.test, Message
metadata, Rate limits (429 with Retry-After, or `ok: false` with `ratelimited`; HTTP 200 says nothing by itself).
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

import structlog

from gitops_rollback.adapters.notifiers.exchange import Answered, Exchange
from gitops_rollback.adapters.notifiers.sender import Outcome, Receipt
from gitops_rollback.adapters.notifiers.slack_blocks import blocks, fallback
from gitops_rollback.core.errors import Reason, TransientError
from gitops_rollback.ports import Message

API = "https://slack.com/api"
FORM = "application/x-www-form-urlencoded"
EVENT_TYPE = "gitops_rollback"
CHANNEL_ID = re.compile(r"[CDG][A-Z0-9]{6,}")
READ_BACK = 200  # messages of the channel that are read once after a start
PAGES_OF_CHANNELS = 10
THREADS = 500  # that are remembered
KEYS = 40  # of one thread, in its metadata
HELPS_TO_WAIT = frozenset(
    {"ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"}
)


@dataclass
class _Thread:
    """The first message of a rollback, and the marks of the messages that the thread holds."""

    channel: str
    ts: str
    marks: list[str] = field(default_factory=list)


class Slack:
    """One channel. `exchange` bears the bot's token; `api` is where Slack's methods are."""

    folds = True

    def __init__(self, exchange: Exchange, channel: str, api: str = API) -> None:
        self._exchange = exchange
        self._channel = channel
        self._api = api.rstrip("/")
        self._threads: OrderedDict[str, _Thread] = OrderedDict()
        self._recalled = False
        self._log = structlog.get_logger("notify")

    def send(self, message: Message) -> Receipt:
        self._recall()
        about, mark = _about(message), _mark(message.key)
        thread = self._threads.get(about)
        if thread is None:
            return self._begin(message, about, mark)
        if mark not in thread.marks:
            reply = self._call("chat.postMessage", self._body(message, thread.channel, thread_ts=thread.ts))
            receipt = _receipt(reply)
            if receipt.outcome is not Outcome.DELIVERED:
                return self._lost(about, message, mark) if _gone(reply) else receipt
            thread.marks = [*thread.marks, mark][-KEYS:]
        return self._edit(message, thread, about)

    def check(self) -> Receipt | None:
        """Whose token it is; sends nothing."""
        found = self._call("auth.test", {})
        receipt = _receipt(found)
        if receipt.outcome is not Outcome.DELIVERED:
            return receipt
        return Receipt(
            Outcome.DELIVERED, f"the token is {found.document.get('user')}'s at {found.document.get('team')}"
        )

    def close(self) -> None:
        self._exchange.close()

    def _begin(self, message: Message, about: str, mark: str) -> Receipt:
        body = self._body(message, self._channel)
        posted = self._call("chat.postMessage", {**body, "metadata": _metadata(about, [mark])})
        receipt = _receipt(posted)
        channel, ts = posted.document.get("channel"), posted.document.get("ts")
        if receipt.outcome is Outcome.DELIVERED and isinstance(channel, str) and isinstance(ts, str):
            self._keep(about, _Thread(channel, ts, [mark]))
        return receipt

    def _edit(self, message: Message, thread: _Thread, about: str) -> Receipt:
        body = self._body(message, thread.channel, ts=thread.ts)
        edited = self._call("chat.update", {**body, "metadata": _metadata(about, thread.marks)})
        # The message itself is in the thread: one that is only too old to edit is told all the same.
        return _receipt(edited) if _later(edited) else Receipt(Outcome.DELIVERED, _receipt(edited).said)

    def _lost(self, about: str, message: Message, mark: str) -> Receipt:
        """Somebody deleted the thread: a new one is begun."""
        self._threads.pop(about, None)
        return self._begin(message, about, mark)

    def _body(self, message: Message, channel: str, **more: str) -> dict[str, object]:
        return {
            "channel": channel,
            "text": fallback(message),
            "blocks": blocks(message),
            "parse": "none",
            "link_names": False,
            "unfurl_links": False,
            "unfurl_media": False,
            **more,
        }

    def _keep(self, about: str, thread: _Thread) -> None:
        self._threads[about] = thread
        self._threads.move_to_end(about)
        while len(self._threads) > THREADS:
            self._threads.popitem(last=False)

    def _recall(self) -> None:
        """Once: which threads the channel's last messages began. Without the right to read them, none."""
        if self._recalled:
            return
        channel = self._channel if CHANNEL_ID.fullmatch(self._channel) else self._found(self._channel.lstrip("#"))
        if channel:
            words = {"channel": channel, "limit": str(READ_BACK), "include_all_metadata": "true"}
            found = self._call("conversations.history", words)
            self._raise_if_later(found)
            self._said_once(found)
            for row in reversed(_rows(found, "messages")):
                self._recall_one(channel, row)
        self._recalled = True

    def _recall_one(self, channel: str, row: Mapping[str, object]) -> None:
        metadata, ts = row.get("metadata"), row.get("ts")
        if not isinstance(metadata, dict) or metadata.get("event_type") != EVENT_TYPE or not isinstance(ts, str):
            return
        payload = metadata.get("event_payload")
        about = payload.get("about") if isinstance(payload, dict) else None
        if isinstance(payload, dict) and isinstance(about, str) and row.get("thread_ts", ts) == ts:
            marks = payload.get("marks")
            kept = [str(mark) for mark in marks] if isinstance(marks, list) else []
            self._keep(about, _Thread(channel, ts, kept[-KEYS:]))

    def _found(self, name: str) -> str:
        """The id of the channel with this name; "" if it cannot be known."""
        cursor = ""
        for _ in range(PAGES_OF_CHANNELS):
            words = {"limit": "1000", "exclude_archived": "true", "types": "public_channel,private_channel"}
            found = self._call("conversations.list", {**words, "cursor": cursor} if cursor else words)
            self._raise_if_later(found)
            self._said_once(found)
            for row in _rows(found, "channels"):
                if row.get("name") == name:
                    return str(row.get("id", ""))
            more = found.document.get("response_metadata")
            cursor = str(more.get("next_cursor", "")) if isinstance(more, dict) else ""
            if not cursor:
                break
        return ""

    def _said_once(self, found: Answered) -> None:
        if found.document.get("ok") is not True:
            self._log.warning("Cannot read back what was told in Slack; threads begin anew", why=_receipt(found).said)

    def _raise_if_later(self, found: Answered) -> None:
        if _later(found):
            raise SlackBusy("slack", _receipt(found).said)

    def _call(self, method: str, words: Mapping[str, object]) -> Answered:
        """Methods that read take forms only, those that write take JSON."""
        url = f"{self._api}/{method}"
        if method.startswith("chat."):
            return self._exchange.post(url, words)
        return self._exchange.send(url, urlencode({key: str(value) for key, value in words.items()}).encode(), FORM)


class SlackBusy(TransientError):
    """Slack asks for patience before anything was sent."""

    reason = Reason.REMOTE_UNAVAILABLE


def _about(message: Message) -> str:
    """What the thread is about: the rollback; without one, the topic, or the message alone."""
    return message.rollback_id or message.topic or message.key


def _mark(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:12]


def _metadata(about: str, marks: list[str]) -> dict[str, object]:
    return {"event_type": EVENT_TYPE, "event_payload": {"about": about, "marks": list(marks)}}


def _rows(found: Answered, key: str) -> list[Mapping[str, object]]:
    rows = found.document.get(key)
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _later(found: Answered) -> bool:
    return _receipt(found).outcome is Outcome.LATER


def _gone(found: Answered) -> bool:
    return found.document.get("error") in ("thread_not_found", "message_not_found")


def _receipt(found: Answered) -> Receipt:
    """Slack answers 200 with `ok: false`; its `error` is a word of theirs, never a secret."""
    receipt = found.receipt
    if receipt.outcome is not Outcome.DELIVERED:
        return receipt
    if found.document.get("ok") is True:
        return Receipt(Outcome.DELIVERED, "ok")
    error = str(found.document.get("error", "no JSON"))[:60]
    needed = found.document.get("needed")
    said = f"answered {error}" + (f", needs the scope {str(needed)[:60]}" if needed else "")
    outcome = Outcome.LATER if error in HELPS_TO_WAIT else Outcome.REFUSED
    return Receipt(outcome, said, found.wait_seconds)
