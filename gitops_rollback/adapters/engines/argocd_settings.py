"""Where is the Argo CD, and how long may it take?

Source: contracts/argocd.md section 1 (TLS, `--rootpath`); interfaces.md, "Environment" (`ARGOCD_SERVER`: no scheme
means https).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from gitops_rollback.core.errors import SettingsInvalid

_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")
_PATH = re.compile(r"[A-Za-z0-9._~/-]*")


@dataclass(frozen=True)
class ArgoCdSettings:
    """How to reach one Argo CD. `server` may leave out the scheme (then https) and may end in a root path.

    `token` is asked before each request, so it may be rotated. `timeout` bounds each request as a whole; `silence` is
    how long the watch stream may say nothing (the server sends a keepalive every 15 s).
    """

    server: str
    token: Callable[[], str]
    instance: str = "default"
    ca_file: Path | None = None
    insecure_http_allowed: bool = False
    timeout: timedelta = timedelta(seconds=30)
    refresh_timeout: timedelta = timedelta(seconds=20)
    silence: timedelta = timedelta(seconds=45)
    reconnect_after: timedelta = timedelta(seconds=1)  # doubles up to a minute while the stream gives nothing
    max_body: int = 64 << 20  # bytes, after decompression


def base_url(server: str, http_allowed: bool = False) -> str:
    """`scheme://host[:port][/root]` without a slash at the end.

    Raises: SettingsInvalid for what is no such address, and for http beyond loopback unless it is allowed.
    """
    url = server if "://" in server else f"https://{server}"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as exc:
        raise SettingsInvalid("the Argo CD server", "its address cannot be read") from exc
    host = parts.hostname or ""
    _check(parts, host)
    if parts.scheme == "http" and not (http_allowed or is_loopback(host)):
        raise SettingsInvalid(f"the Argo CD server {host}", "plain http is only for loopback, or where it is allowed")
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}{f':{port}' if port is not None else ''}{parts.path.rstrip('/')}"


def is_loopback(host: str) -> bool:
    """True for localhost and for 127.0.0.0/8 and ::1 as numbers; no name is looked up."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check(parts: SplitResult, host: str) -> None:
    subject = f"the Argo CD server {host}" if _HOST.fullmatch(host) else "the Argo CD server"
    if parts.scheme not in ("http", "https") or not _HOST.fullmatch(host):
        raise SettingsInvalid(subject, "its address must be https://host[:port][/root]")
    if parts.username is not None or parts.password is not None:
        raise SettingsInvalid(subject, "its address must not hold a user or password")
    if parts.query or parts.fragment or not _PATH.fullmatch(parts.path):
        raise SettingsInvalid(subject, "its address must end after the root path")
