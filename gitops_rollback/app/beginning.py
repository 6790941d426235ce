"""What a repository needs to be watched, and which of it is missing: a first policy, its schemas, a line for Flux.

Nothing that stands there is changed: what an earlier policy names is left to it, a file that differs is kept. The one
file that may grow is `.sourceignore`, by one line.
Source: product.md sections 1 (4) and 6.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from gitops_rollback.adapters.policies import schema as policies
from gitops_rollback.adapters.policies.loading import PolicyFile, PolicySet, is_policy_path, load_policies
from gitops_rollback.adapters.requests import schema as requests
from gitops_rollback.app.local_clone import LocalClone
from gitops_rollback.app.settings_forges import KNOWN, KnownForge, known_by_host
from gitops_rollback.app.settings_repositories import DEFAULT_POLICIES
from gitops_rollback.core.closure.tree import Tree
from gitops_rollback.core.commit import REGULAR_MODE
from gitops_rollback.core.errors import RollbackError, SettingsInvalid
from gitops_rollback.core.first_policy import MOST_TARGETS, SCHEMA_FILE, NamedTarget, named, policy_text
from gitops_rollback.core.layout import plain_name
from gitops_rollback.core.manifest import MANIFESTS
from gitops_rollback.core.policy import ApplicationRef
from gitops_rollback.core.selecting import takes_in
from gitops_rollback.core.sourceignore import IGNORED, LINE, SOURCE_IGNORE
from gitops_rollback.core.strategies.finding import Found as FoundField
from gitops_rollback.core.strategies.finding import editable
from gitops_rollback.core.survey import Found, Ours, Survey, from_root, survey

SCHEMAS = ".gitops-rollback/schema"
# Folders and files by which a forge is known where its host's name does not tell.
MOST_FILES = 500  # of a policy's targets, that are searched for weights, slots and flags
SIGNS = {"github": (".github/",), "gitlab": (".gitlab-ci.yml", ".gitlab/"), "gitea": (".gitea/", ".forgejo/")}


class State(StrEnum):
    """What becomes of a file."""

    NEW = "new"
    SAME = "same"  # it stands there as it should
    KEPT = "kept"  # it stands there, and differs
    GROWN = "grown"  # a line is added at its end


@dataclass(frozen=True)
class Place:
    """A repository as it is now. `standing` gives what a path holds where files are written, None if nothing does."""

    name: str
    ours: Ours
    tree: Tree
    standing: Callable[[str], bytes | None]
    policies: tuple[PolicyFile, ...] = ()


@dataclass(frozen=True)
class Draft:
    """One file. `content` is the whole, for GROWN what is added."""

    path: str
    content: bytes
    state: State


@dataclass(frozen=True)
class Beginning:
    """`targets` are those that the new policies name, `watched` the applications that earlier ones name already."""

    survey: Survey
    targets: tuple[NamedTarget, ...]
    watched: tuple[Found, ...]
    drafts: tuple[Draft, ...]
    forge: KnownForge | None


def beginning(place: Place, engine: str = "") -> Beginning:
    """What is there and what would be written. Raises: SettingsInvalid where a policy that stands there has errors."""
    before = load_policies(place.policies, "")
    if before.errors:
        raise SettingsInvalid(str(before.errors[0]), "mend what `gitops-rollback lint .` says of it first")
    seen = survey(place.tree, place.ours, place.name, engine)
    watched = tuple(one for one in seen.found if _names(before, one))
    taken = {target.name for policy in before.policies for target in policy.targets}
    targets = named((one for one in seen.found if one not in watched), taken)
    drafts = (*_policies(place, targets, seen), *_schemas(place, bool(targets)), *_ignored(place, seen))
    return Beginning(seen, targets, watched, drafts, forge_of(place))


def _names(before: PolicySet, found: Found) -> bool:
    """True if an earlier policy names it, or may mean it: "" there is any."""
    targets = (target for policy in before.policies for target in policy.targets)
    return any(
        found.facts is not None and takes_in(one.selector, found.facts)
        if one.selector
        else _means(one.application, found)
        for one in targets
    )


def _means(named_there: ApplicationRef, found: Found) -> bool:
    namespaces = {named_there.namespace, found.namespace} - {""}
    return (named_there.kind, named_there.name) == (found.kind, found.name) and len(namespaces) < 2


def _policies(place: Place, targets: tuple[NamedTarget, ...], seen: Survey) -> Iterator[Draft]:
    names = _free_names(place)
    for start in range(0, len(targets), MOST_TARGETS):
        name = next(names)
        left_out = seen.left_out if start == 0 else ()
        these = targets[start : start + MOST_TARGETS]
        text = policy_text(name, these, left_out, tuple(_fields(place.tree, these))).encode()
        path = f"{DEFAULT_POLICIES}/{name}.yaml"
        faults = load_policies([PolicyFile(path, REGULAR_MODE, text)], "").faults
        if faults:
            raise RuntimeError("a first policy has faults")  # the words of a repository may not leave this process
        yield Draft(path, text, State.NEW)


def _fields(tree: Tree, targets: Iterable[NamedTarget]) -> Iterator[FoundField]:
    """What strategies could set in the folders of these targets, each file once."""
    folders = dict.fromkeys(folder for target in targets for folder in target.found.folders)
    paths = dict.fromkeys(path for folder in folders for path in tree.below(folder) if path.endswith(MANIFESTS))
    for path in list(paths)[:MOST_FILES]:
        yield from editable(tree.text(path) or b"", path)


def _free_names(place: Place) -> Iterator[str]:
    """Names that no file and no policy has."""
    first, number = plain_name(place.name.rpartition("/")[2]), 1
    taken = {policy.name for policy in load_policies(place.policies, "").policies}
    while True:
        name = first if number == 1 else f"{first[:58]}-{number}"
        number += 1
        if name not in taken and place.standing(f"{DEFAULT_POLICIES}/{name}.yaml") is None:
            yield name


def _schemas(place: Place, wanted: bool) -> Iterator[Draft]:
    made = {SCHEMA_FILE: policies.json_schema, "rollbackrequest-v1alpha1.schema.json": requests.json_schema}
    for name, schema in made.items() if wanted else ():
        yield _draft(place, f"{SCHEMAS}/{name}", (json.dumps(schema(), indent=2, ensure_ascii=False) + "\n").encode())


def _draft(place: Place, path: str, content: bytes) -> Draft:
    standing = place.standing(path)
    state = State.NEW if standing is None else State.SAME if standing == content else State.KEPT
    return Draft(path, content, state)


def _ignored(place: Place, seen: Survey) -> Iterator[Draft]:
    """The line by which Flux leaves our files alone, where it takes all of the repository."""
    if not seen.from_root:
        return
    standing = place.standing(SOURCE_IGNORE)
    if standing is None:
        yield Draft(SOURCE_IGNORE, LINE.encode(), State.NEW)
    elif IGNORED.search(standing):
        yield Draft(SOURCE_IGNORE, b"", State.SAME)
    else:
        yield Draft(
            SOURCE_IGNORE, (b"" if standing.endswith(b"\n") or not standing else b"\n") + LINE.encode(), State.GROWN
        )


def unignored(root: Path) -> str:
    """The Flux Kustomization that takes our files for manifests; "" if none does, or nobody can tell by this folder."""
    try:
        if IGNORED.search(standing_in(root, SOURCE_IGNORE) or b""):
            return ""
        with LocalClone(root) as clone:
            return from_root(clone.tree(), Ours(clone.urls(), clone.branch()))
    except RollbackError:
        return ""


def forge_of(place: Place) -> KnownForge | None:
    """By the host, else by what a forge reads from the repository."""
    known = next((one for url in place.ours.urls if (one := known_by_host(url)) is not None), None)
    if known is not None:
        return known
    signs = (kind for kind, starts in SIGNS.items() for path in place.tree.blobs if path.startswith(starts))
    kind = next(signs, "")
    return next((one for one in KNOWN if one.kind == kind), None)


def standing_in(root: Path, path: str) -> bytes | None:
    """What a work tree holds at `path`. Raises: SettingsInvalid where something else than a plain file stands there."""
    for part in (*reversed(Path(path).parents), Path(path)):
        if (root / part).is_symlink():
            raise SettingsInvalid(str(part), "is a symbolic link: nothing is written through one")
    try:
        return (root / path).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SettingsInvalid(path, f"cannot be read: {error.strerror or type(error).__name__}") from error


def policies_in(root: Path) -> tuple[PolicyFile, ...]:
    """The policies of a work tree. Raises: as `standing_in`."""
    folder = root / DEFAULT_POLICIES
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and is_policy_path(path.name))
    names = [path.relative_to(root).as_posix() for path in paths]
    return tuple(PolicyFile(name, REGULAR_MODE, standing_in(root, name)) for name in names)


def write(root: Path, drafts: Iterable[Draft]) -> None:
    """Put the new files there, and the new lines; nothing is replaced. Raises: SettingsInvalid if one fails."""
    for draft in drafts:
        path = root / draft.path
        try:
            if draft.state is State.NEW:
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("xb") as file:
                    file.write(draft.content)
            elif draft.state is State.GROWN:
                with path.open("ab") as file:
                    file.write(draft.content)
        except OSError as error:
            raise SettingsInvalid(draft.path, f"cannot be written: {error.strerror or type(error).__name__}") from error
