"""Did the bad deployment move data, so that the old code may not be able to read it?

Recognised by what ran: a hook, a Job or an init container whose image the plan changes, or that calls a migration tool.
Also by what people say: the policy's `data`, and `Rollback-Safe: false` in a commit. Source: safety.md, Migrations and
data; argo-cd `syncResult.resources[].hookType`, `.images`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gitops_rollback.core.commit import Commit
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.guards.facts import GuardFacts, OwnFile, allow, ask
from gitops_rollback.core.images import ImageChange, changed_scalars, image_changes, parse_image
from gitops_rollback.core.manifest import ManifestObject, changes, objects
from gitops_rollback.core.plan import GuardAnswer

MIGRATIONS = "migrations"
DATA = "data"
SEQUENCE = "if it was a migration: stop traffic, reverse it, restore the old code, start traffic; else approve the plan"

_TOOLS = re.compile(
    r"(?i)migrat|flyway|liquibase|alembic|goose\b|\bknex\b|sequelize|\bprisma\b|typeorm|dbmate|sqitch|\batlas\b"
    r"|db:(?:setup|schema)|skeema|gh-ost|pt-online-schema-change|schemachange|phinx|ef database update|drizzle-kit"
    r"|\bumzug\b|\byoyo\b|schema[-_ ]?(?:update|upgrade|change|init)|db[-_]?(?:upgrade|init|schema)"
)
_RUNS_NOTHING = frozenset({"ConfigMap", "Secret", "Service", "ServiceAccount", "Role", "RoleBinding", "Namespace"})
_MIGRATION_FILE = re.compile(r"(?i)\.sql$|migrat")


@dataclass(frozen=True)
class Run:
    """Something that ran with the bad deployment. `images` () means that nobody knows with which image."""

    label: str
    images: tuple[str, ...]
    command: str = ""


@dataclass(frozen=True)
class PlannedImages:
    """What the plan does to images: the changes, and all single values that go away."""

    changes: tuple[ImageChange, ...]
    values: frozenset[str]


def judge_migrations(facts: GuardFacts) -> GuardAnswer:
    """Ask if something ran that may have moved data, or if what ran cannot be seen."""
    stored = _stored_migrations(facts)
    if stored:
        return ask(MIGRATIONS, Reason.DATA_AT_RISK, stored, SEQUENCE)
    runs = _runs(facts)
    if isinstance(runs, str):
        return ask(MIGRATIONS, Reason.MIGRATION_RAN, runs, SEQUENCE)
    planned = _planned(facts)
    for run in runs:
        why = _why_migration(run, planned)
        if why:
            return ask(MIGRATIONS, Reason.MIGRATION_RAN, why, SEQUENCE)
    if not runs:
        return allow(MIGRATIONS, "no hook, Job or init container ran")
    return allow(MIGRATIONS, f"{', '.join(run.label for run in runs[:3])} ran, with images that stay as they are")


def judge_data(facts: GuardFacts) -> GuardAnswer:
    """Ask if the policy or a suspect's author says that going back is not safe for the data."""
    word = facts.target.data_rollback
    remedy = "ask the team that owns the data; approve the plan if the old code can read what was written"
    if word not in ("", "safe"):
        because = f": {facts.target.data_because}" if facts.target.data_because else ""
        return ask(DATA, Reason.DATA_AT_RISK, f"the policy says `data: {word}`{because}", remedy)
    for commit in facts.suspects:
        if says(commit, "Rollback-Safe", "false"):
            return ask(DATA, Reason.TRAILER, f"{commit.sha[:12]} says `Rollback-Safe: false`", remedy)
    return allow(DATA, "neither policy nor commits call the data unsafe")


def says(commit: Commit, key: str, value: str) -> bool:
    """True if a line of the message is this trailer, wherever it stands: it only turns acting into asking.

    Keys and values are compared without case; value "" means any.
    """
    for line in commit.message.splitlines()[:2000]:
        name, colon, said = line.partition(":")
        if colon and name.strip().lower() == key.lower() and value.lower() in ("", said.strip().lower()):
            return True
    return False


def _stored_migrations(facts: GuardFacts) -> str:
    """Migrations that stand in a ConfigMap of the plan, as half a sentence."""
    before: list[ManifestObject] = []
    after: list[ManifestObject] = []
    for changed in facts.files or ():
        before += objects(changed.before or b"", changed.path) or ()
        after += objects(changed.after or b"", changed.path) or ()
    for change in changes(before, after):
        named = (one for one in change.fields if any(_MIGRATION_FILE.search(part) for part in one.path))
        touched = next(named, None)
        if touched is not None:
            return f"{change.object.label}: {touched.dotted} looks like a migration"
    return ""


def _runs(facts: GuardFacts) -> tuple[Run, ...] | str:
    """All that ran with the bad deployment, or why that cannot be seen."""
    manifests = _manifests(facts.own_files)
    if manifests is None and facts.live is None:
        return "whether the workload has init containers cannot be seen"
    listed = _listed_runs(facts, manifests or ())
    if isinstance(listed, str):
        return listed
    documents: list[Mapping[str, object]] = [found.document for found in manifests or ()]
    documents += [one.desired or one.live for one in facts.live or ()]
    return (*listed, *(run for document in documents for run in _init_containers(document)))


