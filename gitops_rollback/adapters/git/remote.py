"""Where is the remote, may it be used, and how does git get in without a secret in an argument or a URL?

Source: git-config(1) `http.extraHeader`, git(1) `GIT_CONFIG_COUNT`, `GIT_SSH_COMMAND`; ssh_config(5);
git-check-ref-format(1). The refused forms of a URL are those of git-remote-helpers(7) and of option injection.
"""

from __future__ import annotations

import ipaddress
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from gitops_rollback.adapters.git.login import Login, Passwords, entry
from gitops_rollback.core.errors import SettingsInvalid
from gitops_rollback.core.rendering import Render

SCP_FORM = re.compile(
    r"(?:[A-Za-z0-9_][\w.-]*@)?(?P<host>[A-Za-z0-9][\w.-]*|\[[0-9A-Fa-f:.]+\]):(?P<path>[^\s:-][^\s]*)"
)
USER = re.compile(r"[A-Za-z0-9_][\w.-]*")
HOST = re.compile(r"[A-Za-z0-9][\w.-]*|[0-9A-Fa-f:.]+")
HELPER = re.compile(r"[A-Za-z0-9+.-]+::")
UNSAFE = re.compile(r"[\x00-\x20\x7f]")
REF_UNSAFE = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|(?:^|/)\.|\.lock(?:/|$)|^/|/$|\.$")
IDENTITY = re.compile(r"(?P<name>[^<>\x00-\x1f]*[^<>\x00-\x20]) <(?P<mail>[^<>\x00-\x20]+)>")
DEFAULT_AUTHOR = "gitops-rollback <gitops-rollback@localhost>"
DEFAULT_USERNAME = "x-access-token"  # GitHub wants this one for App tokens; the others take any


@dataclass(frozen=True)
class RepositorySettings:
    """One config repository as the settings name it. Times are real seconds."""

    name: str
    url: str
    state_dir: Path
    branch: str = ""  # "" is the remote's HEAD
    username: str = ""
    token: str = field(default="", repr=False)
    passwords: Passwords | None = field(default=None, repr=False)  # instead of a token: one that does not last
    ca_file: Path | None = None
    ssh_key_file: Path | None = None
    ssh_known_hosts_file: Path | None = None
    signing_key_file: Path | None = None
    author: str = DEFAULT_AUTHOR
    journal_branch: str = "gitops-rollback-journal"
    control_branch: str = "gitops-rollback-control"
    allow_http: bool = False  # plain http beyond loopback
    allow_file: bool = False
    render: tuple[Render, ...] = ()  # what makes its generated files
    fetch_deadline: float = 60.0
    push_deadline: float = 60.0
    clone_deadline: float = 900.0
    lag_patience: float = 120.0  # how long a remote may answer with an older head than our own push


@dataclass(frozen=True)
class Access:
    """How git reaches one remote: further configuration (not secret), environment, and what must never be shown."""

    config: Sequence[str]
    environment: dict[str, str]
    secrets: Sequence[str]
    login: Login | None = None  # where what lets us in does not last


def access(settings: RepositorySettings) -> Access:
    """Raises: SettingsInvalid for a URL, branch or author that cannot be used."""
    scheme = require_url(settings.url, settings.allow_http, settings.allow_file)
    for branch in (settings.branch, settings.journal_branch, settings.control_branch):
        if branch and not is_branch_name(branch):
            raise SettingsInvalid(settings.name, f"{branch[:200]!r} is no name that a git branch can have")
    if IDENTITY.fullmatch(settings.author) is None:
        raise SettingsInvalid(settings.name, "author must read `Name <mail>`")
    environment = {"GIT_ALLOW_PROTOCOL": scheme}
    config, secrets = [f"http.sslCAInfo={settings.ca_file}"] if settings.ca_file else [], []
    login: Login | None = None
    if scheme == "ssh":
        environment |= {"GIT_SSH_COMMAND": _ssh_command(settings), "GIT_SSH_VARIANT": "ssh"}
    elif scheme in ("http", "https") and settings.token:
        way = entry(origin(settings.url), settings.username or DEFAULT_USERNAME, settings.token)
        secrets = list(way.secrets)
        environment |= way.environment
    elif scheme in ("http", "https") and settings.passwords is not None:
        login = Login(origin(settings.url), DEFAULT_USERNAME, settings.passwords)
    return Access(config, environment, secrets, login)


