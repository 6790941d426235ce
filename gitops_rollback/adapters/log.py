"""The log: one JSON object a line in pods, aligned text on a terminal, and no secret in either.

Keys: ts level msg rollback_id application policy trigger reason engine repo commit phase trace_id.
Source: product.md section 4, Logs; structlog 24+ processors.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, MutableMapping
from typing import Any, TextIO

import structlog
from structlog.typing import Processor

HIDDEN = "[secret]"
SHORTEST_SECRET = 4  # a shorter one would blank out ordinary words
MAX_VALUE = 2000

_ORDER = ("ts", "level", "msg", "rollback_id", "application", "policy", "trigger", "reason", "engine", "repo", "commit")

Event = MutableMapping[str, Any]


class Redaction:
    """Knows the secrets' values and takes them out of whatever is logged. Renewed with `learn` after a reload."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: tuple[str, ...] = ()
        self.learn(secrets)

    def learn(self, secrets: Iterable[str]) -> None:
        """These are the secrets from now on, and the old ones too: an old token may still stand in some message."""
        known = {secret for secret in (*self._secrets, *secrets) if len(secret) >= SHORTEST_SECRET}
        self._secrets = tuple(sorted(known, key=lambda text: (-len(text), text)))

    def clean(self, text: str) -> str:
        """`text` without any secret."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return text

    def __call__(self, _logger: object, _name: str, event: Event) -> Event:
        return {self.clean(str(key)): self._clean(value) for key, value in event.items()}

    def _clean(self, value: object) -> object:
        if isinstance(value, str):
            return self.clean(value)[:MAX_VALUE]
        if isinstance(value, dict):
            return {self.clean(str(key)): self._clean(item) for key, item in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self._clean(item) for item in value]
        if value is None or isinstance(value, (bool, int)) or (isinstance(value, float) and math.isfinite(value)):
            return value
        return self.clean(str(value))[:MAX_VALUE]


def configure_logging(json: bool | None = None, secrets: Iterable[str] = (), file: TextIO | None = None) -> Redaction:
    """Set up logging for the process; `json` None means: text on a terminal, JSON elsewhere. Writes to stderr."""
    stream = sys.stderr if file is None else file
    redaction = Redaction(secrets)
    as_json = not stream.isatty() if json is None else json
    last: list[Processor] = [_named, _in_order, structlog.processors.JSONRenderer()] if as_json else [_named, _text]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
            structlog.processors.format_exc_info,
            redaction,
            *last,
        ],
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=False,
    )
    return redaction


def _named(_logger: object, _name: str, event: Event) -> Event:
    event["msg"] = event.pop("event", "")
    return event


def _in_order(_logger: object, _name: str, event: Event) -> Event:
    first = {key: event[key] for key in _ORDER if event.get(key) not in (None, "")}
    return {**first, **{key: value for key, value in event.items() if key not in _ORDER and value not in (None, "")}}


def _text(_logger: object, _name: str, event: Event) -> str:
    """`12:03:11  warning  message                      key=value ...`; control characters are shown, not obeyed."""
    at = str(event.pop("ts", ""))[11:19]
    level, message = str(event.pop("level", "")), str(event.pop("msg", ""))
    rest = " ".join(f"{key}={value}" for key, value in event.items() if value not in (None, ""))
    line = f"{at}  {level:<7}  {message:<60}  {rest}".rstrip()
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in line
    )
