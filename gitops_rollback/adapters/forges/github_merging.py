"""Merging at GitHub: at once by REST, by itself or through a merge queue by GraphQL.

A 405 is one code for every refusal, so its words decide. GraphQL says what went wrong with a 200.
Source: contracts/forges.md, section 3; GitHub REST "Merge a pull request"; GraphQL `enablePullRequestAutoMerge`,
`disablePullRequestAutoMerge`, `enqueuePullRequest`, `dequeuePullRequest`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gitops_rollback.adapters.forges.answer import Answer, OutcomeUnknown
from gitops_rollback.adapters.forges.exchange import Call
from gitops_rollback.adapters.forges.limits import GRAPH
from gitops_rollback.adapters.forges.normal import became, title_and_text
from gitops_rollback.adapters.json_node import Node
from gitops_rollback.core.errors import CredentialsRejected, ForgeUnavailable
from gitops_rollback.core.pull_request import Mergeability, Merged, MergeMethod, MergeOutcome, PullRequest

PASSING = ("base branch was modified", "pull request is not mergeable", "pull request is still being")
NOTHING_MISSING = ("clean status", "unstable status")
NO_SUCH_WAY = ("auto merge is not allowed", "auto-merge is not allowed", "not allowed for this repository")
NOTHING_TO_WAIT_FOR = ("protected branch rules not configured",)
FORBIDDEN = ("FORBIDDEN", "INSUFFICIENT_SCOPES")
ENABLE = """mutation ($id: ID!, $method: PullRequestMergeMethod!, $head: GitObjectID!, $title: String, $text: String) {
  enablePullRequestAutoMerge(input: {
    pullRequestId: $id, mergeMethod: $method, expectedHeadOid: $head, commitHeadline: $title, commitBody: $text
  }) { pullRequest { number } }
}"""
DISABLE = "mutation ($id: ID!) { disablePullRequestAutoMerge(input: {pullRequestId: $id}) { pullRequest { number } } }"
ENQUEUE = """mutation ($id: ID!, $head: GitObjectID!) {
  enqueuePullRequest(input: {pullRequestId: $id, expectedHeadOid: $head}) { mergeQueueEntry { position } }
}"""
QUEUED = "query ($id: ID!) { node(id: $id) { ... on PullRequest { isInMergeQueue } } }"
DEQUEUE = "mutation ($id: ID!) { dequeuePullRequest(input: {id: $id}) { mergeQueueEntry { position } } }"


def merge(
    call: Call, root: str, look: Callable[[], PullRequest], head_sha: str, method: MergeMethod, message: str
) -> Merged:
    """As `ports.forge.Forge.merge`; `look` reads the pull request anew."""
    now = look()
    told = became(now, head_sha)
    if told is not None:
        return told
    title, text = title_and_text(message)
    body = {"sha": head_sha, "merge_method": method.value}
    if method is not MergeMethod.REBASE and title:
        body |= {"commit_title": title, "commit_message": text}
    try:
        answer = call.write("PUT", f"{root}/pulls/{now.number}/merge", body, accept=(403, 405, 409, 422))
    except OutcomeUnknown:
        told = became(look(), head_sha)
        if told is None:
            raise
        return told
    if answer.fine:
        return Merged(MergeOutcome.MERGED, answer.node().get("message").text(), answer.node().get("sha").text() or None)
    return became(look(), head_sha) or _refused(answer, method, now)


def _refused(answer: Answer, method: MergeMethod, before: PullRequest) -> Merged:
    """The pull request is open, and has the head that was asked for."""
    words, lower = answer.words(), answer.words().lower()
    if answer.status == 403:
        return Merged(MergeOutcome.REFUSED, words + answer.missing())
    if answer.status == 409:  # the head was another one for a moment
        return Merged(MergeOutcome.LOST_RACE, words)
    if "merge queue" in lower:
        return Merged(MergeOutcome.UNAVAILABLE, words)
    if any(text in lower for text in PASSING):
        return Merged(MergeOutcome.NOT_READY, words)
    if "not allowed" in lower:
        return Merged(MergeOutcome.REFUSED, f"{words} (asked to {method.value})")
    waits = before.mergeability in (Mergeability.BLOCKED, Mergeability.CHECKING)
    return Merged(MergeOutcome.NOT_READY if waits else MergeOutcome.REFUSED, words)


def merge_when_ready(
    call: Call, root: str, look: Callable[[], PullRequest], head_sha: str, method: MergeMethod, message: str
) -> Merged:
    """As `ports.forge.Forge.merge_when_ready`."""
    now = look()
    told = became(now, head_sha)
    if told is not None:
        return told
    if now.auto_merge:
        return Merged(MergeOutcome.SCHEDULED, "it was scheduled before")
    identity = _node_id(call, root, now.number)
    title, text = title_and_text(message)
    wanted = {"id": identity, "method": method.name, "head": head_sha, "title": title or None, "text": text or None}
    try:
        answer = graph(call, ENABLE, wanted)
    except OutcomeUnknown:
        again = look()
        if again.auto_merge and again.head_sha == head_sha:
            return Merged(MergeOutcome.SCHEDULED, "")
        raise
    words, kinds = _errors(answer)
    if not words:
        return Merged(MergeOutcome.SCHEDULED, "")
    return became(look(), head_sha) or _not_scheduled(
        call, words, kinds, identity, head_sha, lambda: merge(call, root, look, head_sha, method, message)
    )


def _not_scheduled(
    call: Call, words: str, kinds: tuple[str, ...], identity: str, head_sha: str, merge_now: Callable[[], Merged]
) -> Merged:
    lower = words.lower()
    if any(kind in FORBIDDEN for kind in kinds):
        return Merged(MergeOutcome.REFUSED, words)
    if any(text in lower for text in NOTHING_MISSING):
        merged = merge_now()
        queue = merged.outcome is MergeOutcome.UNAVAILABLE  # a branch with a queue takes no direct merge
        return _enqueued(call, identity, head_sha) if queue else merged
    if any(text in lower for text in NOTHING_TO_WAIT_FOR):
        return merge_now()
    if any(text in lower for text in NO_SUCH_WAY):
        return Merged(MergeOutcome.UNAVAILABLE, words)
    return Merged(MergeOutcome.NOT_READY, words)


def _enqueued(call: Call, identity: str, head_sha: str) -> Merged:
    words, _ = _errors(graph(call, ENQUEUE, {"id": identity, "head": head_sha}))
    waits = not words or "already" in words.lower()
    return Merged(MergeOutcome.SCHEDULED if waits else MergeOutcome.REFUSED, words or "it is in the merge queue")


def cancel(call: Call, root: str, now: PullRequest) -> None:
    """As `ports.forge.Forge.cancel_merge`."""
    identity = _node_id(call, root, now.number)
    if now.auto_merge:
        words, _ = _errors(graph(call, DISABLE, {"id": identity}))
        if words and "not enabled" not in words.lower():
            raise ForgeUnavailable(call.subject, f"does not take back the merge: {words}")
    # An Enterprise Server that knows no merge queue calls the field an error.
    if graph(call, QUEUED, {"id": identity}).get("data", "node", "isInMergeQueue").value is True:
        graph(call, DEQUEUE, {"id": identity})


def graph(call: Call, query: str, variables: Mapping[str, str | None]) -> Node:
    """What GraphQL says, errors included. Raises: ForgeUnavailable for its rate limit."""
    api = call.exchange.settings.api
    url = f"{api.removesuffix('/v3')}/graphql"
    answer = call.post_to(url, {"query": query, "variables": dict(variables)}, GRAPH)
    node = answer.node()
    kinds = _errors(node)[1]
    if "RATE_LIMITED" in kinds:
        call.exchange.limits.hit(GRAPH, answer)
        wait = call.exchange.limits.wait_seconds(GRAPH)
        raise ForgeUnavailable(call.subject, f"asks to be left alone for {wait:.0f} s", wait)
    return node


def _errors(node: Node) -> tuple[str, tuple[str, ...]]:
    found = list(node.get("errors").items())
    words = "; ".join(one.get("message").text() for one in found)
    return " ".join(words.split())[:300] or ("unknown error" if found else ""), tuple(
        one.get("type").text() for one in found
    )


def _node_id(call: Call, root: str, number: int) -> str:
    identity = call.get(f"{root}/pulls/{number}").node().get("node_id").text()
    if not identity:
        raise CredentialsRejected(call.subject, "does not tell the id that GraphQL wants")
    return identity
