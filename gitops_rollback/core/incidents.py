"""Is one commit behind many red applications, or is something else wrong with all of them?

Red applications that share a suspect are one incident only with a control group that stays quiet without it. Many
incidents at once that share no suspect are not many bad commits: one page, no action.
Source: safety.md, One commit, many applications; reliability.md, row 13c.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

RED_PERCENT = 80
CONTROL_GROUP = 3
MANY = 5
MANY_PERCENT = 10
MANY_OF_SHARE = 3
# One commit reaches its applications one after the other: engines poll every few minutes, and each is judged by itself.
# So a page waits while the next one turns red within a minute of the last, and never longer than they all may take.
GROWS_WITHIN = timedelta(minutes=1)
GROWS_FOR = timedelta(minutes=5)


@dataclass(frozen=True)
class ObservedApplication:
    """One watched application now. `quiet` is only one whose triggers all have data and none fires.

    `suspects` are the commits that its attribution blames, empty if it is not red or has none. `carries` are those
    commits among all suspects that changed its inputs and that it was synced to.
    """

    application: str
    red: bool
    quiet: bool
    metric_source: str
    suspects: frozenset[str] = frozenset()
    carries: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Incident:
    """Red applications that are one event. `culprit` is set where a common suspect made them one."""

    applications: tuple[str, ...]  # in order; the first names the rollback
    culprit: str | None = None


def group(observed: Sequence[ObservedApplication]) -> tuple[Incident, ...]:
    """The red applications as incidents, in the order of their first application.

    Two or more that share a suspect are one if at least 80 % of the applications that carry it are red with it, and, on
    each of their metric sources, at least three others that do not carry it are quiet. Else each stands for itself.
    """
    left = {one.application: one for one in observed if one.red}
    found: list[Incident] = []
    for suspect, _ in _most_shared(tuple(left.values())):
        sharing = [one for one in left.values() if suspect in one.suspects]
        if len(sharing) > 1 and _is_one(suspect, sharing, observed):
            found.append(Incident(tuple(sorted(one.application for one in sharing)), suspect))
            for one in sharing:
                del left[one.application]
    found += [Incident((name,)) for name in left]
    return tuple(sorted(found, key=lambda incident: incident.applications))


def incident_of(application: str, incidents: Sequence[Incident]) -> Incident | None:
    """The incident that `application` is part of; None if it is not red."""
    return next((one for one in incidents if application in one.applications), None)


def breaker(incidents: Sequence[Incident], watched: int) -> str:
    """Why nothing may be done by itself now, as one sentence; "" if the breaker does not hold.

    It holds from five incidents on, or from three that are more than 10 % of the `watched` applications.
    """
    count = len(incidents)
    if count >= MANY or (count >= MANY_OF_SHARE and 100 * count > MANY_PERCENT * watched):
        names = [incident.applications[0].rsplit("/", 1)[-1] for incident in incidents[:3]]
        named = ", ".join([*names, "..."] if count > len(names) else names)
        return f"{count} incidents at once without a common suspect, of {watched} applications ({named})"
    return ""


def spreading(
    unanswered: Sequence[ObservedApplication], alarms: Mapping[str, datetime], watched: int, now: datetime
) -> str:
    """Why people are not told of a mass event yet, as one sentence; "" if they should be. Nothing is done either way.

    `unanswered` are red by something that no rollback deals with yet, `alarms` are those that raise an alarm now, and
    since when. It waits only where common suspects would explain them, and only while more of them turn red.
    """
    shared, alone = _by_suspect(unanswered)
    if breaker([*shared, *alone], watched):
        return ""
    since = [[alarms[name] for name in one.applications if name in alarms] for one in shared]
    growing = [(len(times), max(times), min(times), one) for one, times in zip(shared, since, strict=True) if times]
    if not growing:
        raised = any(name in alarms for one in alone for name in one.applications)
        return "" if raised else "what is red is being dealt with already"
    _, newest, first, one = max(growing, key=lambda found: found[:2])
    if now - newest > GROWS_WITHIN or now - first > GROWS_FOR:
        return ""
    suspect, count = (one.culprit or "")[:12], len(one.applications)
    who = f"{count} applications have {suspect} and are" if count > 1 else f"{one.applications[0]} has {suspect} and is"
    return f"{who} red, as others are, and more may follow: it may be one incident"


def many(red: Sequence[ObservedApplication], watched: int) -> bool:
    """These alone, each for itself, would be a mass event."""
    return bool(breaker([Incident((one.application,)) for one in red], watched))


def _by_suspect(red: Sequence[ObservedApplication]) -> tuple[list[Incident], list[Incident]]:
    """Those that share a suspect, as if it were proven, the most shared first; and each that has none."""
    left = {one.application: one for one in red}
    shared: list[Incident] = []
    for suspect, _ in _most_shared(red):
        sharing = tuple(sorted(one.application for one in left.values() if suspect in one.suspects))
        if sharing:
            shared.append(Incident(sharing, suspect))
            left = {name: one for name, one in left.items() if name not in sharing}
    return shared, [Incident((name,)) for name in left]


def _most_shared(red: Sequence[ObservedApplication]) -> list[tuple[str, int]]:
    counts = Counter(suspect for one in red for suspect in one.suspects)
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _is_one(suspect: str, sharing: Sequence[ObservedApplication], observed: Sequence[ObservedApplication]) -> bool:
    carrying = {one.application for one in observed if suspect in one.carries} | {one.application for one in sharing}
    if 100 * len(sharing) < RED_PERCENT * len(carrying):
        return False
    controls = Counter(
        one.metric_source for one in observed if one.quiet and not one.red and one.application not in carrying
    )
    return all(controls[one.metric_source] >= CONTROL_GROUP for one in sharing)
