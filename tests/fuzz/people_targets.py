"""Targets of what people write: request files, comments, and what a chat sends for them; `targets` lists them."""

from __future__ import annotations

from datetime import UTC, datetime

from gitops_rollback.adapters.requests.reader import read_request
from gitops_rollback.core.comment_commands import Command, NotUnderstood, command_of
from gitops_rollback.core.pull_request import Comment
from gitops_rollback.core.request import encode_request
from gitops_rollback.web.presses import press_of

PATH = ".gitops-rollback/requests/a.yaml"
NOW = datetime(2026, 11, 23, tzinfo=UTC)


def request(data: bytes) -> None:
    """A request or faults, each at a printable place; what is taken is written and read as the same."""
    read = read_request(data, PATH)
    assert (read.request is None) == bool(read.errors)
    assert all(fault.line >= 1 and fault.col >= 1 and str(fault).isprintable() for fault in read.faults)
    if read.request is not None and read.request.reason.isprintable():
        assert read_request(encode_request(read.request), PATH).request == read.request


def comment(data: bytes) -> None:
    """A command stands in a line of its own; what is answered fires nothing."""
    body = data.decode("utf-8", "surrogatepass" if b"\xed" in data else "replace") if _is_text(data) else ""
    found = command_of(Comment("1", "ada", body, NOW))
    if isinstance(found, Command):
        lines = body.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        assert any(line.startswith("/rollback") for line in lines)
    if isinstance(found, NotUnderstood):
        assert "@" not in found.message
        assert found.message.isprintable()


def press(data: bytes) -> None:
    """A press of ours, with an answer to nobody but Slack, or nothing."""
    found = press_of(data, NOW)
    if found is not None:
        assert found.rollback_id.startswith("rb-")
        assert found.user.isalnum()
        assert not found.answer_url or found.answer_url.startswith("https://hooks.slack.com/")


def _is_text(data: bytes) -> bool:
    try:
        data.decode("utf-8", "surrogatepass" if b"\xed" in data else "replace")
    except UnicodeDecodeError:
        return False
    return True
