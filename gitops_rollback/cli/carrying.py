"""A person's wish on its way: shown, asked about, pushed, and followed. Shared by the verbs that carry one out."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import timedelta

import click

from gitops_rollback.app.requesting import Prepared, Wish, landed
from gitops_rollback.cli.asking import Asked, plan_document, plan_exit, print_plan
from gitops_rollback.cli.main import CONFLICT, OK, REFUSED, TIMEOUT, USAGE, WAITING
from gitops_rollback.cli.output import print_document, say
from gitops_rollback.cli.records import exit_code
from gitops_rollback.core.journal import record_document
from gitops_rollback.core.plan import Plan, PlanOutcome
from gitops_rollback.core.policy import GuardResult
from gitops_rollback.core.rollback import RollbackRecord
from gitops_rollback.ports import PushOutcome

TRIES = 5


@dataclass
class Carrying:
    """One wish on its way: shown, asked about, pushed, and followed if `wait` says how long."""

    one: Asked
    wish: Wish
    yes: bool
    wait: timedelta | None
    output: str

    def carry_out(self, prepared: Prepared) -> int:
        """The exit code. With `-o json` one document is printed at the end: plan, id and record."""
        if self.output == "table":
            print_plan(prepared, self.one.requests.repo)
        code, record = self._push_and_follow(prepared)
        if self.output != "table":
            plan = plan_document(prepared, self.one.requests.repo)
            document = {"plan": plan, "record": record_document(record) if record else None, "exitCode": code}
            print_document(document, self.output)
        return code

    def _push_and_follow(self, prepared: Prepared) -> tuple[int, RollbackRecord | None]:
        stopped = _refused(prepared)
        if stopped is None:
            stopped = self._unanswered()
        if stopped is not None:
            return stopped, None
        plan, waits = _push(self.one, self.wish, prepared)
        if plan is None:
            return REFUSED, None
        if self.wait is None:
            say(f"a running controller goes on; see: gitops-rollback status {plan.rollback_id} --wait")
            return WAITING if waits else OK, self.one.requests.record(plan.rollback_id)
        patience = self.one.requests.clock.real_seconds(self.wait)
        record = self.one.requests.follow(plan.rollback_id, patience, Teller())
        code = exit_code(record)
        return (TIMEOUT if code is None else code), record

    def _unanswered(self) -> int | None:
        """The exit code of a question that nobody could or would answer with yes."""
        if self.yes:
            return None
        if not sys.stdin.isatty():
            say("Without a terminal to ask, a rollback needs --yes.")
            return USAGE
        return None if click.confirm("Push this?", err=True) else REFUSED


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
        say(f"Refused by {denied[0].guard}: {denied[0].words}")
        return REFUSED
    return None


def _push(one: Asked, wish: Wish, prepared: Prepared) -> tuple[Plan | None, bool]:
    """The plan that landed, or (True) that the forge merges once nothing is missing.

    After a lost race the plan is made anew, and pushed only if it changes the same.
    """
    for _ in range(TRIES):
        landing = one.requests.carry_out(prepared)
        if landed(landing):
            say(f"pushed {prepared.plan.rollback_id}" if prepared.plan else "pushed")
            return prepared.plan, False
        if landing.waits:
            say(landing.message)
            return prepared.plan, True
        if landing.outcome is not PushOutcome.REJECTED:
            say(f"The push did not land ({landing.outcome.value}): {landing.message}")
            return None, False
        again = one.requests.prepare(wish)
        if _changes(again.plan) != _changes(prepared.plan):
            say("The branch moved, and the plan changed with it: look at it again.")
            return None, False
        prepared = again
    say("Others kept pushing first: try again.")
    return None, False


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
