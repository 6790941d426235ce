"""A sandbox world with several real controllers, which agree by Leases on who acts; each way out leads over a proxy."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fault_world import FaultWorld
from lease_world import LeaseWorld
from live_world import LONG, NO_POLLS, POLICY_PATH, Document, living, patient_policy
from proxy import FaultProxy

from gitops_rollback.sandbox.world import REPOSITORY, run_command


@dataclass
class Running:
    """One controller process."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def lines(self) -> list[Document]:
        found = []
        for line in self.log.read_text("utf-8", "replace").splitlines():
            with suppress(ValueError):
                found.append(json.loads(line))
        return found

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def signal(self, number: int) -> None:
        self.process.send_signal(number)


class ReplicasWorld(FaultWorld):
    """`replicas` by name. The Lease's link is `lease_link`."""

    def __init__(self, folder: Path, **words: Any) -> None:
        super().__init__(folder, **words)
        self.replicas: dict[str, Running] = {}
        self.leases: list[LeaseWorld] = []

    def start_world(self) -> None:
        super().start_world()
        self.lease_link = self.add_api()

    def add_api(self) -> FaultProxy:
        """One more Kubernetes API, as if it were split; its replicas know nothing of the others'."""
        folder = self.folder / f"api{len(self.leases)}"
        folder.mkdir()
        made = LeaseWorld(folder)
        self.leases.append(made)
        link = FaultProxy(made.kubernetes.url)
        config = Path(made.environment["GITOPS_ROLLBACK_KUBECONFIG"])
        config.write_text(config.read_text().replace(made.kubernetes.url, link.url))
        made.link = link
        return link

    def start_replica(self, name: str, api: int = 0, **environment: str) -> Running:
        """A controller with a disk and a log of its own; waits until it says that it started."""
        log = self.folder / f"{name}.log"
        seen = log.stat().st_size if log.exists() else 0
        leases = self.leases[api].environment
        with log.open("ab") as out:
            process = subprocess.Popen(
                run_command(), env=self._environment(f"state-{name}", {**leases, **environment}),
                stdout=out, stderr=out, cwd=self.folder,
            )  # fmt: skip
        self.replicas[name] = Running(name, process, log)
        self.until(lambda: b'"msg": "started"' in log.read_bytes()[seen:], f"{name} started")
        return self.replicas[name]

    def leader(self, api: int = 0) -> Running | None:
        """Who holds the Lease, by the API's word and its own last."""
        holder = self.leases[api].holder(REPOSITORY)
        for one in self.replicas.values():
            if holder and one.alive and any(line.get("identity") == holder for line in one.lines()):
                return one
        return None

    def until_led(self, by_other_than: str = "") -> Running:
        def led() -> bool:
            found = self.leader()
            return found is not None and found.name != by_other_than

        self.until(led, "somebody leads")
        found = self.leader()
        assert found is not None
        return found

    def log_text(self) -> str:
        """Of all replicas."""
        return "".join(one.log.read_text("utf-8", "replace") for one in self.replicas.values())

    def logged(self) -> list[Document]:
        """The lines of all replicas."""
        return [line for one in self.replicas.values() for line in one.lines()]

    def ready(self, one: Running) -> tuple[int, str]:
        """What one replica's readiness says."""
        address = [line["probes"] for line in one.lines() if line.get("msg") == "started"][-1]
        done = subprocess.run(
            ["curl", "-s", "-m", "10", "-w", "\n%{http_code}", f"{address}/readyz?verbose"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        text, _, code = done.stdout.rpartition("\n")
        return int(code or 0), text

    def end_replicas(self) -> list[int]:
        """SIGTERM for all; their exit codes."""
        alive = [one for one in self.replicas.values() if one.alive]
        for one in alive:
            one.signal(signal.SIGCONT)
            one.signal(signal.SIGTERM)
        return [one.process.wait(40) for one in alive]

    def close(self) -> None:
        for one in self.replicas.values():
            if one.alive:
                os.kill(one.process.pid, signal.SIGKILL)
                one.process.wait(30)
        for made in self.leases:
            made.link.stop()
            made.close()
        super().close()


@contextmanager
def replicas_world(
    folder: Path, count: int = 2, prepare: Callable[[ReplicasWorld], None] = lambda _world: None
) -> Iterator[ReplicasWorld]:
    """A started world with `count` controllers, one of which leads. At the end all must end well when asked to."""
    policies = {POLICY_PATH: patient_policy(more=LONG)}
    with living(folder, False, ReplicasWorld, prepare, timing=NO_POLLS, policies=policies) as world:
        for number in range(count):
            world.start_replica(f"replica-{number + 1}")
        if count:
            world.until_led()
        yield world
        codes = world.end_replicas()
        assert not any(codes), f"controllers ended with {codes}"
