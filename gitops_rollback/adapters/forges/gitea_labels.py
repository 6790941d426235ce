"""Labels of a pull request by their names: Gitea wants numbers, and is silent about one that it does not know.

Source: contracts/forges.md, section 5 ("an unknown label id answers 200 []").
"""

from __future__ import annotations

from urllib.parse import quote

from gitops_rollback.adapters.forges.exchange import Call
from gitops_rollback.adapters.forges.paging import entries
from gitops_rollback.core.errors import CredentialsRejected, ForgeRefused

PAGE = 50
COLOR = "#d93f0b"


def with_labels(call: Call, root: str, owner: str, number: int, names: tuple[str, ...]) -> None:
    """Put them on; those that the repository lacks are made. Raises: ForgeRefused for one that was not taken."""
    known = _known(call, root, owner)
    for name in names:
        if name not in known:
            answer = call.write("POST", f"{root}/labels", {"name": name, "color": COLOR}, accept=(409, 422))
            made = answer.node().get("id").number() if answer.fine else None
            known = {**known, name: made} if made is not None else _known(call, root, owner)  # another was faster
    numbers = [known[name] for name in names if name in known]
    answer = call.write("POST", f"{root}/issues/{number}/labels", {"labels": numbers})
    taken = {node.get("name").text() for node in answer.node().items()}
    if not set(names) <= taken:
        raise ForgeRefused(call.subject, f"did not take the labels {', '.join(sorted(set(names) - taken))}", 200)


def _known(call: Call, root: str, owner: str) -> dict[str, int]:
    """Of the repository, and of the organisation that it belongs to; a user has none."""
    found: dict[str, int] = {}
    for path in (f"/orgs/{quote(owner, safe='')}/labels", f"{root}/labels"):
        try:
            for node in entries(call, path, {"limit": PAGE}):
                identity = node.get("id").number()
                if identity is not None:
                    found[node.get("name").text()] = identity
        except (ForgeRefused, CredentialsRejected):
            if not path.startswith("/orgs/"):
                raise
    return found
