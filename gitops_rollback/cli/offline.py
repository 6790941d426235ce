"""`plan` on a local clone: one commit to undo, or a batch of requests on stdin.

Source: interfaces.md, Verbs: 0 clean or empty, 5 conflict, 4 refused; a batch ends with 0 unless its input or its
repository cannot be read (2).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import click

from gitops_rollback.app.offline import (
    Answer,
    Identity,
    OfflinePlans,
    Request,
    RequestInvalid,
    encode,
    parse_request,
    read_line,
    refusal,
    repository_of,
)
from gitops_rollback.app.offline_rendering import rendering_for
from gitops_rollback.app.settings_input import load_settings
from gitops_rollback.cli.main import CONFLICT, OK, REFUSED, USAGE, report
from gitops_rollback.cli.output import say, shown
from gitops_rollback.core.errors import Reason, RollbackError, SettingsInvalid, StalledError
from gitops_rollback.core.policy import ChartVersions

LINE_LIMIT = 1 << 20  # a whole Application object, or the paths of a large one
EXITS = {"clean": OK, "empty": OK, "conflict": CONFLICT, "refused": REFUSED}


@dataclass(frozen=True)
class Batch:
    """How the lines of a verb are answered. `restart` gives up what may be in the middle of an answer.

    A line of `line_limit` bytes or more is refused.
    """

    verb: str
    answer: Callable[[bytes], Answer]
    refuse: Callable[[str, Identity], Answer]
    restart: Callable[[], None]
    line_limit: int = LINE_LIMIT


def run_offline(
    repo: Path | None,
    git_dir: Path | None,
    at: str | None,
    revert: str | None,
    mainline: int | None,
    batch: bool,
    output: str,
    charts: str | None = None,
    config: str | None = None,
) -> int:
    """Answer one question, or each line of stdin; returns the exit code. `output` is `json`, else it is for people.

    `config` is a settings file, for the commands that make generated files; without one nothing is run.
    """
    if batch and (at or revert or mainline or charts):
        say("A batch reads --at, --revert, --mainline and --chart-versions from its lines: leave the options out.")
        return USAGE
    if batch:
        return _run_batch(repo, git_dir, config)
    if at is None or revert is None:
        say("Offline, a plan needs --at SHA and --revert SHA (or --batch).")
        return USAGE
    request = Request(at, revert, mainline, chart_versions=ChartVersions(charts or "as-before"))
    answer = _answer_one(repo, git_dir, request, config)
    click.echo(encode(answer) if output == "json" else _told(answer))
    return EXITS[str(answer["outcome"])]


def _opened(repo: Path | None, git_dir: Path | None, config: str | None) -> OfflinePlans:
    place = repository_of(repo, git_dir)
    if config is None:
        return OfflinePlans(place)
    return OfflinePlans(place, rendering_for(load_settings(os.environ, {"config": config}), place))


def _answer_one(repo: Path | None, git_dir: Path | None, request: Request, config: str | None) -> Answer:
    try:
        plans = _opened(repo, git_dir, config)
    except SettingsInvalid:
        raise
    except RollbackError as exc:
        return refusal(Reason.REPOSITORY_UNAVAILABLE, f"Refused: there is nothing to read ({exc}).")
    try:
        return plans.answer(request)
    finally:
        plans.close()


def _run_batch(repo: Path | None, git_dir: Path | None, config: str | None) -> int:
    try:
        plans = _opened(repo, git_dir, config)
    except RollbackError as exc:
        say(str(exc))
        return USAGE
    try:
        answer_lines(Batch("plan", lambda line: _answer_line(plans, line), _broken, plans.close), sys.stdin.buffer)
    except RollbackError as exc:
        say(str(exc))
        return USAGE
    finally:
        plans.close()
    return OK


def answer_lines(batch: Batch, source: BinaryIO) -> None:
    """Answer each line of `source` by one line on stdout, in order, each flushed before the next is read.

    What nobody foresaw is refused for that line alone, and told on stderr like any other bug.
    Raises: StalledError if `source` cannot be read.
    """
    while line := _read_line(source, batch.line_limit):
        click.echo(_answer_text(batch, line))


def _answer_text(batch: Batch, line: bytes) -> str:
    try:
        return encode(batch.answer(line))
    except Exception as exc:
        say(report(exc, [batch.verb]))
        batch.restart()
        return encode(batch.refuse(f"this line met a bug in gitops-rollback ({type(exc).__name__})", _id_of(line)))


def _id_of(line: bytes) -> Identity:
    try:
        return read_line(line)[1]
    except RequestInvalid as exc:
        return exc.id


def _broken(message: str, id: Identity) -> Answer:
    return refusal(Reason.INTERNAL_ERROR, f"Refused: {message}.", id)


def _read_line(source: BinaryIO, limit: int) -> bytes:
    """The next line; of one that is too long only a piece, which is no request. b"" at the end."""
    try:
        line = part = source.readline(limit)
        while len(part) == limit and not part.endswith(b"\n"):
            part = source.readline(limit)
            line = b"\n"
    except OSError as exc:
        raise StalledError("stdin", f"cannot be read: {exc.strerror}", Reason.REQUEST_INVALID) from exc
    return line


def _answer_line(plans: OfflinePlans, line: bytes) -> Answer:
    try:
        return plans.answer(parse_request(line))
    except RequestInvalid as exc:
        return refusal(exc.reason, f"Refused: {exc.message}.", exc.id)


def _told(answer: Answer) -> str:
    """The answer for people: the sentence, what changes, what stands in the way, and how to look at the commit."""
    lines = [str(answer["message"])]
    paths, explained = answer["paths"], answer["explained"]
    lines += [f"  changes {path}" for path in paths] if isinstance(paths, list) else []
    for entry in explained if isinstance(explained, list) else []:
        lines.append(f"  {entry['path'] or entry['commit']}: {entry['why']}. {entry['todo']}")
    if answer["commit"]:
        word = "by itself" if answer["automatic"] else f"by a person only ({answer['reason']})"
        lines.append(f"May be pushed {word}. To see it: git show {answer['commit']}")
    return "\n".join(shown(line) for line in lines)
