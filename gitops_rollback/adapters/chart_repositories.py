"""Does a version of a Helm chart exist? Asked of the chart repositories and registries that the settings name.

A chart repository is a folder with an `index.yaml`, which lists each version of each chart; that one GET is all that
is asked. Only an index that can be read makes a version MISSING. Charts of a registry are looked up as images are.
Source: Helm, The Chart Repository Guide (`index.yaml`, `entries`); Helm, Registries (`+` is `_` in a tag).
"""

from __future__ import annotations

import base64
import json
import re
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta

import yaml

from gitops_rollback.adapters.http import Failure, Http, HttpFailed, HttpSettings
from gitops_rollback.adapters.origins import OriginRules
from gitops_rollback.core.charts import OCI, Chart, ChartPresence
from gitops_rollback.core.errors import RollbackError
from gitops_rollback.core.images import Found, Image, Presence
from gitops_rollback.core.written import QUICK_LOADER

TIMEOUT = timedelta(seconds=10)
MAX_INDEX = 32 << 20  # bytes
MAX_PART = 4 << 20  # of one chart in it
IN_ENTRY = 2  # how deep the fields of one version stand in a chart's list
KEPT_SECONDS = 600.0
KEPT_UNKNOWN_SECONDS = 30.0
PASSING = (Failure.TIMEOUT, Failure.CONNECT, Failure.BROKEN)
_ENTRIES = re.compile(rb"^entries:[ \t]*\r?\n", re.MULTILINE)


class _Unread(Exception):
    """The text is no index of charts that can be read."""


@dataclass(frozen=True)
class ChartRepositorySettings:
    """One repository of charts: `url` without `/index.yaml`. The account's words are sent to its origin only."""

    url: str
    username: str = ""
    password: str = ""
    ca_file: str = ""


class ChartRepositories:
    """All of the settings; keeps each answer for ten minutes. `look_up` asks registries. Thread-safe."""

    def __init__(
        self,
        repositories: Iterable[ChartRepositorySettings],
        rules: OriginRules,
        look_up: Callable[[Image], Presence] | None,
    ) -> None:
        self._repositories = {one.url.rstrip("/"): _Repository(one, rules) for one in repositories}
        self._look_up = look_up

    def look_up(self, chart: Chart) -> ChartPresence:
        """As in `ports.Charts`."""
        if not chart.is_exact:
            return ChartPresence(chart, Found.NOT_ASKED, "it may be one of several versions")
        if not chart.repository:
            return ChartPresence(chart, Found.NOT_ASKED, "no file of the application tells its repository")
        if chart.repository.startswith(OCI):
            return self._of_registry(chart)
        repository = self._repositories.get(chart.repository)
        if repository is None:
            return ChartPresence(chart, Found.NOT_ASKED, "the settings name no such chart repository")
        return repository.look_up(chart)

    def close(self) -> None:
        """Close all kept connections."""
        for repository in self._repositories.values():
            repository.close()

    def _of_registry(self, chart: Chart) -> ChartPresence:
        if self._look_up is None:
            return ChartPresence(chart, Found.NOT_ASKED, "the settings name no registry")
        tag = chart.version.replace("+", "_")
        found = self._look_up(Image(f"{chart.repository.removeprefix(OCI)}/{chart.name}", tag))
        return ChartPresence(chart, found.found, found.message)


