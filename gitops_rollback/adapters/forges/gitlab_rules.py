"""What GitLab's rules ask of a commit on a branch, as far as our role lets us see them.

Source: GitLab REST API, Branches, Protected branches, Projects, Merge request approvals, Push rules.
"""

from __future__ import annotations

from urllib.parse import quote

from gitops_rollback.adapters.forges.exchange import Call
from gitops_rollback.adapters.forges.gitlab_wire import own_level
from gitops_rollback.adapters.json_node import Node
from gitops_rollback.core.pull_request import BranchRules

UNSEEN = (401, 403, 404)  # no right, or an edition that has it not
PIPELINE = "pipeline"  # GitLab requires the whole of it, and names no checks


def rules(call: Call, root: str, branch: str) -> BranchRules:
    """Raises: ForgeRefused (404) if there is no such branch."""
    quoted = quote(branch, safe="")
    shown = call.get(f"{root}/repository/branches/{quoted}").node()
    project = call.get(root).node()
    protection = _seen(call, f"{root}/protected_branches/{quoted}")
    push_rule = _seen(call, f"{root}/push_rule")
    protected = shown.get("protected").flag()
    may_push = shown.get("can_push").flag() if shown.get("can_push").value is not None else None
    owners, signed = protection.get("code_owner_approval_required"), push_rule.get("reject_unsigned_commits")
    trains = project.get("merge_trains_enabled")
    return BranchRules(
        protected=protected,
        we_may_push=may_push,
        we_may_merge=_may_merge(shown, own_level(project), protected),
        approvals=_approvals(call, root, branch),
        checks=(PIPELINE,) if project.get("only_allow_merge_if_pipeline_succeeds").flag() else (),
        code_owners=owners.flag() if owners.value is not None else None,
        signed=signed.flag() if signed.value is not None else None,
        linear=project.get("merge_method").text() == "ff",
        queue=trains.flag() if trains.value is not None else None,
        remedies=_remedies(branch, may_push),
    )


def _seen(call: Call, path: str) -> Node:
    answer = call.get(path, accept=UNSEEN)
    return answer.node() if answer.fine else Node(None)


def _may_merge(shown: Node, level: int | None, protected: bool) -> bool | None:
    if level is None or level < 30:
        return False
    if not protected or level >= 40 or shown.get("developers_can_merge").flag():
        return True
    return None  # single users and groups may be allowed, too


def _approvals(call: Call, root: str, branch: str) -> int | None:
    answer = call.get(f"{root}/approval_rules", {"per_page": 100}, accept=UNSEEN)
    if not answer.fine:
        return None
    asked = [0]
    for rule in answer.node().items():
        names = [one.get("name").text() for one in rule.get("protected_branches").items()]
        if not names or branch in names:
            asked.append(rule.get("approvals_required").number() or 0)
    return max(asked)


def _remedies(branch: str, may_push: bool | None) -> tuple[str, ...]:
    if may_push is not False:
        return ()
    return (
        f"let the controller's account push to {branch}: Settings, Repository, Protected branches, Allowed to push",
    )
