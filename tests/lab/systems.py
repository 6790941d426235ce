"""The real systems on loopback: a Kubernetes API with its controllers, Flux, Argo CD, git over HTTP, a Prometheus.

Everything that starts here ends with its `ExitStack`. Only the node is a stand-in (`kubelet`).
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import programs
import prometheus_process
import yaml
from kubelet import Kubelet

READY_WITHIN_SECONDS = 120.0
ADMIN = "admin-of-the-lab"
NO_ADMISSION = "--disable-admission-plugins=ServiceAccount"  # no accounts are made in new namespaces, and none is asked
CONTROLLERS = (
    "deployment-controller,replicaset-controller,job-controller,namespace-controller,garbage-collector-controller"
)


class Machine:
    """Processes of the lab, their logs under `folder`; what was started last ends first."""

    def __init__(self, folder: Path, ending: ExitStack) -> None:
        self.folder = folder
        self.ending = ending

    def start(self, name: str, *arguments: str, environment: Mapping[str, str] | None = None, log: str = "") -> None:
        """A program of the lab by its name, or one of the machine by its path; `log`: another name for its log."""
        path = name if "/" in name else str(programs.path_of(name))
        written = self.ending.enter_context((self.folder / f"{log or Path(name).name}.log").open("wb"))
        variables = os.environ | dict(environment or {})
        process = subprocess.Popen([path, *arguments], stdout=written, stderr=written, cwd=self.folder, env=variables)
        self.ending.callback(_end, process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(timeout=15)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def wait_until(true: Callable[[], bool], what: str, seconds: float = READY_WITHIN_SECONDS) -> None:
    """Ask until it is so; AssertionError that names `what` after `seconds`."""
    end, pause = time.monotonic() + seconds, threading.Event()
    while time.monotonic() < end:
        try:
            if true():
                return
        except (httpx.HTTPError, LookupError, ValueError):
            pass  # not there yet
        pause.wait(0.5)
    raise AssertionError(f"not within {seconds:.0f} s: {what}")


class Cluster:
    """etcd, kube-apiserver, kube-controller-manager and one node. `api` may do everything; `kubeconfig` is its file."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.server = f"https://127.0.0.1:{free_port()}"
        self.kubeconfig = machine.folder / "kubeconfig"
        self.kubeconfig.write_text(yaml.safe_dump(self._access(ADMIN)))
        self.api = machine.ending.enter_context(
            httpx.Client(base_url=self.server, verify=False, headers={"authorization": f"Bearer {ADMIN}"}, timeout=30)
        )
        self.kubelet = Kubelet(self.api)

    def start(self) -> None:
        etcd, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        self.machine.start(
            "etcd", "--data-dir=etcd", f"--listen-client-urls={etcd}", f"--advertise-client-urls={etcd}",
            f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
        )  # fmt: skip
        folder = self.machine.folder
        subprocess.run(
            ["openssl", "genrsa", "-out", str(folder / "accounts.key"), "2048"], check=True, capture_output=True
        )
        (folder / "tokens.csv").write_text(f"{ADMIN},admin,admin,system:masters\n")
        self.machine.start(
            "kube-apiserver", f"--etcd-servers={etcd}", f"--secure-port={self.server.rpartition(':')[2]}",
            "--bind-address=127.0.0.1", "--cert-dir=certs", "--token-auth-file=tokens.csv", "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file=accounts.key",
            "--service-account-signing-key-file=accounts.key", "--service-cluster-ip-range=10.0.0.0/24", NO_ADMISSION,
        )  # fmt: skip
        wait_until(lambda: self.api.get("/readyz").status_code == 200, "the Kubernetes API is ready")
        self.machine.start(
            "kube-controller-manager", f"--kubeconfig={self.kubeconfig}", "--leader-elect=false",
            f"--controllers={CONTROLLERS}", "--cert-dir=certs-of-controllers", f"--secure-port={free_port()}",
        )  # fmt: skip
        self.kubelet.start()
        self.machine.ending.callback(self.kubelet.stop)

    def apply(self, *manifests: Mapping[str, Any]) -> None:
        """Server-side apply, as `kubectl` does it, in the order given."""
        self._kubectl("apply", "--server-side", "-f", "-", text=yaml.safe_dump_all(manifests))

    def define(self, folder: Path) -> None:
        """Apply the CustomResourceDefinitions of a folder, and wait until the API serves their kinds."""
        files = [path for path in sorted(folder.glob("*.yaml")) if path.name != "kustomization.yaml"]
        self._kubectl("apply", "--server-side", *(f"--filename={path}" for path in files))
        wait_until(self._serves_what_is_defined, f"the API serves the kinds of {folder}")

    def _serves_what_is_defined(self) -> bool:
        found = self.api.get("/apis/apiextensions.k8s.io/v1/customresourcedefinitions").json()["items"]
        told = [{one["type"]: one["status"] for one in each["status"].get("conditions") or ()} for each in found]
        return all(each.get("Established") == "True" for each in told)

    def apply_folder(self, path: Path) -> None:
        """A kustomization, as `kubectl apply -k`."""
        self._kubectl("apply", "-k", str(path))

    def namespace(self, name: str) -> None:
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})

    def access_of(self, account: str, namespace: str) -> Path:
        """A kubeconfig for this ServiceAccount, with a token of a day."""
        token = self._kubectl("create", "token", account, "-n", namespace, "--duration=24h").strip()
        path = self.machine.folder / f"kubeconfig-{account}"
        path.write_text(yaml.safe_dump(self._access(token, namespace)))
        return path

    def object(self, path: str) -> dict[str, Any]:
        """One object by its API path; LookupError if it is not there."""
        answer = self.api.get(path)
        if answer.status_code == 404:
            raise LookupError(path)
        found: dict[str, Any] = answer.raise_for_status().json()
        return found

    def _access(self, token: str, namespace: str = "default") -> dict[str, Any]:
        cluster = {"server": self.server, "insecure-skip-tls-verify": True}
        return {
            "apiVersion": "v1", "kind": "Config", "current-context": "lab",
            "clusters": [{"name": "lab", "cluster": cluster}],
            "users": [{"name": "lab", "user": {"token": token}}],
            "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "lab", "namespace": namespace}}],
        }  # fmt: skip

    def _kubectl(self, *arguments: str, text: str | None = None) -> str:
        command = [shutil.which("kubectl") or "kubectl", f"--kubeconfig={self.kubeconfig}", *arguments]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout


