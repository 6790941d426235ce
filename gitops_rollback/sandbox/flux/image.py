"""What does image-automation-controller do? Each interval it writes what the policies select into the marked values.

It looks at the branch itself, not at the source's artifact, and pushes without force: where somebody was faster it
looks again. Source: contracts/flux-kubernetes.md section 9; image-automation-controller 1.1
internal/controller/imageupdateautomation_controller.go, pkg/update/setters.go.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Generator, Mapping

from gitops_rollback.sandbox.argocd.repository import RepositoryError
from gitops_rollback.sandbox.flux.repositories import Branch, Branches
from gitops_rollback.sandbox.flux.spec import Reconciliation
from gitops_rollback.sandbox.flux.status import Condition, Subject, seconds, stamp
from gitops_rollback.sandbox.kubernetes.kinds import GIT_REPOSITORY, IMAGE_POLICY
from gitops_rollback.sandbox.rendering import Json

CLONE_SECONDS = 0.05
PUSH_SECONDS = 0.3  # from the clone on; whoever lands in between is faster
RETRY_SECONDS = 5.0
MESSAGE = "Update from image update automation"
_MARKED = re.compile(
    r"(?P<lead>\s*(?:- )?[\w.$-]+:\s+)(?P<quote>[\"']?)(?P<value>[^\"'\s#]+)(?P=quote)"
    r'(?P<rest>\s+#\s*\{\s*"\$imagepolicy"\s*:\s*"(?P<policy>[^":]+:[^":]+)(?::(?P<part>name|tag|digest))?"\s*\}\s*)'
)


class ImageAutomationController:
    """`branches` are those of the repositories behind the URLs that GitRepositories name."""

    manager = "image-automation-controller"

    def __init__(self, branches: Mapping[str, Branches]) -> None:
        self._branches = branches

    def reconcile(self, subject: Subject) -> Reconciliation:
        """One run; answers in how many seconds the next one is due. What is suspended acknowledges nothing."""
        if subject.spec.get("suspend"):
            return float("inf")
        yield CLONE_SECONDS
        reference = subject.spec["sourceRef"]
        source = subject.store.find(GIT_REPOSITORY, reference["name"], reference.get("namespace") or subject.namespace)
        branches = self._branches.get(source["spec"]["url"]) if source else None
        if source is None or branches is None:
            subject.conditions(Condition("Ready", "False", "SourceManagerConfigFailed", "source not found"))
            return RETRY_SECONDS
        git = subject.spec.get("git") or {}
        checkout = ((git.get("checkout") or {}).get("ref") or source["spec"].get("ref") or {}).get("branch", "master")
        try:
            yield from self._run(subject, branches(checkout), checkout)
        except RepositoryError as exc:
            subject.conditions(Condition("Ready", "False", "GitOperationFailed", f"failed to push: {exc}"))
            return RETRY_SECONDS
        subject.conditions(Condition("Ready", "True", "Succeeded", "repository up-to-date"))
        return seconds(subject.spec.get("interval"), 60.0)

    def delete(self, subject: Subject) -> None:
        """Nothing in the cluster is its own."""

    def _run(self, subject: Subject, branch: Branch, name: str) -> Generator[float, None, None]:
        policies = {
            one["metadata"]["name"]: latest
            for one in subject.store.objects(IMAGE_POLICY, subject.namespace)
            if (latest := (one.get("status") or {}).get("latestRef"))
        }
        head = branch.head()
        observed = {"observedSourceRevision": f"{name}@sha1:{head}", "observedPolicies": policies}
        pushed: Json = {}
        if any(subject.status.get(key) != value for key, value in observed.items()):
            files = _written(subject, branch, head, policies)
            if files:
                yield PUSH_SECONDS
                author = (subject.spec["git"].get("commit") or {}).get("author") or {}
                by, now = f"{author.get('name') or 'flux'} <{author.get('email', '')}>", subject.store.now()
                sha = branch.push(MESSAGE, files, now, by, head)
                pushed = {"lastPushCommit": sha, "lastPushTime": stamp(now)}
        subject.fields(
            **observed, **pushed, lastAutomationRunTime=stamp(subject.store.now()),
            observedGeneration=subject.generation, **subject.acknowledged(),
        )  # fmt: skip


def _written(subject: Subject, branch: Branch, head: str, policies: Mapping[str, Json]) -> dict[str, str]:
    """The files below the path whose marked values are not what the policies select."""
    under = posixpath.normpath(str((subject.spec.get("update") or {}).get("path") or "."))
    images = {f"{subject.namespace}:{name}": latest for name, latest in policies.items()}
    found: dict[str, str] = {}
    for path, text in branch.texts(head, under).items():
        lines = [_set(line, images) for line in text.split("\n")] if '"$imagepolicy"' in text else []
        if lines and lines != text.split("\n"):
            found[path] = "\n".join(lines)
    return found


def _set(line: str, images: Mapping[str, Json]) -> str:
    """The line with what its policy selects; a line without a mark stays."""
    marked = _MARKED.fullmatch(line)
    latest = images.get(marked["policy"]) if marked else None
    if marked is None or latest is None:
        return line
    digest = latest.get("digest") or ""
    whole = f"{latest['name']}:{latest['tag']}{f'@{digest}' if digest else ''}"
    value = latest.get(marked["part"], "") if marked["part"] else whole
    return f"{marked['lead']}{marked['quote']}{value}{marked['quote']}{marked['rest']}"
