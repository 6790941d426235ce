"""A real Argo CD beside the lab's Kubernetes API: API server, repository server, application controller, Redis.

Its account `bot` has what the README asks for, `get` and `sync`, and a token. Plain directories need no other tool.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import programs
from machine import lacks
from systems import Cluster, free_port, wait_until

NAMESPACE = "argocd"
LOOKS_EACH = "20s"
PASSWORD, HASHED = "password", "$2b$10$hgDHN9vTkHzZUGR6f7HieezB/CFfSDO2WoIEKyMTzqWtEEj0.NrUq"  # by bcrypt
RIGHTS = "p, bot, applications, get, */*, allow\np, bot, applications, sync, */*, allow\n"


class ArgoCd:
    """`url` of its API; `token_file` of its account `bot`; its cluster is the one that it lives beside."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.url = f"http://127.0.0.1:{free_port()}"
        self.token_file = cluster.machine.folder / "bot.token"
        self._release = programs.released("argocd")

    def start(self) -> None:
        self._write_settings()
        machine, redis, repositories = self.cluster.machine, free_port(), free_port()
        machine.start(_redis(), "--port", str(redis), "--bind", "127.0.0.1", "--save", "")
        environment = self._environment(f"127.0.0.1:{redis}")
        machine.start(
            "argocd-repo-server", f"--port={repositories}", f"--metrics-port={free_port()}", "--disable-tls",
            "--client-ca-path=", environment=environment,
        )  # fmt: skip
        asked = (f"--repo-server=127.0.0.1:{repositories}", "--repo-server-plaintext", f"--namespace={NAMESPACE}")
        machine.start("argocd-application-controller", *asked, f"--metrics-port={free_port()}", environment=environment)
        ports = (f"--port={self.url.rpartition(':')[2]}", f"--metrics-port={free_port()}")
        machine.start("argocd-server", *asked, *ports, "--insecure", environment=environment)
        wait_until(self._answers, "Argo CD's API answers")
        self.token_file.write_text(self._token_of_bot())

    def _write_settings(self) -> None:
        self.cluster.namespace(NAMESPACE)
        self.cluster.define(self._release / "manifests" / "crds")
        named = {"namespace": NAMESPACE, "labels": {"app.kubernetes.io/part-of": "argocd"}}
        secret = {
            "admin.password": HASHED,
            "admin.passwordMtime": "2026-01-01T00:00:00Z",
            "server.secretkey": "only-of-the-lab",
        }
        data = {"argocd-cm": {"accounts.bot": "apiKey"}, "argocd-rbac-cm": {"policy.csv": RIGHTS}}
        empty = ("argocd-cmd-params-cm", "argocd-gpg-keys-cm", "argocd-ssh-known-hosts-cm", "argocd-tls-certs-cm")
        self.cluster.apply(
            *(_config_map(name, data.get(name, {}), named) for name in (*data, *empty)),
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "argocd-secret"} | named, "stringData": secret},
            {
                "apiVersion": "argoproj.io/v1alpha1",
                "kind": "AppProject",
                "metadata": {"name": "default"} | named,
                "spec": {"sourceRepos": ["*"], "destinations": [{"namespace": "*", "server": "*"}]},
            },
        )

    def _environment(self, redis: str) -> dict[str, str]:
        folder = self.cluster.machine.folder / "argocd"
        kept = {
            "ARGOCD_GPG_DATA_PATH": "gpg",
            "ARGOCD_SSH_DATA_PATH": "ssh",
            "ARGOCD_TLS_DATA_PATH": "tls",
            "ARGOCD_GNUPGHOME": "keys",
        }
        for name in kept.values():
            (folder / name).mkdir(parents=True)
        (folder / "keys").chmod(0o700)
        (folder / "ssh" / "ssh_known_hosts").touch()
        helpers = _executable_copies(self._release / "hack", folder / "bin")
        return {
            "KUBECONFIG": str(self.cluster.kubeconfig), "ARGOCD_NAMESPACE": NAMESPACE, "REDIS_SERVER": redis,
            "ARGOCD_FAKE_IN_CLUSTER": "true",  # what a Pod of the cluster would know comes from KUBECONFIG
            "ARGOCD_RECONCILIATION_TIMEOUT": LOOKS_EACH, "ARGOCD_RECONCILIATION_JITTER": "0s",
            "PATH": f"{helpers}:{os.environ['PATH']}", "TMPDIR": str(folder),
        } | {name: str(folder / value) for name, value in kept.items()}  # fmt: skip

    def _answers(self) -> bool:
        return httpx.get(f"{self.url}/api/version").status_code == 200

    def _token_of_bot(self) -> str:
        with httpx.Client(base_url=self.url, timeout=30) as client:
            admin = client.post("/api/v1/session", json={"username": "admin", "password": PASSWORD}).raise_for_status()
            headers = {"authorization": f"Bearer {admin.json()['token']}"}
            made = client.post("/api/v1/account/bot/token", json={"expiresIn": 0}, headers=headers).raise_for_status()
            return str(made.json()["token"])


def _config_map(name: str, data: Mapping[str, str], named: Mapping[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name} | dict(named), "data": dict(data)}


def _redis() -> str:
    return shutil.which("redis-server") or lacks("Debian's package `redis-server` is not installed")


def _executable_copies(scripts: Path, folder: Path) -> Path:
    """The scripts that the repository server calls by name: in a module nothing is executable."""
    folder.mkdir()
    for name in ("git-verify-wrapper.sh", "gpg-wrapper.sh"):
        shutil.copy(scripts / name, folder / name)
        (folder / name).chmod(0o755)
    return folder
