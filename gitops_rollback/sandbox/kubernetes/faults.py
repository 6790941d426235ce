"""What is broken right now? Switches that a story or a test throws while the API server runs."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field

from gitops_rollback.sandbox.kubernetes.answers import Answer
from gitops_rollback.sandbox.rendering import Json


@dataclass(frozen=True)
class Which:
    """Which requests: verbs as RBAC has them (get, list, watch, create, update, patch, delete), a plural, a name.

    What is empty means all.
    """

    verbs: tuple[str, ...] = ()
    plural: str = ""
    name: str = ""

    def fits(self, verb: str, plural: str, name: str) -> bool:
        """Whether this is such a request."""
        return (
            (not self.verbs or verb in self.verbs)
            and self.plural in ("", plural)
            and (not self.name or self.name == name)
        )


@dataclass(frozen=True)
class Fault:
    """One way to fail: wait `delay` sandbox seconds; do what was asked only if `done`; then say `answer`, or nothing.

    `silent` holds the connection open without a word until the client gives up, `cut` closes it. With none of these
    the request is merely slow.
    """

    answer: Answer | None = None
    delay: float = 0.0
    done: bool = False
    silent: bool = False
    cut: bool = False


@dataclass(frozen=True)
class Order:
    """What an open watch shall do: send this ERROR and end, lose events, go back, fall silent for ever, be cut."""

    error: Json | None = None
    lose: int = 0
    back: int = 0
    mute: bool = False
    cut: bool = False
    gone: bool = False  # end well, as at its timeout


@dataclass
class _Rule:
    fault: Fault
    which: Which
    left: int | None  # None: until reset


@dataclass
class Streams:
    """The open watches and what they are told. Thread-safe."""

    held: bool = False  # no watch sends anything; what happened meanwhile comes when this ends
    _open: list[deque[Order]] = field(default_factory=list)
    _coming: list[tuple[int, Order]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def join(self) -> deque[Order]:
        """A watch begins: where its orders will be."""
        with self._lock:
            orders: deque[Order] = deque(order for _, order in self._coming)
            self._coming = [(left - 1, order) for left, order in self._coming if left > 1]
            self._open.append(orders)
            return orders

    def leave(self, orders: deque[Order]) -> None:
        """A watch has ended."""
        with self._lock:
            self._open = [one for one in self._open if one is not orders]

    def order(self, order: Order, coming: int = 0) -> None:
        """Tell every open watch, and the next `coming` ones when they begin."""
        with self._lock:
            for orders in self._open:
                orders.append(order)
            if coming:
                self._coming.append((coming, order))

    def count(self) -> int:
        """How many watches are open."""
        with self._lock:
            return len(self._open)

    def reset(self) -> None:
        """What comes next is well again."""
        with self._lock:
            self._coming = []
            self.held = False


class Faults:
    """The switches of the API server. Thread-safe.

    `lagging_at`: the version at which its cache has stopped; lists with a resourceVersion and watches show that state,
    and with `lagging_quorum` all reads do, as if a proxy in front had kept them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[_Rule] = []
        self.streams = Streams()
        self.lagging_at: int | None = None
        self.lagging_quorum = False
        self.over = threading.Event()  # set at a reset and at the end: what is held lets go

    def add(self, fault: Fault, which: Which, times: int | None) -> None:
        """Do this to the next `times` such requests, or to all of them (None). The first that fits is taken."""
        with self._lock:
            self._rules.append(_Rule(fault, which, times))

    def take(self, verb: str, plural: str, name: str) -> Fault | None:
        """What shall happen to one request; None: what ought to."""
        with self._lock:
            for rule in self._rules:
                if rule.which.fits(verb, plural, name):
                    if rule.left is not None:
                        rule.left -= 1
                        self._rules = [one for one in self._rules if one.left != 0]
                    return rule.fault
        return None

    def reset(self) -> None:
        """Everything works again; requests that are held are let go unanswered."""
        with self._lock:
            self._rules = []
            self.lagging_at = None
            self.lagging_quorum = False
            self.over.set()
            self.over = threading.Event()
        self.streams.reset()
