"""A Kubernetes API on loopback as far as the product sees it, with switches for what goes wrong."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from gitops_rollback.sandbox.clock import SandboxClock
from gitops_rollback.sandbox.kubernetes.access import EVERYTHING, Access, Rule
from gitops_rollback.sandbox.kubernetes.answers import REASONS, failure
from gitops_rollback.sandbox.kubernetes.api import Api
from gitops_rollback.sandbox.kubernetes.faults import Fault, Faults, Order, Which
from gitops_rollback.sandbox.kubernetes.kinds import KINDS, Kind
from gitops_rollback.sandbox.kubernetes.server import Server, Write, refusal
from gitops_rollback.sandbox.kubernetes.store import Store

DEFAULT_BEARER = "sandbox-kubernetes-token"
DEFAULT_USER = "system:serviceaccount:gitops-rollback:gitops-rollback"
WORDS = {
    409: "Operation cannot be fulfilled: the object has been modified; please apply your changes to the latest version",
    410: "The resourceVersion for the provided watch is too old.",
    429: "The server is currently unable to handle the request: too many requests, please try again later",
    500: "Internal error occurred: sandbox",
    503: "the server is currently unable to handle the request",
    504: "Timeout: request did not complete within the allotted timeout",
}
KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: sandbox
contexts: [{{name: sandbox, context: {{cluster: sandbox, user: rollback{namespace}}}}}]
clusters: [{{name: sandbox, cluster: {{server: "{server}"}}}}]
users: [{{name: rollback, user: {{token: "{token}"}}}}]
"""


class KubernetesSandbox:
    """One API server over a store. All methods may be called from any thread.

    `store` is for the controllers of the sandbox and for tests. `kinds` is what is served; leave kinds out for a
    cluster without their CRDs. `token` may do what `rules` say (default: everything); `grant` adds others. A server
    that was away and comes back is a second one on the first one's `store` and `port`.
    """

    def __init__(
        self,
        clock: SandboxClock,
        *,
        store: Store | None = None,
        token: str = DEFAULT_BEARER,
        rules: Iterable[Rule] = EVERYTHING,
        kinds: Sequence[Kind] = KINDS,
        port: int = 0,
        bookmark_every: float = 60.0,
    ) -> None:
        self.store = store or Store(clock)
        self.token = token
        self._access = Access()
        self._access.grant(token, DEFAULT_USER, rules)
        self._faults = Faults()
        self._server = Server(port, Api(self.store, self._access, self._faults, kinds), bookmark_every)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def kubeconfig(self, server: str = "", namespace: str = "") -> str:
        """The file by which a client comes in with every right of the token; `server`: by another address."""
        return KUBECONFIG.format(
            server=server or self.url, token=self.token, namespace=f", namespace: {namespace}" if namespace else ""
        )

    @property
    def url(self) -> str:
        """The base URL, without a path."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        """The port on 127.0.0.1."""
        return int(self._server.server_address[1])

    @property
    def writes(self) -> list[Write]:
        """Every request so far that was no GET and came with a known token, refused ones included, in their order."""
        return list(self._server.writes)

    @property
    def requests(self) -> list[str]:
        """Method and path with query of the last requests, in their order."""
        return list(self._server.requests)

    @property
    def failures(self) -> list[BaseException]:
        """What went wrong inside the sandbox itself; a test asserts that this is empty."""
        return list(self._server.failures)

    @property
    def watches(self) -> int:
        """How many watches are open."""
        return self._faults.streams.count()

    def start(self) -> None:
        """Serve."""
        self._thread.start()

    def stop(self) -> None:
        """End streams and connections, and wait for the server's thread."""
        self._server.running.clear()
        self._faults.reset()
        self.store.close_subscriptions()
        self._server.end_connections()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def wait_until(self, condition: Callable[[], bool], real_seconds: float = 20.0) -> bool:
        """Wait until `condition` holds after some write to an object; False after `real_seconds`."""
        return self.store.wait_for(condition, real_seconds)

    # Who may what

    def grant(self, token: str, user: str = DEFAULT_USER, rules: Iterable[Rule] = EVERYTHING) -> None:
        """Know another token; of the same user it is a rotation."""
        self._access.grant(token, user, rules)

    def revoke(self, token: str) -> None:
        """Answer this token 401 from now on."""
        self._access.revoke(token)

    # Faults of requests; `verbs` as RBAC has them (all if none), `plural` and `name` narrow further

    def refuse(
        self, code: int, times: int | None = 1, *, retry_after: int | None = None, reason: str = "", **which: Any
    ) -> None:
        """Refuse the next such requests: 409 on a Lease, 429 with Retry-After, 410, 5xx and so on."""
        words = WORDS.get(code, REASONS.get(code, "sandbox"))
        answer = refusal(code, reason or REASONS.get(code, "InternalError"), words, retry_after)
        self._faults.add(Fault(answer=answer), Which(**which), times)

    def slow(self, seconds: float, times: int | None = None, **which: Any) -> None:
        """Let such requests wait for `seconds` of sandbox time, then answer them."""
        self._faults.add(Fault(delay=seconds), Which(**which), times)

    def silence(self, times: int | None = None, *, done: bool = False, **which: Any) -> None:
        """Never answer such requests; `done`: what they ask is done all the same."""
        self._faults.add(Fault(silent=True, done=done), Which(**which), times)

    def cut(self, times: int | None = 1, *, done: bool = False, **which: Any) -> None:
        """Close the connection instead of answering; `done`: what was asked is done all the same."""
        self._faults.add(Fault(cut=True, done=done), Which(**which), times)

    def lag(self, at: int | None = None, *, quorum: bool = False) -> None:
        """Let the cache stop at a version (default: the present): watches and lists with a resourceVersion show that.

        `quorum`: so do all other reads. Until `reset`.
        """
        self._faults.lagging_quorum = quorum
        self._faults.lagging_at = self.store.version if at is None else at

    # Faults of watches

    def hold_watches(self, held: bool) -> None:
        """Send nothing on any watch until switched off; then what happened meanwhile comes."""
        self._faults.streams.held = held
        self.store.wake()

    def mute_watches(self) -> None:
        """Let the open watches never say anything more, nor end: a connection of which only one half is left."""
        self._order(Order(mute=True))

    def cut_watches(self) -> None:
        """Break the connections of the open watches."""
        self._order(Order(cut=True))

    def end_watches(self) -> None:
        """End the open watches well, as at their timeout."""
        self._order(Order(gone=True))

    def lose_events(self, count: int, coming: int = 0) -> None:
        """Let every open watch, and the next `coming` ones, lose its next `count` events."""
        self._order(Order(lose=count), coming)

    def jump_back(self, versions: int) -> None:
        """Let every open watch send the changes of the last `versions` versions again, old objects and all."""
        self._order(Order(back=versions))

    def watch_error(self, code: int = 410, reason: str = "", message: str = "", coming: int = 0) -> None:
        """Send an ERROR event on every open watch, and on the next `coming` ones, and end it."""
        words = message or WORDS.get(code, "sandbox")
        self._order(Order(error=failure(code, words, reason)), coming)

    def expire(self) -> None:
        """Compact all history: watches from before, and pages not yet fetched, get 410."""
        self.store.compact()

    def reset(self) -> None:
        """Switch all faults off; held requests are let go unanswered."""
        self._faults.reset()
        self.store.wake()

    def _order(self, order: Order, coming: int = 0) -> None:
        self._faults.streams.order(order, coming)
        self.store.wake()
