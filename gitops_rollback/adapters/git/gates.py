"""May a merged tree be committed by itself, or at all? What a clean merge does not promise.

Two kinds of answers. `protected_because` names a change that is fine in git but that a person must see. The faults name
what makes a result wrong: git calls a merge clean when no two hunks touch, so it can still repeat a key, mix two
encrypted files, or follow a rename where nobody expects it.
Source: sops README ("Encrypting only parts of a file": the `mac` covers the whole file), git-crypt (files start with
NUL "GITCRYPT" NUL), git-lfs specification (pointer files), YAML 1.2 section 3.2.1.3 (keys of a mapping are unique).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import PurePosixPath

import yaml

from gitops_rollback.core.commit import ABSENT_MODE, FileChange

SYMLINK_MODE = "120000"
SUBMODULE_MODE = "160000"
FILE_MODES = "100"  # 100644 and 100755

POLICY_FOLDER = ".gitops-rollback"
CI_FOLDERS = frozenset(
    {".circleci", ".buildkite", ".woodpecker", ".tekton", ".semaphore", ".forgejo", ".azure-pipelines", ".drone"}
)
CI_FILES = re.compile(
    r"(jenkinsfile.*|.*\.jenkinsfile|azure-pipelines.*\.ya?ml|bitbucket-pipelines\.ya?ml|\.travis\.ya?ml|\.drone\.ya?ml"
    r"|\.woodpecker\.ya?ml|\.?appveyor\.ya?ml|cloudbuild\.ya?ml|buildspec\.ya?ml|atlantis\.ya?ml|codeowners)"
)

MARKER = re.compile(rb"^(?:<{7}|>{7}|\|{7})(?:[ \r\n]|\Z)", re.MULTILINE)
ENCRYPTED = re.compile(
    rb"\A\0GITCRYPT\0|\A\$ANSIBLE_VAULT;|\Aage-encryption\.org/|^-----BEGIN AGE ENCRYPTED FILE-----"
    rb"|^-----BEGIN PGP MESSAGE-----|mac\"?[ \t]*[:=][ \t]*\"?ENC\[",
    re.MULTILINE,
)
LFS_POINTER = re.compile(rb"\Aversion https://git-lfs\.github\.com/spec/")
GENERATED_HEADER = re.compile(rb"(?i)do not edit|@generated\b")
GENERATED = "it is generated, and lines of two generations do not make one"
GENERATED_NAMES = re.compile(
    r".*\.lock|.*\.lock\.(json|ya?ml|hcl)|.*\.lockfile|packages?-lock\.json|npm-shrinkwrap\.json|pnpm-lock\.ya?ml|go\.sum"
)
HELM_INDEX = re.compile(rb"^entries:", re.MULTILINE)
HEADER_BYTES = 1024

YAML_NAMES = re.compile(r".*\.(ya?ml|json)|kustomization")
YAML_BYTES = 2 << 20
YAML_DEPTH = 100
LONGEST_PATH = 500  # characters of a key's path; a longer one is only told apart by its digest
MOST_REPEATED = 1_000  # keys of a file that stand twice
YAML_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # events only: just its composer crashes on deep nesting


class Parsing(Enum):
    PLAIN = "plain YAML"
    BROKEN = "not YAML"
    OVER_LIMIT = "too large or too deeply nested to check"


@dataclass(frozen=True)
class YamlShape:
    """`repeated` holds the path of each key that stands twice in one mapping, such as `0/spec/replicas`."""

    parsing: Parsing
    repeated: frozenset[str] = frozenset()


@dataclass(frozen=True)
class MergedText:
    """A file that git put together line by line: its blob is in none of the commits.

    `before` are the contents at the head and at the culprit's parent, as far as the file was there.
    """

    path: str
    content: bytes
    before: tuple[bytes, ...]


def protected_because(change: FileChange) -> str | None:
    """Why a person must see this change though git can make it; None if it is an ordinary file."""
    modes = {change.old_mode, change.new_mode} - {ABSENT_MODE}
    if SUBMODULE_MODE in modes:
        return "it moves a submodule to another commit"
    if SYMLINK_MODE in modes:
        return "it is a symbolic link"
    if len(modes) > 1:
        return f"its mode changes from {change.old_mode} to {change.new_mode}"
    parts = [part.lower() for part in PurePosixPath(change.path).parts]
    if POLICY_FOLDER in parts:
        return "it is a rollback policy, which must not be changed by what it judges"
    if CI_FOLDERS.intersection(parts[:-1]) or CI_FILES.fullmatch(parts[-1]):
        return "it steers CI, and runs there with its rights"
    if any(part.startswith(".git") for part in parts):
        return "it steers git or the forge"
    return None


def blob_fault(change: FileChange, undone: FileChange | None) -> str | None:
    """What is odd about where a result differs from the head; None if it stays within what the culprit did.

    `undone` is what the culprit did to this path, None if it did not touch it. A rename that git followed excuses both
    a path that the culprit never touched and one that does not come back as it was.
    """
    if undone is None:
        return "the merge would change a file that the commit never touched"
    untouched = (change.old_mode, change.old_blob) == (undone.new_mode, undone.new_blob)
    restored = (change.new_mode, change.new_blob) == (undone.old_mode, undone.old_blob)
    if untouched and not restored:
        return "nobody touched it since, yet the merge does not give back what it was before"
    if SUBMODULE_MODE in (change.old_mode, change.new_mode) and not untouched:
        return "the submodule was moved again since"
    return None


def is_merged(change: FileChange, whole: Collection[str | None]) -> bool:
    """True if the result's file is new in content: not one of the `whole` blobs that the culprit replaced."""
    return is_restored(change) and change.new_blob not in whole


