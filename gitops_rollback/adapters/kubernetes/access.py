"""Which API server, trusted by what, and logged in as whom? The only file that imports `lightkube`.

Nothing of a kubeconfig is quoted in an error: a YAML error shows the line, which may be a token.
Source: product.md, Kubernetes access; kubectl's order (flag, KUBECONFIG, ~/.kube/config); lightkube 1.0.1
config/kubeconfig.py and config/client_adapter.py, whose own authentication classes are not used (see `credentials`).
"""

from __future__ import annotations

import base64
import os
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import yaml
from lightkube.config.client_adapter import verify_cluster
from lightkube.config.kubeconfig import DEFAULT_KUBECONFIG, SERVICE_ACCOUNT, KubeConfig, SingleConfig
from lightkube.config.models import User
from lightkube.core.exceptions import ConfigError

from gitops_rollback.adapters.engines.argocd_settings import is_loopback
from gitops_rollback.adapters.kubernetes.credentials import Credentials, ExecPlugin, Fixed, Plugin, TokenFile
from gitops_rollback.adapters.kubernetes.settings import KubernetesSettings
from gitops_rollback.core.errors import SettingsInvalid

SUBJECT = "Kubernetes configuration"
FOR_PLUGINS = "client.authentication.k8s.io/exec"  # the extension of a cluster that is meant for its plugin
_UNREADABLE = (
    *(ConfigError, msgspec.ValidationError, yaml.YAMLError, OSError),
    *(LookupError, TypeError, ValueError, AttributeError),  # of a file that is YAML, but no kubeconfig
)


@dataclass(frozen=True, repr=False)
class Access:
    """What a transport needs. `tls` is None for plain http, which is for loopback only.

    `server_name` is the name that the server's certificate must bear; "" is that of its address.
    """

    server: str
    tls: ssl.SSLContext | None
    credentials: Credentials
    namespace: str
    server_name: str = ""


def find_access(settings: KubernetesSettings, service_account: str = SERVICE_ACCOUNT) -> Access:
    """The access that settings and environment describe. Raises: SettingsInvalid if there is none, or it is broken."""
    if not (settings.kubeconfig or settings.context) and os.environ.get("KUBERNETES_SERVICE_HOST"):
        try:
            config = KubeConfig.from_service_account(service_account).get()
        except _UNREADABLE:
            raise SettingsInvalid(SUBJECT, f"the Pod's service account in {service_account} cannot be read") from None
        found = _Found(config)
    else:
        found = _from_files(settings)
    return _access(found, settings.namespace)


@dataclass(frozen=True, repr=False)
class _Found:
    """What lightkube makes of a context, and what it leaves out of it.

    `told` is what an exec plugin is told of the cluster, None unless the kubeconfig says `provideClusterInfo`.
    """

    config: SingleConfig | None
    server_name: str = ""
    told: Mapping[str, object] | None = None


def _from_files(settings: KubernetesSettings) -> _Found:
    """The first file that has the wanted context, or any current one; each file stands for itself."""
    named = settings.kubeconfig or os.environ.get("KUBECONFIG", "")
    paths = [path for path in named.split(os.pathsep) if path] or [DEFAULT_KUBECONFIG]
    found = [path for path in paths if Path(path).expanduser().is_file()]
    if not found:
        raise SettingsInvalid(SUBJECT, f"no cluster: not in a Pod, and no kubeconfig at {', '.join(paths)}"[:300])
    for file, document in _parsed(found):
        wanted = settings.context or file.current_context
        if wanted and wanted in file.contexts:
            try:
                config, cluster = file.get(wanted), _cluster(document, file.contexts[wanted].cluster)
                told = _told(document, file.contexts[wanted].user or "", cluster, Path(str(file.fname)).parent)
            except _UNREADABLE:
                raise SettingsInvalid(SUBJECT, f"{file.fname} lacks the cluster or user of its context") from None
            return _Found(config, _server_name(cluster, f"{file.fname}, context {wanted}"), told)
    wanted = f"context {settings.context}" if settings.context else "current context"
    raise SettingsInvalid(SUBJECT, f"no {wanted} in {', '.join(found)}"[:300])


