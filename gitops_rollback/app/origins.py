"""What a URL of the settings says about itself: its origin, whether it is this machine, a repository's default name.

Source: RFC 6454 for origins; git-clone(1), GIT URLS, for the `user@host:path` form.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

SCP_FORM = re.compile(r"(?:[A-Za-z0-9._-]+@)?(?P<host>[A-Za-z0-9][A-Za-z0-9.-]*):(?P<path>[^/\\].*)")
_PORTS = {"http": 80, "https": 443, "ssh": 22}


def repository_name(url: str) -> str:
    """The default name of a repository: the URL's last two path parts, lower case, without `.git`."""
    return "/".join(repository_path(url).lower().split("/")[-2:])


def repository_path(url: str) -> str:
    """The URL's path as it is written, without `.git` and slashes around it."""
    match = None if "://" in url else SCP_FORM.fullmatch(url)
    path = (match["path"] if match else urlsplit(url).path).rstrip("/")
    bare = path[:-4] if path.lower().endswith(".git") else path
    return "/".join(part for part in bare.split("/") if part)


def origin_of(url: str) -> str:
    """`scheme://host:port` in lower case, without a default port; "" if there is no host (file://, or not a URL)."""
    match = None if "://" in url else SCP_FORM.fullmatch(url)
    if match:
        return f"ssh://{match['host'].lower()}"
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return ""
    if not parts.hostname or port is None:
        return ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + ("" if port == _PORTS.get(parts.scheme) else f":{port}")


def is_loopback(url: str) -> bool:
    """True if the URL's host is this machine by its spelling: `localhost`, or an address of the loopback block.

    `//host` and `//host:port` are understood too, and `file://` is nowhere else.
    """
    match = None if "://" in url else SCP_FORM.fullmatch(url)
    try:
        host = match["host"].lower() if match else urlsplit(url).hostname or ""
        address = None if host == "localhost" else ip_address(host)
    except ValueError:
        return url.startswith("file://")
    mapped = getattr(address, "ipv4_mapped", None) or address
    return mapped is None or bool(mapped.is_loopback)
