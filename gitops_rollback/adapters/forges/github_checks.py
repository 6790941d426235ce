"""A check run in place of a commit status, with buttons below it: only a GitHub App may write one.

One run for a commit and a name, changed in place. GitHub tells no buttons back, so what was written last is known by
the mark in its `external_id`.
Source: contracts/forges.md, section 3; docs.github.com/rest/checks/runs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from gitops_rollback.adapters.forges.exchange import Call
from gitops_rollback.adapters.json_node import Node
from gitops_rollback.core.pull_request import CommitStatus, StatusButtons, StatusState

WORDS = {  # status and conclusion
    StatusState.PENDING: ("in_progress", None),
    StatusState.SUCCESS: ("completed", "success"),
    StatusState.FAILURE: ("completed", "failure"),
    StatusState.ERROR: ("completed", "failure"),
}
MOST_BUTTONS, LONGEST_LABEL, LONGEST_DESCRIPTION, LONGEST_TITLE = 3, 20, 40, 255
MARK_DIGITS = 16


def set_check(call: Call, root: str, sha: str, wanted: Mapping[str, Any]) -> None:
    """Make it so, as `check_run` has it; an equal one is not written again."""
    found = _newest(call, root, sha, str(wanted["name"]))
    if found is None:
        call.write("POST", f"{root}/check-runs", {"head_sha": sha, **wanted})
    elif found.get("external_id").text() != wanted["external_id"]:
        call.write("PATCH", f"{root}/check-runs/{found.get('id').number()}", wanted)


def check_run(name: str, state: StatusState, said: str, url: str, buttons: StatusButtons) -> dict[str, Any]:
    """What GitHub is to be told."""
    status, conclusion = WORDS[state]
    body: dict[str, Any] = {
        "name": name,
        "status": status,
        "output": {"title": said[:LONGEST_TITLE] or name, "summary": _summary(said, buttons)},
        "actions": [
            {
                "label": one.label[:LONGEST_LABEL],
                "description": one.description[:LONGEST_DESCRIPTION],
                "identifier": one.identifier,
            }
            for one in buttons.shown[:MOST_BUTTONS]
        ],
    }
    if conclusion is not None:
        body["conclusion"] = conclusion
    if url:
        body["details_url"] = url
    mark = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:MARK_DIGITS]
    return {**body, "external_id": f"pull/{buttons.number}/{mark}"}


def read_check(call: Call, root: str, sha: str, name: str) -> CommitStatus | None:
    """Anybody's newest of this name, as what it would be as a status; a job of GitHub Actions is one."""
    newest = max(_runs(call, root, sha, name), key=_number, default=None)
    if newest is None:
        return None
    conclusion, said = newest.get("conclusion").text(), newest.get("output", "title").text()
    if newest.get("status").text() != "completed":
        return CommitStatus(StatusState.PENDING, said)
    state = StatusState.SUCCESS if conclusion == "success" else StatusState.FAILURE
    return CommitStatus(state, said or conclusion)


def _newest(call: Call, root: str, sha: str, name: str) -> Node | None:
    """Ours: nobody else's App has a mark of this form."""
    ours = (one for one in _runs(call, root, sha, name) if one.get("external_id").text().startswith("pull/"))
    return max(ours, key=_number, default=None)


def _runs(call: Call, root: str, sha: str, name: str) -> Iterator[Node]:
    query: dict[str, str | int] = {"check_name": name, "filter": "latest", "per_page": 100}
    return call.get(f"{root}/commits/{sha}/check-runs", query=query).node().get("check_runs").items()


def _number(run: Node) -> int:
    return run.get("id").number() or 0


def _summary(said: str, buttons: StatusButtons) -> str:
    lines = [said, *(f"- **{one.label}**: {one.description}" for one in buttons.shown)]
    return "\n".join(lines)