def is_restored(change: FileChange) -> bool:
    """True if the result holds a file here, and not what the head holds."""
    return change.new_mode.startswith(FILE_MODES) and change.new_blob != change.old_blob


def marker_fault(content: bytes) -> str | None:
    """Why even a text of an earlier commit must not come back: somebody committed it half merged."""
    return "it holds conflict markers" if MARKER.search(content) else None


def text_fault(merged: MergedText) -> str | None:
    """Why a text that git put together must not be committed; None if nothing speaks against it."""
    versions = (merged.content, *merged.before)
    if (marked := marker_fault(merged.content)) is not None:
        return marked
    if any(ENCRYPTED.search(version) for version in versions):
        return "it is encrypted, and half of one version with half of another cannot be decrypted"
    if any(LFS_POINTER.match(version) for version in versions):
        return "it is an LFS pointer, which has no parts to merge"
    if is_generated(merged.path, merged.content):
        return GENERATED
    if YAML_NAMES.fullmatch(PurePosixPath(merged.path).name.lower()):
        return yaml_fault(merged)
    return None


def rendered_fault(path: str, content: bytes, before: bytes | None) -> str | None:
    """Why what a program made of a file must not be committed; `before` is what the head has there, None: nothing."""
    if (marked := marker_fault(content)) is not None:
        return marked
    if not YAML_NAMES.fullmatch(PurePosixPath(path).name.lower()):
        return None
    known = YamlShape(Parsing.PLAIN) if before is None else yaml_shape(before)
    after = yaml_shape(content)
    if after.parsing is not Parsing.PLAIN and known.parsing is not after.parsing:
        return f"{path} is {after.parsing.value}"
    added = after.repeated - known.repeated
    return f"{path} has the key {min(added)} twice" if added else None


def is_generated(path: str, content: bytes) -> bool:
    """True for lock files, Helm repository indexes, and files whose head says that nobody should edit them."""
    name = PurePosixPath(path).name.lower()
    if GENERATED_NAMES.fullmatch(name):
        return True
    if name == "index.yaml" and HELM_INDEX.search(content):
        return True
    return GENERATED_HEADER.search(content[:HEADER_BYTES]) is not None


def yaml_fault(merged: MergedText) -> str | None:
    """What a merge broke in a file that was plain YAML before; None also for one that was not (a template)."""
    before = [yaml_shape(content) for content in merged.before]
    if any(shape.parsing is Parsing.OVER_LIMIT for shape in before):
        return f"it is {Parsing.OVER_LIMIT.value}"
    if not before or any(shape.parsing is Parsing.BROKEN for shape in before):
        return None
    after = yaml_shape(merged.content)
    if after.parsing is not Parsing.PLAIN:
        return f"the merged text is {after.parsing.value}"
    added = after.repeated.difference(*(shape.repeated for shape in before))
    # A list that shifted renames an old repetition; only one more of them is the merge's work.
    if added and len(after.repeated) > max(len(shape.repeated) for shape in before):
        return f"the merged text has the key {min(added)} twice"
    return None


def yaml_shape(content: bytes) -> YamlShape:
    """Whether `content` is YAML and which keys it repeats, from the event stream alone: nothing is ever built."""
    if len(content) > YAML_BYTES:
        return YamlShape(Parsing.OVER_LIMIT)
    try:
        return YamlShape(Parsing.PLAIN, frozenset(_repeated_keys(yaml.parse(content, Loader=YAML_LOADER))))
    except _TooDeep:
        return YamlShape(Parsing.OVER_LIMIT)
    except (yaml.YAMLError, UnicodeError, ValueError):
        return YamlShape(Parsing.BROKEN)


class _TooDeep(Exception):
    pass


@dataclass
class _Node:
    """An open mapping or sequence. `seen` is None for a sequence; `key` is where the next child hangs."""

    path: str
    seen: set[str] | None
    key: str | None = None
    index: int = 0


def _repeated_keys(events: Iterable[yaml.Event]) -> Iterator[str]:
    open_nodes: list[_Node] = []
    documents = found = 0
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            open_nodes.pop()
        elif isinstance(event, yaml.NodeEvent):
            repeated, path = _place(open_nodes[-1] if open_nodes else None, event, documents - 1)
            if repeated:
                yield path
                found += 1
                if found > MOST_REPEATED:
                    raise _TooDeep
            if isinstance(event, yaml.CollectionStartEvent):
                if len(open_nodes) >= YAML_DEPTH:
                    raise _TooDeep
                open_nodes.append(_Node(path, set() if isinstance(event, yaml.MappingStartEvent) else None))


def _place(parent: _Node | None, event: yaml.NodeEvent, document: int) -> tuple[bool, str]:
    """(is this node a key that its mapping already has?, the node's path)"""
    if parent is None:
        return False, str(document)
    if parent.seen is None:
        parent.index += 1
        return False, _below(parent.path, str(parent.index - 1))
    if parent.key is not None:
        path, parent.key = _below(parent.path, parent.key), None
        return False, path
    # Keys that are no scalars are told apart by place: no manifest has them.
    parent.key = event.value if isinstance(event, yaml.ScalarEvent) else f"?{len(parent.seen)}"
    repeated = parent.key in parent.seen and parent.key != "<<"
    parent.seen.add(parent.key)
    return repeated, _below(parent.path, parent.key)


def _below(path: str, key: str) -> str:
    """The path one level down. Keys may be as long as the file, and stand under each other a hundred times."""
    whole = f"{path}/{key}"
    return whole if len(whole) <= LONGEST_PATH else hashlib.sha256(whole.encode("utf-8", "replace")).hexdigest()
