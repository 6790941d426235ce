"""How does GitLab word errors and page lists? Source: docs.gitlab.com/api/rest (pagination, status codes)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gitops_rollback.sandbox.forge.wire import Call, Item, Reply, link, window


def error(status: int, message: object) -> Reply:
    """An error with its message: a text, or a list."""
    return Reply(status, {"message": message})


def not_found(what: str = "") -> Reply:
    return error(404, f"404 {what} Not Found" if what else "404 Not found")


def forbidden() -> Reply:
    return error(403, "403 Forbidden")


def listed(call: Call, items: Sequence[Item], most: int, shown: Callable[[Item], object]) -> Reply:
    """One page, with all headers that count pages."""
    found = window(call, items, "per_page", 20, min(most, 100))
    relations = {"prev": found.page - 1} if found.page > 1 else {}
    relations |= {"next": found.page + 1} if found.page < found.pages else {}
    headers = {
        "x-page": str(found.page),
        "x-per-page": str(found.size),
        "x-total": str(found.total),
        "x-total-pages": str(found.pages),
        "x-next-page": str(relations.get("next", "")),
        "x-prev-page": str(relations.get("prev", "")),
        "Link": link(call, relations | {"first": 1, "last": found.pages}),
    }
    return Reply(200, [shown(item) for item in found.items], headers)
