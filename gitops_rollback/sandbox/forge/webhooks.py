"""Sends what a forge tells its webhooks, signed as each forge signs, on a thread of its own; and loses, repeats and
reorders deliveries where it is told to.

Source: contracts/forges.md, sections 3 to 5 and 7; the recorded headers of Gitea; standardwebhooks.com.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import queue
import threading
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

from gitops_rollback.sandbox.forge.dialect import Delivery
from gitops_rollback.sandbox.forge.state import Kind

SECONDS = 10.0  # in which a receiver must answer
KEPT = 2000


@dataclass(frozen=True)
class Hook:
    """One configured webhook. `events`: the words of the forge, () for all; `key`: GitLab's signing token."""

    url: str
    secret: str = ""
    events: tuple[str, ...] = ()
    key: str = ""
    id: int = 1


@dataclass(frozen=True)
class Sent:
    """One delivery and what came back; None for a status: nobody answered, or it was lost on purpose."""

    event: str
    id: str
    headers: Mapping[str, str]
    body: bytes
    status: int | None
    kind: str = ""


@dataclass
class Trouble:
    """What happens to the next deliveries."""

    lose: int = 0
    repeat: int = 0
    hold: bool = False  # they are kept, and come in the wrong order when this ends


@dataclass(frozen=True)
class _Job:
    hook: Hook
    delivery: Delivery
    id: str
    body: bytes


@dataclass
class Webhooks:
    """All webhooks of one forge."""

    kind: Kind
    now: Callable[[], datetime]
    web_url: str = ""
    forgejo: bool = False
    hooks: list[Hook] = field(default_factory=list)
    trouble: Trouble = field(default_factory=Trouble)
    sent: deque[Sent] = field(default_factory=lambda: deque(maxlen=KEPT))

    def __post_init__(self) -> None:
        self._jobs: queue.Queue[_Job | None] = queue.Queue()
        self._held: list[_Job] = []
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._work, name="forge-webhooks", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """What is still to be sent is dropped."""
        self._jobs.put(None)
        if self._thread.is_alive():
            self._thread.join(timeout=SECONDS)

    def wait(self) -> None:
        """Until everything that was told has been sent."""
        self._jobs.join()

    def tell(self, delivery: Delivery) -> None:
        """Send it to every hook that has chosen its kind."""
        for hook in list(self.hooks):
            if not hook.events or {delivery.event, delivery.kind} & set(hook.events):
                self._put(_Job(hook, delivery, str(uuid.uuid4()), body_of(self.kind, delivery)))

    def ping(self, hook: Hook) -> None:
        """GitHub tells a new hook that it is there."""
        body = {"zen": "Keep it logically awesome.", "hook_id": hook.id, "hook": {"type": "Repository", "id": hook.id}}
        self._put(_Job(hook, Delivery("ping", body), str(uuid.uuid4()), json.dumps(body).encode()))

    def redeliver(self, sent: Sent) -> None:
        """Somebody presses "redeliver": the same id again."""
        for hook in self.hooks:
            self._put(_Job(hook, Delivery(sent.event, {}, sent.kind), sent.id, sent.body))

    def let_go(self) -> None:
        """What was held comes now, the newest first."""
        with self._lock:
            held, self._held = self._held[::-1], []
            self.trouble.hold = False
        for job in held:
            self._jobs.put(job)

    def _put(self, job: _Job) -> None:
        with self._lock:
            if self.trouble.lose > 0:
                self.trouble.lose -= 1
                self.sent.append(Sent(job.delivery.event, job.id, {}, job.body, None))
                return
            if self.trouble.hold:
                self._held.append(job)
                return
            times = 2 if self.trouble.repeat > 0 else 1
            self.trouble.repeat = max(0, self.trouble.repeat - 1)
        for _ in range(times):
            self._jobs.put(job)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            headers = self._headers(job)
            status = _post(job.hook.url, headers, job.body)
            self.sent.append(Sent(job.delivery.event, job.id, headers, job.body, status, job.delivery.kind))
            self._jobs.task_done()
        self._jobs.task_done()

    def _headers(self, job: _Job) -> dict[str, str]:
        headers = {"Content-Type": "application/json", **job.delivery.headers}
        if self.kind is Kind.GITHUB:
            return headers | _github(job)
        if self.kind is Kind.GITLAB:
            return headers | _gitlab(job, int(self.now().timestamp()), self.web_url)
        return headers | _gitea(job, self.forgejo)


