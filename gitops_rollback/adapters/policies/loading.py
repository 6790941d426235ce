"""All policies of a repository at one revision: which hold, and which files or targets are refused, and why?

One bad file never hurts the others. An application that two policies name is judged by neither, since nobody could say
which limits hold.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

from gitops_rollback.adapters.policies.reader import ReadPolicy, read_policy
from gitops_rollback.core.commit import REGULAR_MODE
from gitops_rollback.core.faults import Fault, in_order, shown
from gitops_rollback.core.policy import ApplicationRef, Policy, Target
from gitops_rollback.core.written import MAX_BYTES, Mark

MAX_FILES = 1000
REMEMBERED_FILES, REMEMBERED_BYTES = 2 * MAX_FILES, 8192  # 16 MB of texts at most
SUFFIXES = (".yaml", ".yml")
MODES = {
    "120000": ("a symbolic link", "commit the file itself"),
    "160000": ("a submodule", "commit the file itself"),
    "040000": ("a directory", "name the file otherwise"),
    "100755": ("executable", "git update-index --chmod=-x"),
}


class PolicyFile(NamedTuple):
    """A file of the policies' directory as git has it; `text` None means larger than a policy may be."""

    path: str
    mode: str
    text: bytes | None


@dataclass(frozen=True)
class PolicySet:
    """The usable policies, and all faults. `refused` are applications that policies name but may not judge.

    `broken` are the paths of files with errors: whoever judged by them before goes on with what they last said.
    """

    policies: tuple[Policy, ...]
    faults: tuple[Fault, ...] = ()
    refused: tuple[ApplicationRef, ...] = ()
    broken: frozenset[str] = frozenset()

    @property
    def errors(self) -> tuple[Fault, ...]:
        return tuple(fault for fault in self.faults if fault.is_error)


@dataclass(frozen=True)
class _Naming:
    """A target's claim on an application, with the place where it is made."""

    policy: Policy
    target: Target
    mark: Mark


def is_policy_path(path: str) -> bool:
    """True for files that are read as policies; README files and anything that is no YAML are not."""
    return path.lower().endswith(SUFFIXES)


def load_policies(files: Iterable[PolicyFile | tuple[str, str, bytes | None]], revision: str) -> PolicySet:
    """The policies of `files` as of `revision`; at most the first 1,000 by path. Never raises for their content."""
    found = sorted((PolicyFile(*file) for file in files if is_policy_path(file[0])), key=lambda file: file.path)
    faults: list[Fault] = []
    if len(found) > MAX_FILES:
        message = f"more than {MAX_FILES} policy files; those from here on are not read"
        faults.append(Fault(found[MAX_FILES].path, 1, 1, message, "join policies: one may hold 500 targets"))
    twins = _case_twins(found[:MAX_FILES])
    read: list[ReadPolicy] = []
    for file in found[:MAX_FILES]:
        one = _read(file, revision, twins)
        faults += one.faults
        read.append(one)
    broken = frozenset(fault.path for fault in faults if fault.is_error)
    policies, refused, collisions = _without_collisions(read)
    faults += collisions
    faults += _shared_names(policies)
    faults += _unknown_needs(read)
    return PolicySet(tuple(policies), in_order(faults), refused, broken)


def _read(file: PolicyFile, revision: str, twins: frozenset[str]) -> ReadPolicy:
    if file.path in twins:
        message = "another file differs only in case: on some machines only one of them exists"
        return ReadPolicy(None, (Fault(file.path, 1, 1, message, "rename one"),))
    unreadable = no_plain_file(file, "policy")
    if unreadable is not None or file.text is None:
        return ReadPolicy(None, (unreadable,) if unreadable else ())
    if len(file.text) > REMEMBERED_BYTES:
        return read_policy(file.text, file.path, revision)
    found = _read_once(file.text, file.path)
    policy = replace(found.policy, revision=revision) if found.policy is not None else None
    return replace(found, policy=policy)


def no_plain_file(file: PolicyFile, what: str) -> Fault | None:
    """The fault of a file whose content is not even looked at; `what` should be in it, for people."""
    if file.mode != REGULAR_MODE:
        mode, fix = MODES.get(file.mode, (f"of mode {file.mode}", "commit a plain file"))
        return Fault(file.path, 1, 1, f"the {what} is {mode}, not a plain file", fix)
    if file.text is None:
        return Fault(file.path, 1, 1, f"the file has more than {MAX_BYTES} bytes", f"split the {what} into several")
    return None


