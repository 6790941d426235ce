"""How does Gitea word an error and page a list? Source: the recorded answers; go-gitea services/context/api.go."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from gitops_rollback.sandbox.forge.wire import Call, Item, Reply, link, window

ABSENT = "[id: 0, issue_id: 0, head_repo_id: 0, base_repo_id: 1, head_branch: , base_branch: ]"
EXPOSED = "X-Total-Count, X-Page, X-PerPage, X-PageCount, X-HasMore"


def error(status: int, message: str, origin: str) -> Reply:
    """An error with its message."""
    return Reply(status, {"message": message, "url": f"{origin}/api/swagger"})


def not_found(origin: str) -> Reply:
    """What is absent, and what one may not see."""
    return Reply(404, {"errors": None, "message": "not found", "url": f"{origin}/api/swagger"})


def listed(
    call: Call,
    items: Sequence[Item],
    most: int,
    default: int = 30,
    counted: bool = False,
    shown: Callable[[Item], object] | None = None,
    more: Mapping[str, str] | None = None,
) -> Reply:
    """One page; `counted`: with the headers that count pages, which only some lists have."""
    found = window(call, items, "limit", default, min(most, 50))
    relations: dict[str, int] = {}
    if found.page < found.pages:
        relations |= {"next": found.page + 1, "last": found.pages}
    if found.page > 1:
        relations |= {"first": 1, "prev": found.page - 1}
    exposed = EXPOSED if counted else "X-Total-Count"
    headers = {"X-Total-Count": str(found.total)}
    if counted:
        headers |= {"X-Page": str(found.page), "X-PerPage": str(found.size), "X-PageCount": str(found.pages)}
        headers["X-HasMore"] = "true" if found.page < found.pages else "false"
    if relations:
        headers["Link"] = link(call, relations, by_name=True)
        exposed = f"Link, {exposed}"
    headers |= {"Access-Control-Expose-Headers": exposed, **(more or {})}
    body = [shown(item) for item in found.items] if shown else found.items
    return Reply(200, body, headers)
