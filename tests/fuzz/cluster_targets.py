"""Targets of what clusters, registries and senders of webhooks write: as in `targets`, which lists them."""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from http.client import HTTPException, parse_headers
from io import BytesIO
from typing import Any

import httpx
from prometheus_client import CollectorRegistry, Counter
from refusing import refusal

from gitops_rollback.adapters.engines.flux_past import NoPast
from gitops_rollback.adapters.engines.flux_world import (
    APPLIERS,
    HELM_CHARTS,
    IMAGE_POLICIES,
    IMAGE_WRITERS,
    KUSTOMIZATIONS,
    SOURCE_RESOURCES,
    States,
    needed,
    read_world,
)
from gitops_rollback.adapters.http import Http, HttpAnswer
from gitops_rollback.adapters.json_node import load
from gitops_rollback.adapters.kubernetes.answer import Answer
from gitops_rollback.adapters.kubernetes.applied import wanted
from gitops_rollback.adapters.kubernetes.cache import Cache
from gitops_rollback.adapters.kubernetes.client import Kubernetes
from gitops_rollback.adapters.kubernetes.lease import read_record
from gitops_rollback.adapters.kubernetes.members import read_members
from gitops_rollback.adapters.kubernetes.settings import KubernetesSettings
from gitops_rollback.adapters.kubernetes.wire import Call, Sent
from gitops_rollback.adapters.origins import OriginRules
from gitops_rollback.adapters.registry import RegistrySettings, Told, look_up_by
from gitops_rollback.core.convergence import blocked_by, converged, failed_fast
from gitops_rollback.core.deployments import deployments, distinct, watched
from gitops_rollback.core.errors import RollbackError
from gitops_rollback.core.fields import Unclear
from gitops_rollback.core.images import Found, Kept
from gitops_rollback.core.new_pods import WorkloadFacts
from gitops_rollback.core.pod_trouble import Symptom, judge_pods
from gitops_rollback.core.sync import ApplicationState
from gitops_rollback.core.workloads import rollout_status
from gitops_rollback.web.hooks import Door, Hooks

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SHA = "c" * 40
STATUSES = (200, 200, 200, 401, 403, 404, 404, 409, 410, 422, 429, 500)
RESOURCES = {
    **APPLIERS,
    **SOURCE_RESOURCES,
    "HelmChart": HELM_CHARTS,
    "ImageUpdateAutomation": IMAGE_WRITERS,
    "ImagePolicy": IMAGE_POLICIES,
}
TOKEN, PATH = "a-token-that-flux-knows", "/hooks/flux/fleet"
DELIVERIES = Counter("fuzzed_deliveries", "x", ["kind", "name", "result"], registry=CollectorRegistry())
PASSWORD, REGISTRY = "hunter2", "https://registry.example"
KEPT = Kept("registry.example", "shop/web", "1.41.2")
Json = dict[str, Any]


def _read(data: bytes) -> object:
    try:
        return load(data)
    except ValueError:
        return None


def _objects(value: object) -> list[Json]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def flux(data: bytes) -> None:
    """A list of objects of any kind is a world; of each application in it all questions can be asked, twice."""
    found = _objects(_read(data))
    listed = {resource: [one for one in found if one.get("kind") == kind] for kind, resource in RESOURCES.items()}
    world = read_world(listed)
    before = States("flux", world, {}, NOW, NoPast())
    first = before.all()
    after = States("flux", world, before.memories, NOW + MINUTE, NoPast())
    assert [one.id for one in after.all()] == [one.id for one in first]
    for state in first:
        _ask_all(state)
        assert after.one(state.id) is not None
        needed(world, state.id)
        world.depends_on((state.id.namespace, state.id.name))


def _ask_all(state: ApplicationState) -> None:
    str(state.id).encode()
    watched(state, NOW, 30 * MINUTE, records=distinct(deployments(state)))
    done, why = converged(state, lambda revision: bool(revision), NOW - MINUTE)
    assert done != bool(why)
    assert not (done and state.malformed)
    blocked_by(state, ["", SHA])
    failed_fast(state, lambda revision: bool(revision), NOW - MINUTE)
    assert all(one.message for one in state.obstacles)


class CannedWire:
    """A Kubernetes API that answers every request with the same bytes."""

    subject = "Kubernetes"

    def __init__(self, status: int, body: bytes) -> None:
        self._status, self._body = status, body

    def send(self, sent: Sent, seconds: float) -> Answer:
        """As in `wire.Wire`."""
        del sent, seconds
        return Answer(self.subject, self._status, {"content-type": "application/json"}, self._body, PASSWORD)

    @contextmanager
    def stream(self, sent: Sent, call: Call) -> Iterator[Iterator[bytes]]:
        """As in `wire.Wire`, in pieces that end anywhere."""
        del sent, call
        yield (self._body[at : at + 97] for at in range(0, len(self._body), 97))

    def close(self) -> None:
        """As in `wire.Wire`."""


