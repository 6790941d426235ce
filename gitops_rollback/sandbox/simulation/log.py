"""What the controllers of a world write to their logs, line by line, before anything is taken out of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import structlog
from structlog.typing import Processor


@contextmanager
def listening(hear: Callable[[str], None]) -> Iterator[None]:
    """Until the end of the block each line of the product's log goes to `hear` and nowhere else.

    The filter of `adapters/log.py` is left out: it knows the secrets of the settings, and none of anybody's cluster.
    """
    kept = structlog.get_config()

    def take(_logger: object, name: str, event: MutableMapping[str, Any]) -> str:
        hear(f"{name}: {dict(event)!r}")
        raise structlog.DropEvent

    chain: list[Processor] = [structlog.contextvars.merge_contextvars, structlog.processors.format_exc_info, take]
    structlog.configure(processors=chain, cache_logger_on_first_use=False)
    try:
        yield
    finally:
        structlog.configure(**kept)
