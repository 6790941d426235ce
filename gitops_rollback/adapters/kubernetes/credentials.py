"""With what do we log in to the Kubernetes API, and what do we do when it stops being accepted?

A token file is read again each minute and on a 401, since the kubelet rotates it. An exec plugin is run again when its
token runs out and on a 401. Nothing that a plugin prints is ever repeated: it may hold the token.
Source: contracts/flux-kubernetes.md, section 13; client-go transport/token_source.go (1 min), plugin/pkg/client/auth/
exec; lightkube 1.0.1 knows neither the minute nor `client.authentication.k8s.io/v1`, hence ours.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from gitops_rollback.adapters.json_node import Node, load
from gitops_rollback.core.errors import CredentialsRejected, SettingsInvalid

REREAD_AFTER = 60.0  # seconds
MAX_TOKEN = 1 << 16
PLUGIN_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
PLUGIN_SECONDS = 30.0
EARLY = timedelta(seconds=30)  # a token is not used in its last moments


class Credentials(Protocol):
    """What goes into the header `Authorization`. Safe for several threads."""

    def authorization(self, seconds: float) -> str:
        """The header's value, "" for none; takes at most `seconds`. Raises: CredentialsRejected."""
        ...

    def renewed(self, used: str, seconds: float) -> str:
        """After a 401 to `used`: another value that is worth a try, or "". Raises: CredentialsRejected."""
        ...


@dataclass(frozen=True, repr=False)
class Fixed:
    """A token or password that stands in the kubeconfig, or nothing (a client certificate)."""

    value: str = ""

    @classmethod
    def token(cls, token: str) -> Fixed:
        """A bearer token. Raises: CredentialsRejected if it holds what no header carries."""
        return cls(_bearer("the kubeconfig", token))

    @classmethod
    def password(cls, user: str, password: str) -> Fixed:
        """HTTP basic authentication."""
        return cls("Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())

    def authorization(self, seconds: float) -> str:
        del seconds
        return self.value

    def renewed(self, used: str, seconds: float) -> str:
        del used, seconds
        return ""


class TokenFile:
    """A token that somebody else keeps fresh in a file."""

    def __init__(self, path: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._value = ""
        self._read_at = 0.0

    def authorization(self, seconds: float) -> str:
        """The token of at most a minute ago; a file that cannot be read now leaves the one before in use."""
        del seconds
        with self._lock:
            if not self._value or self._monotonic() >= self._read_at + REREAD_AFTER:
                self._read(keep=bool(self._value))
            return self._value

    def renewed(self, used: str, seconds: float) -> str:
        """What the file holds now, if that is another token."""
        del seconds
        with self._lock:
            self._read(keep=True)
            return self._value if self._value != used else ""

    def _read(self, keep: bool) -> None:
        try:
            with Path(self._path).open("rb") as file:
                text = file.read(MAX_TOKEN).decode()
        except (OSError, UnicodeDecodeError) as exc:
            if keep:
                return
            raise CredentialsRejected(self._path, "the token file cannot be read") from exc
        self._value = _bearer(self._path, text)
        self._read_at = self._monotonic()


@dataclass(frozen=True)
class Plugin:
    """An exec plugin as the kubeconfig names it. `cluster` is what it is told of the cluster; None: nothing."""

    api_version: str
    command: str
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] | None = None
    cluster: Mapping[str, object] | None = None


class ExecPlugin:
    """Runs a program that prints a token (aws, gke-gcloud-auth-plugin, kubelogin)."""

    def __init__(self, plugin: Plugin, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """Raises: SettingsInvalid for a version of the protocol that is not spoken."""
        if plugin.api_version not in PLUGIN_VERSIONS:
            raise SettingsInvalid("kubeconfig", "the exec plugin's apiVersion is none of v1 and v1beta1")
        self._plugin = plugin
        self._now = now
        self._lock = threading.Lock()
        self._value = ""
        self._until: datetime | None = None

    def authorization(self, seconds: float) -> str:
        """The plugin's token, asked for anew when it is about to run out."""
        with self._lock:
            if not self._value or (self._until is not None and self._now() >= self._until - EARLY):
                self._run(seconds)
            return self._value

    def renewed(self, used: str, seconds: float) -> str:
        """Another token; several threads that were refused at once run the plugin once."""
        with self._lock:
            if self._value == used:
                self._run(seconds)
            return self._value if self._value != used else ""

    def _run(self, seconds: float) -> None:
        version = self._plugin.api_version
        told = {} if self._plugin.cluster is None else {"cluster": dict(self._plugin.cluster)}
        information = {"apiVersion": version, "kind": "ExecCredential", "spec": {"interactive": False, **told}}
        output = self._output(json.dumps(information), min(seconds, PLUGIN_SECONDS))
        try:
            root = Node(load(output))
        except ValueError:
            raise CredentialsRejected(self._subject, "printed no JSON") from None
        status = root.get("status")
        if root.get("apiVersion").text() != version:
            raise CredentialsRejected(self._subject, f"printed no credential of {version}")
        if not status.get("token") and status.get("clientCertificateData"):
            raise CredentialsRejected(self._subject, "gives a client certificate; only tokens are supported")
        self._value = _bearer(self._subject, status.get("token").text())
        self._until = status.get("expirationTimestamp").moment()

    @property
    def _subject(self) -> str:
        return f"exec plugin {Path(self._plugin.command).name}"

    def _output(self, information: str, seconds: float) -> bytes:
        environment = {**os.environ, **(self._plugin.environment or {}), "KUBERNETES_EXEC_INFO": information}
        command: Sequence[str] = (self._plugin.command, *self._plugin.arguments)
        try:
            done = subprocess.run(
                command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False
            )
        except subprocess.TimeoutExpired:
            raise CredentialsRejected(self._subject, f"did not end within {seconds:g} s") from None
        except (OSError, ValueError):
            raise CredentialsRejected(self._subject, "cannot be run; is it installed?") from None
        if done.returncode:
            raise CredentialsRejected(self._subject, f"ended with {done.returncode}")
        return done.stdout[: 1 << 20]


def _bearer(subject: str, token: str) -> str:
    token = token.strip()
    if not token or not token.isascii() or not token.isprintable():
        raise CredentialsRejected(subject, "there is no token, or it holds characters that none has")
    return f"Bearer {token}"
