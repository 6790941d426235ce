"""Where may the controller connect to? Asked by name before a request, and by resolved address at connect.

An origin is on the list if an entry names it. A loopback, private or otherwise not public address is allowed only if
an entry names that address (or a network around it), if the host's own name says that it is inside, or if it is the
host of one of the controller's own settings; a link-local one (cloud metadata) only if an entry names it itself.
Source: reliability.md, promise 18b and attack A3; interfaces.md, `_ALLOW_ORIGINS`; Python `ipaddress` of 3.11, which
does not see through `::ffff:127.0.0.1`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from gitops_rollback.core.errors import Reason, SettingsInvalid, StalledError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

DEFAULT_PORTS = {"http": 80, "https": 443}
NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Names that no public DNS answers: a single label (with a letter in front, so no number in disguise), or these zones.
INSIDE_NAME = re.compile(r"[a-z][a-z0-9-]*|.+\.(?:svc|cluster\.local|internal|local|localhost|lan|home\.arpa)")
HOST = re.compile(r"[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?")


class OutboundBlocked(StalledError):
    """The controller may not connect there. The message names host and address, never path, query or answer."""

    reason = Reason.ORIGIN_NOT_ALLOWED


@dataclass(frozen=True)
class Origin:
    """Scheme, host and port that a request goes to; the host is lower case, an IPv6 address without brackets."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if DEFAULT_PORTS.get(self.scheme) == self.port else f":{self.port}"
        return f"{self.scheme}://{host}{port}"


@dataclass(frozen=True)
class Entry:
    """One word of the allow-list; None stands for any scheme, any port."""

    scheme: str | None
    host: str
    port: int | None
    own: bool = False

    def names(self, origin: Origin) -> bool:
        return self.host == origin.host and self.scheme in (None, origin.scheme) and self.port in (None, origin.port)


@dataclass(frozen=True)
class OriginRules:
    """The allow-list. Empty: nothing may be connected to."""

    entries: tuple[Entry, ...] = ()
    networks: tuple[Network, ...] = ()
    allow_http: bool = False  # plain http beyond loopback

    @classmethod
    def parse(cls, entries: Iterable[str], own: Iterable[str] = (), allow_http: bool = False) -> OriginRules:
        """The list from `entries` (`https://host:port`, `host`, `host:port`, an address, a network) and from `own`.

        `own` are URLs of the controller's settings, such as the metric source: their hosts may resolve to private
        addresses. Paths are ignored. Raises: SettingsInvalid for what is neither.
        """
        found: list[Entry] = []
        networks: list[Network] = []
        for text in (entry.strip() for entry in entries):
            network = _network(text)
            if network is not None:
                networks.append(network)
            if network is None or "/" not in text:
                found.append(_entry(text, own=False))
        found += [_entry(url, own=True) for url in own]
        return cls(tuple(found), tuple(networks), allow_http)

    def check(self, origin: Origin) -> None:
        """Raises: OutboundBlocked if no entry names `origin`."""
        if origin.scheme not in DEFAULT_PORTS:
            raise OutboundBlocked(str(origin), f"{origin.scheme or 'no scheme'} is not http or https")
        if not any(entry.names(origin) for entry in self.entries):
            raise OutboundBlocked(str(origin), "not on the list of allowed origins")

    def check_address(self, origin: Origin, address: str) -> None:
        """Raises: OutboundBlocked if `origin` is allowed but not at this resolved address."""
        ip = unwrap(ipaddress.ip_address(address.partition("%")[0]))
        if not self._may_resolve_to(origin, ip):
            raise OutboundBlocked(str(origin), f"resolves to {ip}, which is not public and which no entry names")
        if origin.scheme == "http" and not (self.allow_http or ip.is_loopback):
            raise OutboundBlocked(str(origin), "plain http is allowed to loopback only")

    def _may_resolve_to(self, origin: Origin, ip: Address) -> bool:
        if is_public(ip) or any(ip in network for network in self.networks):
            return True
        named = [entry for entry in self.entries if entry.names(origin)]
        if named and _literal(origin.host) == ip:
            return True
        if ip.is_link_local or ip.is_unspecified or ip.is_multicast:
            return False
        return any(entry.own or INSIDE_NAME.fullmatch(entry.host) for entry in named)


def is_public(ip: Address) -> bool:
    """True for an address that the whole internet routes."""
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified or ip.is_link_local)


def unwrap(ip: Address) -> Address:
    """The IPv4 address inside a mapped, 6to4 or NAT64 one, else `ip` itself."""
    if isinstance(ip, ipaddress.IPv6Address):
        if ip in NAT64:
            return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        return ip.ipv4_mapped or ip.sixtofour or ip
    return ip


def origin_of(url: str) -> Origin:
    """The origin of a URL as our settings and policies write it. Raises: OutboundBlocked if it has none."""
    try:
        parts = urlsplit(url)
        port = parts.port or DEFAULT_PORTS.get(parts.scheme, 0)
    except ValueError as exc:
        raise OutboundBlocked("url", "not a URL") from exc
    return Origin(parts.scheme, _host(parts), port)


def _host(parts: SplitResult) -> str:
    if parts.username is not None or parts.password is not None:
        raise OutboundBlocked("url", "credentials in a URL are refused")
    host = (parts.hostname or "").lower()
    literal = _literal(host)
    if literal is None and not HOST.fullmatch(host):
        raise OutboundBlocked("url", "not a host name or address")
    return str(literal) if literal is not None else host


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _network(text: str) -> Network | None:
    try:
        return ipaddress.ip_network(text.strip("[]"), strict=False)
    except ValueError:
        return None


def _entry(text: str, own: bool) -> Entry:
    literal = _literal(text)
    if literal is not None:
        return Entry(None, str(literal), None, own)
    try:
        if "://" in text:
            origin = origin_of(text)
            if origin.scheme in DEFAULT_PORTS:
                return Entry(origin.scheme, origin.host, origin.port, own)
        parts = urlsplit(f"//{text}")
        if "://" not in text and parts.path in ("", "/"):
            return Entry(None, _host(parts), parts.port, own)
    except (OutboundBlocked, ValueError) as exc:
        raise SettingsInvalid("allowed origins", "one entry is not an origin, host, address or network") from exc
    raise SettingsInvalid("allowed origins", "one entry is not an origin, host, address or network")
