"""`gitops-rollback suspects`: which commits can be to blame? Of what is deployed, or of a range of a local clone."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import click

from gitops_rollback.app.offline import Answer, RequestInvalid, encode, repository_of
from gitops_rollback.app.offline_suspects import OfflineSuspects, parse_question, question_of, refusal, told
from gitops_rollback.app.requesting import Wish
from gitops_rollback.app.settings import Settings
from gitops_rollback.cli.access import caller, settings_of
from gitops_rollback.cli.asking import first_that_knows, opened_requests, suspects_document
from gitops_rollback.cli.main import NO, OK, USAGE
from gitops_rollback.cli.offline import Batch, answer_lines
from gitops_rollback.cli.output import say, shown
from gitops_rollback.core.closure.objects import KINDS
from gitops_rollback.core.errors import RollbackError
from gitops_rollback.core.manifest_text import documents


def carry_out(
    context: click.Context,
    watched: str | None,
    repo: str | None,
    branch: str | None,
    config: str | None,
    git_dir: str | None,
    at: str,
    since: str,
    paths: tuple[str, ...],
    kustomization: str | None,
    application: str | None,
    onset: str | None,
    batch: bool,
    output: str,
    cluster: Mapping[str, object],
) -> None:
    if watched is not None:
        context.exit(_deployed(watched, settings_of((repo,) if repo else (), branch, config, cluster), output))
    try:
        finder = OfflineSuspects(repository_of(Path(repo) if repo else None, Path(git_dir) if git_dir else None))
    except RollbackError as error:
        say(str(error))
        context.exit(USAGE)
    try:
        if batch:
            batched = Batch("suspects", lambda line: _answer_line(finder, line), refusal, finder.close)
            answer_lines(batched, sys.stdin.buffer)
            context.exit(OK)
        asked: dict[str, object] = {"at": at, "since": since, "paths": list(paths) or None}
        asked |= {"kustomization": kustomization, "onset": onset, "application": _document(application)}
        answer = finder.answer(question_of(asked))
    except RollbackError as error:
        say(error.message)
        context.exit(USAGE)
    finally:
        finder.close()
    click.echo(encode(answer) if output == "json" else "\n".join(shown(line) for line in told(answer)))
    context.exit(OK if answer.get("suspects") else NO)


def _deployed(watched: str, settings: Settings, output: str) -> int:
    wish = Wish(watched, caller()[1], "suspects")
    with opened_requests(settings) as asked:
        _, prepared = first_that_knows(asked, watched, lambda one: one.requests.prepare(wish))
    answer = suspects_document(prepared)
    if answer["message"]:
        say(f"{answer['reason'] or ''} {answer['message']}".strip())
    click.echo(encode(answer) if output == "json" else "\n".join(shown(line) for line in told(answer)))
    return OK if answer["suspects"] else NO


def _answer_line(finder: OfflineSuspects, line: bytes) -> Answer:
    try:
        return finder.answer(parse_question(line))
    except RequestInvalid as error:
        return refusal(error.message, error.id)


def _document(name: str | None) -> object:
    """The first application of a file, or whatever else stands first in it. Raises: RequestInvalid."""
    if name is None:
        return None
    try:
        found = documents(Path(name).read_bytes())
    except OSError as error:
        raise RequestInvalid(f"{name} cannot be read: {error.strerror}") from error
    if not found:
        raise RequestInvalid(f"{name} holds no plain YAML")
    return next((one for one in found if _is_application(one)), found[0])


def _is_application(document: object) -> bool:
    if not isinstance(document, dict):
        return False
    return (str(document.get("apiVersion") or "").partition("/")[0], document.get("kind")) in KINDS
