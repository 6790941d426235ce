"""What Gitea's protection asks of a commit on a branch: a writer sees what concerns it, an administrator all.

Source: contracts/forges.md, section 5, "traps seen"; a real Gitea's answers.
"""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote

from gitops_rollback.adapters.forges.exchange import Call
from gitops_rollback.adapters.json_node import Node
from gitops_rollback.core.pull_request import BranchRules


def rules(call: Call, root: str, branch: str) -> BranchRules:
    """Raises: ForgeRefused (404) if there is no such branch."""
    shown = call.get(f"{root}/branches/{quote(branch)}").node()
    protected, may_push = shown.get("protected").flag(), _told(shown, "user_can_push")
    checked = shown.get("enable_status_check").flag()
    found = BranchRules(
        protected=protected,
        we_may_push=may_push,
        we_may_merge=_told(shown, "user_can_merge"),
        approvals=shown.get("required_approvals").number(),
        checks=shown.get("status_check_contexts").texts() if checked else (),
        queue=False,
        remedies=_remedies(branch) if may_push is False else (),
    )
    if not protected:
        return replace(found, signed=False, code_owners=False)
    name = shown.get("effective_branch_protection_name").text() or branch
    answer = call.get(f"{root}/branch_protections/{quote(name, safe='')}", accept=(403, 404))
    return replace(found, signed=_told(answer.node(), "require_signed_commits")) if answer.fine else found


def _told(node: Node, key: str) -> bool | None:
    return node.get(key).flag() if node.get(key).value is not None else None


def _remedies(branch: str) -> tuple[str, ...]:
    return (
        f"put the controller's account on the push whitelist of {branch}:"
        " Settings, Branches, Whitelist restricted push",
    )
