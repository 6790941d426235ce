"""The inputs of an application at some revisions, together: a commit may remove the very reference that made it count.

Where nothing can be followed the scope is the folder, then the whole repository; the answer says which it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gitops_rollback.core.closure import kustomize, objects, terraform
from gitops_rollback.core.closure.tree import Gathered, Tree
from gitops_rollback.core.manifest_text import Value


class Scope(StrEnum):
    """How the inputs were found."""

    PATHS = "paths"
    CLOSURE = "closure"
    DIRECTORY = "directory"
    REPOSITORY = "repository"


@dataclass(frozen=True)
class Closure:
    """The input files with the reason for each, in order. `remote` is what comes from elsewhere.

    `missing` is what is named and is no plain file or folder: behind a symbolic link, in a submodule, or not there.
    """

    why: Mapping[str, str]
    scope: Scope
    remote: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def of_kustomization(trees: Iterable[Tree], folder: str) -> Closure:
    """What `kustomize build FOLDER` reads; without a kustomization there, all YAML as Flux would take it."""
    return _together(trees, lambda inputs: kustomize.build_generated(inputs, folder, "named by the request"))


def of_objects(trees: Iterable[Tree], documents: Iterable[Mapping[str, Value]]) -> Closure:
    """What these objects render from together: Application, ApplicationSet, Flux Kustomization or HelmRelease."""
    named = tuple(documents)
    return _together(trees, lambda inputs: [objects.of_object(inputs, document) for document in named])


@dataclass
class _Union:
    why: dict[str, str] = field(default_factory=dict)
    remote: dict[str, None] = field(default_factory=dict)
    unread: dict[str, None] = field(default_factory=dict)
    missing: dict[str, None] = field(default_factory=dict)


def _together(trees: Iterable[Tree], follow: Callable[[Gathered], object]) -> Closure:
    all_trees = tuple(trees)
    union = _Union()
    for tree in all_trees:
        inputs = Gathered(tree)
        follow(inputs)
        terraform.code(inputs)
        union.why = {**inputs.why, **union.why}
        union.remote |= dict.fromkeys(inputs.remote)
        union.unread |= dict.fromkeys(inputs.unread)
        union.missing |= dict.fromkeys(inputs.missing)
    if union.why:
        scope = Scope.DIRECTORY if union.unread else Scope.CLOSURE
        return Closure(union.why, scope, tuple(union.remote), tuple(union.unread), tuple(union.missing))
    everything = {path: "nothing that was named stands here" for tree in all_trees for path in tree.blobs}
    return Closure(everything, Scope.REPOSITORY, tuple(union.remote))
