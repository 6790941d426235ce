"""PagerDuty, Events API v2: one incident for each application, resolved by itself; a change event for each rollback.

A page triggers with the application (or the topic) as its dedup key, so repeats and later pages are one incident. A
verified rollback, or the end of a topic, resolves. A message that is neither is not sent: nobody is woken by it.
Source: developer.pagerduty.com, Events API v2: `/v2/enqueue`, `/v2/change/enqueue`; 202 accepted, 400 not usable, 429
over the limit; dedup_key at most 255, summary 1,024 characters.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping

from gitops_rollback.adapters.notifiers.exchange import Answered, Exchange
from gitops_rollback.adapters.notifiers.sender import Outcome, Receipt
from gitops_rollback.adapters.notifiers.texts import body_lines, cut, quoted
from gitops_rollback.core.journal import plain
from gitops_rollback.ports import Message

API = "https://events.pagerduty.com"
SUMMARY = 1024
DEDUP_KEY = 255
MOST_APPLICATIONS = 50  # of one rollback, whose incidents are resolved
STORMS = 100  # incidents about many applications that are remembered
CLIENT = "gitops-rollback"


class PagerDuty:
    """One service; `routing_key` is that of its Events API v2 integration."""

    folds = True

    def __init__(self, exchange: Exchange, routing_key: str, api: str = API) -> None:
        self._exchange = exchange
        self._key = routing_key
        self._api = api.rstrip("/")
        self._storms: OrderedDict[str, set[str]] = OrderedDict()

    def send(self, message: Message) -> Receipt:
        receipt = Receipt(Outcome.DELIVERED, "nothing to say there")
        for path, event in self._events(message):
            receipt = _receipt(self._exchange.post(f"{self._api}{path}", {"routing_key": self._key, **event}))
            if receipt.outcome is not Outcome.DELIVERED:
                return receipt
        for topic in [topic for topic, left in self._storms.items() if not left]:
            del self._storms[topic]
        return receipt

    def check(self) -> Receipt | None:
        return None

    def close(self) -> None:
        self._exchange.close()

    def _events(self, message: Message) -> Iterator[tuple[str, Mapping[str, object]]]:
        """Each may be sent again: they are known by their dedup keys, and a second change event only tells twice."""
        if message.event == "started":
            yield "/v2/change/enqueue", {"payload": _change(message)}
        if message.event == "verified" or message.over:
            for about in self._ended(message):
                yield "/v2/enqueue", {"event_action": "resolve", "dedup_key": about}
        elif message.page:
            self._note_storm(message)
            about = _dedup_key(message.topic or message.application)
            trigger = {"event_action": "trigger", "dedup_key": about, "client": CLIENT, "payload": _payload(message)}
            yield "/v2/enqueue", trigger

    def _ended(self, message: Message) -> list[str]:
        """The dedup keys that this resolves: of its applications, and of what was about many once all are well."""
        if message.topic:
            return [_dedup_key(message.topic)]
        named = (message.details or {}).get("applications")
        names = [str(name) for name in named] if isinstance(named, list | tuple) else []
        applications = list(dict.fromkeys([message.application, *names]))[:MOST_APPLICATIONS]
        found = [_dedup_key(name) for name in applications]
        for left in self._storms.values():
            left.difference_update(applications)
        return found + [_dedup_key(topic) for topic, left in self._storms.items() if not left]

    def _note_storm(self, message: Message) -> None:
        rows = (message.details or {}).get("messages")
        if message.event == "folded" and isinstance(rows, list):
            pages = {str(row.get("application")) for row in rows if isinstance(row, dict) and row.get("page")}
            self._storms[message.topic] = pages
            while len(self._storms) > STORMS:
                self._storms.popitem(last=False)


def _payload(message: Message) -> dict[str, object]:
    return {
        "summary": cut(quoted(message.title, SUMMARY), SUMMARY),
        "source": quoted(message.application),
        "severity": "critical",
        "component": quoted(message.application),
        "class": message.reason,
        "custom_details": {
            "what": "\n".join(body_lines(message)),
            "event": message.event,
            "rollbackId": message.rollback_id,
            "key": message.key,
        },
    }


def _change(message: Message) -> dict[str, object]:
    details = message.details or {}
    told = {name: quoted(str(plain(details[name]))) for name in ("commit", "reverts", "restores") if name in details}
    return {
        "summary": cut(quoted(message.title, SUMMARY), SUMMARY),
        "source": quoted(message.application),
        "custom_details": {"rollbackId": message.rollback_id, "reason": message.reason, **told},
    }


def _dedup_key(about: str) -> str:
    """Short enough, and still of this one thing alone."""
    if len(about) <= DEDUP_KEY:
        return about
    return f"{about[: DEDUP_KEY - 17]}~{hashlib.sha256(about.encode()).hexdigest()[:16]}"


def _receipt(answered: Answered) -> Receipt:
    """The status decides; a no says in its `errors` what it is about, which may quote us and is cut."""
    receipt = answered.receipt
    errors = answered.document.get("errors")
    if receipt.outcome is Outcome.REFUSED and isinstance(errors, list) and errors:
        return Receipt(Outcome.REFUSED, f"{receipt.said}: {quoted(str(errors[0]), 120)}")
    return receipt
