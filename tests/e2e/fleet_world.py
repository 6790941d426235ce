"""Three config repositories that one Flux applies, and any number of replicas of the controller that share them.

One Kubernetes API holds Flux's objects and the replicas' Leases. Each repository has one service under watch. The
clock is scaled; the Leases' times are real, as they always are.
"""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from flux_world import flux_policy
from lease_world import OURS, TIMES
from live_world import MAIN, environment_of_nobody

from gitops_rollback.adapters.kubernetes.members import NAME, read_members
from gitops_rollback.core.lease import lease_name
from gitops_rollback.core.sharing import preferred
from gitops_rollback.sandbox.clock import ScaledClock
from gitops_rollback.sandbox.flux.sandbox import FluxSandbox
from gitops_rollback.sandbox.flux.status import REQUESTED_AT
from gitops_rollback.sandbox.flux_side import FLUX_NAMESPACE
from gitops_rollback.sandbox.git_server import GitServer
from gitops_rollback.sandbox.kubernetes import By, KubernetesSandbox
from gitops_rollback.sandbox.kubernetes.history import DELETED, Change
from gitops_rollback.sandbox.kubernetes.kinds import DEPLOYMENT, GIT_REPOSITORY, KUSTOMIZATION, LEASE, NAMESPACE, Kind
from gitops_rollback.sandbox.people import People
from gitops_rollback.sandbox.prometheus import PrometheusSandbox
from gitops_rollback.sandbox.replay import replay
from gitops_rollback.sandbox.services import FAILING, GOOD, Service
from gitops_rollback.sandbox.stories import NEW_TAG, SERVICE
from gitops_rollback.sandbox.telling import CONTROLLER, JOURNAL
from gitops_rollback.sandbox.world import run_command, scenario

SPEED = 20.0  # a tick each 0.75 s, for each repository in each replica
QUIET_BEFORE = timedelta(hours=4)
NAMES = ("cart", "pay", "ship")  # a service each, in a repository of its own
LOOK_SECONDS = 0.1
PATIENCE_SECONDS = 90.0
POLICY = ".gitops-rollback/policies/service.yaml"
Json = dict[str, Any]


class Repository:
    """One config repository with one service of the same name, a copy of the shop's checkout-api."""

    def __init__(self, folder: Path, name: str, now: Callable[[], Any]) -> None:
        self.name = name
        self.label = f"{name}/config"
        self.bare = folder / name / "config.git"
        self.bare.parent.mkdir(parents=True)
        self._now = now
        replay(scenario("shop"), self.bare)
        self.people = People(self.bare)
        paths = self.people.git("ls-tree", "-r", "--name-only", "main", f"apps/{SERVICE}").split()
        files: dict[str, str | None] = {
            path.replace(SERVICE, name): self.people.read(path).replace(SERVICE, name) for path in paths
        }
        self.people.push(f"Add {name}", {**files, POLICY: flux_policy(name)}, now())

    def release(self, tag: str = NEW_TAG) -> str:
        """A commit that gives the service another image; its SHA."""
        path = f"apps/{self.name}/deployment.yaml"
        text = re.sub(rf"shop/{self.name}:\S+", f"shop/{self.name}:{tag}", self.people.read(path))
        return self.people.push(f"feat: {self.name} v{tag}", {path: text}, self._now())

    def reverts(self) -> list[str]:
        """Commits of the branch by the controller."""
        log = self.people.git("log", "--format=%H %cn", "main").splitlines()
        return [line.split()[0] for line in log if line.split(" ", 1)[1] == CONTROLLER]

    def records(self) -> list[Json]:
        """All rollback records of the journal."""
        names = self.people.git("ls-tree", "-r", "--name-only", JOURNAL, "records/", check=False).split()
        return [json.loads(self.people.read(name, JOURNAL)) for name in names]

    def verified(self) -> bool:
        """Every rollback has ended well, and there is one."""
        return {(one["phase"], one["outcome"]) for one in self.records()} == {("Done", "verified")}


