"""GitHub's GraphQL, as far as merges need it: auto-merge and the merge queue, which REST has not.

Errors come with 200. Source: contracts/forges.md, section 3; docs.github.com/graphql (enablePullRequestAutoMerge,
disablePullRequestAutoMerge, enqueuePullRequest).
"""

from __future__ import annotations

import re

from gitops_rollback.sandbox.forge.github_views import Views, node_id, stamp
from gitops_rollback.sandbox.forge.rules import blocks
from gitops_rollback.sandbox.forge.state import Access, Block, Method, PullRequest, Scheduled
from gitops_rollback.sandbox.forge.wire import Call, Refused, Reply
from gitops_rollback.sandbox.rendering import Json

MUTATION = re.compile(
    r"(enablePullRequestAutoMerge|disablePullRequestAutoMerge|enqueuePullRequest|dequeuePullRequest)"
    r"\s*\(\s*input\s*:\s*"
)
FIELD = re.compile(r'(\w+)\s*:\s*(\$\w+|"(?:[^"\\]|\\.)*"|\w+)')
METHODS = {"MERGE": Method.MERGE, "SQUASH": Method.SQUASH, "REBASE": Method.REBASE}


class GraphQL:
    """One endpoint."""

    def __init__(self, views: Views) -> None:
        self.views = views
        self.forge = views.forge
        self.state = views.state

    def answer(self, call: Call) -> Reply:
        """A mutation of a pull request, or what a query may ask of it."""
        if not call.login:
            raise Refused(Reply(401, {"message": "This endpoint requires you to be authenticated."}))
        query, found = call.text("query"), call.body.get("variables")
        variables: Json = found if isinstance(found, dict) else {}
        mutation = MUTATION.search(query)
        if mutation is None:
            return Reply(200, {"data": self._read(call, query, variables)})
        values = _input(query[mutation.end() :], variables)
        node = str(values.get("pullRequestId") or values.get("id") or "")
        pull = self.state.pulls.get(self._number(node))
        if pull is None or self.state.may(call.login) < Access.READ:
            words = f"Could not resolve to a node with the global id of '{node}'"
            return _failed(mutation[1], "NOT_FOUND", words)
        if self.state.may(call.login) < Access.WRITE:
            words = f"{call.login} does not have the correct permissions to execute `{mutation[1]}`"
            return _failed(mutation[1], "FORBIDDEN", words)
        refused = self._do(mutation[1], call, pull, values)
        if refused:
            return _failed(mutation[1], "UNPROCESSABLE", refused)
        shown = self._shown(pull)
        done = {"pullRequest": shown, "mergeQueueEntry": shown["mergeQueueEntry"], "clientMutationId": None}
        return Reply(200, {"data": {mutation[1]: done}})

    def _number(self, node: str) -> int:
        return next((number for number in self.state.pulls if node_id("PR", number) == node), 0)

    def _do(self, name: str, call: Call, pull: PullRequest, values: Json) -> str:
        """What is wrong, or ""."""
        if name == "disablePullRequestAutoMerge":
            return "" if self.forge.unschedule(pull, call.login) else "Auto merge is not enabled for this pull request"
        if name == "dequeuePullRequest":
            return "" if self.forge.unschedule(pull, call.login) else "Pull request is not in the merge queue"
        rules = self.state.rules_of(pull.base)
        queue = rules is not None and rules.queue
        expected = str(values.get("expectedHeadOid") or "")
        if expected and expected != pull.head_sha:
            return "Head sha didn't match expectedHeadOid."
        if name == "enqueuePullRequest" and not queue:
            return "Pull request The merge queue is not enabled for this branch"
        method = METHODS.get(str(values.get("mergeMethod") or "MERGE"), Method.MERGE)
        wrong = self._wrong(pull, method, queue)
        if not wrong:
            title = str(values.get("commitHeadline") or "")
            body = str(values.get("commitBody") or "")
            self.forge.schedule(pull, Scheduled(call.login, method, title, body, head_sha=pull.head_sha))
        return wrong

    def _wrong(self, pull: PullRequest, method: Method, queue: bool) -> str:
        found = blocks(self.state, self.views.git, pull)
        if not pull.open:
            return "Pull request Pull request is closed"
        if not self.state.settings.auto_merge and not queue:
            return "Pull request Auto merge is not allowed for this repository"
        if method not in self.state.settings.methods and not queue:
            return f"Merge method {method.value} merging is not allowed on this repository"
        if Block.DRAFT in found:
            return "Pull request Pull request is in draft status"
        if Block.CONFLICT in found:
            return "Pull request Pull request is in dirty status"
        if queue:
            return ""
        if self.state.rules_of(pull.base) is None:
            return "Pull request Protected branch rules not configured for this branch"
        if not found:
            _, word = self.views.mergeability(pull, asked=False)
            return f"Pull request Pull request is in {word if word == 'unstable' else 'clean'} status"
        return ""

    def _shown(self, pull: PullRequest) -> Json:
        order = pull.scheduled
        auto = {"enabledAt": stamp(order.at), "mergeMethod": order.method.value.upper()} if order else None
        entry = {"id": node_id("MQE", pull.number), "position": 1, "state": "AWAITING_CHECKS"}
        mergeable = {True: "MERGEABLE", False: "CONFLICTING", None: "UNKNOWN"}
        known, word = self.views.mergeability(pull, asked=False)
        return {
            "id": node_id("PR", pull.number),
            "number": pull.number,
            "state": {"open": "OPEN", "closed": "CLOSED", "merged": "MERGED"}[pull.state],
            "merged": pull.state == "merged",
            "isDraft": pull.draft,
            "headRefOid": pull.head_sha,
            "mergeable": mergeable[known],
            "mergeStateStatus": word.upper(),
            "autoMergeRequest": auto,
            "isInMergeQueue": pull.queued_at is not None,
            "mergeQueueEntry": entry if pull.queued_at is not None else None,
            "mergeCommit": {"oid": pull.merge_sha} if pull.merge_sha else None,
        }

    def _read(self, call: Call, query: str, variables: Json) -> Json:
        """Everything that is known of what the query names; a client reads what it asked for."""
        found: Json = {}
        if "viewer" in query:
            found["viewer"] = {"login": call.login}
        asked = re.search(r"\bnode\s*\(\s*id\s*:\s*\$(\w+)", query)
        if asked is not None:
            node = self.state.pulls.get(self._number(str(variables.get(asked[1]))))
            found["node"] = self._shown(node) if node is not None else None
        if re.search(r"\brepository\s*\(", query):
            inline = re.search(r"pullRequest\s*\(\s*number\s*:\s*(\$\w+|\d+)", query)
            value = inline[1] if inline else ""
            number = variables.get(value[1:]) if value.startswith("$") else value
            pull = self.state.pulls.get(int(str(number or 0)))
            rules = self.state.rules_of(self.state.settings.default_branch)
            found["repository"] = {
                "autoMergeAllowed": self.state.settings.auto_merge,
                "pullRequest": self._shown(pull) if pull else None,
                "mergeQueue": {"id": node_id("MQ", 1)} if rules is not None and rules.queue else None,
            }
        return found


def _input(text: str, variables: Json) -> Json:
    """The input of a mutation: one variable, or an object whose values may be variables."""
    if text.startswith("$"):
        name = re.match(r"\$(\w+)", text)
        found = variables.get(name[1]) if name else None
        return found if isinstance(found, dict) else {}
    inside = text[text.find("{") + 1 : text.find("}")]
    values: Json = {}
    for name, value in FIELD.findall(inside):
        values[name] = variables.get(value[1:]) if value.startswith("$") else value.strip('"')
    return values


def _failed(name: str, kind: str, message: str) -> Reply:
    errors = [{"type": kind, "path": [name], "locations": [{"line": 1, "column": 1}], "message": message}]
    return Reply(200, {"data": {name: None}, "errors": errors})
