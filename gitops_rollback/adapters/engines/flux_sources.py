"""Where does Flux take an application from, and would a commit on a branch get there?

A source object (GitRepository, OCIRepository, Bucket, HelmRepository, ExternalArtifact) becomes a `Source` of ours
with what it follows, and the reasons why a commit on that branch might not arrive. Image automations, which write
commits of their own, are read here too.
Source: contracts/flux-kubernetes.md sections 3, 8 and 9; source-controller api/v1; image-automation-controller api/v1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice

from gitops_rollback.adapters.engines.flux_objects import (
    LIST_READ,
    Common,
    commit_of,
    directory,
    read_common,
    read_duration,
)
from gitops_rollback.adapters.json_node import Node
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.repository_url import same_repository
from gitops_rollback.core.sync import ImageAutomation, Obstacle

GIT, OCI, BUCKET = "GitRepository", "OCIRepository", "Bucket"
HELM_REPOSITORY, EXTERNAL = "HelmRepository", "ExternalArtifact"
DEFAULT_BRANCH = "master"  # what Flux checks out where a GitRepository has no ref
SHOWN = 300  # characters of a condition's message
ORIGIN_REVISION = "org.opencontainers.image.revision"


@dataclass(frozen=True)
class FluxSource:
    """One source object. `follows` is a branch, or with `pinned` what else decides, in words no branch can have."""

    common: Common
    url: str
    follows: str
    pinned: bool
    verified: bool  # only signed commits become an artifact
    revision: str  # of the artifact, as Flux writes it; "" before the first one
    interval: timedelta | None
    origin: str = ""  # the commit an artifact that is no commit was made from, free text
    faults: tuple[str, ...] = ()

    @property
    def git(self) -> bool:
        return self.common.kind == GIT

    @property
    def commit(self) -> str:
        """The revision as it stands in deployment records: a commit for git, else the whole text."""
        return commit_of(self.revision) if self.git else self.revision


def read_source(value: object, kind: str) -> FluxSource:
    """A source object of `kind`; what cannot be read is in `faults`."""
    root = Node(value)
    spec, artifact = root.get("spec"), root.get("status", "artifact")
    common = read_common(root, kind)
    follows, pinned = _git_ref(spec.get("ref")) if kind == GIT else (_other_ref(spec, kind), True)
    metadata = artifact.get("metadata").pairs()
    return FluxSource(
        common=common,
        url=_url(spec, kind),
        follows=follows,
        pinned=pinned,
        verified=bool(spec.get("verify")) and kind == GIT,
        revision=artifact.get("revision").text(),
        interval=read_duration(spec.get("interval")),
        origin=metadata.get(ORIGIN_REVISION, ""),
        faults=tuple(root.faults),
    )


def _url(spec: Node, kind: str) -> str:
    if kind == BUCKET:
        return f"bucket://{spec.get('endpoint').text()}/{spec.get('bucketName').text()}"
    return spec.get("url").text() or (f"external:{kind}" if kind == EXTERNAL else "")


def _git_ref(ref: Node) -> tuple[str, bool]:
    """What is followed; the order is that of the code, not of the API text: commit, name, tag, semver, branch."""
    commit, name = ref.get("commit").text(), ref.get("name").text()
    if commit:
        return commit, True
    if name:
        branch = name.removeprefix("refs/heads/")
        return (branch, False) if branch != name else (name, True)
    tag, semver = ref.get("tag").text(), ref.get("semver").text()
    if tag:
        return f"refs/tags/{tag}", True
    if semver:
        return f"tags in the range {semver}", True
    return ref.get("branch").text() or DEFAULT_BRANCH, False


def _other_ref(spec: Node, kind: str) -> str:
    if kind != OCI:
        return f"the {kind}"
    ref = spec.get("ref")
    digest, semver = ref.get("digest").text(), ref.get("semver").text()
    if digest:
        return f"digest {digest}"
    return f"tags in the range {semver}" if semver else f"tag {ref.get('tag').text() or 'latest'}"


def source_obstacles(source: FluxSource | None, wanted: str) -> tuple[Obstacle, ...]:
    """Why a commit on a branch would not reach what this source feeds; () if it would.

    `wanted` names the source that an application asks for, for the case that it is not there.
    """
    if source is None:
        message = f"{wanted} does not exist, or may not be read"
        return (Obstacle(Reason.SOURCE_MISSING, message, "create it, or let our account read it"),)
    common = source.common
    found: list[Obstacle] = []
    if not source.git:
        made = f", made from {source.origin}" if source.origin else ""
        message = f"{common.short} is no git repository ({source.revision or 'no artifact yet'}{made}): no commit"
        remedy = f"put the last good artifact in place again, or let {common.short} name it"
        found.append(Obstacle(Reason.NOT_GIT, message, remedy))
    elif source.pinned:
        message = f"{common.short} follows {source.follows} and no branch"
        found.append(Obstacle(Reason.PINNED_SOURCE, message, f"change spec.ref of {common.short} where it is declared"))
    if common.suspended:
        message = f"{common.short} is suspended: it fetches nothing until a person resumes it"
        found.append(Obstacle(Reason.SUSPENDED_SOURCE, message, common.resume))
    elif source.git and common.ready.false:
        message = f"{common.short} cannot fetch: {common.ready.reason}: {common.ready.message[:SHOWN]}"
        found.append(Obstacle(Reason.SOURCE_NOT_READY, message, f"mend what it says, then {common.reconcile}"))
    if source.verified:
        message = f"{common.short} takes only commits signed by a trusted key"
        remedy = "let our commits be signed (GITOPS_ROLLBACK_SIGNING_KEY_FILE) by a key that it trusts"
        found.append(Obstacle(Reason.SIGNED_COMMITS_ONLY, message, remedy))
    return tuple(found)


def source_conditions(source: FluxSource | None) -> tuple[tuple[str, str], ...]:
    """What is wrong with a source just now, as a condition of what it feeds."""
    if source is None or not (source.common.ready.false or source.common.stalled):
        return ()
    ready = source.common.ready
    return (("SourceNotReady", f"{source.common.short}: {ready.reason}: {ready.message}"),)


@dataclass(frozen=True)
class ImageWriter:
    """An ImageUpdateAutomation: it writes the newest image of each policy into `path` of a branch, again and again."""

    common: Common
    source: tuple[str, str]  # namespace and name of its GitRepository
    branch: str  # "" is the branch that its own GitRepository follows
    path: str
    interval: timedelta | None
    author: str  # mail address of its commits
    policies: tuple[tuple[str, str], ...]  # (policy, image that it stands at)
    faults: tuple[str, ...] = ()

    def writes(self, branch: str, path: str, otherwise: str) -> bool:
        """True if it would write below or above `path` on `branch`; it writes to `otherwise` if it names none."""
        if self.common.suspended or (self.branch or otherwise) != branch:
            return False
        return not self.path or not path or f"{path}/".startswith(f"{self.path}/") or self.path.startswith(f"{path}/")


def read_image_writer(value: object, policies: Mapping[tuple[str, str], str]) -> ImageWriter:
    """`policies` are the images that the ImagePolicies stand at, by namespace and name (see `read_image_policy`)."""
    root = Node(value)
    spec, status, common = root.get("spec"), root.get("status"), read_common(root, "ImageUpdateAutomation")
    observed = status.get("observedPolicies")
    seen = {name: _image(observed.get(name)) for name in islice(observed.mapping(), LIST_READ)}
    current = {name: policies.get((common.namespace, name), image) for name, image in seen.items()}
    push, checkout = spec.get("git", "push", "branch").text(), spec.get("git", "checkout", "ref", "branch").text()
    return ImageWriter(
        common=common,
        source=(spec.get("sourceRef", "namespace").text() or common.namespace, spec.get("sourceRef", "name").text()),
        branch=push or checkout,
        path=directory(spec.get("update", "path").text()),
        interval=read_duration(spec.get("interval")),
        author=spec.get("git", "commit", "author", "email").text(),
        policies=tuple(sorted(current.items())),
        faults=tuple(root.faults),
    )


def read_image_policy(value: object) -> tuple[tuple[str, str], str]:
    """(namespace, name) of an ImagePolicy and the image that it stands at; "" if it has found none."""
    root = Node(value)
    metadata = root.get("metadata")
    key = (metadata.get("namespace").text(), metadata.get("name").text())
    status = root.get("status")
    return key, _image(status.get("latestRef")) or status.get("latestImage").text()  # the latter in older versions


def _image(ref: Node) -> str:
    name, tag, digest = ref.get("name").text(), ref.get("tag").text(), ref.get("digest").text()
    return f"{name}{f':{tag}' if tag else ''}{f'@{digest}' if digest else ''}" if name or tag else ""


@dataclass(frozen=True)
class Sources:
    """All source objects that are known, by kind, namespace and name, and the image automations."""

    by_key: Mapping[tuple[str, str, str], FluxSource] = field(default_factory=dict)
    writers: tuple[ImageWriter, ...] = ()

    def find(self, kind: str, namespace: str, name: str) -> FluxSource | None:
        return self.by_key.get((kind, namespace, name))

    def writers_of(self, source: FluxSource, path: str) -> tuple[ImageWriter, ...]:
        """The automations that would write `path` of this source's branch again, by any GitRepository of that URL."""
        return tuple(one for one in self.writers if self._writes(one, source, path))

    def _writes(self, writer: ImageWriter, source: FluxSource, path: str) -> bool:
        own = self.find(GIT, *writer.source)
        if own is None:
            same, otherwise = writer.source == (source.common.namespace, source.common.name), source.follows
        else:
            same, otherwise = same_repository(own.url, source.url), own.follows
        return same and writer.writes(source.follows, path, otherwise)


