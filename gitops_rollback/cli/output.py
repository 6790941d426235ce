"""How a verb answers: results on stdout in the form that was asked for, everything else on stderr.

A table is for people: relative times, no colour codes off a terminal, control characters shown as escapes, since texts
come from commits and messages of others. `json` and `yaml` are for machines and hold everything.
Source: product.md section 3, Output; reliability.md A19.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

import click

from gitops_rollback.core.duration import format_duration

FORMS = ("table", "wide", "json", "yaml", "name")
MAX_LINE = 1000

_Command = TypeVar("_Command", bound=Callable[..., object])


def output_option(*forms: str) -> Callable[[_Command], _Command]:
    """The shared `-o` option, of these forms or of all."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice(forms or FORMS),
        default="table",
        show_default=True,
        help="Form of the answer.",
    )


def say(text: str) -> None:
    """A line for people on stderr: progress, warnings."""
    click.echo(shown(text), err=True)


def print_document(document: object, form: str) -> None:
    """A JSON or YAML document on stdout."""
    if form == "yaml":
        click.echo(_yaml(document))
    else:
        click.echo(json.dumps(document, indent=2, sort_keys=False, ensure_ascii=False, allow_nan=False))


def _yaml(document: object) -> str:
    """YAML in its JSON-compatible block form, without the library: keys plain, scalars as JSON."""
    return "\n".join(_yaml_lines(document, ""))


def _yaml_lines(node: object, indent: str) -> list[str]:
    if isinstance(node, Mapping) and node:
        return [
            line for key, value in node.items() for line in _yaml_entry(f"{indent}{_yaml_key(key)}:", value, indent)
        ]
    if isinstance(node, (list, tuple)) and node:
        return [line for value in node for line in _yaml_item(value, indent)]
    return [indent + json.dumps(node, ensure_ascii=False, allow_nan=False)]


def _yaml_entry(head: str, value: object, indent: str) -> list[str]:
    if isinstance(value, (Mapping, list, tuple)) and value:
        return [head, *_yaml_lines(value, indent + "  ")]
    return [f"{head} {json.dumps(value, ensure_ascii=False, allow_nan=False)}"]


def _yaml_item(value: object, indent: str) -> list[str]:
    if not isinstance(value, Mapping) or not value:
        return _yaml_entry(f"{indent}-", value, indent)
    lines = _yaml_lines(value, indent + "  ")
    return [f"{indent}- {lines[0].lstrip()}", *lines[1:]]


def _yaml_key(key: object) -> str:
    text = str(key)
    return text if text.isidentifier() and text.lower() not in _YAML_WORDS else json.dumps(text, ensure_ascii=False)


_YAML_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


def print_table(headers: Sequence[str], rows: Sequence[Sequence[str]], empty: str) -> None:
    """Columns aligned by their widest cell; `empty` is said on stderr if there are no rows."""
    if not rows:
        say(empty)
        return
    cells = [[shown(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in [list(headers), *cells]) for column in range(len(headers))]
    head = _aligned([header.upper() for header in headers], widths)
    click.echo(click.style(head, bold=True) if coloured() else head)
    for row in cells:
        click.echo(_aligned(row, widths))


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def coloured() -> bool:
    """Colour only on a terminal, and not where NO_COLOR forbids it. Source: https://no-color.org."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def shown(text: str) -> str:
    """One line that cannot move the cursor, ring or reorder: what is not printable becomes an escape."""
    safe = "".join(character if character.isprintable() else _escape(character) for character in text)
    return safe if len(safe) <= MAX_LINE else safe[: MAX_LINE - 1] + "…"


def _escape(character: str) -> str:
    return " " if character in "\n\t\N{NO-BREAK SPACE}" else character.encode("unicode_escape").decode()


def ago(at: datetime | None, now: datetime) -> str:
    """`3m ago`, `in 2h30m`, or "" if there is no time; the largest unit and the one below it."""
    if at is None:
        return ""
    words = _two_units(abs(now - at))
    return f"in {words}" if at > now else f"{words} ago"


def _two_units(duration: timedelta) -> str:
    for large, small in ((86400, 3600), (3600, 60), (60, 1)):
        if duration.total_seconds() >= large:
            return format_duration(timedelta(seconds=duration.total_seconds() // small * small))
    return format_duration(duration)
