"""Which metric sources answer nobody? All applications that are blind by one of them are one page, not one each.

Each still has its own line in the journal. Where a source answers somebody, who is blind there has a trouble of its own
and is told of by name.
Source: detection.md 2.3; safety.md, promise 10 of design.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol
from urllib.parse import urlsplit

from gitops_rollback.app.notices import MAX_NAMED, Notice
from gitops_rollback.app.subject import Look
from gitops_rollback.core.decision import Act, Decision
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.journal import CONTROLLER
from gitops_rollback.core.measurement import Outcome
from gitops_rollback.core.policy import Policy
from gitops_rollback.core.trigger import Verdict

SOURCE = f"{CONTROLLER}/metrics-"
OUT = frozenset({Reason.METRICS_UNAVAILABLE, Reason.CREDENTIALS_REJECTED, Reason.TELEMETRY_LOST})
SHARED = 2  # applications; one alone is told of by its name


@dataclass(frozen=True)
class Outages:
    """What the looks of one tick say about metric sources: by whom nobody is answered, and who answers."""

    blind: tuple[tuple[str, tuple[Look, ...]], ...] = ()  # source, and who is blind by it
    answering: frozenset[str] = frozenset()

    def told_once(self, look: Look) -> Decision:
        """The word on `look`, which alarms nobody by itself where the source's own page speaks for it."""
        names = next((names for _, names in self.blind if look in names), ())
        if not names or look.raised.act is not Act.PAGE:
            return look.raised
        said = f"its metric source answers none of {len(names)} applications: {look.raised.message}"
        return replace(look.raised, reason=Reason.METRICS_OUTAGE, message=said)


class OneLook(Protocol):
    """What one tick saw of one application."""

    @property
    def look(self) -> Look | None: ...


def outages(seen: Iterable[OneLook]) -> Outages:
    """By all looks of one tick."""
    by_source: dict[str, list[Look]] = {}
    for look in (one.look for one in seen):
        if look is not None and any(_is_asked(look.policy, verdict) for verdict in look.case.verdicts):
            by_source.setdefault(look.policy.metrics.url, []).append(look)
    answering = frozenset(source for source, asked in by_source.items() if any(map(_is_answered, asked)))
    blind = {source: _blind(asked) for source, asked in by_source.items() if source not in answering}
    return Outages(tuple(one for one in sorted(blind.items()) if len(one[1]) >= SHARED), answering)


def about_sources(found: Outages) -> Iterator[Notice]:
    """One page for all that are blind by one source, and that it is over."""
    for source, looks in found.blind:
        names, name = [look.name for look in looks], _named(source)
        more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
        message = f"nothing is found there by itself until it answers again: {', '.join(names[:MAX_NAMED])}{more}"
        yield Notice(
            f"{SOURCE}{name}",
            "page",
            Reason.METRICS_OUTAGE,
            "out",
            f"The metric source {name} answers for none of {len(names)} applications",
            f"{looks[0].raised.message}; {message}",
            page=True,
            routes=tuple(dict.fromkeys(route for look in looks for route in look.policy.notifications)),
        )
    for source in sorted(found.answering):
        title = f"The metric source {_named(source)} answers again"
        yield Notice(f"{SOURCE}{_named(source)}", "resumed", Reason.QUIET, "", title, "its applications are seen again")


def _is_asked(policy: Policy, verdict: Verdict) -> bool:
    asked = {one.name for one in policy.triggers if one.is_measured}
    return verdict.trigger in asked and verdict.measurement is not None


def _is_answered(look: Look) -> bool:
    """The source said something of it: a number, or that there is none."""
    said = [one.measurement for one in look.case.verdicts if _is_asked(look.policy, one)]
    return any(one is not None and one.outcome is not Outcome.ERROR and one.reason not in OUT for one in said)


def _blind(looks: Sequence[Look]) -> tuple[Look, ...]:
    return tuple(look for look in looks if look.raised.act is Act.PAGE and look.raised.reason in OUT)


def _named(source: str) -> str:
    """Without what may stand beside the host in an address."""
    return (urlsplit(source).hostname or "unknown") if source else "default"