@dataclass
class Replica:
    """One `run`, with a log of its own. `lived` are the identities that were there before it started."""

    process: subprocess.Popen[bytes]
    disk: Path
    log: Path
    lived: list[str]

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def metric(self, name: str) -> dict[str, float]:
        """A metric's values by repository; {} while the replica does not answer yet."""
        text = self.log.read_text("utf-8", "replace")
        started = re.search(r'"probes": "([^"]+)"', text)
        if started is None or not self.alive:
            return {}
        with urllib.request.urlopen(f"{started[1]}/metrics", timeout=10) as answer:
            shown = answer.read().decode()
        found = re.findall(rf'^{name}\{{[^}}]*repository="([^"]+)"[^}}]*\}} (\S+)$', shown, re.MULTILINE)
        return {repository: float(value) for repository, value in found}

    def leads(self) -> set[str]:
        """The repositories that it says to act for."""
        return {repository for repository, value in self.metric("gitops_rollback_leader").items() if value == 1}

    def ticks(self, repository: str) -> float:
        """How often it has looked at a repository's applications."""
        return self.metric("gitops_rollback_ticks_total").get(repository, 0.0)

    def end(self) -> None:
        """SIGTERM, as a rolling update does."""
        self.process.terminate()
        self.process.wait(30)

    def kill(self) -> None:
        """As a node that dies would."""
        self.process.kill()
        self.process.wait(30)


