"""Which files of the repository does an application render from, and which files belong to nobody?

A pattern names paths from the repository's root; a leading `/` or `./` says the same. Without a wildcard it means that
file, or that directory and all below it. `*` and `?` stay inside one segment, `**` as a whole segment stands for any
number of them, none included; a trailing `/` means all below. A pattern that leaves the repository matches nothing.
Source: argo-cd `util/helm` and `reposerver/repository` (v3.5.1): value files are relative to the chart's directory, a
leading `/` starts at the root, `$ref/` at the root of the source of that name.
"""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from gitops_rollback.core.sync import Source

HEARTBEAT = ".gitops-rollback/heartbeat.yaml"  # ours, with nothing in it but comments: no application's input
CI_DIRECTORIES = (
    ".github/",
    ".gitlab/",
    ".circleci/",
    ".buildkite/",
    ".woodpecker/",
    ".tekton/",
    ".azuredevops/",
    ".ci/",
)
CI_FILES = frozenset(
    {
        ".gitlab-ci.yml",
        ".gitlab-ci.yaml",
        ".travis.yml",
        ".drone.yml",
        ".woodpecker.yml",
        ".woodpecker.yaml",
        "azure-pipelines.yml",
        "bitbucket-pipelines.yml",
        "Jenkinsfile",
    }
)
HOUSEKEEPING_FILES = frozenset(
    {
        ".editorconfig",
        ".gitattributes",
        ".gitignore",
        ".pre-commit-config.yaml",
        ".renovaterc",
        ".renovaterc.json",
        ".yamllint",
        ".yamllint.yaml",
        ".yamllint.yml",
        "CODEOWNERS",
        "OWNERS",
        "hydrator.metadata",  # Argo CD's hydrator says there what it read
        "renovate.json",
        "renovate.json5",
    }
)


@lru_cache(maxsize=1 << 14)
def matches(pattern: str, path: str) -> bool:
    """True if `pattern` names `path`, by the rules above."""
    below = pattern.endswith("/")
    cleaned = _inside(pattern)
    if cleaned is None:
        return False
    if cleaned == "":
        return True
    wild = any(sign in cleaned for sign in "*?")
    if not wild:
        return path == cleaned or path.startswith(cleaned + "/")
    segments = cleaned.split("/")
    return _segments_match([*segments, "**"] if below else segments, path.split("/"))


@dataclass(frozen=True)
class Paths:
    """A set of files by patterns, and of single `files` beside them. Without either it holds none; "" holds all.

    None but the heartbeat's file, that is: nothing renders from it.
    """

    patterns: tuple[str, ...] = ()
    files: frozenset[str] = frozenset()

    def __contains__(self, path: str) -> bool:
        if path == HEARTBEAT:
            return False
        return path in self.files or any(matches(pattern, path) for pattern in self.patterns)

    def with_files(self, files: Iterable[str]) -> Paths:
        """These and the single `files`; what a pattern names already is not kept twice."""
        return Paths(self.patterns, self.files | {path for path in files if path not in self})

    def of(self, paths: Iterable[str]) -> tuple[str, ...]:
        """Those of `paths` that it holds, in their order."""
        return tuple(path for path in paths if path in self)


def own_paths(sources: Sequence[Source], ours: Collection[int], globs: Sequence[str] = ()) -> Paths:
    """The application's own files in our repository: `globs` of the policy where there are any, else its directories.

    `ours` are the indexes of `sources` that lie in our repository. Value files count wherever they stand, also those
    that a chart of elsewhere reads from our repository by `$ref/`. `.argocd-source*.yaml` lies in the directory.
    """
    if globs:
        return Paths(tuple(globs))
    refs = {f"${source.ref}": index for index, source in enumerate(sources) if source.ref}
    found: list[str] = []
    for index, source in enumerate(sources):
        if index in ours and not source.chart and (source.path or not source.ref):
            found.append(_escape(source.path))
        for value_file in source.value_files:
            name = _value_file(value_file, source, index in ours, refs, ours)
            if name is not None:
                found.append(name)
    return Paths(tuple(dict.fromkeys(found)))


def is_bystander(path: str) -> bool:
    """True for files that no application renders from: documentation, policies, CI and housekeeping."""
    name = posixpath.basename(path)
    if path.startswith((".gitops-rollback/", "docs/")) or "/.gitops-rollback/" in path:
        return True
    if path.startswith(CI_DIRECTORIES) or path in CI_FILES or name in HOUSEKEEPING_FILES:
        return True
    stem = name.upper()
    return stem.endswith(".MD") or stem in ("LICENSE", "LICENCE", "NOTICE", "LICENSE.TXT", "LICENCE.TXT", "AUTHORS")


def shared_paths(paths: Iterable[str], applications: Iterable[Paths]) -> tuple[str, ...]:
    """Those of `paths` outside of every application's own files that are no bystanders: bases, charts, values."""
    owners = tuple(applications)
    return tuple(path for path in paths if not is_bystander(path) and not any(path in own for own in owners))


def _value_file(name: str, source: Source, ours: bool, refs: dict[str, int], indexes: Collection[int]) -> str | None:
    if "://" in name:
        return None
    if name.startswith("$"):
        ref, _, rest = name.partition("/")
        return _inside(rest) or None if refs.get(ref) in indexes else None
    if not ours:
        return None
    joined = name if name.startswith("/") else posixpath.join(source.path, name)
    return _inside(joined) or None


@lru_cache(maxsize=4096)
def _inside(pattern: str) -> str | None:
    """Normalised, without leading or trailing slashes; None if it leaves the repository."""
    cleaned = posixpath.normpath("/".join(part for part in pattern.split("/") if part not in ("", ".")) or ".")
    if cleaned == ".":
        return ""
    return None if cleaned == ".." or cleaned.startswith("../") else cleaned


def _escape(directory: str) -> str:
    """A directory's name as a pattern: all below it, `?` and `*` never stand in a name that an engine accepts."""
    return directory.strip("/") if directory.strip("/") not in (".", "") else ""


def _segments_match(pattern: Sequence[str], path: Sequence[str]) -> bool:
    """By rows, so that no pattern of a policy can cost more than its length times the path's."""
    reachable = {0}
    for part in path:
        reachable = _after_stars(pattern, reachable)
        moved: set[int] = set()
        for index in reachable:
            if index == len(pattern):
                continue
            if pattern[index] == "**":
                moved.add(index)
            elif _segment_matches(pattern[index], part):
                moved.add(index + 1)
        reachable = moved
    return len(pattern) in _after_stars(pattern, reachable)


def _after_stars(pattern: Sequence[str], reachable: set[int]) -> set[int]:
    found = set(reachable)
    for index in range(len(pattern)):
        if index in found and pattern[index] == "**":
            found.add(index + 1)
    return found


def _segment_matches(pattern: str, text: str) -> bool:
    """`*` and `?` in one segment, greedy with one point to return to: linear in practice, never exponential."""
    at = position = mark = 0
    star = -1
    while position < len(text):
        if at < len(pattern) and pattern[at] == "*":
            star, mark = at, position
            at += 1
        elif at < len(pattern) and pattern[at] in ("?", text[position]):
            at, position = at + 1, position + 1
        elif star >= 0:
            mark += 1
            at, position = star + 1, mark
        else:
            return False
    return all(sign == "*" for sign in pattern[at:])
