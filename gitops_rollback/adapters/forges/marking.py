"""Our one comment of a pull request: found by a hidden mark in its first line, edited in place, written at most once.

Source: contracts/forges.md, section 8.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from gitops_rollback.adapters.forges.answer import OutcomeUnknown
from gitops_rollback.core.pull_request import Comment

LONGEST = 60_000  # characters; GitHub takes 65,536
CUT = "\n\n(cut here: it is longer than a comment may be)"


def marked(marker: str, body: str) -> str:
    """The text of the comment, no longer than any forge takes."""
    text = f"{_mark(marker)}\n{body}"
    return text if len(text) <= LONGEST else f"{text[: LONGEST - len(CUT)]}{CUT}"


def upsert(
    marker: str,
    body: str,
    login: str,
    look: Callable[[], Iterable[Comment]],
    create: Callable[[str], str],
    edit: Callable[[str, str], None],
) -> str:
    """The id of our comment, which says `body` now. Text that is equal already is not written.

    `look` gives the comments, the oldest first, page by page; `create` writes one and gives its id. Only a comment of
    our own `login` is ours: anybody can copy a mark.
    """
    text = marked(marker, body)
    found = _ours(look(), marker, login)
    if found is None:
        try:
            return create(text)
        except OutcomeUnknown:
            found = _ours(look(), marker, login)
            if found is None:
                raise
    if _same(found.body, text):
        return found.id
    edit(found.id, text)
    return found.id


def _ours(comments: Iterable[Comment], marker: str, login: str) -> Comment | None:
    mark = _mark(marker)
    mine = (one for one in comments if login and one.author.casefold() == login.casefold())
    return next((one for one in mine if one.body.splitlines()[:1] == [mark]), None)


def _mark(marker: str) -> str:
    """One line, whatever the marker holds: it must not end the comment of HTML that hides it."""
    return f"<!-- {' '.join(marker.split()).replace('--', '- -')} -->"


def _same(one: str, other: str) -> bool:
    """Forges keep line ends and outer white space in their own ways."""
    return one.replace("\r\n", "\n").strip() == other.strip()
