"""`gitops-rollback detect`: would this deployment have been blamed, and when? On counts from anywhere, offline.

Source: interfaces.md, Verbs: 0 answered, whether it fired or not; 2 what is no question.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from gitops_rollback.app.detection import answer, explained, refusal
from gitops_rollback.app.detection_input import parse_series
from gitops_rollback.app.offline import Answer, RequestInvalid, encode
from gitops_rollback.cli.main import OK, USAGE
from gitops_rollback.cli.offline import Batch, answer_lines
from gitops_rollback.cli.output import say, shown

LINE_LIMIT = 1 << 28  # a day of seconds for each of ten peers is 50 MB


def carry_out(context: click.Context, file: Path | None, batch: bool, explain: bool) -> None:
    if file is None and not batch:
        raise click.UsageError("Name a FILE, or use --batch with one JSON object a line on stdin.")
    try:
        if batch:
            _answer_batch(file, explain)
            context.exit(OK)
        series = parse_series((file or Path("-")).read_bytes())
    except OSError as error:
        say(f"{file} cannot be read: {error.strerror}")
        context.exit(USAGE)
    except RequestInvalid as error:
        say(f"{file}: {error.message}")
        context.exit(USAGE)
    for line in explained(series) if explain else ():
        click.echo(shown(line))
    click.echo(encode(answer(series)))


def _answer_batch(file: Path | None, explain: bool) -> None:
    batched = Batch("detect", lambda line: _answer_line(line, explain), refusal, lambda: None, LINE_LIMIT)
    if file is None:
        answer_lines(batched, sys.stdin.buffer)
        return
    with file.open("rb") as source:
        answer_lines(batched, source)


def _answer_line(line: bytes, explain: bool) -> Answer:
    try:
        series = parse_series(line)
    except RequestInvalid as error:
        return refusal(error.message, error.id)
    told = answer(series)
    return told | {"explained": list(explained(series))} if explain else told
