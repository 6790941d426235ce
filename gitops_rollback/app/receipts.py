"""What was asked on the dashboard, and what became of it; in memory, for whoever asked. The journal keeps the rest."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field, replace

from gitops_rollback.core.plan import GuardAnswer
from gitops_rollback.core.press import PagePress

MOST_KEPT = 500


@dataclass(frozen=True)
class ShownPlan:
    """A plan to be looked at before it is asked for. `digest` names it, `head` is the branch's that it was made for.

    `where`: how it would land, in words.
    """

    digest: str
    head: str
    diff: str
    guards: tuple[GuardAnswer, ...]
    where: str


@dataclass(frozen=True)
class Receipt:
    """One press. `words` "" : no look has taken it yet."""

    press: PagePress
    words: str = ""
    done: bool = False
    plan: ShownPlan | None = None


@dataclass
class Receipts:
    """Thread-safe; the oldest give way."""

    _lock: threading.Lock = field(default_factory=threading.Lock)
    _kept: OrderedDict[str, Receipt] = field(default_factory=OrderedDict)
    _version: int = 0

    @property
    def version(self) -> int:
        """Another number after each answer."""
        return self._version

    def ask(self, press: PagePress) -> bool:
        """False where the same form was sent before: it is one press."""
        with self._lock:
            if press.id in self._kept:
                return False
            self._kept[press.id] = Receipt(press)
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
            return True

    def answer(self, press: PagePress, words: str, done: bool, plan: ShownPlan | None = None) -> None:
        """Say what became of it."""
        with self._lock:
            if press.id in self._kept:
                self._kept[press.id] = replace(self._kept[press.id], words=words, done=done, plan=plan)
                self._version += 1

    def of(self, identity: str, login: str) -> Receipt | None:
        """What `login` asked for; nobody else's."""
        with self._lock:
            found = self._kept.get(identity)
        return found if found is not None and found.press.login == login else None
