"""A config repository with one service in it, and the controller that watches it, run as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
from systems import Cluster, Machine, free_port, wait_until

from gitops_rollback.sandbox.git_server import GitServer

PATIENCE_SECONDS = (
    420.0  # Flux may wait for the health of a bad revision first, and then the revert is looked at for a while
)
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: {name}}}
spec:
  replicas: 2
  progressDeadlineSeconds: 30
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      containers:
        - name: {name}
          image: registry.lab/{name}:1.0.0
"""
POLICY = """\
# +argocd:skip-file-rendering
apiVersion: gitops-rollback.dev/v1alpha1
kind: RollbackPolicy
metadata: {{name: {name}}}
spec:
  targets:
    - name: {name}
      engine: {engine}
      application: {{namespace: {namespace}, name: {name}}}
      workload: {{kind: Deployment, namespace: {name}, name: {name}}}
      data: {{rollback: safe, because: it keeps no data}}
  triggers:
    - {{name: pods-do-not-come-up, type: crashLoop, severity: auto_rollback}}
    - name: errors
      bad: 'sum(rate(http_requests_total{{status=~"5..",service="$SERVICE"}}[30s]))'
      total: 'sum(rate(http_requests_total{{service="$SERVICE"}}[30s]))'
      threshold: 0.05
      for: 30s
      severity: auto_rollback
  verification:
    holdFor: 30s
    checks:
      - {{name: pods, type: kubernetes, expect: complete}}
"""


class Shop:
    """`name` is the repository, the service, its namespace and its application."""

    def __init__(self, name: str, engine: str, engine_namespace: str, git: GitServer, cluster: Cluster) -> None:
        self.name = name
        self.url = f"{git.url}/{name}.git"
        self.cluster = cluster
        self._tree = cluster.machine.folder / f"tree-of-{name}"
        bare = git.root / f"{name}.git"
        self._git("init", "-q", "--bare", "-b", "main", str(bare), folder=git.root)
        self._git("config", "http.receivepack", "true", folder=bare)
        self._git("init", "-q", "-b", "main", str(self._tree), folder=git.root)
        self._git("remote", "add", "origin", self.url)
        self._write("app/deployment.yaml", DEPLOYMENT.format(name=name))
        policy = POLICY.format(name=name, engine=engine, namespace=engine_namespace)
        self._write(f".gitops-rollback/policies/{name}.yaml", policy)
        self._push("The service as it runs")
        cluster.namespace(name)

    def release(self, tag: str) -> str:
        """Push a commit that sets the image's tag; the commit."""
        text = (self._tree / "app/deployment.yaml").read_text()
        image, _, _ = text.rpartition(":")
        self._git("pull", "-q", "--rebase", "origin", "main")
        self._write("app/deployment.yaml", f"{image}:{tag}\n")
        return self._push(f"{self.name} {tag}")

    def image(self) -> str:
        """What the Deployment runs now, if all its Pods are up to date and ready; LookupError before."""
        found = self.cluster.object(f"/apis/apps/v1/namespaces/{self.name}/deployments/{self.name}")
        status, wanted = found.get("status", {}), found["spec"]["replicas"]
        if found["metadata"]["generation"] != status.get("observedGeneration"):
            raise LookupError("not observed yet")
        if {status.get(one) for one in ("updatedReplicas", "availableReplicas", "replicas")} != {wanted}:
            raise LookupError("not complete")
        return str(found["spec"]["template"]["spec"]["containers"][0]["image"])

    def runs(self, tag: str, seconds: float = 120.0) -> None:
        """Wait until this release is what runs, complete."""
        wait_until(lambda: self.image().endswith(f":{tag}"), f"{self.name} runs {tag}", seconds)

    def messages(self) -> list[str]:
        """Subjects of the branch as it is at the remote, newest first."""
        self._git("fetch", "-q", "origin", "main")
        return self._git("log", "--format=%s", "FETCH_HEAD").splitlines()

    def _write(self, path: str, text: str) -> None:
        (self._tree / path).parent.mkdir(parents=True, exist_ok=True)
        (self._tree / path).write_text(text)

    def _push(self, message: str) -> str:
        self._git("add", "-A")
        self._git("-c", "user.name=Kim", "-c", "user.email=kim@example.com", "commit", "-q", "-m", message)
        self._git("push", "-q", "origin", "HEAD:main")
        return self._git("rev-parse", "HEAD").strip()

    def _git(self, *arguments: str, folder: Path | None = None) -> str:
        command = ["git", "-C", str(folder or self._tree), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout


class Controller:
    """`gitops-rollback` with the settings of one shop: its verbs, and `run` as a process of its own."""

    def __init__(self, shop: Shop, machine: Machine, settings: Mapping[str, str]) -> None:
        self.shop = shop
        self._machine = machine
        own = {"GITOPS_ROLLBACK_REPO": shop.url, "GITOPS_ROLLBACK_BIND": f"127.0.0.1:{free_port()}"}
        self._environment = own | dict(settings)

    def run(self) -> None:
        state = self._machine.folder / f"state-of-{self.shop.name}"
        command = ("-m", "gitops_rollback", "run", "--state-dir", str(state))
        self._machine.start(sys.executable, *command, environment=self._environment, log=f"run-{self.shop.name}")
        ready = f"http://{self._environment['GITOPS_ROLLBACK_BIND']}/readyz"
        wait_until(lambda: _status(ready) == 200, f"run is ready at {ready}")

    def verb(self, *arguments: str) -> tuple[int, str]:
        """Exit code and what it said."""
        command = [sys.executable, "-m", "gitops_rollback", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ | self._environment, check=False)
        return done.returncode, done.stdout + done.stderr

    def record(self) -> dict[str, Any]:
        """The newest rollback; LookupError if there is none."""
        _, said = self.verb("history", "-o", "json")
        records: list[dict[str, Any]] = json.loads(said)
        return records[0]

    def ends(self, outcome: str) -> dict[str, Any]:
        """Wait until the newest rollback ended so."""
        wait_until(lambda: self.record()["outcome"] == outcome, f"the rollback is {outcome}", PATIENCE_SECONDS)
        return self.record()


def _status(url: str) -> int:
    return httpx.get(url).status_code
