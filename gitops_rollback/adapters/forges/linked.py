"""Leads whoever reads a pull request, a comment or a check of ours to the dashboard, where people can reach it.

Our texts name the command, `gitops-rollback explain WORD` (see `core.markdown.explaining`); here it becomes a link.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from gitops_rollback.adapters.pages import Pages
from gitops_rollback.core.pull_request import PullRequest, StatusButtons, StatusState
from gitops_rollback.ports.forge import Forge

# Foreign text has no bare backtick: it stands behind a backslash, or in a block of code.
_COMMAND = re.compile(r"(?<!\\)`gitops-rollback explain ([A-Za-z0-9-]+)`")
_ROLLBACK = re.compile(r"\brb-[0-9a-f]{16}\b")
_REASON = re.compile(r"\b([A-Z][A-Za-z]+):")
_FENCE = re.compile(r"(`{3,})")


class Linked:
    """A `Forge` around another, whose texts lead to these pages; all else is asked of that one."""

    def __init__(self, forge: Forge, pages: Pages) -> None:
        self._forge = forge
        self._pages = pages

    def __getattr__(self, name: str) -> object:
        return getattr(self._forge, name)

    def open(
        self, head: str, base: str, title: str, body: str, labels: Sequence[str] = (), reviewers: Sequence[str] = ()
    ) -> PullRequest:
        """As `Forge.open`."""
        return self._forge.open(head, base, title, self._linked(body), labels, reviewers)

    def comment(self, number: int, marker: str, body: str) -> str:
        """As `Forge.comment`."""
        return self._forge.comment(number, marker, self._linked(body))

    def set_status(
        self,
        sha: str,
        context: str,
        state: StatusState,
        description: str,
        url: str = "",
        buttons: StatusButtons | None = None,
    ) -> None:
        """As `Forge.set_status`; it leads to the rollback that the words name, or else to their reason."""
        self._forge.set_status(sha, context, state, description, self._about(description) or url, buttons)

    def _linked(self, text: str) -> str:
        return "\n".join(_COMMAND.sub(self._link, line) if free else line for free, line in _lines(text))

    def _link(self, found: re.Match[str]) -> str:
        word = found[1]
        url = self._pages.rollback(word) if _ROLLBACK.fullmatch(word) else self._pages.reason(word)
        return f"[{word}]({url})" if url else found[0]

    def _about(self, description: str) -> str:
        rollback = _ROLLBACK.search(description)
        if rollback is not None:
            return self._pages.rollback(rollback[0])
        pages = (self._pages.reason(found) for found in _REASON.findall(description))
        return next((page for page in pages if page), "")


def _lines(text: str) -> Iterator[tuple[bool, str]]:
    """Each line, and whether it stands outside of a block of code."""
    fence = ""
    for line in text.split("\n"):
        opening = _FENCE.match(line)
        if fence:
            yield False, line
            fence = "" if line == fence else fence
        else:
            fence = opening[1] if opening else ""
            yield not opening, line