class _Repository:
    def __init__(self, settings: ChartRepositorySettings, rules: OriginRules) -> None:
        words = f"{settings.username}:{settings.password}".encode()
        basic = (("Authorization", f"Basic {base64.b64encode(words).decode()}"),) if settings.username else ()
        self._http = Http(rules, HttpSettings(ca_file=settings.ca_file, headers=basic, max_body=MAX_INDEX))
        self._settings = settings
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[float, frozenset[str] | ChartPresence]] = {}

    def close(self) -> None:
        self._http.close()

    def look_up(self, chart: Chart) -> ChartPresence:
        """One at a time: the next one may find the same chart's versions kept."""
        with self._lock:
            until, known = self._kept.get(chart.name, (0.0, None))
            if known is None or time.monotonic() >= until:
                known = self._asked(chart)
                seconds = KEPT_SECONDS if isinstance(known, frozenset) else KEPT_UNKNOWN_SECONDS
                self._kept[chart.name] = (time.monotonic() + seconds, known)
        if not isinstance(known, frozenset):
            return ChartPresence(chart, known.found, known.message)
        if chart.version.removeprefix("v") in known:
            return ChartPresence(chart, Found.PRESENT)
        return ChartPresence(chart, Found.MISSING, "its index does not list that version")

    def _asked(self, chart: Chart) -> frozenset[str] | ChartPresence:
        try:
            answer = self._http.get(f"{self._settings.url.rstrip('/')}/index.yaml", TIMEOUT)
        except RollbackError as error:
            passing = isinstance(error, HttpFailed) and error.failure in (
                Failure.TIMEOUT,
                Failure.CONNECT,
                Failure.BROKEN,
            )
            return ChartPresence(
                chart, Found.NO_ANSWER if passing else Found.UNKNOWN, f"{error.subject}: {error.message}"
            )
        if answer.status == 200:
            try:
                return versions_of(answer.body, chart.name)
            except _Unread as error:
                return ChartPresence(chart, Found.UNKNOWN, str(error))
        if answer.status in (401, 403):
            words = f"it refuses its index ({answer.status}); set username and passwordFile of this chart repository"
            return ChartPresence(chart, Found.UNKNOWN, words)
        passing = answer.status >= 500 or answer.status == 429
        return ChartPresence(chart, Found.NO_ANSWER if passing else Found.UNKNOWN, f"its index answers {answer.status}")


def versions_of(index: bytes, name: str) -> frozenset[str]:
    """The versions of one chart, without a `v` in front, as an index lists them. Raises: _Unread.

    Indexes have tens of megabytes, and a chart's part of one some kilobytes: that part alone is read as YAML.
    """
    found = _of_json(index, name) if index.lstrip()[:1] == b"{" else _of_yaml(_part(index, name))
    return frozenset(one.removeprefix("v") for one in found)


def _of_json(index: bytes, name: str) -> list[str]:
    try:
        document = json.loads(index)
    except (ValueError, RecursionError):
        raise _Unread("its index is no JSON that can be read") from None
    entries = document.get("entries")
    listed = entries.get(name, []) if isinstance(entries, dict) else None
    if not isinstance(listed, list):
        raise _Unread("its index is none that Helm would write")
    return [str(one["version"]) for one in listed if isinstance(one, dict) and "version" in one]


def _part(index: bytes, name: str) -> bytes:
    """What stands below `name`. Helm writes the keys of `entries` each on a line of its own."""
    start = _ENTRIES.search(index)
    if start is None:
        raise _Unread("its index lists no entries")
    body = index[start.end() :]
    indent = body[: len(body) - len(body.lstrip(b" "))]
    spelt = b"|".join(re.escape(sign + name.encode() + sign) for sign in (b"", b'"', b"'"))
    found = re.compile(rb"^%s(?:%s):[ \t]*\r?\n" % (indent, spelt), re.MULTILINE).search(body)
    if not indent or found is None:
        return b""
    # The next key at the same depth, or whatever follows the entries; a list may stand as deep as its key.
    end = re.compile(rb"^(?:%s(?=[^ \r\n-])|(?=[^ \r\n#-]))" % indent, re.MULTILINE).search(body, found.end())
    part = body[found.end() : end.start() if end else len(body)]
    if len(part) > MAX_PART:
        raise _Unread(f"its index has more of {name} than is read")
    return part


def _of_yaml(part: bytes) -> list[str]:
    """The `version` of each mapping of a list. Events alone are read: the composer crashes on deep nesting."""
    found: list[str] = []
    depth, key = 0, ""
    try:
        for event in yaml.parse(part, Loader=QUICK_LOADER or yaml.SafeLoader):
            if isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            elif isinstance(event, yaml.NodeEvent) and depth == IN_ENTRY:
                if key == "version" and isinstance(event, yaml.ScalarEvent):
                    found.append(event.value)
                key = event.value if not key and isinstance(event, yaml.ScalarEvent) else ""
            depth += isinstance(event, yaml.CollectionStartEvent)
    except (yaml.YAMLError, UnicodeError):
        raise _Unread("its index is no YAML that can be read") from None
    return found
