"""Which of the rights that are needed does Argo CD not give us?

Source: contracts/argocd.md, `account/can-i`; argo-cd v3.5.1 server/account.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from urllib.parse import quote

from gitops_rollback.adapters.json_node import Node
from gitops_rollback.core.sync import ApplicationId, ApplicationState

PROBED_PROJECTS = 20


def missing_rights(subject: str, known: Sequence[ApplicationState], read: Callable[[str], object]) -> tuple[str, ...]:
    """A sentence for each right that is missing, asked for one application of each project (20 at most)."""
    by_project = {state.project: state.id for state in reversed(known)}
    return tuple(
        f"{subject} does not allow `applications, {action}` in project {project}"
        for project, application in sorted(by_project.items())[:PROBED_PROJECTS]
        for action in ("get", "sync")
        if not _may(action, project, application, read)
    )


def _may(action: str, project: str, application: ApplicationId, read: Callable[[str], object]) -> bool:
    """Applications outside the control plane's namespace are known to RBAC by three names."""
    names = ((project, application.name), (project, application.namespace, application.name))
    paths = ("/".join(quote(part, safe="") for part in parts) for parts in names)
    answers = (read(f"account/can-i/applications/{action}/{path}") for path in paths)
    return any(Node(answer).get("value").text() == "yes" for answer in answers)
