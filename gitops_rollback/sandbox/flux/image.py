"""What does image-automation-controller do? Each interval it writes what the policies select into the marked values.

It looks at the branch itself, not at the source's artifact, and pushes without force: where somebody was faster it
looks again. Source: contracts/flux-kubernetes.md section 9; image-automation-controller 1.1
internal/controller/imageupdateautomation_controller.go, pkg/update/setters.go.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from pathlib import Path

from gitops_rollback.sandbox.flux.spec import Reconciliation
from gitops_rollback.sandbox.flux.status import Condition, Subject, seconds, stamp
from gitops_rollback.sandbox.kubernetes.kinds import GIT_REPOSITORY, IMAGE_POLICY
from gitops_rollback.sandbox.people import People
from gitops_rollback.sandbox.rendering import Json

CLONE_SECONDS = 0.05
RETRY_SECONDS = 5.0
MESSAGE = "Update from image update automation"
_MARKED = re.compile(
    r"(?P<lead>\s*(?:- )?[\w.$-]+:\s+)(?P<quote>[\"']?)(?P<value>[^\"'\s#]+)(?P=quote)"
    r'(?P<rest>\s+#\s*\{\s*"\$imagepolicy"\s*:\s*"(?P<policy>[^":]+:[^":]+)(?::(?P<part>name|tag|digest))?"\s*\}\s*)'
)


class ImageAutomationController:
    """`bares` are the bare repositories behind the URLs that GitRepositories name."""

    manager = "image-automation-controller"

    def __init__(self, bares: Mapping[str, Path]) -> None:
        self._bares = bares

    def reconcile(self, subject: Subject) -> Reconciliation:
        """One run; answers in how many seconds the next one is due."""
        if subject.spec.get("suspend"):
            subject.fields(observedGeneration=subject.generation, **subject.acknowledged())
            return float("inf")
        yield CLONE_SECONDS
        reference = subject.spec["sourceRef"]
        source = subject.store.find(GIT_REPOSITORY, reference["name"], reference.get("namespace") or subject.namespace)
        bare = self._bares.get(source["spec"]["url"]) if source else None
        if source is None or bare is None:
            subject.conditions(Condition("Ready", "False", "SourceManagerConfigFailed", "source not found"))
            return RETRY_SECONDS
        git = subject.spec.get("git") or {}
        checkout = ((git.get("checkout") or {}).get("ref") or source["spec"].get("ref") or {}).get("branch", "master")
        try:
            self._run(subject, People(bare, checkout), checkout)
        except RuntimeError as exc:
            subject.conditions(Condition("Ready", "False", "GitOperationFailed", f"failed to push: {exc}"))
            return RETRY_SECONDS
        subject.conditions(Condition("Ready", "True", "Succeeded", "repository up-to-date"))
        return seconds(subject.spec.get("interval"), 60.0)

    def delete(self, subject: Subject) -> None:
        """Nothing in the cluster is its own."""

    def _run(self, subject: Subject, branch: People, name: str) -> None:
        policies = {
            one["metadata"]["name"]: latest
            for one in subject.store.objects(IMAGE_POLICY, subject.namespace)
            if (latest := (one.get("status") or {}).get("latestRef"))
        }
        now, head = subject.store.now(), branch.head()
        observed = {"observedSourceRevision": f"{name}@sha1:{head}", "observedPolicies": policies}
        pushed: Json = {}
        if any(subject.status.get(key) != value for key, value in observed.items()):
            files = self._written(subject, branch, head, policies)
            if files:
                author = (subject.spec["git"].get("commit") or {}).get("author") or {}
                by = f"{author.get('name') or 'flux'} <{author.get('email', '')}>"
                sha = branch.push(MESSAGE, files, now, by, base=head)
                pushed = {"lastPushCommit": sha, "lastPushTime": stamp(now)}
        subject.fields(
            **observed, **pushed, lastAutomationRunTime=stamp(now), observedGeneration=subject.generation,
            **subject.acknowledged(),
        )  # fmt: skip

    def _written(self, subject: Subject, branch: People, head: str, policies: Mapping[str, Json]) -> dict[str, str]:
        """The files below the path whose marked values are not what the policies select."""
        under = posixpath.normpath(str((subject.spec.get("update") or {}).get("path") or "."))
        images = {f"{subject.namespace}:{name}": latest for name, latest in policies.items()}
        found: dict[str, str] = {}
        for path in branch.git("ls-tree", "-r", "--name-only", head, "--", under).splitlines():
            text = branch.read(path, head)
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
