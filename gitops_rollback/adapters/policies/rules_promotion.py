"""Does a policy say of the writer of its branch what is needed to take something back where that reads?"""

from __future__ import annotations

import re
from collections.abc import Iterator

from gitops_rollback.adapters.git.remote import is_branch_name
from gitops_rollback.adapters.policies.rules_shape import Found
from gitops_rollback.adapters.policies.view import View
from gitops_rollback.core.faults import shown
from gitops_rollback.core.upstream import COPY, KARGO, MERGE, RENDER

STAGE = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?:[a-z0-9]([-a-z0-9.]*[a-z0-9])?")


def promotion_faults(spec: View) -> Iterator[Found]:
    """Only a hydrator says itself where it reads; a merge has a branch that it comes from."""
    promotion = spec.at("promotion")
    kind, source = promotion.at("type").text, promotion.at("from")
    branch = source.at("branch").text
    if kind == MERGE and not source.has("branch"):
        mark = source.mark if source.here else promotion.mark
        yield mark, f"type {shown(kind)} needs `from.branch`", "name the branch that is merged"
    elif kind in (RENDER, COPY) and not source.keys:
        mark = source.mark if source.here else promotion.mark
        yield mark, f"type {shown(kind)} needs `from`", "add `from: {branch: ...}` or `from: {paths: [...]}`"
    stage = source.at("stage").text
    if stage is not None and (kind != KARGO or not STAGE.fullmatch(stage)):
        yield source.at("stage").mark, f"{shown(stage)} names no Stage", "write `project:stage`, for type kargo alone"
    if kind == MERGE and source.has("repository"):
        yield source.at("repository").mark, "a branch of another repository is not merged", "leave it out"
    if branch is not None and not is_branch_name(branch):
        yield source.at("branch").mark, f"{shown(branch)} is no name of a branch", "write it without `refs/heads/`"
