"""What would a plan change, line by line? For people; git itself makes the commit."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from gitops_rollback.core.commit import FileChange
from gitops_rollback.core.errors import RollbackError
from gitops_rollback.core.plan import Plan
from gitops_rollback.ports import ConfigRepo

MAX_DIFF_LINES = 400
MAX_COMPARED_LINES = 10_000  # of both sides of a file: comparing takes the square of it where all lines look alike
SECRET = re.compile(r"""^\s*['"]?kind['"]?\s*:\s*['"]?\w*Secret\b""")


def diff_of(plan: Plan, repo: ConfigRepo) -> str:
    """A unified diff of what would be pushed, cut after some hundred lines; binary files are only named."""
    return diff_of_changes(plan.reversal.changes, repo)


def diff_of_changes(changes: Iterable[FileChange], repo: ConfigRepo) -> str:
    """The same of any change of files."""
    lines: list[str] = []
    for change in changes:
        lines += _file_diff(change, repo)
    more = [f"... {len(lines) - MAX_DIFF_LINES} more lines"] if len(lines) > MAX_DIFF_LINES else []
    return "\n".join(lines[:MAX_DIFF_LINES] + more)


def _file_diff(change: FileChange, repo: ConfigRepo) -> list[str]:
    try:
        before, after = _lines(change.old_blob, repo), _lines(change.new_blob, repo)
    except (UnicodeDecodeError, RollbackError):
        return [f"{change.path}: not shown"]
    if any(SECRET.search(line) for line in (*before, *after)):
        return [f"{change.path}: not shown, it holds a secret"]
    if len(before) + len(after) > MAX_COMPARED_LINES:
        return [f"{change.path}: not shown, it has {len(before)} lines before and {len(after)} after"]
    old = f"a/{change.path}" if change.old_blob else "/dev/null"
    new = f"b/{change.path}" if change.new_blob else "/dev/null"
    return list(difflib.unified_diff(before, after, old, new, lineterm=""))


def _lines(blob: str | None, repo: ConfigRepo) -> list[str]:
    return repo.read(blob).decode().splitlines() if blob else []
