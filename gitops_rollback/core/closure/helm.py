"""What a Helm chart in the repository renders from: its folder, and the local charts that it depends on.

Source: Helm, Chart.yaml `dependencies` (v2) and requirements.yaml (v1); `file://` is relative to the chart's folder.
"""

from __future__ import annotations

import posixpath

from gitops_rollback.core.closure.tree import Gathered, joined, mappings

CHART_FILES = ("Chart.yaml", "Chart.yml")


def is_chart(inputs: Gathered, folder: str) -> bool:
    return any(inputs.tree.is_file(posixpath.join(folder, name)) for name in CHART_FILES)


def chart(inputs: Gathered, folder: str, why: str) -> None:
    """Every file of the chart, and its local dependencies. Value files beside the chart's own are the caller's."""
    folder = inputs.place(folder, why)
    if not inputs.enter(f"chart {folder}"):
        return
    inputs.add_below(folder, why)
    for name in (*CHART_FILES, "requirements.yaml"):
        path = posixpath.join(folder, name)
        if not inputs.tree.is_file(path):
            continue
        found = inputs.tree.documents(path)
        if found is None:
            inputs.unread.append(path)
        for document in mappings(found):
            for dependency in mappings(document.get("dependencies")):
                repository = dependency.get("repository")
                if isinstance(repository, str) and repository.startswith("file://"):
                    local = joined(folder, repository.removeprefix("file://"))
                    if local is not None and inputs.tree.is_folder(inputs.place(local, why)):
                        chart(inputs, local, f"a dependency of {path}")
                    else:
                        inputs.missing.append(f"{repository} (a dependency of {path})")
                elif isinstance(repository, str) and repository:
                    inputs.remote.append(f"{dependency.get('name')} of {repository}")


def values(inputs: Gathered, folder: str, name: str, why: str, optional: bool = False) -> None:
    """One value file: relative to `folder`, from the root with a leading slash, or at an address."""
    if "://" in name:
        inputs.remote.append(name)
        return
    path = joined("", name) if name.startswith("/") else joined(folder, name)
    if (path is None or not inputs.add(path, why)) and not optional:
        inputs.missing.append(f"{name} ({why})")
