"""`gitops-rollback request APP`: ask for a rollback, as a pull request that others can see and approve."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import click

from gitops_rollback.app.requesting import Wish
from gitops_rollback.app.settings import Settings
from gitops_rollback.app.wiring_forges import forges_of
from gitops_rollback.app.writing_requests import RequestWriter, path_of
from gitops_rollback.cli.access import (
    Source,
    caller,
    clock_of,
    duration_option,
    opened_sources,
)
from gitops_rollback.cli.asking import first_that_knows, opened_requests
from gitops_rollback.cli.carrying import Carrying
from gitops_rollback.cli.main import OK, REFUSED, USAGE
from gitops_rollback.cli.output import print_document, say
from gitops_rollback.core.policy import PUSH_MODE, Policy, Target
from gitops_rollback.core.request import (
    DEFAULT_EXPIRES,
    Execute,
    LastHealthy,
    RequestTarget,
    RollbackRequest,
    encode_request,
    request_name,
    wished,
)
from gitops_rollback.core.stop import names_of

MAX_NAMES_SHOWN = 12


@dataclass(frozen=True)
class Asking:
    """What a person typed."""

    application: str
    to: str = ""
    revert: str = ""
    reason: str = ""
    incident: str = ""
    acknowledge: tuple[str, ...] = ()
    expires: timedelta = DEFAULT_EXPIRES
    after_merge: bool = False
    yes: bool = False
    output: str = "table"


def carry_out(context: click.Context, /, settings: Settings, expires: str, **typed: Any) -> None:
    asking = Asking(expires=_duration(expires), **typed)
    context.exit(ask(asking, settings))


def ask(asking: Asking, settings: Settings) -> int:
    """The exit code."""
    to = wished(asking.to, asking.revert) or LastHealthy()
    author, by = caller()
    clock = clock_of(settings)
    forges = forges_of(settings, clock)
    try:
        with opened_sources(settings, author) as sources:
            source, policy, target = _target(sources, asking.application)
            forge = forges.of(source.opened.settings.label)
            if forge is not None and policy.delivery.mode != PUSH_MODE:
                name = request_name(target.name, clock.now())
                how = Execute.AFTER_MERGE if asking.after_merge else Execute.IN_THIS_PULL_REQUEST
                request = RollbackRequest(
                    path_of(name), name, RequestTarget(target.name, policy.name), to, asking.reason,
                    asking.incident, how, asking.acknowledge, asking.expires,
                )  # fmt: skip
                return _open(RequestWriter(source.repo, forge, clock), request, by, asking)
    finally:
        forges.close()
    say(f"No pull request: {f'policy {policy.name} delivers by push' if forge else 'the settings name no forge'}.")
    wish = Wish(asking.application, by, asking.reason, to)
    with opened_requests(settings) as asked:
        one, prepared = first_that_knows(asked, asking.application, lambda each: each.requests.prepare(wish))
        return Carrying(one, wish, asking.yes, None, asking.output).carry_out(prepared)


def _open(writer: RequestWriter, request: RollbackRequest, by: str, asking: Asking) -> int:
    if asking.output == "table":
        click.echo(f"{request.path}:")
        click.echo(encode_request(request).decode(), nl=False)
    if not asking.yes and not sys.stdin.isatty():
        say("Without a terminal to ask, a request needs --yes.")
        return USAGE
    if not asking.yes and not click.confirm("Push this, and open its pull request?", err=True):
        return REFUSED
    say(f"pushed {writer.write(request, by)}")
    found = writer.open(request, by)
    if asking.output == "table":
        click.echo(found.url)
    else:
        document = {"path": request.path, "branch": found.head, "number": found.number, "url": found.url}
        print_document(document, asking.output)
    return OK


def _target(sources: tuple[Source, ...], word: str) -> tuple[Source, Policy, Target]:
    """The one target that `word` names. Raises: click.UsageError, with the known ones."""
    known = [(source, policy, target) for source in sources for policy, target in source.targets()]
    found = [one for one in known if word == one[2].name or word in names_of(one[2].application.full)]
    if len(found) == 1:
        return found[0]
    names = ", ".join(sorted(one[2].name for one in found or known)[:MAX_NAMES_SHOWN]) or "none"
    raise click.UsageError(f"{word!r} {'fits several' if found else 'is no known application; known'}: {names}.")


def _duration(text: str) -> timedelta:
    found = duration_option(text, "--expires")
    if not timedelta(0) < found <= timedelta(days=90):
        raise click.BadParameter("from 1s to 90d", param_hint="--expires")
    return found
