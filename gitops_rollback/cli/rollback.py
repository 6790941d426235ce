"""`gitops-rollback rollback APP`: do it, on a person's word, through the same path as the controller."""

from __future__ import annotations

import sys
from datetime import timedelta

import click

from gitops_rollback.app.requesting import Prepared, Wish, landed
from gitops_rollback.app.settings import Settings
from gitops_rollback.cli.access import caller, repository_options
from gitops_rollback.cli.asking import Asked, first_that_knows, opened_requests, plan_exit, print_plan
from gitops_rollback.cli.main import CONFLICT, OK, REFUSED, TIMEOUT, USAGE
from gitops_rollback.cli.output import say
from gitops_rollback.cli.records import exit_code
from gitops_rollback.core.duration import parse_duration
from gitops_rollback.core.plan import Plan, PlanOutcome
from gitops_rollback.core.policy import GuardResult
from gitops_rollback.core.rollback import RollbackRecord
from gitops_rollback.ports import PushOutcome

TRIES = 5


@click.command("rollback")
@click.argument("application", metavar="APP")
@click.option("--to", metavar="last-healthy|SHA|TIME", default="", help="The state to go back to.")
@click.option("--revert", metavar="SHA", default="", help="The one commit to undo.")
@click.option("--reason", required=True, metavar="TEXT", help="Why; it stands in the commit and the journal.")
@click.option("--yes", is_flag=True, help="Do not ask; answers the guards that ask, too.")
@click.option("--wait", is_flag=True, help="Go on until it is verified or has failed.")
@click.option("--timeout", default="30m", show_default=True, metavar="DURATION", help="How long --wait goes on.")
@repository_options
@click.pass_context
def command(
    context: click.Context,
    application: str,
    to: str,
    revert: str,
    reason: str,
    yes: bool,
    wait: bool,
    timeout: str,
    settings: Settings,
) -> None:
    """Print the plan, ask, push it. A running controller syncs and verifies it; without one, --wait does.

    Exit code: 0 done (with --wait: verified), 1 unverified or failed, 2 no TTY and no --yes, 4 refused, 5 conflict,
    6 not ended in time.

    \b
    Examples:
      gitops-rollback rollback checkout-api --reason "cards issued in the EU fail"
      gitops-rollback rollback checkout-api --to last-healthy --reason "see INC-42" --yes --wait
    """
    if to and revert:
        raise click.UsageError("Give --to or --revert, not both.")
    patience = _duration(timeout)
    wish = Wish(application, caller()[1], reason, to, revert)
    with opened_requests(settings) as asked:
        one, prepared = first_that_knows(asked, application, lambda asked_one: asked_one.requests.prepare(wish))
        context.exit(carry_out(one, wish, prepared, yes, patience if wait else None))


def _duration(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as exc:
        raise click.BadParameter(str(exc), param_hint="--timeout") from exc


def carry_out(one: Asked, wish: Wish, prepared: Prepared, yes: bool, wait: timedelta | None) -> int:
    """Show, ask, push, and follow if `wait` says how long; the exit code."""
    print_plan(prepared, one.requests.repo)
    refused = _refused(prepared)
    if refused is not None:
        return refused
    if not yes and not sys.stdin.isatty():
        say("Without a terminal to ask, a rollback needs --yes.")
        return USAGE
    if not yes and not click.confirm("Push this?", err=True):
        return REFUSED
    plan = _push(one, wish, prepared)
    if plan is None:
        return REFUSED
    say(f"pushed {plan.rollback_id}")
    if wait is None:
        say(f"a running controller goes on; see: gitops-rollback status {plan.rollback_id} --wait")
        return OK
    record = one.requests.follow(plan.rollback_id, one.requests.clock.real_seconds(wait), Teller())
    code = exit_code(record)
    return TIMEOUT if code is None else code


def _refused(prepared: Prepared) -> int | None:
    """The exit code where there is nothing to push, or a person's word does not suffice; None where it does."""
    plan = prepared.plan
    if prepared.stopped:
        say(f"Refused: {prepared.stopped}. End the pause first: gitops-rollback resume")
        return REFUSED
    if plan is None or plan.reversal.outcome is not PlanOutcome.CLEAN:
        code = plan_exit(prepared)
        say(
            {OK: "Nothing to do: it is undone already.", CONFLICT: "It cannot be undone cleanly."}.get(code, "No plan.")
        )
        return code
    denied = [answer for answer in plan.guards if answer.result is GuardResult.DENY]
    if denied:
        say(f"Refused by {denied[0].guard}: {denied[0].message} {denied[0].remedy}".strip())
        return REFUSED
    return None


def _push(one: Asked, wish: Wish, prepared: Prepared) -> Plan | None:
    """The plan that landed. After a lost race the plan is made anew, and pushed only if it changes the same."""
    for _ in range(TRIES):
        landing = one.requests.carry_out(prepared)
        if landed(landing):
            return prepared.plan
        if landing.outcome is not PushOutcome.REJECTED:
            say(f"The push did not land ({landing.outcome.value}): {landing.message}")
            return None
        again = one.requests.prepare(wish)
        if _changes(again.plan) != _changes(prepared.plan):
            say("The branch moved, and the plan changed with it: look at it again.")
            return None
        prepared = again
    say("Others kept pushing first: try again.")
    return None


def _changes(plan: Plan | None) -> object:
    return plan.reversal.changes if plan else None


class Teller:
    """Says each phase once, on stderr."""

    def __init__(self) -> None:
        self._said: tuple[str, str] | None = None

    def __call__(self, record: RollbackRecord) -> None:
        state = (record.phase.value, record.message)
        if state != self._said:
            self._said = state
            say(f"{record.id}: {record.phase.value}: {record.message}")