def kubernetes(data: bytes) -> None:
    """An answer of the API, as a list, an object and a watch: what is no such thing is refused, and no secret told."""
    status = STATUSES[data[0] % len(STATUSES)] if data else 200
    client = Kubernetes(CannedWire(status, data[1:]), "shop", KubernetesSettings(max_objects=100))
    cache = Cache("Kubernetes", 50)

    def listed() -> None:
        cache.replace(client.list_objects(KUSTOMIZATIONS))

    def watched_for() -> None:
        with client.watch(KUSTOMIZATIONS, "", "1", 1, Call(60)) as events:
            for event in events:
                cache.apply(event)

    for ask in (listed, watched_for, lambda: client.get(KUSTOMIZATIONS, "shop", "web")):
        said = refusal(ask, RollbackError)
        assert PASSWORD not in said
        assert len(said) < 700
    assert len(cache.objects) <= 50
    for one in (*cache.objects.values(), *_objects([_read(data[1:])])):
        assert isinstance(wanted(one, "kustomize-controller"), dict)
        assert read_record(one).transitions is not None
        assert all(isinstance(word, str) for word in read_members(one).values())


def pods(data: bytes) -> None:
    """A workload with its Pods, of any shape: a judgement in words, or that nobody can tell."""
    value = _read(data)
    said: Json = value if isinstance(value, dict) else {}
    workload = said.get("workload")
    facts = WorkloadFacts(
        workload if isinstance(workload, dict) else None,
        tuple(_objects(said.get("replica_sets"))),
        tuple(_objects(said.get("pods"))),
    )
    if not refusal(lambda: judge_pods(facts, NOW - MINUTE, NOW, tuple(Symptom)), Unclear):
        assert judge_pods(facts, NOW - MINUTE, NOW, tuple(Symptom)).why
    if facts.workload is not None:
        assert rollout_status(facts.workload).why


def hook(data: bytes) -> None:
    """`headers NUL body`: taken only from who knows the token; what is signed is always taken, whatever it says."""
    head, _, body = data.partition(b"\0")
    try:
        headers = parse_headers(BytesIO(head.replace(b"\n", b"\r\n") + b"\r\n\r\n"))
    except HTTPException:
        return  # the server has answered that itself
    proofs = [TOKEN, *(hmac.new(TOKEN.encode(), body, name).hexdigest() for name in ("sha256", "sha512"))]
    status = _delivered(headers, body)
    assert status is not HTTPStatus.ACCEPTED or any(proof in head.decode("latin-1").lower() for proof in proofs)
    for name in ("X-Signature", "X-Hub-Signature-256", "Authorization", "Content-Length", "Transfer-Encoding"):
        del headers[name]
    headers["Content-Length"], headers["X-Signature"] = str(len(body)), f"sha256={proofs[1]}"
    assert _delivered(headers, body) is HTTPStatus.ACCEPTED


def _delivered(headers: Any, body: bytes) -> HTTPStatus:
    hooks = Hooks(lambda: NOW, DELIVERIES)
    hooks.open([Door("flux", "fleet", (TOKEN,))], lambda _hint: True)
    return hooks.answer(PATH, headers, BytesIO(body), "127.0.0.1")


class CannedHttp(Http):
    """A registry that answers one request after the other, and what it was asked."""

    def __init__(self, answers: Sequence[HttpAnswer]) -> None:
        self._rules = OriginRules.parse([], [REGISTRY, f"{REGISTRY}:5001"])
        self._answers = list(answers)
        self.asked: list[tuple[str, Mapping[str, str]]] = []

    def get(self, url: str, timeout: timedelta, headers: Mapping[str, str] = {}, method: str = "GET") -> HttpAnswer:
        """As `Http.get`."""
        self._checked(url)
        del timeout
        self.asked.append((url, headers))
        answer = self._answers.pop(0)
        return HttpAnswer(answer.status, answer.headers, b"" if method == "HEAD" else answer.body)


def registry(data: bytes) -> None:
    """`statuses, challenge NUL body`: missing by the registry's own word alone; the account goes where it belongs."""
    challenge, _, body = data[4:].partition(b"\0")
    statuses = [STATUSES[one % len(STATUSES)] for one in data[:4].ljust(4, b"\0")]
    headers = {"www-authenticate": challenge.decode("latin-1")}
    found: list[Told] = []
    http = CannedHttp([HttpAnswer(status, headers, body) for status in statuses])
    settings = RegistrySettings("registry.example", REGISTRY, f"{REGISTRY}:5001", "bot", PASSWORD)
    said = refusal(lambda: found.append(look_up_by(http, settings, KEPT, timedelta(seconds=5))), RollbackError)
    for told in found or [Told(Found.UNKNOWN, said)]:
        assert told.found is not Found.NOT_ASKED
        assert PASSWORD not in told.message
        assert told.found is not Found.MISSING or json.loads(body)["errors"]
    for url, sent in http.asked:
        assert httpx.URL(url).raw_host == b"registry.example"
        assert all(word.isprintable() and word.isascii() for word in sent.values())
