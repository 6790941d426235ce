"""The code that a `Terraform` object of the Flux controller runs, where it stands in this repository.

As for every source: it counts as ours where its path stands in the tree. Local modules are followed.
Source: flux-iac/tofu-controller TerraformSpec (`path`); OpenTofu docs, Module sources, Local paths.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from gitops_rollback.core.closure.tree import YAML_ENDINGS, Gathered, below, joined
from gitops_rollback.core.infrastructure import TERRAFORM_GROUP, TERRAFORM_KIND

_LOCAL = re.compile(rb"^[ \t]*source[ \t]*=[ \t]*\"(\.{1,2}/[^\"\n]*)\"", re.MULTILINE)
MOST_MODULES = 200


def code(inputs: Gathered) -> None:
    """Adds what the `Terraform` objects among the inputs read. A repository without code costs nothing."""
    if not inputs.tree.code:
        return
    for name, folder in tuple(_objects(inputs)):
        pending = [folder]
        for _ in range(MOST_MODULES):
            here = pending.pop() if pending else None
            if here is None:
                break
            if inputs.enter(f"terraform {here}"):
                pending += _module(inputs, here, f"code of {TERRAFORM_KIND} {name}")


def _objects(inputs: Gathered) -> Iterator[tuple[str, str]]:
    """Name and folder of each."""
    mark = TERRAFORM_GROUP.encode()
    for path in inputs.why:
        if not path.endswith(YAML_ENDINGS) or mark not in (inputs.tree.text(path) or b""):
            continue
        for one in inputs.tree.manifests(path):
            folder = joined("", str(below(dict(one), "spec", "path") or ""))
            if one.get("kind") == TERRAFORM_KIND and folder is not None:
                yield str(below(dict(one), "metadata", "name") or ""), folder


def _module(inputs: Gathered, folder: str, why: str) -> Iterator[str]:
    """All below the folder of a module, of the root only its code; yields the folders of the modules that it uses."""
    own = [path for path in inputs.tree.code if path.rpartition("/")[0] == folder]
    for path in own:
        inputs.add(path, why)
        for name in _LOCAL.findall(inputs.tree.text(path) or b""):
            local = joined(folder, name.decode("utf-8", "surrogateescape"))
            if local is not None:
                yield local
    if own and folder:
        inputs.add_below(folder, why)
