"""What a kustomization builds from: its own files, and those of all that it refers to.

Source: kustomize `api/types/kustomization.go` (v5); Flux kustomize-controller, which makes a kustomization where a
folder has none: all YAML below it, and each folder below that has one of its own.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from gitops_rollback.core.closure import helm
from gitops_rollback.core.closure.tree import Gathered, below, joined, mappings, strings
from gitops_rollback.core.manifest_text import Value

# Keys whose entries are files, folders or addresses; those that may hold YAML itself have a line feed in it then.
REFERENCES = (
    *("resources", "bases", "components", "crds", "configurations", "generators", "transformers", "validators"),
    *("patchesStrategicMerge", "patches", "patchesJson6902", "replacements", "openapi"),
)
GENERATED = (".yaml", ".yml")  # what Flux takes where no kustomization names anything
GENERATORS = ("configMapGenerator", "secretGenerator")
CHARTS = ("helmCharts", "helmChartInflationGenerator")
REMOTE = ("://", "git@", "git::", "github.com/", "gitlab.com/", "bitbucket.org/", "?ref=")


def build(inputs: Gathered, folder: str, why: str) -> None:
    """Everything that `kustomize build FOLDER` reads from this repository; all files where it cannot be read."""
    folder = inputs.place(folder, why)
    if not inputs.enter(folder):
        return
    path = inputs.tree.kustomization_of(folder)
    if path is None:
        inputs.add_below(folder, why, GENERATED)
        return
    inputs.add(path, why)
    found = inputs.tree.documents(path)
    if found is None:
        inputs.unread.append(path)
        inputs.add_below(folder, f"beside {path}, which cannot be read")
        return
    for document in mappings(found):
        _follow(inputs, folder, document, path)


def build_generated(inputs: Gathered, folder: str, why: str) -> None:
    """As `build`, but where there is no kustomization Flux makes one of all that stands below."""
    folder = inputs.place(folder, why)
    if inputs.tree.kustomization_of(folder) is not None:
        build(inputs, folder, why)
        return
    own = sorted(
        {
            posixpath.dirname(path)
            for path in inputs.tree.below(folder)
            if inputs.tree.kustomization_of(posixpath.dirname(path)) == path
        }
    )
    for path in inputs.tree.below(folder):
        if path.endswith(GENERATED) and not any(path.startswith(f"{one}/") for one in own):
            inputs.add(path, why)
    outer = [one for one in own if not any(one.startswith(f"{other}/") for other in own if other != one)]
    for one in outer:
        build(inputs, one, f"a folder below {folder or 'the root'}")


def _follow(inputs: Gathered, folder: str, document: dict[str, Value], path: str) -> None:
    for key in REFERENCES:
        for name in _named(document.get(key)):
            _reference(inputs, folder, name, f"{key} of {path}")
    for key in GENERATORS:
        for generator in mappings(document.get(key)):
            for name in (
                *strings(generator.get("files")),
                *strings(generator.get("envs")),
                *strings(generator.get("env")),
            ):
                _file(inputs, folder, name.partition("=")[2] or name, f"{key} of {path}")
    home = below(document, "helmGlobals", "chartHome")
    for key in CHARTS:
        for chart in mappings(document.get(key)):
            _chart(inputs, folder, chart, home if isinstance(home, str) else "charts", f"{key} of {path}")


def _named(value: Value) -> Iterator[str]:
    """The entries of one key: texts, or mappings with a `path`."""
    yield from strings(value)
    for entry in mappings(value):
        yield from strings(entry.get("path"))


def _reference(inputs: Gathered, folder: str, name: str, why: str) -> None:
    if "\n" in name or not name:
        return
    path = joined(folder, name)
    if path is not None and inputs.add(path, why):
        _plugin(inputs, path)
    elif path is not None and inputs.tree.is_folder(inputs.place(path, why)):
        build(inputs, path, why)
    elif any(sign in name for sign in REMOTE):
        inputs.remote.append(name)
    else:
        inputs.missing.append(f"{name} ({why})")


def _plugin(inputs: Gathered, path: str) -> None:
    """A generator or transformer in a file of its own may name further files: KSOPS, or a chart's values."""
    if posixpath.basename(path) in ("kustomization.yaml", "kustomization.yml"):
        return
    text = inputs.tree.text(path) or b""
    if b"files:" not in text and b"valuesFile" not in text and b"Generator" not in text:
        return
    folder = posixpath.dirname(path)
    for document in mappings(inputs.tree.documents(path)):
        if not str(document.get("apiVersion") or "").startswith(("builtin", "viaduct", "kustomize")):
            continue
        for name in (*strings(document.get("files")), *strings(document.get("envs"))):
            _file(inputs, folder, name, f"files of {path}")
        _chart(inputs, folder, document, "charts", f"named by {path}")


def _chart(inputs: Gathered, folder: str, chart: dict[str, Value], home: str, why: str) -> None:
    for name in (*strings(chart.get("valuesFile")), *strings(chart.get("additionalValuesFiles"))):
        _file(inputs, folder, name, why)
    named = chart.get("chartHome")
    where = joined(folder, named if isinstance(named, str) else home)
    local = joined(where, str(chart.get("name") or "")) if where is not None else None
    if local and chart.get("name") and inputs.tree.is_folder(inputs.place(local, why)):
        helm.chart(inputs, local, why)
    elif isinstance(chart.get("repo"), str):
        inputs.remote.append(f"{chart.get('name')} of {chart.get('repo')}")


def _file(inputs: Gathered, folder: str, name: str, why: str) -> None:
    path = joined(folder, name)
    if path is not None and inputs.add(path, why):
        return
    if "://" in name:
        inputs.remote.append(name)
    else:
        inputs.missing.append(f"{name} ({why})")
