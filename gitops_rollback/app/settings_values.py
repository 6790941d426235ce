"""The kinds of values that a setting may have, each with its own fault in words that a person can act on.

Nothing here does I/O. What is read from the environment is text, from a file a YAML value: both are taken.
Source: interfaces.md, Environment.
"""

from __future__ import annotations

import ipaddress
import re
from datetime import datetime, timedelta
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationInfo
from pydantic.alias_generators import to_camel

from gitops_rollback.adapters.git.remote import is_branch_name, require_url
from gitops_rollback.adapters.origins import OriginRules
from gitops_rollback.app.origins import is_loopback, origin_of
from gitops_rollback.core.duration import parse_duration
from gitops_rollback.core.errors import SettingsInvalid
from gitops_rollback.core.images import Image, kept_at
from gitops_rollback.core.journal import parse_time
from gitops_rollback.core.kinds import ALWAYS_ASK

_GROUP = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+")


def _flag(value: object) -> object:
    if isinstance(value, bool):
        return value
    words: dict[object, bool] = {"true": True, "false": False}
    if value not in words:
        raise ValueError("must be true or false")
    return words[value]


def _duration(value: object) -> object:
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        raise ValueError("must be a duration like 90s, 10m or 2h30m")
    return parse_duration(value)


def _time(value: object) -> object:
    if value is None or isinstance(value, datetime):
        return value
    try:
        return parse_time(str(value))
    except ValueError as exc:
        raise ValueError("must be a time with a zone like 2026-11-25T12:00:00Z") from exc


def spelt_limits(value: object) -> object:
    """`40/1h,100/24h` as the list that it stands for; a list is left alone."""
    if not isinstance(value, str):
        return value
    limits = []
    for part in value.split(","):
        count, slash, per = part.strip().partition("/")
        if not slash or not count.isdecimal():
            raise ValueError("must be spelt like 40/1h or 4/1h,10/24h")
        limits.append({"max": int(count), "per": per})
    return limits


def _words(value: object) -> object:
    return tuple(part for part in re.split(r"[,\s]+", value) if part) if isinstance(value, str) else value


def _http_url(value: str, info: ValidationInfo) -> str:
    parts = _split(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an https:// URL")
    if parts.scheme == "http" and not (_context(info, "allow_http") or is_loopback(value)):
        raise ValueError("plain http beyond loopback needs allowHttp: true (GITOPS_ROLLBACK_ALLOW_HTTP=true)")
    return value


def _repository_url(value: str, info: ValidationInfo) -> str:
    """The git adapter's own rule; what a setting could allow is said first, with that setting's name."""
    scheme = value.partition("://")[0]
    if scheme == "file" and not _context(info, "allow_file"):
        raise ValueError("file:// is for trials and needs allowFileUrls: true (GITOPS_ROLLBACK_ALLOW_FILE=true)")
    if scheme == "http":
        _http_url(value, info)
    try:
        require_url(value, allow_http=True, allow_file=True)
    except SettingsInvalid as exc:
        raise ValueError(exc.message) from exc
    return value


def _branch(value: str) -> str:
    if value and not is_branch_name(value):
        raise ValueError("is no name that a git branch can have")
    return value


class _Split(BaseModel):
    scheme: str
    hostname: str | None


def _split(value: str) -> _Split:
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError as exc:
        raise ValueError("is not a URL") from exc
    if parts.password is not None or (parts.username is not None and parts.scheme != "ssh"):
        raise ValueError("must not hold credentials; use a token setting")
    if any(character.isspace() or not character.isprintable() for character in value):
        raise ValueError("is not a URL")
    return _Split(scheme=parts.scheme, hostname=parts.hostname)


def _context(info: ValidationInfo, word: str) -> bool:
    return bool(info.context and info.context.get(word))


def _bind(value: str) -> str:
    host, colon, port = value.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise ValueError("must be host:port, for example 127.0.0.1:8080")
    return value


def _origin(value: str) -> str:
    if not origin_of(value):
        raise ValueError("must be an origin like https://host:port")
    return origin_of(value)


def _kind(value: str) -> str:
    """A group and a kind; which of them no setting may name is said at once."""
    group, _, kind = value.rpartition("/")
    if not _GROUP.fullmatch(group) or not kind.isalnum() or not kind[:1].isupper():
        raise ValueError("must be a group and a kind, like infra.contrib.fluxcd.io/Terraform")
    if kind in ALWAYS_ASK or "secret" in kind.lower():
        raise ValueError(f"names {kind}, which always asks a person")
    return value


def _registry_name(value: str) -> str:
    """As `kept_at` finds it in front of an image."""
    kept = kept_at(Image(f"{value}/x/y", "z"))
    if kept is None or kept.registry != value or kept.repository != "x/y":
        raise ValueError("must be a registry as images name it, like docker.io, ghcr.io or localhost:5000")
    return value


def _network(value: str) -> str:
    try:
        network = ipaddress.ip_network(value)
    except ValueError as exc:
        raise ValueError("must be an address or a network like 10.1.0.0/16") from exc
    if network.prefixlen == 0:
        raise ValueError("is every address there is: name those of the proxy")
    return str(network)


def _allowed(value: str) -> str:
    try:
        OriginRules.parse([value])
    except SettingsInvalid as exc:
        raise ValueError("must hold origins, hosts, addresses or networks") from exc
    return value


Flag = Annotated[bool, BeforeValidator(_flag)]
Duration = Annotated[timedelta, BeforeValidator(_duration)]
Time = Annotated[datetime, BeforeValidator(_time)]
Words = Annotated[tuple[str, ...], BeforeValidator(_words)]
Kinds = Annotated[tuple[Annotated[str, AfterValidator(_kind)], ...], BeforeValidator(_words)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
RepositoryUrl = Annotated[str, AfterValidator(_repository_url)]
Origin = Annotated[str, AfterValidator(_origin)]
Branch = Annotated[str, AfterValidator(_branch)]
RegistryName = Annotated[str, AfterValidator(_registry_name)]
Bind = Annotated[str, AfterValidator(_bind)]
Networks = Annotated[tuple[Annotated[str, AfterValidator(_network)], ...], BeforeValidator(_words)]
Allowed = Annotated[tuple[Annotated[str, AfterValidator(_allowed)], ...], BeforeValidator(_words)]
Origins = Annotated[tuple[Origin, ...], BeforeValidator(_words)]


class Closed(BaseModel):
    """A setting with a closed set of keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, hide_input_in_errors=True)
