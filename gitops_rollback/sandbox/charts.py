"""Which objects does a Helm chart in a directory of the config repository ask for, with some values?

Of Helm's templates only what plain charts need: values and the release's own names, put through a few functions.
What it cannot render it refuses, so that no story rests on a wrong guess.
Source: helm.sh/docs/chart_template_guide; helm v4 pkg/chart/v2, pkg/engine, pkg/release/v1 (hooks).
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from gitops_rollback.sandbox.rendering import CLUSTER_SCOPED, Json, RenderError, Tree, parse

HOOK = "helm.sh/hook"
TEST = "test"
_ACTION = re.compile(
    r"(?P<before>[ \t\r\n]*)\{\{(?P<left>-?)(?P<body>.*?)(?P<right>-?)\}\}(?P<after>[ \t\r\n]*)", re.DOTALL
)
_WORD = re.compile(r'\s*("(?:[^"\\]|\\.)*"|`[^`]*`|[^\s|"`]+)')
_PATH = re.compile(r"\.(?:[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)?\Z")


class ChartError(Exception):
    """The chart cannot be loaded or rendered; the message is what Helm would say."""


@dataclass(frozen=True)
class Chart:
    """A packaged chart. `templates` are its files below `templates/`, by their path inside the chart."""

    name: str
    version: str
    app_version: str
    values: Json
    templates: Mapping[str, str]


@dataclass(frozen=True)
class Rendered:
    """What the templates ask for: the objects of the release, and the hooks that test it."""

    manifests: tuple[Json, ...]
    tests: tuple[Json, ...] = ()


def load_chart(tree: Tree, path: str) -> Chart:
    """The chart in a directory. Raises: ChartError."""
    path = posixpath.normpath(path).strip("/")
    described = f"{path}/Chart.yaml"
    content = tree.read([described]).get(described)
    if content is None:
        raise ChartError(f"could not locate chart file {path}: no Chart.yaml")
    about = _mapping(described, content)
    name, version = str(about.get("name") or ""), str(about.get("version") or "")
    if not name or not version:
        raise ChartError(f"validation: chart.metadata.{'name' if not name else 'version'} is required")
    if about.get("dependencies"):
        raise ChartError("the sandbox builds no chart dependencies")
    defaults = tree.read([f"{path}/values.yaml"]).get(f"{path}/values.yaml", b"")
    files = tree.read([one for one in tree.files(f"{path}/templates") if one.endswith((".yaml", ".yml", ".tpl"))])
    return Chart(
        name=name,
        version=version,
        app_version=str(about.get("appVersion") or ""),
        values=_mapping(f"{path}/values.yaml", defaults),
        templates={one.removeprefix(f"{path}/"): text.decode() for one, text in sorted(files.items())},
    )


def merged(base: Json, over: Mapping[str, Any]) -> Json:
    """Values with others over them: mappings key by key, everything else replaced, and a null takes a key away."""
    found = dict(base)
    for key, value in over.items():
        if value is None:
            found.pop(key, None)
        elif isinstance(value, dict) and isinstance(found.get(key), dict):
            found[key] = merged(found[key], value)
        else:
            found[key] = value
    return found


def render_chart(chart: Chart, values: Mapping[str, Any], name: str, namespace: str) -> Rendered:
    """The objects of a release of that name, `namespace` where they name none. Raises: ChartError."""
    context = {
        "Values": merged(chart.values, values),
        "Chart": {"Name": chart.name, "Version": chart.version, "AppVersion": chart.app_version},
        "Release": {"Name": name, "Namespace": namespace, "Service": "Helm"},
    }
    manifests: list[Json] = []
    for path, text in chart.templates.items():
        if not posixpath.basename(path).startswith("_"):
            manifests += _objects(f"{chart.name}/{path}", _filled(f"{chart.name}/{path}", text, context))
    for one in manifests:
        if one["kind"] not in CLUSTER_SCOPED:
            one["metadata"].setdefault("namespace", namespace)
    hooks = [_hooks_of(one) for one in manifests]
    if any(one - {TEST, "test-success"} for one in hooks):
        raise ChartError("the sandbox runs no hooks of charts but tests")
    pairs = list(zip(manifests, hooks, strict=True))
    return Rendered(tuple(one for one, hook in pairs if not hook), tuple(one for one, hook in pairs if hook))


def _hooks_of(manifest: Json) -> set[str]:
    named = str((manifest["metadata"].get("annotations") or {}).get(HOOK, ""))
    return {one.strip() for one in named.split(",") if one.strip()}


def _objects(name: str, text: str) -> list[Json]:
    try:
        return parse(name, text.encode())
    except RenderError as exc:
        raise ChartError(
            f"YAML parse error on {name}: {str(exc).rpartition('failed to unmarshal manifest: ')[2]}"
        ) from exc


def _mapping(name: str, content: bytes) -> Json:
    try:
        found = yaml.safe_load(content)
    except yaml.YAMLError as exc:
        raise ChartError(f"cannot load {posixpath.basename(name)}: error converting YAML to JSON") from exc
    if found is not None and not isinstance(found, dict):
        raise ChartError(f"cannot load {posixpath.basename(name)}: not a mapping")
    return dict(found or {})


# Templates


def _filled(name: str, text: str, context: Json) -> str:
    def value(found: re.Match[str]) -> str:
        before = "" if found["left"] else found["before"]
        after = "" if found["right"] else found["after"]
        body = found["body"].strip()
        said = "" if body.startswith("/*") and body.endswith("*/") else _text(_pipeline(name, body, context))
        return f"{before}{said}{after}"

    return _ACTION.sub(value, text)


def _pipeline(name: str, body: str, context: Json) -> Any:
    value: Any = None
    for index, command in enumerate(_split(name, body)):
        head, arguments = command[0], [_operand(name, one, context) for one in command[1:]]
        arguments += [value] if index else []
        if head in _FUNCTIONS:
            try:
                value = _FUNCTIONS[head](*arguments)
            except (TypeError, ValueError) as exc:
                raise _failed(name, body, f"error calling {head}: {exc}") from exc
        elif len(command) == 1 and not index:
            value = _operand(name, head, context)
        else:
            raise _failed(name, body, f"the sandbox knows no function {head}")
    return value


def _split(name: str, body: str) -> Sequence[list[str]]:
    commands: list[list[str]] = [[]]
    rest = body
    while rest.strip():
        if rest.lstrip().startswith("|"):
            commands.append([])
            rest = rest.lstrip()[1:]
            continue
        found = _WORD.match(rest)
        if found is None:
            raise _failed(name, body, "the sandbox cannot read it")
        commands[-1].append(found[1])
        rest = rest[found.end() :]
    if not all(commands):
        raise _failed(name, body, "missing value for command")
    return commands


def _operand(name: str, word: str, context: Json) -> Any:
    if word[0] == '"':
        return json.loads(word)
    if word[0] == "`":
        return word[1:-1]
    if word in ("true", "false"):
        return word == "true"
    if re.fullmatch(r"-?\d+", word):
        return int(word)
    if not _PATH.match(word):
        raise _failed(name, word, f"the sandbox knows no function {word}")
    value: Any = context
    for key in filter(None, word.split(".")):
        if not isinstance(value, dict):
            raise _failed(name, word, f"nil pointer evaluating interface {{}}.{key}")
        value = value.get(key)
    return value


def _failed(name: str, at: str, problem: str) -> ChartError:
    return ChartError(f'template: {name}: executing "{name}" at <{at}>: {problem}')


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def _yaml(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=False, sort_keys=True).rstrip("\n")


def _indent(width: int, text: Any) -> str:
    return "\n".join(" " * width + line for line in _text(text).split("\n"))


_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "default": lambda otherwise, value=None: value or otherwise,
    "indent": _indent,
    "int": lambda value: int(value or 0),
    "lower": lambda value: _text(value).lower(),
    "nindent": lambda width, text: "\n" + _indent(width, text),
    "quote": lambda value: json.dumps(_text(value)),
    "squote": lambda value: f"'{_text(value)}'",
    "toString": _text,
    "toYaml": _yaml,
    "trunc": lambda width, text: _text(text)[:width],
}
