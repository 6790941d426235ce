"""What is broken right now at the forge? Switches that a story or a test throws while it serves.

Source: contracts/forges.md, sections 3 to 5 (the headers of each limit) and 11 (the knobs).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from gitops_rollback.sandbox.git_door import Page


@dataclass(frozen=True)
class Fault:
    """One way to fail. `status` None with `cut`: the connection ends without a word.

    `after`: once the forge has done what was asked for; `delay` seconds pass before either. A fault with neither a
    status nor `cut` is merely slow.
    """

    status: int | None = None
    body: str = '{"message": "Server Error"}'
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    after: bool = False
    cut: bool = False


@dataclass
class _Rule:
    fault: Fault
    method: str
    path: str
    left: int | None


class Faults:
    """The switches of the API. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[_Rule] = []
        self.over = threading.Event()

    def add(self, fault: Fault, method: str = "", path: str = "", times: int | None = 1) -> None:
        """Do this to the next `times` requests of a method whose path holds `path`; "" is any, None for ever."""
        with self._lock:
            self._rules.append(_Rule(fault, method, path, times))

    def take(self, page: Page) -> Fault | None:
        """What happens to one request."""
        with self._lock:
            for rule in self._rules:
                if rule.method in ("", page.method) and rule.path in page.path:
                    if rule.left is not None:
                        rule.left -= 1
                        self._rules = [one for one in self._rules if one.left != 0]
                    return rule.fault
        return None

    def reset(self) -> None:
        """Everything works again; what waits is let go."""
        with self._lock:
            self._rules = []
            self.over.set()
            self.over = threading.Event()


def lost_answer(delay: float = 0.0) -> Fault:
    """The forge has done it, and its answer never arrives."""
    return Fault(None, delay=delay, after=True, cut=True)


def down(status: int = 503) -> Fault:
    """A proxy in front says that there is nobody."""
    return Fault(status, f"<html><body><h1>{status}</h1></body></html>", {"Content-Type": "text/html"})


def github_primary_limit(reset: int, status: int = 403) -> Fault:
    """The quota of the hour is used up until `reset` (unix seconds)."""
    headers = {"x-ratelimit-limit": "5000", "x-ratelimit-remaining": "0", "x-ratelimit-used": "5000"}
    headers |= {"x-ratelimit-reset": str(reset), "x-ratelimit-resource": "core"}
    return Fault(status, '{"message":"API rate limit exceeded for user ID 4."}', headers)


def github_secondary_limit(retry_after: int | None = 60, status: int = 403) -> Fault:
    """Too much at once; without `retry_after` it does not say how long."""
    body = '{"message":"You have exceeded a secondary rate limit. Please wait a few minutes before you try again."}'
    headers = {"x-ratelimit-limit": "5000", "x-ratelimit-remaining": "4990"}
    return Fault(status, body, headers | ({"retry-after": str(retry_after)} if retry_after is not None else {}))


def gitlab_limit(retry_after: int, reset: int) -> Fault:
    """429 with `Retry-After` and the RateLimit headers."""
    headers = {"Retry-After": str(retry_after), "RateLimit-Limit": "2000", "RateLimit-Observed": "2001"}
    headers |= {
        "RateLimit-Remaining": "0",
        "RateLimit-Reset": str(reset),
        "RateLimit-Name": "throttle_authenticated_api",
    }
    return Fault(429, "Retry later\n", {"Content-Type": "text/plain", **headers})


def proxy_limit(retry_after: int | None = None) -> Fault:
    """429 of a proxy before a forge that has no limits of its own."""
    headers = {"Content-Type": "text/html"} | ({"Retry-After": str(retry_after)} if retry_after is not None else {})
    return Fault(429, "<html><body><h1>429 Too Many Requests</h1></body></html>", headers)
