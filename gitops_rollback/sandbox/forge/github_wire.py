"""How does GitHub word errors and page lists? Source: docs.github.com/rest "Troubleshooting", "Using pagination"."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gitops_rollback.sandbox.forge.wire import Call, Item, Reply, link, window
from gitops_rollback.sandbox.rendering import Json

DOCS = "https://docs.github.com/rest"


def error(status: int, message: str, **more: object) -> Reply:
    """An error with its message; `errors` says more of a validation."""
    return Reply(status, {"message": message, **more, "documentation_url": DOCS, "status": str(status)})


def not_found() -> Reply:
    """What is absent, and what one may not see."""
    return error(404, "Not Found")


def invalid(resource: str, message: str = "", **details: str) -> Reply:
    """422: what is wrong with a field, or with the whole (`message`)."""
    found: Json = {"resource": resource, "code": "custom", **details}
    return error(422, "Validation Failed", errors=[found | ({"message": message} if message else {})])


def listed(call: Call, items: Sequence[Item], most: int, shown: Callable[[Item], object]) -> Reply:
    """One page, with `Link` where there are more."""
    found = window(call, items, "per_page", 30, min(most, 100))
    relations: dict[str, int] = {}
    if found.page > 1:
        relations |= {"prev": found.page - 1}
    if found.page < found.pages:
        relations |= {"next": found.page + 1, "last": found.pages}
    if found.page > 1:
        relations |= {"first": 1}
    headers = {"Link": link(call, relations)} if relations else {}
    return Reply(200, [shown(item) for item in found.items], headers)
