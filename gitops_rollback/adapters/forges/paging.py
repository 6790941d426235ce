"""All entries of a list that a forge gives page by page, never more than a bounded number of pages.

The next page is asked at our own address with the query that the forge names: behind a proxy its links may bear
another origin.
Source: contracts/forges.md; GitHub, "Using pagination in the REST API"; GitLab, "Pagination"; a real Gitea's headers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import parse_qsl, urlsplit

from gitops_rollback.adapters.forges.answer import Answer
from gitops_rollback.adapters.forges.exchange import Call, Query
from gitops_rollback.adapters.json_node import Node
from gitops_rollback.core.errors import ForgeUnavailable

MOST_PAGES = 60
_LINK = re.compile(r'<([^>]*)>\s*;[^,]*?\brel="?next"?')


def entries(call: Call, path: str, query: Query, most_pages: int = MOST_PAGES) -> Iterator[Node]:
    """Each entry, page after page as they are wanted.

    Raises: ForgeUnavailable for what is no list, for one without an end, and for more than `most_pages`.
    """
    asked: set[tuple[tuple[str, str], ...]] = set()
    wanted = {key: str(value) for key, value in query.items()}
    seen = 0
    while True:
        key = tuple(sorted(wanted.items()))
        if key in asked:
            raise ForgeUnavailable(call.subject, f"names the same page of {_shown(path)} as the next, again and again")
        asked.add(key)
        if len(asked) > most_pages:
            raise ForgeUnavailable(call.subject, f"has more than {most_pages} pages of {_shown(path)}")
        answer = call.get(path, wanted)
        page = _list(answer, path)
        yield from page
        seen += len(page)
        following = _next(answer, wanted, seen, len(page))
        if following is None:
            return
        wanted = following


def _list(answer: Answer, path: str) -> list[Node]:
    node = answer.node()
    if node.value is not None and not isinstance(node.value, list):
        raise ForgeUnavailable(answer.subject, f"answers what is no list of {_shown(path)}")
    return list(node.items())


def _next(answer: Answer, wanted: dict[str, str], seen: int, here: int) -> dict[str, str] | None:
    """The query of the next page; None after the last one."""
    headers = answer.headers
    link = _LINK.search(headers.get("link", ""))
    if link is not None:
        return {**wanted, **dict(parse_qsl(urlsplit(link[1]).query))}
    if "link" in headers:
        return None
    page = headers.get("x-next-page")
    if page is not None:
        return {**wanted, "page": page.strip()} if page.strip() else None
    total = headers.get("x-total-count", "")
    if here and total.isdigit() and seen < int(total[:9]):
        return {**wanted, "page": str(int(wanted.get("page", "1")) + 1)}
    return None


def _shown(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2][:60]
