"""People are told by the product's own fan-out: a receiver that fails must not keep the message from the others."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import structlog

from gitops_rollback.adapters.notifiers.fanout import Fanout
from gitops_rollback.ports import Message, Notifier


class Chat:
    """A receiver beside the one that counts. Against its contract it fails now and then, `often` of 1."""

    def __init__(self, often: float, random: Random) -> None:
        self._often = often
        self._random = random

    def tell(self, message: Message) -> None:
        """Raises: ConnectionError, by chance."""
        if self._random.random() < self._often:
            raise ConnectionError("the chat does not answer")


class QuietFanout(Fanout):
    """The fan-out, whose log goes nowhere: a world tells its own story."""

    def __init__(self, notifiers: Sequence[Notifier]) -> None:
        super().__init__(notifiers)
        self._log = structlog.wrap_logger(structlog.ReturnLogger(), processors=[])