def require_url(url: str, allow_http: bool, allow_file: bool) -> str:
    """The protocol of a usable URL: https, ssh, http or file. Raises: SettingsInvalid, without repeating a secret."""
    if len(url) > 2000 or UNSAFE.search(url) or url.startswith("-") or HELPER.match(url):
        raise SettingsInvalid("repository URL", "is not one that git may be given")
    if "://" not in url:
        if SCP_FORM.fullmatch(url) is None:
            raise SettingsInvalid("repository URL", "must start with https:// or ssh://, or read user@host:path")
        return "ssh"
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as exc:
        raise SettingsInvalid("repository URL", "is malformed") from exc
    if parts.query or parts.fragment or "?" in url or "#" in url:
        raise SettingsInvalid("repository URL", "must have no query and no fragment")
    if parts.password is not None or (parts.username is not None and parts.scheme != "ssh"):
        raise SettingsInvalid("repository URL", "must hold no credentials: give username and token apart")
    _require_scheme(parts, allow_http, allow_file)
    return parts.scheme


def _require_scheme(parts: SplitResult, allow_http: bool, allow_file: bool) -> None:
    host = parts.hostname or ""
    if parts.scheme == "file":
        if not allow_file or host not in ("", "localhost") or not parts.path.startswith("/"):
            raise SettingsInvalid("repository URL", "file:// is for trials: allow it explicitly, with a full path")
        return
    if parts.scheme not in ("https", "http", "ssh"):
        raise SettingsInvalid("repository URL", "only https and ssh are allowed")
    if HOST.fullmatch(host) is None or (parts.username is not None and USER.fullmatch(parts.username) is None):
        raise SettingsInvalid("repository URL", "has an unusable host or user name")
    if len(parts.path) < 2 or parts.path.startswith("/-"):
        raise SettingsInvalid("repository URL", "has no usable path")
    if parts.scheme == "http" and not allow_http and not _is_loopback(host):
        raise SettingsInvalid("repository URL", "plain http is allowed to loopback only")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def origin(url: str) -> str:
    """`scheme://host[:port]` of an http(s) URL: what a credential is bound to."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def is_branch_name(name: str) -> bool:
    """True if `refs/heads/<name>` is a ref that git accepts. A leading `-` is fine there: it is never an argument."""
    return bool(name) and len(name) <= 1000 and name != "@" and REF_UNSAFE.search(name) is None


def identity(author: str) -> tuple[str, str]:
    """(name, mail) of `Name <mail>`. Raises: SettingsInvalid."""
    found = IDENTITY.fullmatch(author)
    if found is None:
        raise SettingsInvalid("author", "must read `Name <mail>`")
    return found["name"].strip(), found["mail"]


def _ssh_command(settings: RepositorySettings) -> str:
    """Strict host keys, no prompt, nothing from the user's ssh configuration, and only the key that was named."""
    options = ["BatchMode=yes", "StrictHostKeyChecking=yes", "ConnectTimeout=10", "PasswordAuthentication=no"]
    options += ["ServerAliveInterval=10", "ServerAliveCountMax=3", "UpdateHostKeys=no", "ForwardAgent=no"]
    if settings.ssh_known_hosts_file is not None:
        options += [f'UserKnownHostsFile="{settings.ssh_known_hosts_file}"', "GlobalKnownHostsFile=/dev/null"]
    command = ["ssh", "-F", "/dev/null"]
    if settings.ssh_key_file is not None:
        options += ["IdentitiesOnly=yes", "IdentityAgent=none"]
        command += ["-i", str(settings.ssh_key_file)]
    return shlex.join([*command, *(word for option in options for word in ("-o", option))])
