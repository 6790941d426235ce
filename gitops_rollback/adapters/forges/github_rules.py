"""What GitHub's rules ask of a commit on a branch: rulesets, which anybody may read, and classic protection.

Source: GitHub REST API, "Rules" (get rules for a branch), "Branches", "Branch protection"; contracts/forges.md, 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import quote

from gitops_rollback.adapters.forges.exchange import Call
from gitops_rollback.adapters.forges.paging import entries
from gitops_rollback.adapters.json_node import Node
from gitops_rollback.core.errors import CredentialsRejected, ForgeRefused
from gitops_rollback.core.pull_request import BranchRules

MOST_RULESETS = 20
CLOSES = ("pull_request", "update", "required_status_checks", "merge_queue", "required_deployments", "workflows")


def rules(call: Call, root: str, branch: str) -> BranchRules:
    """Both kinds together: what either asks for is asked for. Raises: ForgeRefused (404) if there is no such branch."""
    shown = call.get(f"{root}/branches/{quote(branch, safe='')}").node()
    found = _of_rulesets(call, root, branch)
    if not shown.get("protected").flag():
        return found if found.protected is not None else replace(found, protected=False)
    return _with_classic(call, root, branch, shown, replace(found, protected=True))


def _of_rulesets(call: Call, root: str, branch: str) -> BranchRules:
    try:
        active = list(entries(call, f"{root}/rules/branches/{quote(branch, safe='')}", {"per_page": 100}))
    except (ForgeRefused, CredentialsRejected):  # an older Enterprise Server, or no right to read them
        return BranchRules()
    kinds = {one.get("type").text() for one in active}
    pull = [one.get("parameters") for one in active if one.get("type").text() == "pull_request"]
    closing = [one for one in active if one.get("type").text() in CLOSES]
    bypassed = [(one, _bypass(call, root, one)) for one in _distinct(closing)]
    held = [(one, word) for one, word in bypassed if word != "always"]
    return BranchRules(
        protected=bool(active),
        we_may_push=not held if all(word for _, word in bypassed) else None,
        approvals=max((one.get("required_approving_review_count").number() or 0 for one in pull), default=0),
        checks=tuple(_checks(active)),
        code_owners=any(one.get("require_code_owner_review").flag() for one in pull),
        signed="required_signatures" in kinds,
        linear="required_linear_history" in kinds,
        queue="merge_queue" in kinds,
        remedies=tuple(_remedy(one) for one, _ in held),
    )


def _checks(active: list[Node]) -> Iterator[str]:
    for rule in active:
        if rule.get("type").text() == "required_status_checks":
            for one in rule.get("parameters", "required_status_checks").items():
                yield one.get("context").text()


def _distinct(active: list[Node]) -> list[Node]:
    by_ruleset = {one.get("ruleset_id").number(): one for one in reversed(active)}
    return list(by_ruleset.values())[:MOST_RULESETS]


def _bypass(call: Call, root: str, rule: Node) -> str:
    """Whether we may pass by a ruleset: `always`, `pull_requests_only`, `never`; "" if it does not tell."""
    number = rule.get("ruleset_id").number()
    answer = call.get(f"{root}/rulesets/{number}", accept=(403, 404))
    return answer.node().get("current_user_can_bypass").text() if answer.fine else ""


def _remedy(rule: Node) -> str:
    source = rule.get("ruleset_source").text()
    number, kind = rule.get("ruleset_id").number(), rule.get("type").text()
    return f"add the controller's account to the bypass list of ruleset {number} of {source}, which asks for {kind}"


def _with_classic(call: Call, root: str, branch: str, shown: Node, found: BranchRules) -> BranchRules:
    contexts = shown.get("protection", "required_status_checks", "contexts").texts()
    found = replace(found, checks=tuple(dict.fromkeys((*found.checks, *contexts))))
    answer = call.get(f"{root}/branches/{quote(branch, safe='')}/protection", accept=(403, 404))
    remedy = f"let the controller's account bypass the protection of {branch}: Settings, Branches"
    if answer.status == 404 and "not protected" in answer.words().lower():  # rulesets alone protect it
        return found
    if not answer.fine:  # told to administrators alone
        told_so = False if found.we_may_push is False else None
        return replace(found, we_may_push=told_so, remedies=(*found.remedies, remedy))
    told = answer.node()
    reviews = told.get("required_pull_request_reviews")
    held = bool(reviews) or bool(told.get("restrictions")) or bool(contexts)
    return replace(
        found,
        we_may_push=None if held else found.we_may_push,
        approvals=max(found.approvals or 0, reviews.get("required_approving_review_count").number() or 0),
        code_owners=bool(found.code_owners) or reviews.get("require_code_owner_reviews").flag(),
        signed=bool(found.signed) or told.get("required_signatures", "enabled").flag(),
        linear=bool(found.linear) or told.get("required_linear_history", "enabled").flag(),
        remedies=(*found.remedies, remedy) if held else found.remedies,
    )
