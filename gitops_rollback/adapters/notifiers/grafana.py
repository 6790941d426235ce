"""Grafana: one region for each rollback, from the bad sync to the recovery, on every dashboard that shows its tag.

The region is made when the rollback begins and its end is set when it ends. It is found again by its tags, which hold
the Rollback-Id, so nothing need be remembered, and a message told twice changes the same region.
Source: grafana.com, Annotations HTTP API: `GET`, `POST /api/annotations`, `PATCH /api/annotations/:id`; `time` and
`timeEnd` in milliseconds; all tags of a search must match.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from urllib.parse import urlencode

from gitops_rollback.adapters.notifiers.exchange import Answered, Exchange
from gitops_rollback.adapters.notifiers.sender import Outcome, Receipt
from gitops_rollback.adapters.notifiers.texts import quoted
from gitops_rollback.core.journal import parse_time
from gitops_rollback.ports import Message

OWN_TAG = "gitops-rollback"
BEGINS = ("deployed", "fired", "decided")
ENDS = ("verified", "synced", "pushed", "decided")


class Grafana:
    """One Grafana. `exchange` bears the token of a service account that may write annotations."""

    folds = False

    def __init__(self, exchange: Exchange, url: str, tags: Sequence[str] = ()) -> None:
        self._exchange = exchange
        self._url = url.rstrip("/")
        self._tags = tuple(tags)

    def send(self, message: Message) -> Receipt:
        times = (message.details or {}).get("times")
        begin = _time(times, BEGINS) if isinstance(times, Mapping) else None
        if not message.rollback_id or begin is None or not isinstance(times, Mapping):
            return Receipt(Outcome.DELIVERED, "nothing to mark there")  # what is no rollback has no beginning and end
        end = max(begin, _time(times, ENDS) or begin)
        found = self._exchange.get(f"{self._url}/api/annotations?{urlencode(self._search(message))}")
        if found.receipt.outcome is not Outcome.DELIVERED:
            return found.receipt
        number = _number(found)
        text = f"{quoted(message.title)}<br>{quoted(message.reason)}" if message.reason else quoted(message.title)
        region = {"time": begin, "timeEnd": end, "tags": [*self._marks(message), *self._about(message)], "text": text}
        if number is None:
            return self._exchange.post(f"{self._url}/api/annotations", region).receipt
        return self._exchange.post(f"{self._url}/api/annotations/{number}", region, "PATCH").receipt

    def check(self) -> Receipt | None:
        """Whether the token may read annotations; writes none."""
        return self._exchange.get(f"{self._url}/api/annotations?{urlencode({'tags': OWN_TAG, 'limit': 1})}").receipt

    def close(self) -> None:
        self._exchange.close()

    def _marks(self, message: Message) -> list[str]:
        return [OWN_TAG, message.rollback_id]

    def _search(self, message: Message) -> list[tuple[str, str]]:
        return [*(("tags", tag) for tag in self._marks(message)), ("type", "annotation"), ("limit", "1")]

    def _about(self, message: Message) -> list[str]:
        name = "/".join(message.application.split("/")[-2:])
        return list(dict.fromkeys([quoted(name), message.event, *(quoted(tag) for tag in self._tags)]))


def _time(times: Mapping[str, object], names: Iterable[str]) -> int | None:
    """Milliseconds of the first of these that is known."""
    for name in names:
        value = times.get(name)
        try:
            at = value if isinstance(value, datetime) else parse_time(str(value)) if value else None
        except ValueError:
            at = None
        if at is not None:
            return int(at.timestamp() * 1000)
    return None


def _number(found: Answered) -> int | None:
    first = found.rows[0] if found.rows else None
    number = first.get("id") if isinstance(first, dict) else None
    return number if isinstance(number, int) else None
