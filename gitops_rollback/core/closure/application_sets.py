"""Which Applications does an ApplicationSet make, as far as git alone tells?

Its generators over git and over lists are followed, and matrices of those; what asks a cluster, a forge or a plugin is
not known here, and said. Templates of both languages are filled in (`{{path.basename}}`, `{{.path.basename}}`), without
functions. Values stand as `((words))` here, since that is how a template is read.
Source: argo-cd docs, operator-manual/applicationset, Generators-Git, -List, -Matrix (v3.5).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from gitops_rollback.core.closure.tree import Tree, below, mappings
from gitops_rollback.core.manifest_text import Value
from gitops_rollback.core.paths import matches

Object = Mapping[str, Value]
Parameters = Mapping[str, str]

MOST = 2000  # applications of one set
_WORD = re.compile(r"\(\(([^()\n]*)\)\)")
_SEGMENT = re.compile(r"index \.?path\.segments (\d{1,3})")
_NOT_IN_NAMES = re.compile(r"[^a-z0-9.-]+")


class _Unknown(Exception):
    """Half a sentence on why git alone does not tell."""


@dataclass(frozen=True)
class Generated:
    """`doubt` says why there may be others; "" if these are all."""

    applications: tuple[Object, ...] = ()
    doubt: str = ""


def is_open(text: str) -> bool:
    """True if a value of a template stands in it, so that nobody knows what it will be."""
    return "((" in text


def generated(tree: Tree, document: Object, is_ours: Callable[[str], bool]) -> Generated:
    """What the ApplicationSet `document` makes from this tree. `is_ours` knows the addresses of this repository."""
    template, name = below(dict(document), "spec", "template"), below(dict(document), "metadata", "name")
    made: list[Object] = []
    doubts: list[str] = []
    for generator in mappings(below(dict(document), "spec", "generators")):
        try:
            for parameters in _parameters(tree, generator, is_ours):
                made.append(_application(document, _filled(template, parameters), str(name)))
                if len(made) > MOST:
                    raise _Unknown(f"it makes more than {MOST}")
        except _Unknown as unknown:
            doubts.append(str(unknown))
    named = [one for one in made if not is_open(str(below(dict(one), "metadata", "name")))]
    if len(named) < len(made):
        doubts.append("a function of its template makes their names")
    return Generated(tuple(named), "; ".join(dict.fromkeys(doubts)))


def _application(owner: Object, template: Value, name: str) -> Object:
    metadata = below(template, "metadata")
    named = {**(metadata if isinstance(metadata, dict) else {}), "ownerReferences": _owned(name)}
    namespace = below(dict(owner), "metadata", "namespace")
    if namespace is not None:
        named.setdefault("namespace", namespace)
    return {**owner, "kind": "Application", "metadata": named, "spec": below(template, "spec")}


def _owned(name: str) -> Value:
    return ({"kind": "ApplicationSet", "name": name},)


def _parameters(tree: Tree, generator: Object, is_ours: Callable[[str], bool]) -> Iterator[Parameters]:
    """Each set of parameters that it makes. Raises: _Unknown."""
    if generator.get("selector") is not None:
        raise _Unknown("a selector chooses among what its generators make")
    if generator.get("git") is not None:
        yield from _of_git(tree, below(dict(generator), "git"), is_ours)
    elif below(dict(generator), "list", "elements") is not None:
        yield from (dict(_flat(one)) for one in mappings(below(dict(generator), "list", "elements")))
    elif generator.get("matrix") is not None:
        yield from _of_matrix(tree, tuple(mappings(below(dict(generator), "matrix", "generators"))), is_ours)
    else:
        raise _Unknown(f"its generator {next(iter(generator), 'of no kind')} asks what git does not tell")


def _of_matrix(tree: Tree, both: tuple[Object, ...], is_ours: Callable[[str], bool]) -> Iterator[Parameters]:
    if len(both) != 2:
        raise _Unknown("a matrix needs two generators")
    for first in _parameters(tree, both[0], is_ours):
        second = _filled(dict(both[1]), first)
        for one in _parameters(tree, second if isinstance(second, dict) else {}, is_ours):
            yield {**first, **one}


def _of_git(tree: Tree, git: Value, is_ours: Callable[[str], bool]) -> Iterator[Parameters]:
    if not is_ours(str(below(git, "repoURL") or "")):
        raise _Unknown("its git generator reads another repository")
    prefix = below(git, "pathParamPrefix")
    start = f"{prefix}." if isinstance(prefix, str) and prefix else ""
    for folder in _chosen(_folders(tree), below(git, "directories"), exactly=True):
        yield {f"{start}{key}": value for key, value in _of_path(folder).items()}
    for path in _chosen(tree.blobs, below(git, "files"), exactly=False):
        known = {f"{start}{key}": value for key, value in _of_path(posixpath.dirname(path)).items()}
        known[f"{start}path.filename"] = posixpath.basename(path)
        for document in tree.documents(path) or ():
            for one in mappings(document):
                yield {**dict(_flat(one)), **known}


def _chosen(paths: Mapping[str, object], entries: Value, exactly: bool) -> list[str]:
    wanted = [str(one.get("path") or "") for one in mappings(entries) if one.get("exclude") != "true"]
    excluded = [str(one.get("path") or "") for one in mappings(entries) if one.get("exclude") == "true"]

    def fits(pattern: str, path: str) -> bool:
        wild = "*" in pattern or "?" in pattern
        return matches(pattern, path) if wild or not exactly else pattern.strip("/").removeprefix("./") == path

    included = (path for path in sorted(paths) if any(fits(one, path) for one in wanted))
    return [path for path in included if not any(fits(one, path) for one in excluded)]


def _folders(tree: Tree) -> dict[str, None]:
    """All folders but hidden ones, which the generator passes over."""
    found: dict[str, None] = {}
    for path in tree.blobs:
        folder = posixpath.dirname(path)
        while folder and folder not in found:
            found[folder] = None
            folder = posixpath.dirname(folder)
    return {folder: None for folder in found if not any(part.startswith(".") for part in folder.split("/"))}


def _of_path(folder: str) -> dict[str, str]:
    parts, base = folder.split("/"), posixpath.basename(folder)
    normal = _NOT_IN_NAMES.sub("-", base.lower()).strip("-.")
    known = {"path": folder, "path.basename": base, "path.basenameNormalized": normal}
    return known | {f"path[{index}]": part for index, part in enumerate(parts)}


def _flat(value: Value, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Each scalar below, by its dotted key."""
    if isinstance(value, str):
        yield prefix, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, f"{prefix}.{key}" if prefix else key)


def _filled(value: Value, parameters: Parameters) -> Value:
    if isinstance(value, str):
        return _WORD.sub(lambda found: parameters.get(_key(found[1]), found[0]), value)
    if isinstance(value, tuple):
        return tuple(_filled(one, parameters) for one in value)
    if isinstance(value, dict):
        return {key: _filled(one, parameters) for key, one in value.items()}
    return value


def _key(expression: str) -> str:
    """The name of a parameter, as either language of templates writes it."""
    text = expression.strip()
    segment = _SEGMENT.fullmatch(text)
    if segment:
        return f"path[{segment[1]}]"
    plain = text.removeprefix(".")
    return f"{plain.removesuffix('.path')}" if plain.endswith("path.path") else plain
