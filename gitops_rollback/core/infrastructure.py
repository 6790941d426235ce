"""Which files and objects of a change are infrastructure, whose tool has a plan and a run of its own?

Terraform and OpenTofu, CloudFormation, Crossplane, and the `Terraform` object of the Flux controller for both. They are
recognised by a file's name, by what stands in it, and by an object's group.
Source: opentofu.org docs, Files and Directories; AWS CloudFormation, Template anatomy; flux-iac/tofu-controller
api/v1alpha2; Crossplane docs, Managed resources, Claims, Composite resources.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from gitops_rollback.core.manifest import ManifestObject, at, objects
from gitops_rollback.core.paths import is_bystander

TERRAFORM_API, TERRAFORM_KIND = "infra.contrib.fluxcd.io/v1alpha2", "Terraform"
TERRAFORM_GROUP = TERRAFORM_API.partition("/")[0]

_CODE = (".tf", ".tofu", ".tf.json", ".tofu.json")
_VARIABLES = (".tfvars", ".tfvars.json")
_WHOLE_NAMES = frozenset({".terraform.lock.hcl", "terragrunt.hcl", "root.hcl"})
_TEMPLATE_NAME = re.compile(r"(?i)\.(?:cfn|cloudformation)\.(?:ya?ml|json)$|\.template(?:\.ya?ml|\.json)?$")
_TEMPLATE = re.compile(rb"^[ \t\"']*AWSTemplateFormatVersion\b|\bType[\"']?[ \t]*:[ \t]*[\"']?AWS::\w+::\w+", re.M)
_TEMPLATE_FILES = (".yaml", ".yml", ".json", ".template")
_PROVIDERS = (".crossplane.io", ".upbound.io")
_DEFINITIONS = ("apiextensions.crossplane.io", "pkg.crossplane.io", "ops.crossplane.io", "meta.pkg.crossplane.io")
# Of a claim or a composite, whose group is its platform's own.
_COMPOSED = ("crossplane", "compositionRef", "compositionSelector", "compositionUpdatePolicy", "compositionRevisionRef")


class Tool(StrEnum):
    """Whose plan it is; the value is the word for people."""

    TERRAFORM = "Terraform or OpenTofu"
    CLOUDFORMATION = "CloudFormation"
    CROSSPLANE = "Crossplane"
    CONTROLLER = "the Terraform controller"


@dataclass(frozen=True)
class Sides:
    """A file before the plan, at the head, and after it; None for an absent side."""

    path: str
    before: bytes | None
    after: bytes | None

    @property
    def either(self) -> tuple[bytes, ...]:
        return tuple(side for side in (self.before, self.after) if side is not None)


@dataclass(frozen=True)
class RunObject:
    """An object of the cluster whose status says how a run of it went. `gone`: the run is to end it."""

    api_version: str
    kind: str
    namespace: str
    name: str
    gone: bool = False

    @property
    def words(self) -> str:
        return f"{self.kind} {self.namespace + '/' if self.namespace else ''}{self.name}"


@dataclass(frozen=True)
class Piece:
    """One piece of infrastructure that a plan changes; `object` where it is an object of the cluster."""

    tool: Tool
    path: str
    object: RunObject | None = None

    @property
    def words(self) -> str:
        """For people: half a sentence."""
        return f"{self.tool}: {self.object.words + ' in ' if self.object else ''}{self.path}"


def pieces(files: Iterable[Sides]) -> tuple[Piece, ...]:
    """All that is infrastructure in these files, each piece once."""
    return tuple(dict.fromkeys(one for file in files for one in pieces_of(file)))


def pieces_of(file: Sides) -> tuple[Piece, ...]:
    """The same of one file; () for one that is none."""
    if is_bystander(file.path):
        return ()
    if is_code(file.path):
        return (Piece(Tool.TERRAFORM, file.path),)
    if is_template(file):
        return (Piece(Tool.CLOUDFORMATION, file.path),)
    kept = {one.key for one in objects(file.after or b"", file.path) or ()}
    found: dict[Piece, None] = {}
    for side in file.either:
        for one in objects(side, file.path) or ():
            tool = tool_of(one)
            if tool is not None:
                found[Piece(tool, file.path, None if is_definition(one) else run_object(one, one.key not in kept))] = (
                    None
                )
    return tuple(found)


def is_code(path: str) -> bool:
    """Terraform or OpenTofu reads it: code, values, or locks."""
    name = posixpath.basename(path)
    return name in _WHOLE_NAMES or name.endswith((*_CODE, *_VARIABLES))


def is_template(file: Sides) -> bool:
    """A template of CloudFormation, by its name or by what stands in it."""
    if _TEMPLATE_NAME.search(file.path) and any(b"Resources" in side for side in file.either):
        return True
    return file.path.endswith(_TEMPLATE_FILES) and any(_TEMPLATE.search(side) for side in file.either)


def tool_of(one: ManifestObject) -> Tool | None:
    """Whose object it is; None for one that is no infrastructure."""
    if one.group == TERRAFORM_GROUP:
        return Tool.CONTROLLER
    if one.group in _DEFINITIONS or f".{one.group}".endswith(_PROVIDERS):
        return Tool.CROSSPLANE
    spec = at(one.document, "spec")
    if isinstance(spec, dict) and any(key in spec for key in _COMPOSED):
        return Tool.CROSSPLANE
    return None


def is_definition(one: ManifestObject) -> bool:
    """It is no resource itself, but says what others are made of: compositions, definitions, packages."""
    return one.group in _DEFINITIONS or one.kind in ("ProviderConfig", "ClusterProviderConfig")


def run_object(one: ManifestObject, gone: bool = False) -> RunObject:
    """By which name the cluster knows it."""
    return RunObject(str(one.document.get("apiVersion")), one.kind, one.namespace, one.name, gone)
