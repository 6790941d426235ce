"""What does the person who was woken need now: what is safe, the commands, and what the controller does next.

One table for the pages and for the standing runbook, so that both say the same.
Source: safety.md, After the rollback; decision.py for what each answer means.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from gitops_rollback.core.duration import format_duration
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.message import for_people
from gitops_rollback.core.policy import Check, Notification, Policy, Severity, Target, Trigger
from gitops_rollback.core.reasons import meaning_of
from gitops_rollback.core.receivers import place_name

NEVER_BY_ITSELF = frozenset({Reason.CAME_BACK.value, Reason.QUARANTINE.value})


@dataclass(frozen=True)
class Advice:
    """`means`: what happened; `safe`: what may be done without harm; `ID` and `APP` in `commands` are put in."""

    means: str
    safe: str
    commands: tuple[str, str, str]
    then: str


ADVICE: Mapping[str, Advice] = {
    "suggested": Advice(
        "a plan is finished and waits for a person's word",
        "both answers; what is approved is planned anew on the branch as it is then",
        ("gitops-rollback explain ID", "gitops-rollback approve ID", 'gitops-rollback reject ID --reason "..."'),
        "it writes nothing until somebody answers, and goes on measuring",
    ),
    "refused": Advice(
        "a guard of the policy or of the controller forbids this rollback",
        "fixing forward, or a revert by hand: it is recognised and not undone",
        ("gitops-rollback explain APP", "gitops-rollback plan APP", 'gitops-rollback rollback APP --reason "..."'),
        "it does not roll this revision back while the guard says no",
    ),
    "held": Advice(
        "something stands in the way of acting for now",
        "waiting, fixing forward, or a revert by hand: it is recognised and not undone",
        ("gitops-rollback explain APP", "gitops-rollback plan APP", "gitops-rollback pause APP --for 1h"),
        "it looks again at each tick, and acts where the policy says so once nothing is in the way",
    ),
    "unverified": Advice(
        "the rollback was pushed, and whether it helped could not be shown",
        "fixing forward, or approving one of the plans that the page names",
        ("gitops-rollback status ID", "gitops-rollback explain ID", "gitops-rollback pause APP --for 1h"),
        "no second rollback follows by itself",
    ),
    "failed": Advice(
        "something that a rollback needs does not work",
        "mending it: nothing is half done, each step is looked at anew",
        ("gitops-rollback doctor", "gitops-rollback explain APP", "gitops-rollback pause APP --for 1h"),
        "it tries again at each tick",
    ),
    "blind": Advice(
        "it cannot tell whether the application is well, or what to blame",
        "looking by yourself; without data it never acts",
        ("gitops-rollback explain APP", "gitops-rollback doctor", "gitops-rollback pause APP --for 1h"),
        "it goes on measuring, and rolls nothing back on what it does not know",
    ),
}


def page_guide(
    event: str, reason: str, application: str, rollback_id: str, interval: timedelta | None = None
) -> tuple[str, ...]:
    """The lines below a page; () for an event that is none. `interval`: how often it looks, where that is known."""
    advice = ADVICE.get(event)
    if advice is None:
        return ()
    then = advice.then
    if event == "held" and reason in NEVER_BY_ITSELF:
        then = "it never rolls this back by itself again; a person decides"
    tick = f" (it looks every {format_duration(interval)})" if interval else ""
    commands = dict.fromkeys(_filled(command, application, rollback_id) for command in advice.commands)
    meant = (f"gitops-rollback explain {reason}",) if meaning_of(reason) is not None else ()  # its text and its remedy
    return (f"safe to do: {advice.safe}", *commands, *meant, f"next: {then}{tick}")


def _filled(command: str, application: str, rollback_id: str) -> str:
    short = "/".join(application.split("/")[-2:])
    if not rollback_id and " ID" in command:
        command = "gitops-rollback explain APP"
    return command.replace(" ID", f" {rollback_id}").replace(" APP", f" {short}")


def standing_runbook(policy: Policy, target: Target, name: str, now_lines: Sequence[str]) -> Iterator[str]:
    """The runbook of one application as Markdown: what is watched, what happens then, and what each page asks for.

    `now_lines` say how it is at this moment, a sentence each.
    """
    short = "/".join(name.split("/")[-2:])
    yield f"# Runbook: {for_people(target.name)} ({for_people(short)})"
    yield ""
    yield f"From `{policy.path}` at {policy.revision[:12]}. Made by `gitops-rollback runbook {for_people(short)}`."
    yield from _section("Now", now_lines or ["nothing is open, held, paused or silenced"])
    yield from _section("What is watched", [_trigger(one) for one in policy.triggers])
    yield from _section("What it does then", _acting(policy))
    yield from _section("When a rollback counts as done", _verification(policy))
    yield from _section("Who is told", [_place(one) for one in policy.notifications] or ["the log alone"])
    yield from _section(
        "To stop it",
        [
            f"`gitops-rollback pause {short} --for 2h`: within one tick; `resume {short}` ends it",
            f"`gitops-rollback silence {short} --for 2h`: messages only, never decisions",
            "`gitops-rollback pause --all --for 2h`: everything",
        ],
    )
    for event, advice in ADVICE.items():
        yield from _section(f"Page: {event}", _page(event, advice, short))


def _section(title: str, lines: Iterable[str]) -> Iterator[str]:
    yield ""
    yield f"## {title}"
    yield ""
    yield from (f"- {line}" for line in lines)


def _trigger(trigger: Trigger) -> str:
    words = {
        Severity.AUTO_ROLLBACK: "rolls back by itself",
        Severity.PAGE_AND_SUGGEST: "pages with the finished plan",
        Severity.LOG_ONLY: "is only logged",
    }
    asked = trigger.query or trigger.bad or ", ".join((*trigger.states, *trigger.symptoms))
    limit = f" {trigger.comparison.value.replace('_', ' ')} {trigger.threshold:g}"
    if trigger.type in ("regression", "gauge"):
        limit = " above what was normal before the sync"
    elif trigger.type == "absence":
        limit = " has vanished"
    elif trigger.burn_rate is not None:
        limit = f" burns the budget of {trigger.burn_rate.objective:.6g} more than {trigger.threshold:g} times too fast"
    elif not trigger.query and not trigger.bad:
        limit = ""
    held = f" for {format_duration(trigger.hold_for)}" if trigger.hold_for else ""
    return f"**{trigger.name}** {words[trigger.severity]}: `{_code(asked)}`{limit}{held}"


def _acting(policy: Policy) -> Iterator[str]:
    if policy.suspend:
        yield "nothing: the policy is suspended"
    yield f"a sync may be blamed until {format_duration(policy.timing.window)} after it was healthy"
    yield f"delivery: {policy.delivery.mode}; after a rollback it waits {format_duration(policy.timing.cooldown)}"
    for guard in policy.guards:
        yield f"guard **{guard.name}** ({guard.type}): {guard.result.value} where it trips"
    yield "data, migrations, secrets, RBAC, CRDs, claims and unknown kinds always ask a person"


def _verification(policy: Policy) -> Iterator[str]:
    told = policy.verification
    held = format_duration(told.hold_for)
    yield f"the engine applied the commit, is Synced and Healthy, and each check held for {held}"
    yield from (_check(one) for one in told.checks)
    yield f"after {format_duration(told.timeout)} without that: unverified, and a page"


def _check(check: Check) -> str:
    asked = check.url or check.query or check.query_from
    return f"check **{check.name}** ({check.type}){f': `{_code(asked)}`' if asked else ''}"


def _place(place: Notification) -> str:
    return f"{for_people(place_name(place))}: {', '.join(place.events)}"


def _page(event: str, advice: Advice, short: str) -> Iterator[str]:
    yield f"it means: {advice.means}"
    yield f"safe to do: {advice.safe}"
    yield from (f"`{command.replace(' APP', f' {short}')}`" for command in advice.commands)
    yield f"next: {advice.then}"
    if event == "held":
        yield "what came back after a rollback is never rolled back by itself again"


def _code(text: str) -> str:
    return for_people(text.replace("`", "'"), 400)
