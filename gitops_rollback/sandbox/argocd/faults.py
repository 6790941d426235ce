"""What is broken right now? Switches that a story or a test throws while the server runs."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from gitops_rollback.sandbox.argocd.answers import HTML, Answer

LOGIN_PAGE = b"<!DOCTYPE html><html><head><title>Log in</title></head><body>Single sign-on</body></html>\n"
WEB_PAGE = b"<!doctype html><html lang=en><head><title>Argo CD</title></head><body><div id=app></div></body></html>\n"


@dataclass
class _Forced:
    answer: Answer
    left: int | None  # None: until reset


class Faults:
    """The switches of the HTTP layer. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._forced: _Forced | None = None
        self._login = False

    def force(self, answer: Answer, times: int | None) -> None:
        """Give this answer to the next `times` requests, or to all (None)."""
        with self._lock:
            self._forced = _Forced(answer, times)

    def login_page(self, shown: bool) -> None:
        """Answer every request with a proxy's login page and 200."""
        with self._lock:
            self._login = shown

    def reset(self) -> None:
        """Everything works again."""
        with self._lock:
            self._forced = None
            self._login = False

    def next_answer(self) -> Answer | None:
        """The forced answer to one request; None: answer truly."""
        with self._lock:
            if self._login:
                return Answer(200, LOGIN_PAGE, HTML)
            if self._forced is None:
                return None
            answer = self._forced.answer
            if self._forced.left is not None:
                self._forced.left -= 1
                if self._forced.left <= 0:
                    self._forced = None
            return answer
