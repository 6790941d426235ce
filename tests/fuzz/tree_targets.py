"""Targets of what a config repository holds besides policies: as in `targets`, which lists them."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping

from gitops_rollback.core.closure import helm
from gitops_rollback.core.closure.finding import of_kustomization, of_objects
from gitops_rollback.core.closure.tree import Gathered, Tree
from gitops_rollback.core.guards.facts import ChangedFile, LiveObject
from gitops_rollback.core.guards.images import coming_back
from gitops_rollback.core.images import UNKNOWN_NAME, kept_at
from gitops_rollback.core.manifest_text import documents
from gitops_rollback.core.merging.keys import merge_keys, set_differently, take_keys
from gitops_rollback.core.merging.lines import is_undone, merged_lines
from gitops_rollback.core.merging.nodes import Unreadable, read_documents

FOLDERS = ("kustomization.yaml", "base/kustomization.yaml", "app.yaml", "charts/a/Chart.yaml", "base/gen.yaml")
CHARTS = ("charts/a/Chart.yaml", "charts/b/Chart.yaml", "charts/b/requirements.yaml")
PLAIN = {"base/web.yaml": b"kind: A\n", "charts/b/values.yaml": b"a: 1\n", "values/prod.yaml": b"a: 2\n"}


def _tree(names: tuple[str, ...], data: bytes) -> Tree:
    texts = [*data.split(b"\0", len(names) - 1), *([b""] * len(names))]
    files: Mapping[str, bytes] = {**PLAIN, **dict(zip(names, texts, strict=False))}
    return Tree({path: path for path in files}, files.get)


def closure(data: bytes) -> None:
    """Kustomizations, an object of an engine and a chart, NUL between them: the inputs are files that are there."""
    tree = _tree(FOLDERS, data)
    found = documents(tree.text("app.yaml") or b"") or ()
    named = [one for one in found if isinstance(one, dict)]
    for inputs in (of_kustomization([tree], ""), of_kustomization([tree, tree], "base"), of_objects([tree], named)):
        assert set(inputs.why) <= set(tree.blobs)
        assert all(inputs.why.values())
        assert all(name for name in (*inputs.unread, *inputs.missing))


def chart(data: bytes) -> None:
    """Two charts and a v1 list of dependencies, which may name one another in a circle."""
    tree = _tree(CHARTS, data)
    inputs = Gathered(tree)
    helm.chart(inputs, "charts/a", "named")
    assert "charts/a/Chart.yaml" in inputs.why
    assert set(inputs.why) <= set(tree.blobs)
    for name in data.decode("utf-8", "replace").split("\0")[:3]:
        helm.values(inputs, "charts/a", name[:200], "a value file", optional=bool(len(name) % 2))
    assert all(posixpath.normpath(path) == path for path in inputs.why)


def merge(data: bytes) -> None:
    """`base NUL ours NUL theirs`: what is merged can be read again, and where one side did nothing it is the other."""
    base, ours, theirs = [*(part.decode("utf-8", "replace") for part in data.split(b"\0", 2)), "", ""][:3]
    assert merge_keys(base, ours, base).text in (None, ours)
    for target in (False, True):
        merged = merge_keys(base, ours, theirs, target)
        assert (merged.text is None) == bool(merged.why)
        if merged.text is not None:
            assert _is_readable(merged.text)
        if merged.clashes:
            taken = take_keys(ours, theirs, merged.clashes)
            assert (taken.text is None) == bool(taken.why)
            if taken.text is not None:
                assert not any(set_differently(taken.text, theirs, key) for key in merged.clashes)
    merged_lines(base, ours, theirs)
    is_undone(base, ours, theirs)


def _is_readable(text: str) -> bool:
    try:
        read_documents(text.removeprefix("\ufeff").replace("\r\n", "\n"))
    except Unreadable:
        return False
    return True


def images(data: bytes) -> None:
    """`before NUL after`: what comes back was not there, and where it is kept is a place that can be asked."""
    before, _, after = data.partition(b"\0")
    running = LiveObject({}, {"spec": {"containers": [{"image": "ghcr.io/a/b:2"}]}})
    found = coming_back((ChangedFile("values.yaml", before, after),), (running,))
    assert coming_back((ChangedFile("values.yaml", after, after),), None) in ((), None)
    for image in found or ():
        str(image).encode("utf-8", "surrogatepass")
        kept = kept_at(image)
        if kept is not None:
            assert image.name != UNKNOWN_NAME
            assert ".." not in kept.repository
            assert "/" not in kept.registry + kept.version
            assert kept.repository.isascii()
