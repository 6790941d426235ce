"""Are two repository addresses the same repository? Engines, people and we write one in different ways.

Source: git-fetch(1), "GIT URLS": `scheme://[user@]host[:port]/path` and `[user@]host:path`.
"""

from __future__ import annotations

import re
from functools import lru_cache

_URL = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?:[^/@]*@)?(?P<host>\[[^\]]*\]|[^/:]*)(?::\d*)?(?P<path>/.*)?"
)
_SCP = re.compile(r"(?:[^/@:]*@)?(?P<host>\[[^\]]*\]|[^/:\[]+):(?P<path>.*)")
_USER = re.compile(r"(?<=://)[^/\s@']*@")
_QUERY = re.compile(r"(?<=\S)\?[^\s'\"]*")


def without_credentials(text: str) -> str:
    """A message without the users, passwords and queries of the addresses that it names."""
    return _QUERY.sub("", _USER.sub("", text))


def same_repository(one: str, other: str) -> bool:
    """True if both are equal after dropping scheme, user, port, `.git`, slashes at the end and case.

    An empty address equals nothing. Source: interfaces.md, "Which repository is it?".
    """
    host, path = _host_and_path(one)
    return bool(path) and (host, path) == _host_and_path(other)


def path_equal(one: str, other: str) -> bool:
    """True if only the path parts are equal: enough where the deployed commit is also found in our clone."""
    path = _host_and_path(one)[1]
    return bool(path) and path == _host_and_path(other)[1]


def path_of(url: str) -> str:
    """The path part of an address in lower case, without slashes around it and without `.git`."""
    return _host_and_path(url)[1]


@lru_cache(maxsize=1024)
def _host_and_path(url: str) -> tuple[str, str]:
    text = url.strip().lower()
    match = _URL.fullmatch(text) or _SCP.fullmatch(text)
    host, path = (match["host"], match["path"] or "") if match else ("", text)
    return host, path.split("?")[0].split("#")[0].strip("/").removesuffix(".git").strip("/")
