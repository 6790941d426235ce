"""Which versions of Helm charts does a file name, and which would come back?

A chart stands in a source of Argo CD (`chart`), in `helmCharts` of a kustomization, in the dependencies of a
`Chart.yaml`, in a HelmRelease, whose HelmRepository has the address, and as an OCIRepository of Flux.
Source: argo-cd `ApplicationSource`; kustomize `helmCharts`; Helm, Charts and SemVer constraints; Flux HelmRelease v2,
HelmRepository and OCIRepository v1.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from gitops_rollback.core.images import Found
from gitops_rollback.core.manifest import CHART_NAMES, MANIFESTS, walk
from gitops_rollback.core.manifest_text import Value, documents

OCI = "oci://"
_NAMES = re.compile(rb"^[ -]*(?:helmCharts|chart):|^kind: *(?:HelmRelease|OCIRepository)", re.MULTILINE)
_EXACT = re.compile(r"v?\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?")

Addresses = Mapping[str, str]  # of HelmRepositories, by name


@dataclass(frozen=True, order=True)
class Chart:
    """`repository` is its URL without a slash at the end, "" where no file tells it. `version` is as it is written."""

    repository: str
    name: str
    version: str

    @property
    def is_exact(self) -> bool:
        """One version, and no range of them: `1.2` is one to Helm."""
        return _EXACT.fullmatch(self.version) is not None

    def __str__(self) -> str:
        return f"{self.name} {self.version}" + (f" of {self.repository}" if self.repository else "")


@dataclass(frozen=True)
class ChartPresence:
    """Whether a version of a chart can be had; `message` says why that is not known, or by whom it was said."""

    chart: Chart
    found: Found
    message: str = ""


def addresses_of(contents: Iterable[bytes | None]) -> Addresses:
    """The HelmRepositories that files declare; a name that stands for two addresses is left out."""
    found: dict[str, set[str]] = {}
    for content in contents:
        for document in documents(content) or () if content is not None and b"HelmRepository" in content else ():
            for _, value in walk(document):
                if value.get("kind") == "HelmRepository":
                    url, name = _text(value, "spec", "url"), _text(value, "metadata", "name")
                    found.setdefault(name, set()).add(_tidy(url))
    return {name: next(iter(urls)) for name, urls in found.items() if name and len(urls) == 1}


def charts_of(path: str, content: bytes, addresses: Addresses) -> tuple[Chart, ...] | None:
    """The charts that a file names, sorted, each once; None if it cannot be read for certain."""
    found = documents(content)
    if found is None:
        return None
    is_chart = posixpath.basename(path) in CHART_NAMES
    read = _dependencies if is_chart else partial(_named, addresses=addresses)
    return tuple(sorted({chart for document in found for chart in read(document)}))


def charts_coming_back(
    files: Iterable[tuple[str, bytes | None, bytes | None]], addresses: Addresses
) -> tuple[Chart, ...] | None:
    """The charts that a plan's result names, and its base does not; None if one that may name some cannot be read.

    `files` are paths with the contents before and after the plan, None for an absent side.
    """
    found: set[Chart] = set()
    for path, before, after in files:
        if after is None or not path.endswith(MANIFESTS) or not _may_name(path, after):
            continue
        now, then = charts_of(path, after, addresses), () if before is None else charts_of(path, before, addresses)
        if now is None:
            return None
        found |= set(now) - set(then or ())
    return tuple(sorted(found))


def _may_name(path: str, content: bytes) -> bool:
    """Most templates cannot be read, and name no chart either: in labels of theirs `chart` has no address beside it."""
    if posixpath.basename(path) in CHART_NAMES:
        return True
    return _NAMES.search(content) is not None and any(word in content for word in (b"repo", b"HelmRel", b"OCIRep"))


def _named(document: Value, addresses: Addresses) -> Iterator[Chart]:
    for _, value in walk(document):
        yield from _of_argocd(value)
        yield from _of_kustomize(value)
        kind = value.get("kind")
        if kind == "HelmRelease":
            yield from _of_release(value, addresses)
        if kind == "OCIRepository":
            yield from _of_artifact(value)


def _of_argocd(value: Mapping[str, Value]) -> Iterator[Chart]:
    name, url, version = (_text(value, key) for key in ("chart", "repoURL", "targetRevision"))
    if name and url:
        yield Chart(_tidy(url if "://" in url else f"{OCI}{url}"), name, version)


def _of_kustomize(value: Mapping[str, Value]) -> Iterator[Chart]:
    listed = value.get("helmCharts")
    for one in listed if isinstance(listed, tuple) else ():
        if isinstance(one, dict) and _text(one, "repo"):
            yield Chart(_tidy(_text(one, "repo")), _text(one, "name"), _text(one, "version"))


def _of_release(value: Mapping[str, Value], addresses: Addresses) -> Iterator[Chart]:
    name, version = _text(value, "spec", "chart", "spec", "chart"), _text(value, "spec", "chart", "spec", "version")
    if name and _text(value, "spec", "chart", "spec", "sourceRef", "kind") == "HelmRepository":
        source = _text(value, "spec", "chart", "spec", "sourceRef", "name")
        yield Chart(addresses.get(source, ""), name, version)


def _of_artifact(value: Mapping[str, Value]) -> Iterator[Chart]:
    url, tag = _tidy(_text(value, "spec", "url")), _text(value, "spec", "ref", "tag")
    place, _, name = url.rpartition("/")
    if tag and url.startswith(OCI) and place:
        yield Chart(place, name, tag)


def _dependencies(document: Value) -> Iterator[Chart]:
    """An alias (`@name`) and a folder (`file://`) name no repository that can be asked."""
    listed = document.get("dependencies") if isinstance(document, dict) else None
    for one in listed if isinstance(listed, tuple) else ():
        if isinstance(one, dict) and _text(one, "repository").startswith(("https://", "http://", OCI)):
            yield Chart(_tidy(_text(one, "repository")), _text(one, "name"), _text(one, "version"))


def _text(value: Mapping[str, Value], *keys: str) -> str:
    found: Value = dict(value)
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, str) else ""


def _tidy(url: str) -> str:
    return url.strip().rstrip("/")
