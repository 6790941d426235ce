"""Stories about what is practised: something is broken on purpose, while the controller runs."""

from __future__ import annotations

import threading

from gitops_rollback.core.drill import SUBJECT
from gitops_rollback.sandbox.rendering import Json
from gitops_rollback.sandbox.stories import DEPLOYMENT, SERVICE, healthy_again, journal_says
from gitops_rollback.sandbox.story_texts import policy
from gitops_rollback.sandbox.telling import Claim, Story, Telling

ALLOWED = policy(watch_pods=True).replace("      data: {", "      drill: allowed\n      data: {")
TYPED = ("drill", SERVICE, "--break", "crash-loop", "--timeout", "25m")


def drill(telling: Telling) -> None:
    """A person types it, and it goes on beside the telling until it has ended."""
    telling.before = telling.world.people.head()
    threading.Thread(target=lambda: telling.exits.append(telling.command(TYPED)), daemon=True).start()


def _drills(telling: Telling) -> list[Json]:
    return [entry for entry in telling.decisions() if entry["application"].startswith(SUBJECT)]


def _broken(telling: Telling) -> str:
    return next((str(entry["details"]["commit"]) for entry in _drills(telling)), "")


def practised(telling: Telling) -> list[Claim]:
    people, records, told = telling.world.people, telling.records(), _drills(telling)
    telling.bad = _broken(telling)
    log = people.git("log", "--format=%s", f"{telling.before}..main").splitlines()
    subjects = [subject[:12] for subject in log]
    revert = people.git("log", "-1", "--format=%B", "main")
    seconds = told[-1]["details"]["times"] if told else {}
    return [
        Claim("one commit broke it, the next took it back", subjects == ['Revert "DRIL', "DRILL: break"]),
        Claim("the controller's revert says that it is a drill", "Rollback-Id: rb-" in revert and "DRILL" in revert),
        Claim("the file is as it was before", people.read(DEPLOYMENT) == people.read(DEPLOYMENT, telling.before)),
        Claim("its rollback is known to be a drill's", all(one["evidence"].get("drill") for one in records)),
        Claim("each phase was timed", {"begun", "fired", "pushed", "synced", "verified"} <= set(seconds)),
        Claim("the drill ended with 0", telling.exits == [0]),
        *healthy_again(telling),
        *journal_says(telling, "verified"),
    ]  # fmt: skip


DRILL_STORIES: tuple[Story, ...] = (
    Story(
        "drill",
        "A drill: a person breaks an application on purpose. It is found, reverted, verified and timed.",
        act=drill,
        ended=lambda telling: bool(telling.exits),
        claims=practised,
        policy=ALLOWED,
    ),
)