@lru_cache(maxsize=REMEMBERED_FILES)
def _read_once(text: bytes, path: str) -> ReadPolicy:
    """One change of one file must not make a thousand others be parsed again."""
    return read_policy(text, path, "")


def _case_twins(files: Sequence[PolicyFile]) -> frozenset[str]:
    folded: dict[str, list[str]] = {}
    for file in files:
        folded.setdefault(file.path.casefold(), []).append(file.path)
    return frozenset(path for paths in folded.values() if len(paths) > 1 for path in paths)


def _without_collisions(read: Sequence[ReadPolicy]) -> tuple[list[Policy], tuple[ApplicationRef, ...], list[Fault]]:
    """Policies without the targets whose application another one names too, those applications, and the faults."""
    namings = [
        _Naming(one.policy, target, one.places.get(target.name, Mark(1, 1)))
        for one in read
        if one.policy
        for target in one.policy.targets
        if target.selector is None
    ]
    faults: list[Fault] = []
    refused: list[Target] = []
    by_name: dict[tuple[str, str, str], list[_Naming]] = {}
    for naming in namings:
        reference = naming.target.application
        by_name.setdefault((naming.target.engine, reference.kind, reference.name), []).append(naming)
    for claims in by_name.values():
        for claim in claims:
            rivals = [other for other in claims if other is not claim and _same(claim, other)]
            if rivals:
                faults.append(_collision(claim, rivals[0]))
                refused.append(claim.target)
    kept = [_without(one.policy, refused) for one in read if one.policy]
    return kept, tuple(dict.fromkeys(target.application for target in refused)), faults


def _same(one: _Naming, other: _Naming) -> bool:
    """True if both can mean one application; "" in a namespace or instance means any."""
    first, second = one.target.application, other.target.application
    namespaces = {first.namespace, second.namespace} - {""}
    instances = {first.instance, second.instance} - {""}
    return len(namespaces) < 2 and len(instances) < 2


def _collision(claim: _Naming, rival: _Naming) -> Fault:
    name = claim.target.application.name
    where = f"{rival.policy.path}:{rival.mark.line}:{rival.mark.col}"
    message = f"application {shown(name)} is also named by {where}, so neither policy judges it"
    return Fault(claim.policy.path, claim.mark.line, claim.mark.col, message, "remove one of the two targets")


def _without(policy: Policy, refused: Sequence[Target]) -> Policy:
    kept = tuple(target for target in policy.targets if not any(target is other for other in refused))
    return policy if len(kept) == len(policy.targets) else replace(policy, targets=kept)


def _shared_names(policies: Sequence[Policy]) -> list[Fault]:
    """Names that only a full name tells apart: legal, but a person's short word will not be understood."""
    faults: list[Fault] = []
    seen: dict[tuple[str, str], str] = {}
    for policy in policies:
        names = [("policy", policy.name), *(("target", name) for name in _fixed_names(policy))]
        for kind, name in names:
            first = seen.setdefault((kind, name), policy.path)
            if first != policy.path:
                message = f"{kind} {shown(name)} is also in {posixpath.basename(first)}"
                faults.append(Fault(policy.path, 1, 1, message, "commands need its full name", "warning"))
    return faults


def _unknown_needs(read: Sequence[ReadPolicy]) -> Iterator[Fault]:
    """A name that no target has makes no order and holds nothing back; a file that is refused may have it."""
    policies = [one for one in read if one.policy is not None]
    targets = [target for one in policies for target in (one.policy.targets if one.policy else ())]
    if len(policies) < len(read) or any(target.selector is not None for target in targets):
        return
    known = {target.name for target in targets}
    for one in policies:
        for target in one.policy.targets if one.policy else ():
            mark = one.places.get(target.name, Mark(1, 1))
            for name in dict.fromkeys(name for name in target.depends_on if name not in known):
                message = f"target {shown(target.name)} depends on {shown(name)}, which is no target of any policy"
                fix = "name a target; until then nothing holds or goes back for it"
                yield Fault(one.policy.path if one.policy else "", mark.line, mark.col, message, fix, "warning")


def _fixed_names(policy: Policy) -> Iterator[str]:
    """Names of targets; a pattern's is made for each application that it takes in."""
    return (target.name for target in policy.targets if target.selector is None)