def body_of(kind: Kind, delivery: Delivery) -> bytes:
    """The raw body: Gitea writes it for people, and as Go writes JSON."""
    if kind is not Kind.GITEA:
        return json.dumps(delivery.body, separators=(",", ":"), ensure_ascii=False).encode()
    text = json.dumps(delivery.body, indent=2, ensure_ascii=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026").encode()


def digest(secret: str, body: bytes) -> str:
    """The hex HMAC-SHA256 of a body."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def standard_signature(key: str, ident: str, at: int, body: bytes) -> str:
    """The signature of Standard Webhooks; `key` is `whsec_` and base64."""
    raw = base64.b64decode(key.removeprefix("whsec_"))
    signed = hmac.new(raw, b"%s.%d.%s" % (ident.encode(), at, body), hashlib.sha256).digest()
    return f"v1,{base64.b64encode(signed).decode()}"


def _github(job: _Job) -> dict[str, str]:
    signed = {"X-Hub-Signature-256": f"sha256={digest(job.hook.secret, job.body)}"} if job.hook.secret else {}
    return {
        "User-Agent": "GitHub-Hookshot/1a2b3c4",
        "Accept": "*/*",
        "X-GitHub-Event": job.delivery.event,
        "X-GitHub-Delivery": job.id,
        "X-GitHub-Hook-ID": str(job.hook.id),
        "X-GitHub-Hook-Installation-Target-Type": "repository",
        "X-GitHub-Hook-Installation-Target-ID": "1",
        **signed,
    }


def _gitlab(job: _Job, at: int, web_url: str) -> dict[str, str]:
    headers = {
        "User-Agent": "GitLab/18.6.0",
        "X-Gitlab-Event": job.delivery.event,
        "X-Gitlab-Event-UUID": job.id,
        "X-Gitlab-Webhook-UUID": str(uuid.uuid5(uuid.NAMESPACE_URL, job.hook.url)),
        "X-Gitlab-Instance": web_url,
        "Idempotency-Key": job.id,
    }
    if job.hook.secret:
        headers["X-Gitlab-Token"] = job.hook.secret
    if job.hook.key:
        signature = standard_signature(job.hook.key, job.id, at, job.body)
        headers |= {"webhook-id": job.id, "webhook-timestamp": str(at), "webhook-signature": signature}
    return headers


def _gitea(job: _Job, forgejo: bool) -> dict[str, str]:
    """One event under all its names; without a secret the digests are there, and empty."""
    secret = job.hook.secret
    whole = digest(secret, job.body) if secret else ""
    old = hmac.new(secret.encode(), job.body, hashlib.sha1).hexdigest() if secret else ""
    headers = {"User-Agent": "Go-http-client/1.1"}
    names = ("GitHub", "Gitea", "Gogs", *(("Forgejo",) if forgejo else ()))
    for name in names:
        headers |= {f"X-{name}-Delivery": job.id, f"X-{name}-Event": job.delivery.event}
        headers[f"X-{name}-Event-Type"] = job.delivery.kind
    for name in ("GitHub", "Gitea"):
        headers[f"X-{name}-Hook-Installation-Target-Type"] = "repository"
    headers |= {f"X-{name}-Signature": whole for name in names if name != "GitHub"}
    return headers | {"X-Hub-Signature": f"sha1={old}", "X-Hub-Signature-256": f"sha256={whole}"}


def _post(url: str, headers: Mapping[str, str], body: bytes) -> int | None:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port or 80, timeout=SECONDS)
    try:
        connection.request("POST", f"{parts.path}?{parts.query}" if parts.query else parts.path, body, dict(headers))
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