def start_prometheus(machine: Machine, kubelet: Kubelet) -> str:
    """A Prometheus that scrapes the node each five seconds; its URL."""
    targets = [{"targets": [f"127.0.0.1:{kubelet.metrics_port}"]}]
    config = {"global": {"scrape_interval": "5s"}, "scrape_configs": [{"job_name": "lab", "static_configs": targets}]}
    folder = machine.folder / "prometheus"
    folder.mkdir()
    return machine.ending.enter_context(prometheus_process.running(folder, yaml.safe_dump(config)))


def start_flux(cluster: Cluster) -> None:
    """source-controller and kustomize-controller, as outside of the cluster, in the namespace flux-system."""
    for name in ("source-controller", "kustomize-controller"):
        cluster.define(programs.released(name) / "config" / "crd" / "bases")
    cluster.namespace("flux-system")
    storage, machine = f"127.0.0.1:{free_port()}", cluster.machine
    (machine.folder / "artifacts").mkdir()
    common = ("--metrics-addr=127.0.0.1:0", "--events-addr=", "--enable-leader-election=false")
    environment = {"KUBECONFIG": str(cluster.kubeconfig), "RUNTIME_NAMESPACE": "flux-system"}
    kept = (
        f"--storage-path={machine.folder / 'artifacts'}",
        f"--storage-addr={storage}",
        f"--storage-adv-addr={storage}",
    )
    for name, more in (("source-controller", kept), ("kustomize-controller", ())):
        health = f"--health-addr=127.0.0.1:{free_port()}"
        machine.start(name, *common, health, *more, environment=environment)