def _parsed(paths: list[str]) -> Iterator[tuple[KubeConfig, dict[str, Any]]]:
    for path in paths:
        try:
            document = yaml.safe_load(Path(path).expanduser().read_text("utf-8"))
            yield KubeConfig.from_dict(document, fname=Path(path).expanduser()), document
        except _UNREADABLE:
            raise SettingsInvalid(SUBJECT, f"{path} is no readable kubeconfig") from None


def _cluster(document: dict[str, Any], name: str) -> dict[str, Any]:
    """A cluster with the fields that lightkube leaves out."""
    return next(entry["cluster"] for entry in document["clusters"] if entry["name"] == name)


def _told(document: dict[str, Any], user: str, cluster: dict[str, Any], folder: Path) -> Mapping[str, object] | None:
    """What client-go tells a plugin that asks for it: how the server is reached and trusted, and its own settings."""
    users = {entry["name"]: entry.get("user") or {} for entry in document.get("users") or ()}
    declared = users.get(user, {}).get("exec") or {}
    if declared.get("provideClusterInfo") is not True:
        return None
    names = ("server", "tls-server-name", "insecure-skip-tls-verify", "certificate-authority-data")
    told = {name: cluster[name] for name in names if cluster.get(name)}
    if cluster.get("certificate-authority") and "certificate-authority-data" not in told:
        content = (folder / cluster["certificate-authority"]).read_bytes()
        told["certificate-authority-data"] = base64.b64encode(content).decode()
    extensions = {entry["name"]: entry.get("extension") for entry in cluster.get("extensions") or ()}
    return {**told, "config": extensions[FOR_PLUGINS]} if FOR_PLUGINS in extensions else told


def _server_name(cluster: dict[str, Any], place: str) -> str:
    """The `tls-server-name`. Raises: SettingsInvalid, naming the `place`, for what would silently go another way."""
    if cluster.get("proxy-url"):
        said = "`proxy-url` is not supported: name a context whose server can be reached without a proxy"
        raise SettingsInvalid(SUBJECT, f"{place}: {said}")
    name = cluster.get("tls-server-name") or ""
    if not isinstance(name, str) or not name.isascii():
        raise SettingsInvalid(SUBJECT, f"{place}: `tls-server-name` must be the name in the server's certificate")
    return name


def _access(found: _Found, namespace: str) -> Access:
    config = found.config
    if config is None:
        raise SettingsInvalid(SUBJECT, "no context is chosen")
    server = config.cluster.server
    try:
        parts = urlsplit(server)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise SettingsInvalid(SUBJECT, "the server's address cannot be read") from None
    if parts.scheme not in ("http", "https") or not host or parts.username is not None or parts.query:
        raise SettingsInvalid(SUBJECT, "the server's address must be https://host[:port][/path]")
    if parts.scheme == "http" and not is_loopback(host):
        raise SettingsInvalid(f"Kubernetes {parts.netloc}", "plain http is only for loopback")
    user = config.user or User()
    try:
        tls = verify_cluster(config.cluster, user, config.abs_file) if parts.scheme == "https" else None
    except _UNREADABLE:
        raise SettingsInvalid(f"Kubernetes {parts.netloc}", "a CA, certificate or key cannot be used") from None
    credentials = _credentials(config, user, found.told)
    return Access(server, tls, credentials, namespace or config.namespace, found.server_name)


def _credentials(config: SingleConfig, user: User, told: Mapping[str, object] | None) -> Credentials:
    if user.token_file is not None:
        return TokenFile(str(config.abs_file(user.token_file)))
    if user.token is not None:
        return Fixed.token(user.token)
    if user.exec is not None:
        return ExecPlugin(_plugin(config, user, told))
    if user.username and user.password:
        return Fixed.password(user.username, user.password)
    if user.auth_provider:
        raise SettingsInvalid(SUBJECT, "`auth-provider` is gone from Kubernetes; use an exec plugin")
    return Fixed()


def _plugin(config: SingleConfig, user: User, told: Mapping[str, object] | None) -> Plugin:
    declared = user.exec
    assert declared is not None
    # As kubectl reads it: a bare name is looked up in PATH, a relative path starts at the kubeconfig.
    relative = os.sep in declared.command
    command = str(config.abs_file(declared.command)) if relative else declared.command
    environment = {one.name: one.value for one in declared.env or ()}
    return Plugin(declared.apiVersion, command, tuple(declared.args or ()), environment, told)