class Fleet:
    """The world, and the replicas that were started in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = ScaledClock(SPEED)
        self.repositories = [Repository(folder / "world", name, self.clock.now) for name in NAMES]
        self.git = GitServer(folder / "world")
        self.prometheus = PrometheusSandbox(self.clock)
        self.kubernetes = KubernetesSandbox(self.clock)
        self.services = {name: Service(name, "shop") for name in NAMES}
        self.failing_tags: set[str] = set()
        self.replicas: list[Replica] = []
        self.flux: FluxSandbox | None = None
        self._idle = threading.Event()

    def start(self) -> None:
        """Everything is applied, and has been for hours."""
        for server in (self.git, self.prometheus, self.kubernetes):
            server.start()
        for service in self.services.values():
            service.publish(self.prometheus)
        self.kubernetes.store.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": OURS}})
        for name in NAMES:
            self._create(GIT_REPOSITORY, name, {"url": self.url(name), "interval": "1h", "ref": {"branch": "main"}})
            source = {"kind": "GitRepository", "name": name}
            spec = {"interval": "1h", "path": f"./apps/{name}", "prune": True, "sourceRef": source}
            self._create(KUSTOMIZATION, name, spec)
        self.kubernetes.store.on_change(self._rolled_out)
        bares = {self.url(one.name): one.bare for one in self.repositories}
        self.flux = FluxSandbox(self.kubernetes.store, bares, self.clock)
        self.flux.start()
        self.until(lambda: all(self.applied(one.name) for one in self.repositories), "all are applied")
        self.clock.jump(QUIET_BEFORE)

    def stop(self) -> None:
        for replica in self.replicas:
            if replica.alive:
                replica.kill()
        if self.flux is not None:
            self.flux.stop()
        for server in (self.kubernetes, self.prometheus, self.git):
            server.stop()

    def url(self, name: str) -> str:
        return f"{self.git.url}/{name}/config.git"

    def applied(self, name: str) -> str:
        """The commit that Flux has applied for a service."""
        status = self.kubernetes.store.get(KUSTOMIZATION, name, FLUX_NAMESPACE).get("status") or {}
        return str(status.get("lastAppliedRevision", "")).rpartition(":")[2]

    def fail(self, repository: Repository) -> str:
        """A release whose requests fail, applied at once; its SHA."""
        self.failing_tags.add(NEW_TAG)
        bad = repository.release()
        token = f"receiver/{self.clock.now().isoformat()}"
        self.kubernetes.store.change(
            GIT_REPOSITORY, repository.name, FLUX_NAMESPACE, lambda body: _ask(body, token), By("a Receiver")
        )
        self.until(lambda: self.applied(repository.name) == bad, "the release is applied")
        return bad

    def landed(self, repository: Repository) -> list[str]:
        """What the server took onto the branch; people land theirs beside it."""
        return [one.new for one in self.git.updates(f"{repository.label}.git") if one.ref == MAIN]

    # The replicas

    def run(self, after: Replica | None = None) -> Replica:
        """A new replica; `after`: one that ended is started again, and finds its disk as it was."""
        number = len(self.replicas)
        disk = after.disk if after is not None else self.folder / f"state-{number}"
        config = self.folder / "settings.yaml"
        urls = "".join(f"  - url: {self.url(name)}\n" for name in NAMES)
        config.write_text(f"repositories:\n{urls}flux: {{}}\n", "utf-8")
        kubeconfig = self.folder / "kubeconfig"
        kubeconfig.write_text(self.kubernetes.kubeconfig(namespace=OURS), "utf-8")
        environment = {
            **environment_of_nobody(),
            **{f"GITOPS_ROLLBACK_LEADER_ELECT_{name}": value for name, value in TIMES.items()},
            "GITOPS_ROLLBACK_CONFIG": str(config),
            "GITOPS_ROLLBACK_KUBECONFIG": str(kubeconfig),
            "GITOPS_ROLLBACK_STATE_DIR": str(disk),
            "GITOPS_ROLLBACK_BIND": "127.0.0.1:0",
            "GITOPS_ROLLBACK_CLOCK": f"{self.clock.start},{self.clock.speed}",
            "PROMETHEUS_URL": self.prometheus.url,
            "PYTHONUNBUFFERED": "1",
        }
        log = self.folder / f"controller-{number}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(run_command(), env=environment, stdout=out, stderr=out, cwd=self.folder)
        self.replicas.append(Replica(process, disk, log, self.living()))
        return self.replicas[-1]

    def living(self) -> list[str]:
        """The identities that say in the cluster that they live."""
        return sorted(read_members(self.kubernetes.store.find(LEASE, NAME, OURS)))

    def identity(self, replica: Replica) -> str:
        """How a replica calls itself that was the last to start; "" while it has not said so."""
        return next(iter(set(self.living()) - set(replica.lived)), "")

    def holder(self, repository: str) -> str:
        """Who holds a repository's Lease."""
        found = self.kubernetes.store.find(LEASE, lease_name(repository), OURS) or {"spec": {}}
        return str(found["spec"].get("holderIdentity") or "")

    def has_a_share(self, replica: Replica, repository: Repository) -> bool:
        """Whether the replica, once it lives, is the one of all that is to act for the repository."""
        return preferred(repository.label, self.living())[0] == self.identity(replica)

    def leaders(self) -> dict[str, list[Replica]]:
        """Who says to act for each repository."""
        leads = [(replica, replica.leads()) for replica in self.replicas if replica.alive]
        return {one.label: [replica for replica, led in leads if one.label in led] for one in self.repositories}

    def is_shared_out(self, among: int) -> bool:
        """So many replicas live, and each repository is acted for by the one that is to have it, and by no other."""
        living = self.living()
        if len(living) != among:
            return False
        rightly = all(self.holder(one.label) == preferred(one.label, living)[0] for one in self.repositories)
        return rightly and all(len(found) == 1 for found in self.leaders().values())

    # Waiting

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for it; fails with `what` and the ends of the logs."""
        end = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert time.monotonic() < end, f"not within {PATIENCE_SECONDS:.0f} s: {what}: {self._state()}"
            self._idle.wait(LOOK_SECONDS)

    def _state(self) -> str:
        records = {one.label: one.records() for one in self.repositories}
        tails = [f"{one.log}:\n{one.log.read_text('utf-8', 'replace')[-3000:]}" for one in self.replicas]
        return "\n".join(["", f"{records}", f"{self.living()}", *tails])

    # Objects

    def _create(self, kind: Kind, name: str, spec: Json) -> None:
        metadata = {"name": name, "namespace": FLUX_NAMESPACE}
        manifest = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, "spec": spec}
        self.kubernetes.store.create(kind, manifest)

    def _rolled_out(self, change: Change) -> None:
        """What a service does depends on the image that its Deployment was given last."""
        if change.ref.kind is not DEPLOYMENT or change.type == DELETED or change.ref.name not in self.services:
            return
        image = str(change.after["spec"]["template"]["spec"]["containers"][0]["image"])
        bad = image.rpartition(":")[2] in self.failing_tags
        self.services[change.ref.name].behave(FAILING if bad else GOOD, self.clock.now())


def _ask(body: Json, token: str) -> None:
    body["metadata"].setdefault("annotations", {})[REQUESTED_AT] = token


@contextmanager
def fleet_world(folder: Path) -> Iterator[Fleet]:
    """A started world without a replica; at the end nothing of it is left."""
    fleet = Fleet(folder)
    try:
        fleet.start()
        yield fleet
        assert fleet.kubernetes.failures == []
        assert fleet.flux is not None
        assert fleet.flux.failures == []
    finally:
        fleet.stop()
