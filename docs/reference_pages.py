"""Makes the pages in `reference/` from the code: verbs, policy, settings, metrics, messages, reasons, exit codes.

`tests/test_docs.py` holds the pages to it; `python3 make.py docs` writes them anew.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
import yaml
from prometheus_client.metrics import MetricWrapperBase
from pydantic import TypeAdapter
from settings_words import WORDS

from gitops_rollback.adapters.policies.schema import json_schema as policy_schema
from gitops_rollback.adapters.requests.schema import json_schema as request_schema
from gitops_rollback.app.health import Health, Metrics
from gitops_rollback.app.settings import Settings
from gitops_rollback.app.settings_environment import VARIABLES
from gitops_rollback.app.settings_notifications import EVENTS
from gitops_rollback.cli.main import EXIT_CODES, VERBS, cli
from gitops_rollback.core.duration import format_duration
from gitops_rollback.core.reasons import sections
from gitops_rollback.core.runbook import ADVICE

ROOT = Path(__file__).resolve().parents[1]
HERE = Path(__file__).resolve().parent / "reference"
MADE = "Made from the code by `python3 make.py docs`; a test holds it to what the code says."
ISO_DURATION = re.compile(r"P(?=.)(\d+D)?(T(?=.)(\d+H)?(\d+M)?(\d+S)?)?")
INNER = frozenset({"configFile", "watched", "enginesFound", "clock"})  # no setting of a user's

Json = Mapping[str, Any]


def written(folder: Path = HERE) -> None:
    """Write all pages anew."""
    folder.mkdir(exist_ok=True)
    for name, make in PAGES.items():
        (folder / name).write_text(make(), "utf-8")


def cli_page() -> str:
    lines = [
        *_head(
            "Command line",
            "`gitops-rollback VERB --help` prints the same; `kubectl gitops-rollback VERB` is the same program.",
        ),
        "Every flag `--foo-bar` is the variable `GITOPS_ROLLBACK_FOO_BAR`, too; a flag wins over a variable, and that",
        "over the settings file. `APP` is a target's name, or the engine's (`argocd/payments-prod`); `ID` is a",
        "Rollback-Id, or the beginning of one.",
        "",
        *_table(("verb", "does"), ((f"[`{name}`](#{name})", does) for name, does in VERBS.items())),
    ]
    group = click.Context(cli, info_name="gitops-rollback", **cli.context_settings)
    for name in VERBS:
        command = cli.get_command(group, name)
        if command is None:
            raise RuntimeError(f"there is no verb {name}")
        context = click.Context(command, group, name, max_content_width=100, terminal_width=100)
        lines += ["", f"## {name}", "", "```text", command.get_help(context), "```"]
    return _page(lines)


def policy_page() -> str:
    lines = _head("Policy", "YAML files below `.gitops-rollback/policies/` of the branch that the engine follows.")
    lines += [
        "`gitops-rollback schema` prints the JSON Schema, `init` puts it beside the policies for your editor, and",
        "`lint` says what is wrong, what is not meant, and what this version does not carry out. Only `targets` and",
        "`triggers` are required. Whole examples lie in `policies/` of the source.",
    ]
    return _page([*lines, *_shapes(policy_schema(), "policy", "")])


def request_page() -> str:
    lines = _head(
        "Request", "A file below `.gitops-rollback/requests/`, added by a pull request that adds nothing else."
    )
    return _page([*lines, *_shapes(request_schema(), "request", "")])


def settings_page() -> str:
    schema = Settings.model_json_schema(by_alias=True)
    lines = _head(
        "Settings",
        "`gitops-rollback.yaml`, or what `--config` names. It is watched, and read again without a restart.",
    )
    lines += [
        "An unknown key is a fault, and all faults are told at once. Each secret may stand in a file of its own",
        "instead (`token` and `tokenFile`). Variables win over the file, flags over both.",
    ]
    keys = {key: value for key, value in schema["properties"].items() if key not in INNER}
    known = {"type": "object", "properties": {k: {**v, "description": WORDS.get(k, "")} for k, v in keys.items()}}
    lines += _shapes({"definitions": {**schema["$defs"], "Settings": known}}, "settings", "Settings")
    lines += ["", "## Variables", "", *_table(("variable", "sets"), _variables())]
    return _page(lines)


def metrics_page() -> str:
    health = Health()
    health.report("a part", True, "")
    metrics = Metrics(health)
    labels = {one._name: one._labelnames for one in vars(metrics).values() if isinstance(one, MetricWrapperBase)}
    rows = []
    for family in sorted(metrics.registry.collect(), key=lambda one: one.name):
        name = family.name + ("_total" if family.type == "counter" else "")
        named = labels.get(family.name) or family.samples[0].labels
        rows.append((f"`{name}`", family.type, " ".join(f"`{label}`" for label in named), family.documentation))
    rules = yaml.safe_load((ROOT / "deploy" / "observability" / "alert-rules.yaml").read_text())["groups"][0]["rules"]
    lines = _head("Metrics", "`/metrics` on the port of the probes, in Prometheus' own format.")
    lines += [*_table(("metric", "kind", "labels", "says"), rows), "", "## Alerts", ""]
    lines += [
        "`deploy/observability/` has a dashboard for Grafana and these rules for Prometheus. Rollbacks themselves",
        "are told by the controller's own messages; the rules tell what keeps it from working.",
    ]
    for rule in rules:
        told = rule["annotations"]
        lines += ["", f"### {rule['alert']}", "", f"{told['description']}", "", f"*To do:* {told['action']}", ""]
        lines += ["```text", f"{rule['expr']}{'   for ' + rule['for'] if 'for' in rule else ''}", "```"]
    return _page(lines)


def events_page() -> str:
    lines = _head(
        "Messages", "What people are told, by which name a policy's or the settings' `notifications` choose it."
    )
    told = {name: ADVICE[name].means for name in ADVICE} | {
        "started": "a rollback was decided, and is pushed or opened as a pull request",
        "verified": "the engine applied it, and every check held",
        "stopped": "somebody paused, resumed or silenced something",
        "folded": "many messages at once, as one",
        "handover": "what the next shift must know",
    }
    lines += _table(("event", "says"), ((f"`{name}`", told[name]) for name in EVENTS if name != "*"))
    lines += [
        "",
        "`*` is all of them. Each is sent at least once, with a key by which a receiver can drop a second one.",
        "",
    ]
    lines += ["Each page says what is safe to do, which commands help, and what the controller does next:"]
    for name, advice in ADVICE.items():
        lines += ["", f"## {name}", "", f"{advice.means[0].upper()}{advice.means[1:]}.", ""]
        lines += [f"- *Safe to do:* {advice.safe}", *(f"- `{command}`" for command in advice.commands)]
        lines += [f"- *Next:* {advice.then}"]
    lines += [
        "",
        "## CloudEvents",
        "",
        "With `format: cloudevents` a webhook gets the type `dev.gitops-rollback.EVENT`, and for `verified`",
    ]
    lines += [
        "`dev.cdevents.service.rolledback.0.2.0`. Where a secret is named, `X-Signature: sha256=HMAC` signs the body."
    ]
    return _page(lines)


def reasons_page() -> str:
    lines = _head(
        "Reasons",
        "Every decision has one, inaction included: the same word in journal, log, metric, message and here.",
    )
    lines += ["`gitops-rollback explain ImageMissing` prints its text without any network."]
    for title, meanings in sections():
        lines += ["", f"## {title}"]
        for one in meanings:
            lines += ["", f"### {one.reason.value} {{ #{one.reason.value} }}", "", one.says, "", f"*To do:* {one.todo}"]
    return _page(lines)


def exit_codes_page() -> str:
    lines = _head("Exit codes", "The same for all verbs.")
    rows = ((f'<a id="exit-{code}"></a>`{code}`', says) for code, says in EXIT_CODES.items())
    return _page([*lines, *_table(("code", "means"), rows)])


def _head(title: str, sentence: str) -> list[str]:
    return [f"# {title}", "", f"<!-- {MADE} -->", "", sentence, ""]


def _page(lines: Iterable[str]) -> str:
    return "\n".join(line.rstrip() for line in "\n".join(lines).splitlines()) + "\n"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    def line(cells: tuple[str, ...]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    return [line(head), "|" + "---|" * len(head), *map(line, rows)]


def _variables() -> Iterator[tuple[str, str]]:
    for variable, key in sorted(VARIABLES.items()):
        yield f"`{variable}`", f"`{key}`"


def _shapes(schema: Json, name: str, start: str) -> list[str]:
    """A section for each mapping that can be reached from `start`, in the order of reading."""
    definitions: Json = {**schema.get("definitions", {}), "": schema}
    lines: list[str] = []
    waiting, known = [(name, start)], {start}
    while waiting:
        name, shape = waiting.pop(0)
        node = definitions[shape]
        lines += ["", f"## {name} {{ #{_anchor(shape)} }}", ""]
        if node.get("description"):
            lines += [_sentence(node["description"]), ""]
        rows = []
        for key, value in node.get("properties", {}).items():
            for other in _references(value):
                if other not in known:
                    known.add(other)
                    waiting.append((f"{name}.{key}", other))
            mark = " *" if key in node.get("required", ()) else ""
            rows.append((f"`{key}`{mark}", _kind(value), _default(value), _sentence(value.get("description", ""))))
        lines += _table(("key", "value", "default", "says"), rows)
    return [*lines, "", "`*` must be there. Where no default stands, leaving the key out means that there is none."]


def _anchor(shape: str) -> str:
    return shape.removesuffix("Shape").lower() or "file"


def _sentence(text: str) -> str:
    return " ".join(text.split()).replace("``", "`")


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"].rpartition("/")[2]
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def _kind(node: Json) -> str:
    """What may stand there, in a few words."""
    if "$ref" in node:
        shape = node["$ref"].rpartition("/")[2]
        return f"[{_anchor(shape)}](#{_anchor(shape)})"
    for several in ("oneOf", "anyOf"):
        if several in node:
            return " or ".join(dict.fromkeys(_kind(one) for one in node[several] if one.get("type") != "null"))
    if "allOf" in node:
        return _kind(node["allOf"][0])
    if "enum" in node:
        return ", ".join(f"`{value}`" for value in node["enum"])
    if "const" in node:
        return f"`{node['const']}`"
    if node.get("type") == "array":
        items = node.get("items", {})
        return f"list of {_kind(items)}" if items else "list"
    return _scalar(node)


def _scalar(node: Json) -> str:
    pattern, form = str(node.get("pattern", "")), node.get("format")
    if form == "duration" or "[0-9]+ms" in pattern:
        return "duration"
    if form == "password":
        return "secret"
    if node.get("type") == "object":
        return "mapping"
    words = {"string": "text", "boolean": "true or false", "integer": "whole number", "number": "number"}
    return "URL" if form == "uri" else words.get(str(node.get("type")), "text")


def _default(node: Json) -> str:
    value = _with_durations(node.get("default"))
    if value in (None, "", [], {}):
        return ""
    return f"`{json.dumps(value, ensure_ascii=False)}`"


def _with_durations(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_durations(one) for key, one in value.items() if one not in (None, "", [], {})}
    if isinstance(value, list):
        return [_with_durations(one) for one in value]
    if isinstance(value, str) and ISO_DURATION.fullmatch(value):
        return format_duration(TypeAdapter(timedelta).validate_python(value))
    return value


PAGES: Mapping[str, Callable[[], str]] = {
    "cli.md": cli_page,
    "policy.md": policy_page,
    "request.md": request_page,
    "settings.md": settings_page,
    "metrics.md": metrics_page,
    "events.md": events_page,
    "reasons.md": reasons_page,
    "exit-codes.md": exit_codes_page,
}


if __name__ == "__main__":
    written()
