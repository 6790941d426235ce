"""`gitops-rollback preflight`: would a rollback be automatic, ask, or not be possible? Asked before it is needed."""

from __future__ import annotations

from dataclasses import dataclass

import click

from gitops_rollback.app.directory import Listing
from gitops_rollback.app.offered_trees import OfferedTrees
from gitops_rollback.app.preflight import Preflight
from gitops_rollback.app.requesting import Wish, found_by
from gitops_rollback.app.settings import Settings
from gitops_rollback.app.view import View
from gitops_rollback.cli.asking import Asked, opened_requests
from gitops_rollback.cli.main import NO, OK
from gitops_rollback.cli.output import print_document, say, shown
from gitops_rollback.core.commit import is_sha
from gitops_rollback.core.errors import Reason, RollbackError, StalledError
from gitops_rollback.core.rollbackable import Readiness, Rollbackable


def carry_out(
    ctx: click.Context,
    application: str | None,
    everything: bool,
    number: int | None,
    sha: str | None,
    output: str,
    settings: Settings,
) -> None:
    if sum((application is not None, everything, number is not None, sha is not None)) != 1:
        raise click.UsageError("Say one of APP, --all, --pr N and --at SHA.")
    if sha is not None and not is_sha(sha):
        raise click.BadParameter("must be a full commit id of 40 hex digits", param_hint="--at")
    with opened_requests(settings) as asked:
        answers = _answers(asked, application, number, sha)
    if output != "table":
        print_document([_document(one) for one in answers], output)
    for one in answers if output == "table" else ():
        click.echo(shown(f"{'✔' if one.readiness is Readiness.AUTOMATIC else '✖'} {one.words}"))
    if not answers:
        say("No watched application is touched.")
    ctx.exit(OK if all(one.readiness is Readiness.AUTOMATIC for one in answers) else NO)


def _document(one: Rollbackable) -> dict[str, object]:
    return {
        "application": one.application,
        "rollback": one.readiness.value,
        "reason": one.reason.value if one.reason else None,
        "message": one.message,
    }


@dataclass(frozen=True)
class _Looked:
    """One repository as it is now."""

    asked: Asked
    view: View
    listing: Listing

    @property
    def preflight(self) -> Preflight:
        requests = self.asked.requests
        return Preflight(requests.repo, requests.reconciler, OfferedTrees(requests.repo))


def _answers(
    asked: tuple[Asked, ...], application: str | None, number: int | None, sha: str | None
) -> list[Rollbackable]:
    """Raises: what the last repository raised, where none knows what is meant."""
    found: list[Rollbackable] = []
    failure: RollbackError | None = None
    known = False
    for one in asked:
        view, now = one.requests.reconciler.see_now(), one.requests.clock.now()
        looked = _Looked(one, view, one.requests.reconciler.directory.look(view, now))
        try:
            found += _of_one(looked, application, number, sha)
            known = True
        except StalledError as error:
            failure = error
    if failure is not None and not known:
        raise failure
    return found


def _of_one(looked: _Looked, application: str | None, number: int | None, sha: str | None) -> list[Rollbackable]:
    view, listing, now = looked.view, looked.listing, looked.asked.requests.clock.now()
    if number is not None:
        return list(looked.preflight.merged(_head_of(looked.asked, number), view, listing, now))
    if sha is not None:
        return list(looked.preflight.commit(sha, view, listing, now))
    watched = (found_by(Wish(application, ""), listing),) if application is not None else listing.watched
    return [looked.preflight.deployed(one, view, listing, now) for one in watched]


def _head_of(asked: Asked, number: int) -> str:
    """The head of a pull request, which the clone has then. Raises: StalledError."""
    offers, repo = asked.requests.reconciler.pull_requests, asked.requests.repo
    if offers is None:
        raise StalledError(repo.name, "the settings name no forge for it", Reason.NO_FORGE)
    pull = offers.forge.get(number)
    if not repo.has(pull.head_sha) and (pull.from_fork or repo.head_of(pull.head) != pull.head_sha):
        where = "it comes from a fork" if pull.from_fork else "its branch has just moved: try again"
        raise StalledError(f"#{number}", f"its head cannot be read: {where}", Reason.UNKNOWN_REVISION)
    return pull.head_sha