def written_again(writers: Iterable[ImageWriter]) -> tuple[tuple[str, str], ...]:
    """A condition for each automation, with the images that it would write."""
    return tuple(("ImageAutomation", _words(one)) for one in writers)


def rewriting_obstacles(writers: Iterable[ImageWriter]) -> list[Obstacle]:
    """Automations that write images below the path: a revert of a marked image would not stay."""
    return [
        Obstacle(
            Reason.IMAGE_AUTOMATION,
            f"an image automation would write it again: {_words(one)}",
            f"`flux suspend image update {one.common.name} -n {one.common.namespace}`, or change its policy's range",
        )
        for one in writers
    ]


def image_automations(writers: Iterable[ImageWriter]) -> tuple[ImageAutomation, ...]:
    """The same for those who judge files; a mark names a policy of its automation's namespace."""
    return tuple(
        ImageAutomation(
            one.common.short,
            one.author,
            {f"{one.common.namespace}:{policy}": image for policy, image in one.policies if image},
        )
        for one in writers
    )


def _words(writer: ImageWriter) -> str:
    images = ", ".join(f"{policy}={image}" for policy, image in writer.policies if image) or "no image known"
    where = writer.path or "the whole tree"
    return f"{writer.common.short} writes image tags below {where} and would write again: {images}"
