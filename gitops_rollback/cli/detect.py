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


@click.command("detect")
@click.argument("file", required=False, type=click.Path(path_type=Path), metavar="[FILE]")
@click.option("--batch", is_flag=True, help="One JSON object a line, of FILE or stdin; one answer a line.")
@click.option("--explain", is_flag=True, help="The verdict of each tick, in words.")
@click.pass_context
def command(context: click.Context, file: Path | None, batch: bool, explain: bool) -> None:
    """Whether the error rate, or that of slow requests, rose since a deployment. Needs no service and writes nothing.

    \b
    FILE holds one JSON object (the batch one a line):
      {"id": ..., "interval": seconds, "deployed_at": unix, "ticks": [{"t", "requests", "errors", "slow"?}, ...],
       "peers": {name: [{"t", "requests", "errors"}, ...]}}
    `t` ends the tick; ticks before and after the deployment are wanted, four hours before at best, a day where there
    are 10 requests a second or fewer. A tick that is missing is no data. Three peers or more excuse what they have too.
    The answer: {"id", "fired_at": unix or null, "severity": 1|2|3|null, "evidence": {"p", "p_n", "phi", "N", "E", "M"}}
    or, of a batch, {"id", "error"}. Exit code: 0 answered, fired or not; 2 what cannot be read.

    \b
    Examples:
      gitops-rollback detect checkout.json --explain
      gitops-rollback detect --batch < deployments.jsonl
    """
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
