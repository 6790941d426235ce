"""What is an authentic delivery worth? It may be about one of our repositories, and about nothing that we know yet.

Nothing in it is believed: it only says who should look sooner than the next tick. Where it does not say that, all look.
Source: contracts/forges.md, sections 3 to 5 (events and headers); fluxcd/notification-controller, `commit_status`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import Message

from gitops_rollback.core.journal import parse_time

AGE = timedelta(minutes=5)  # beyond which an event that says its time says nothing about now
LONGEST_URL = 2048
TAGS = "refs/tags/"

GITHUB = frozenset(
    {"push", "create", "delete", "pull_request", "pull_request_review", "pull_request_review_comment", "issue_comment"}
    | {"check_run", "check_suite", "status", "merge_group", "repository_ruleset", "branch_protection_rule"}
)
GITLAB = frozenset({"push hook", "merge request hook", "note hook", "pipeline hook"})
GITEA = frozenset(
    {"push", "create", "delete", "pull_request", "issue_comment", "status", "workflow_run", "workflow_job"}
)
URLS = ("clone_url", "html_url", "ssh_url", "git_url", "git_http_url", "git_ssh_url", "http_url", "web_url", "homepage")


@dataclass(frozen=True)
class Hint:
    """Look now. `repositories`: the addresses of the one that it is about; () where it does not say, or for all."""

    repositories: tuple[str, ...] = ()


def hint_of(kind: str, headers: Message, text: bytes, now: datetime) -> Hint | str:
    """The hint of an authentic delivery, or in one word why it is none: `routine`, `ignored` or `old`."""
    event = _event(text)
    if kind == "flux":
        return _flux(event, now)
    if kind == "github":
        return _forge(headers.get("X-GitHub-Event"), GITHUB, event)
    if kind == "gitlab":
        return _forge(headers.get("X-Gitlab-Event"), GITLAB, event)
    if kind == "gitea":
        # It sends GitHub's headers as well, and finer names for what happens to a pull request.
        name = str(headers.get("X-Forgejo-Event") or headers.get("X-Gitea-Event"))
        return _forge("pull_request" if name.startswith("pull_request") else name, GITEA, event)
    return Hint()


def _flux(event: Mapping[str, object], now: datetime) -> Hint | str:
    if _mapping(event, "metadata").get("commit_status") == "update":
        return "routine"  # Flux tells each interval that nothing changed
    at = _time(event.get("timestamp"))
    return "old" if at is not None and abs(now - at) > AGE else Hint()


def _forge(name: object, known: frozenset[str], event: Mapping[str, object]) -> Hint | str:
    if str(name).strip().lower() not in known:
        return "ignored"  # of a kind that changes nothing for us; it is no fault of its sender
    ref = event.get("ref")
    if event.get("ref_type") == "tag" or (isinstance(ref, str) and ref.startswith(TAGS)):
        return "ignored"
    return Hint(urls_of(event))


def urls_of(event: Mapping[str, object]) -> tuple[str, ...]:
    """The addresses of the event's own repository; of a pull request's event, the one that it goes into."""
    found = (_mapping(event, holder).get(key) for holder in ("repository", "project") for key in URLS)
    return tuple(dict.fromkeys(url for url in found if isinstance(url, str) and 0 < len(url) <= LONGEST_URL))


def _event(text: bytes) -> Mapping[str, object]:
    """The event, or nothing: what cannot be read is still a hint."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _mapping(event: Mapping[str, object], key: str) -> Mapping[str, object]:
    found = event.get(key)
    return found if isinstance(found, dict) else {}


def _time(value: object) -> datetime | None:
    try:
        return parse_time(value) if isinstance(value, str) else None
    except ValueError:
        return None
