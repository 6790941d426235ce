"""One policy file, from bytes to a policy or to all of its faults at once.

Nothing here trusts the file: it is bounded and checked before it is understood (`document`), every scalar has one
spelling (`scalars`), every key is known (`schema`), and keys must fit together (`rules`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gitops_rollback.adapters.policies.building import build_policy
from gitops_rollback.adapters.policies.lint import lint_faults
from gitops_rollback.adapters.policies.promql import regex_weight
from gitops_rollback.adapters.policies.rules import queries, rule_faults
from gitops_rollback.adapters.policies.schema import PolicyShape
from gitops_rollback.adapters.policies.shape_faults import one_a_place, one_mapping, read_shape
from gitops_rollback.adapters.policies.unbuilt import unbuilt
from gitops_rollback.adapters.policies.view import View
from gitops_rollback.core.errors import PolicyInvalid, QueryInvalid
from gitops_rollback.core.faults import Fault, in_order
from gitops_rollback.core.policy import Policy
from gitops_rollback.core.written import Mapped, Mark

MAX_FILE_WEIGHT = 10_000

__all__ = ["Fault", "ReadPolicy", "read_policy"]


@dataclass(frozen=True)
class ReadPolicy:
    """A policy with its warnings, or None and what is wrong. `places` says where each target's application stands."""

    policy: Policy | None
    faults: tuple[Fault, ...]
    places: Mapping[str, Mark] = field(default_factory=dict)

    @property
    def errors(self) -> tuple[Fault, ...]:
        return tuple(fault for fault in self.faults if fault.is_error)

    def wanted(self, path: str) -> Policy:
        """The policy. Raises: PolicyInvalid with every error."""
        if self.policy is None:
            raise PolicyInvalid(path, "; ".join(str(fault) for fault in self.errors))
        return self.policy


def read_policy(text: bytes, path: str, revision: str) -> ReadPolicy:
    """The policy that `text` holds, as of `revision`, or all faults in the order of the file. Never raises for it."""
    root, faults = one_mapping(text, path, "policy")
    if root is None:
        return ReadPolicy(None, in_order(faults))
    spec = View(root, root.mark).at("spec")
    too_much = _query_budget(spec, path)
    if too_much:
        return ReadPolicy(None, in_order([*faults, *too_much]))
    shape, found = read_shape(root, path, PolicyShape)
    faults += found
    if isinstance(spec.node, Mapped):
        faults += rule_faults(spec, path)
        faults += lint_faults(spec, text.decode("utf-8-sig"), path)
    ordered = in_order(one_a_place(faults))
    if shape is None or any(fault.is_error for fault in ordered):
        return ReadPolicy(None, ordered)
    asks = tuple(dict.fromkeys(key.name for key in unbuilt(spec) if key.asks))
    policy = build_policy(shape, path, revision, asks, tuple(str(fault) for fault in ordered))
    return ReadPolicy(policy, ordered, _places(spec))


def _query_budget(spec: View, path: str) -> list[Fault]:
    """All queries of a file together may not keep the regex compiler busy for long; one is bounded by itself."""
    weight = 0
    for query in queries(spec):
        try:
            weight += regex_weight(query.text or "")
        except QueryInvalid:
            continue
        if weight > MAX_FILE_WEIGHT:
            message = "the regular expressions of this file are too large together"
            return [Fault(path, query.mark.line, query.mark.col, message, "split the policy")]
    return []


def _places(spec: View) -> dict[str, Mark]:
    targets = spec.at("targets").items
    return {target.at("name").text or "": target.at("application").mark for target in targets}
