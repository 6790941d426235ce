"""A generic webhook: JSON or a CloudEvent, signed.

Source: product.md section 2 (`X-Signature` as Flux's notification-controller: `sha256=<hex>`); CloudEvents 1.0 JSON
event format, structured mode.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime

from gitops_rollback.adapters.notifiers.exchange import Exchange
from gitops_rollback.adapters.notifiers.sender import Receipt
from gitops_rollback.adapters.notifiers.texts import message_document
from gitops_rollback.core.journal import format_time
from gitops_rollback.ports import Message


class Webhook:
    """Posts each message to one URL; `secret` signs the body: `X-Signature: sha256=<hex>`."""

    folds = False

    def __init__(self, exchange: Exchange, url: str, secret: str = "", format: str = "json") -> None:
        self._exchange = exchange
        self._url = url
        self._secret = secret.encode()
        self._format = format

    def send(self, message: Message) -> Receipt:
        document = message_document(message)
        kind = "application/json"
        if self._format == "cloudevents":
            document, kind = cloud_event(message, document), "application/cloudevents+json"
        body = json.dumps(document, sort_keys=True, allow_nan=False).encode()
        return self._exchange.send(self._url, body, kind, signature(self._secret, body)).receipt

    def check(self) -> Receipt | None:
        return None

    def close(self) -> None:
        self._exchange.close()


class AuditHook(Webhook):
    """Posts the audit's line that is in the message's details, and nothing else of the message."""

    def send(self, message: Message) -> Receipt:
        body = json.dumps(dict(message.details or {}), allow_nan=False).encode()
        return self._exchange.send(self._url, body, "application/json", signature(self._secret, body)).receipt


def signature(secret: bytes, body: bytes) -> dict[str, str]:
    """The header that proves who sent this body; {} without a secret."""
    digest = hmac.new(secret, body, hashlib.sha256).hexdigest()
    return {"X-Signature": f"sha256={digest}"} if secret else {}


def cloud_event(message: Message, document: Mapping[str, object]) -> dict[str, object]:
    """The message as a CloudEvent; its id is the dedup key, so a receiver may drop repeats by (source, id)."""
    verified = message.event == "verified"
    return {
        "specversion": "1.0",
        "id": message.key or hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:32],
        "source": "/gitops-rollback",
        "type": "dev.cdevents.service.rolledback.0.2.0" if verified else f"dev.gitops-rollback.{message.event}",
        "subject": str(document["application"]),
        "time": format_time(datetime.now(UTC)),
        "datacontenttype": "application/json",
        "data": dict(document),
    }
