"""Where does a controller die? At a port call of chance: before it, or once it has done its work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar, cast

Port = TypeVar("Port")
NOT_CALLS = ("exclusive", "close", "watch")  # who leaves these must not stumble


class Dead(BaseException):
    """The process is gone: nothing in the product may catch this."""


@dataclass
class Fate:
    """Counts port calls; `after` so many from now the process dies, `late` once that call has done its work."""

    left: int = 0
    late: bool = False

    def arm(self, calls: int, late: bool) -> None:
        """Die at that call."""
        self.left, self.late = calls, late

    def call(self, act: Callable[[], Any]) -> Any:
        """One port call."""
        dies = self.left == 1
        self.left = max(0, self.left - 1)
        if dies and not self.late:
            raise Dead
        answer = act()
        if dies:
            raise Dead
        return answer


def mortal(port: Port, fate: Fate) -> Port:
    """The same port, whose every call is one that the process may not survive."""
    return cast(Port, _Mortal(port, fate))


class _Mortal:
    def __init__(self, port: object, fate: Fate) -> None:
        self._port = port
        self._fate = fate

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if not callable(found) or name in NOT_CALLS:
            return found

        @wraps(found)
        def called(*words: Any, **named: Any) -> Any:
            return self._fate.call(lambda: found(*words, **named))

        return called
