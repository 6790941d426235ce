"""Has the suspect a path to the damage, and would undoing it end it?

Not where the engine leaves the changed object alone or changed nothing, where a tag moved instead of a commit, and not
where the plan changes only what running processes have read long ago. Source: safety.md, A path to the damage;
contracts/flux-kubernetes.md, opt-outs of single objects; contracts/argocd.md, annotations on resources; kubectl apply.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gitops_rollback.core.differences import differences
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.guards.capacity import is_object
from gitops_rollback.core.guards.facts import ChangedFile, GuardFacts, allow, ask
from gitops_rollback.core.how_many import how_many
from gitops_rollback.core.images import image_changes
from gitops_rollback.core.manifest import ChangeKind, FileView, ManifestObject, ObjectChange, changes, view
from gitops_rollback.core.plan import GuardAnswer
from gitops_rollback.core.restarts import (
    Generator,
    Reader,
    annotations_of,
    generators,
    mapping,
    reader,
    same_workload,
    starts_pods,
)
from gitops_rollback.core.sync import OperationPhase

PATH = "path-to-damage"
RESTART = "land it and restart what reads it (`kubectl rollout restart`), or undo what changed the workload itself"
SHOWN = 3

# By annotation or label, whatever its case: the engine applies no change of such an object.
_FLUX = "kustomize.toolkit.fluxcd.io"
_LEFT_ALONE: Mapping[str, frozenset[str]] = {
    f"{_FLUX}/reconcile": frozenset({"disabled"}),
    f"{_FLUX}/ssa": frozenset({"ignore", "ifnotpresent"}),
    "argocd.argoproj.io/hook": frozenset({"skip"}),
}


@dataclass(frozen=True)
class _Planned:
    """What the plan does, file by file, as far as its files can be read."""

    files: tuple[tuple[FileView, FileView], ...]
    changes: tuple[ObjectChange, ...]
    images: bool  # an image changes somewhere

    def renders(self, taken_in: Collection[str]) -> bool:
        """It changes values, patches or releases, and what these render is not seen; `taken_in` are contents alone."""
        if any(before.path not in taken_in and _is_rendered(before, after) for before, after in self.files):
            return True
        return any(one.object.kind in ("HelmRelease", "Kustomization") for one in self.changes)


def judge_damage(facts: GuardFacts) -> GuardAnswer:
    """Ask where the plan shows that it would not end the damage, or that the suspect cannot have done it."""
    if facts.files is None:
        return allow(PATH, "not judged: the plan's files could not be read, which another guard asks for")
    planned = _planned(facts.files)
    for check in (_left_alone, _changed_nothing, _moved, _restarts_nothing):
        found = check(facts, planned)
        if found is not None:
            return found
    return allow(PATH, "what the plan changes takes effect without anybody's help")


def _planned(files: Iterable[ChangedFile]) -> _Planned:
    read: list[tuple[FileView, FileView]] = []
    images = False
    for changed in files:
        left, right = view(changed.path, changed.before), view(changed.path, changed.after)
        if changed.unread or left is None or right is None:
            continue  # the irreversible guard asks for it
        read.append((left, right))
        images = images or bool(image_changes(changed.before, changed.after))
    before = [one for left, _ in read for one in left.objects]
    after = [one for _, right in read for one in right.objects]
    return _Planned(tuple(read), changes(before, after), images)


def _is_rendered(before: FileView, after: FileView) -> bool:
    if before.plain == after.plain:
        return False
    if not before.is_kustomization or len(before.plain) != len(after.plain):
        return True
    pairs = zip(before.plain, after.plain, strict=True)
    return any(one.path[:1] != ("configMapGenerator",) for old, new in pairs for one in differences(old, new))


def _left_alone(facts: GuardFacts, planned: _Planned) -> GuardAnswer | None:
    for change in planned.changes:
        sides: list[Mapping[str, object]] = [change.object.document]
        sides += [change.after.document] if change.after is not None else []
        for one in facts.live or ():
            document = one.live or one.desired
            if is_object(change.object, document):
                sides += [one.live, one.desired]
        told = next((told for side in sides if (told := _told_to_leave(side))), "")
        if told:
            message = f"{change.object.label} bears `{told}`: the engine does not apply what the plan changes there"
            remedy = f"take `{told}` away, or change the object by hand"
            return ask(PATH, Reason.LEFT_ALONE, message, remedy)
    return None


def _told_to_leave(document: Mapping[str, object]) -> str:
    metadata = mapping(document.get("metadata"))
    for name, words in _LEFT_ALONE.items():
        for where in ("annotations", "labels"):
            said = mapping(metadata.get(where)).get(name)
            if str(said).lower() in words:
                return f"{name}: {said}"
    return ""


def _changed_nothing(facts: GuardFacts, _files: _Planned) -> GuardAnswer | None:
    """By the words of `kubectl apply`, which an engine that applies otherwise does not use. A retry sees its own."""
    operation = facts.operation
    if operation is None or operation.phase is not OperationPhase.SUCCEEDED or operation.retry_count:
        return None
    results = operation.results
    if not results or any(one.hook_type or not one.message.endswith(" unchanged") for one in results):
        return None
    message = f"the deployment changed nothing in {how_many(len(results), 'object')}"
    return ask(
        PATH, Reason.NO_PATH, message, "look for what else changed then; approve the plan if it was this all the same"
    )


def _moved(facts: GuardFacts, _files: _Planned) -> GuardAnswer | None:
    going = {
        (one.name, version)
        for changed in facts.files or ()
        for one in image_changes(changed.before, changed.after) or ()
        for version in one.before
    }
    moved = [one for one in facts.running or () if one.moved and (one.image.name, one.image.version) not in going]
    if not moved:
        return None
    digests = " and ".join(digest[:19] for digest in moved[0].digests[:SHOWN])
    message = f"the tag moved: {moved[0].image} runs as {digests}, and no commit of this branch brings the old one back"
    return ask(
        PATH, Reason.NO_COMMIT, message, "pin the image by its digest, or push the old image under its tag again"
    )


def _restarts_nothing(facts: GuardFacts, planned: _Planned) -> GuardAnswer | None:
    generated = tuple(_changed_generators(facts, planned))
    stale = _changed_config_maps(planned, generated)
    if not stale or planned.images or planned.renders({path for one in generated for path in one.files}):
        return None
    readers = _readers(facts)
    if readers is None:
        names = ", ".join(sorted(stale))
        message = f"whether what reads ConfigMap {names} restarts with it cannot be seen"
        return ask(PATH, Reason.RESTARTS_NOTHING, message, RESTART)
    started = [one.object for one in planned.changes if starts_pods(one)]
    for name, notes in sorted(stale.items()):
        reading = [one for one in readers if name in one.config_maps]
        if reading and not any(_restarts(one, name, notes, started) for one in reading):
            message = (
                f"{reading[0].label} reads ConfigMap {name} when its Pods start, and nothing of the plan or of the "
                "cluster restarts them"
            )
            return ask(PATH, Reason.RESTARTS_NOTHING, message, RESTART)
    return None


def _restarts(one: Reader, name: str, annotations: Mapping[str, str], started: Collection[ManifestObject]) -> bool:
    return one.is_reloaded(name, annotations) or any(same_workload(one, other) for other in started)


def _changed_config_maps(planned: _Planned, generated: Iterable[Generator]) -> dict[str, Mapping[str, str]]:
    """Name and annotations of those whose contents change while their name stays."""
    found = {
        one.after.name: annotations_of(one.after.document)
        for one in planned.changes
        if one.object.kind == "ConfigMap" and one.kind is ChangeKind.CHANGED and one.after is not None
        if any(field.path[:1] in (("data",), ("binaryData",)) for field in one.fields)
    }
    return found | {one.name: {} for one in generated if not one.hashed}


def _changed_generators(facts: GuardFacts, planned: _Planned) -> Iterator[Generator]:
    """Those whose entry changes, or a file that they take in."""
    paths = {changed.path for changed in facts.files or ()}
    for before, after in planned.files:
        known = {one.name: one.entry for one in generators(before)}
        yield from (one for one in generators(after) if known.get(one.name, one.entry) != one.entry)
    for own in facts.own_files or ():
        file = view(own.path, own.content)
        yield from (one for one in (generators(file) if file is not None else ()) if one.files & paths)


def _readers(facts: GuardFacts) -> Sequence[Reader] | None:
    """All workloads that can be seen, as the plan leaves them; None if not all can be.

    What a chart renders with a checksum of its ConfigMaps restarts by itself, and is left out.
    """
    after = {one.path: one.after for one in facts.files or ()}
    views = [view(own.path, after.get(own.path, own.content)) for own in facts.own_files or () if own.content]
    written = [one for file in views if file is not None for one in file.objects]
    found = [one for each in written if (one := reader(each.document)) is not None]
    rendered = [one for each in facts.live or () if (one := reader(each.desired or each.live)) is not None]
    known = {(one.kind, one.name) for one in found}
    found += [one for one in rendered if (one.kind, one.name) not in known and not one.has_checksum]
    unread = facts.own_files is None or any(own.content is None for own in facts.own_files) or None in views
    return None if unread and not rendered else found