def _listed_runs(facts: GuardFacts, manifests: Sequence[ManifestObject]) -> tuple[Run, ...] | str:
    """Hooks and Jobs: as the operation lists them; where it is gone, all that stand in the application's files."""
    if facts.operation is not None and facts.operation.results:
        return tuple(_operation_runs(facts, manifests))
    if facts.own_files is None or _manifests(facts.own_files) is None:
        return "the operation that deployed it is no longer known, and not all of the application's files can be read"
    return tuple(_run_of(found) for found in manifests if _is_job(found.kind) or found.hook)


def _operation_runs(facts: GuardFacts, manifests: Sequence[ManifestObject]) -> Iterator[Run]:
    for result in facts.operation.results if facts.operation else ():
        if result.kind in _RUNS_NOTHING or not (result.hook_type or _is_job(result.kind)):
            continue
        label = f"{result.hook_type + ' ' if result.hook_type else ''}{result.kind} {result.name}"
        known = next((one for one in manifests if one.kind == result.kind and _same_name(one.name, result.name)), None)
        written = _run_of(known) if known is not None else Run(label, ())
        yield Run(label, result.images or written.images, f"{result.name} {written.command}")


def _is_job(kind: str) -> bool:
    return kind in ("Job", "Workflow", "Pod")


def _same_name(written: str, ran: str) -> bool:
    return ran == written or (written.endswith("*") and ran.startswith(written[:-1]))


def _manifests(own_files: Iterable[OwnFile] | None) -> tuple[ManifestObject, ...] | None:
    """All objects in the application's files; None if one manifest cannot be read."""
    if own_files is None:
        return None
    found: list[ManifestObject] = []
    for own in own_files:
        if not own.path.endswith((".yaml", ".yml", ".json", ".tpl")):
            continue
        read = None if own.content is None else objects(own.content, own.path)
        if read is None:
            return None
        found.extend(read)
    return tuple(found)


def _run_of(found: ManifestObject) -> Run:
    containers = tuple(_containers(found.document, ("containers", "initContainers")))
    images = tuple(image for image, _ in containers)
    return Run(found.label, images, " ".join([found.name, *(command for _, command in containers)]))


def _init_containers(document: Mapping[str, object]) -> Iterator[Run]:
    if _is_job(str(document.get("kind"))):
        return
    for image, command in _containers(document, ("initContainers",)):
        yield Run(f"an init container of {document.get('kind')}", (image,) if image else (), command)


def _containers(document: Mapping[str, object], lists: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(image, name and command) of each container below `document`, on plain values of a file or of JSON."""
    stack: list[object] = [document]
    while stack:
        value = stack.pop()
        if isinstance(value, Mapping):
            for name in lists:
                listed = value.get(name)
                for one in listed if isinstance(listed, (list, tuple)) else ():
                    if isinstance(one, Mapping):
                        words = [one.get("name"), one.get("command"), one.get("args")]
                        yield str(one.get("image") or ""), json.dumps(words, default=str)
            stack.extend(value.values())
        elif isinstance(value, (list, tuple)):
            stack.extend(value)


def _planned(facts: GuardFacts) -> PlannedImages | None:
    """What the plan does to images, and what it undoes; None if one of these files cannot be read.

    What a culprit brought may have run, though somebody has taken it off the branch since and the plan need not.
    """
    if facts.files is None:
        return None
    sides = [(one.before, one.after, one.unread) for one in facts.files]
    sides += [(one.after, one.before, one.unread) for one in facts.culprit_files or ()]  # None: another guard asks
    images: list[ImageChange] = []
    values: set[str] = set()
    for before, after, unread in sides:
        found = image_changes(before, after)
        gone = changed_scalars(before, after)
        if unread or found is None or gone is None:
            return None
        images.extend(found)
        values.update(gone)
    return PlannedImages(tuple(images), frozenset(values))


def _why_migration(run: Run, planned: PlannedImages | None) -> str:
    tool = _TOOLS.search(" ".join((run.label, *run.images, run.command)))
    if tool:
        return f"{run.label} ran, and names a migration tool ({tool.group(0)})"
    if not run.images or not all(run.images):
        return f"{run.label} ran, and its image is not known"
    if planned is None:
        return f"{run.label} ran, and whether the plan changes its image cannot be seen"
    changed = next((image for image in run.images if _is_changed(image, planned)), None)
    return f"{run.label} ran with {changed}, which the plan changes" if changed else ""


def _is_changed(reference: str, planned: PlannedImages) -> bool:
    image = parse_image(reference)
    if any(change.name == image.name for change in planned.changes):
        return True
    # Helm values often name a tag alone: what goes away then is that tag.
    return reference in planned.values or (image.version not in ("", "latest") and image.version in planned.values)
