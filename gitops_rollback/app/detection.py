"""Would a deployment have been blamed, when, and on what evidence? On counts from anywhere, without any service.

Causal: each tick is judged by what was known at its end, so more ticks never change what was said before.
Source: interfaces.md, Verbs (`detect`); detection.md section 4, and 2.4 for what was so before the deployment.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from gitops_rollback.app.detection_input import Series
from gitops_rollback.app.offline import Answer, Identity
from gitops_rollback.core.regression.baseline import baseline_of
from gitops_rollback.core.regression.counts import Counts
from gitops_rollback.core.regression.detector import Regression, State, Verdict, already_bad, step, unseen
from gitops_rollback.core.regression.kinds import ERRORS, SLOW, Kind
from gitops_rollback.core.regression.peers import MIN_PEERS, Control, Seen, raised, watch_peers
from gitops_rollback.core.regression.told import sentence


@dataclass(frozen=True)
class Told:
    """One verdict, and whether the deployment is blamed by it."""

    verdict: Verdict
    blames: bool = False
    began_before: bool = False  # it fires, and would have fired on the time before the deployment


@dataclass
class _Followed:
    """One kind of bad events of a deployment, tick by tick."""

    kind: Kind
    ticks: Mapping[int, Counts]
    test: Regression
    control: Control | None
    state: State = field(init=False)
    seen: Seen = field(default_factory=Seen)
    began_before: bool | None = None

    def __post_init__(self) -> None:
        self.state = self.test.start


def verdicts(series: Series) -> Iterator[tuple[Told, ...]]:
    """For each tick after the deployment what is said of errors, and of slow requests where they were counted."""
    counted = [(kind, ticks) for kind, ticks in ((ERRORS, series.errors), (SLOW, series.slow)) if ticks]
    followed = [_followed(series, kind, ticks) for kind, ticks in counted]
    for number, peers in (series.peers_since or {}).items():
        if number not in series.ends:
            for one in followed:
                _watch(one, peers)
    for number, end_seconds in series.ends.items():
        yield tuple(_told(series, one, number, end_seconds) for one in followed)


def answer(series: Series) -> Answer:
    """What `detect` says of one deployment: the first tick that blames it, else the newest."""
    newest: tuple[Told, ...] = ()
    for told in verdicts(series):
        blaming = [one.verdict for one in told if one.blames]
        if blaming:
            return _answer(series.id, strongest(blaming), blames=True)
        newest = told
    if not newest:
        test = _followed(series, ERRORS, series.errors).test
        return _answer(series.id, unseen(test, test.start, series.t0_seconds), blames=False)
    return _answer(series.id, strongest([one.verdict for one in newest]), blames=False)


def strongest(found: list[Verdict]) -> Verdict:
    """The severest, and among equals the one whose evidence exceeds most what it takes."""
    return max(found, key=lambda verdict: (verdict.severity or 0, verdict.evidence - verdict.needed))


def explained(series: Series) -> Iterator[str]:
    """Each verdict as one line, with the seconds since the deployment."""
    if 0 < series.named_peers < MIN_PEERS:
        yield f"Peers: {series.named_peers} of the {MIN_PEERS} that it takes; they excuse nothing."
    for told in verdicts(series):
        for one in told:
            after = one.verdict.at_seconds - series.t0_seconds
            yield f"{after:+6.0f}s {one.verdict.baseline.kind.name}: {sentence(one.verdict)}{_rest(one)}"


def refusal(message: str, id: Identity = None) -> Answer:
    """The answer to a line that holds no counts."""
    return {"id": id, "error": message}


def _followed(series: Series, kind: Kind, ticks: Mapping[int, Counts]) -> _Followed:
    baseline = baseline_of(kind, list(ticks.values()), series.t0_seconds, series.tick_seconds)
    # The peers' counts are of errors: they excuse no slow requests.
    with_peers = series.peers_since is not None and kind is ERRORS
    control = Control.of(baseline, series.peers) if with_peers else None
    return _Followed(kind, ticks, Regression.since(baseline, series.tick_seconds), control)


def _watch(one: _Followed, peers: Counts | None) -> None:
    if one.control is not None and peers is not None:
        one.seen = watch_peers(one.control, one.seen, peers)


def _told(series: Series, one: _Followed, number: int, end_seconds: float) -> Told:
    _watch(one, (series.peers_since or {}).get(number))
    null_rate = raised(one.control, one.seen) if one.control is not None else None
    tick = one.ticks.get(number)
    if tick is None:
        return Told(unseen(one.test, one.state, end_seconds, null_rate))
    one.state, verdict = step(one.test, one.state, tick, null_rate)
    if verdict.severity is None:
        return Told(verdict)
    if one.began_before is None:
        ticks = list(one.ticks.values())
        one.began_before = already_bad(one.kind, ticks, series.t0_seconds, series.tick_seconds)
    return Told(verdict, blames=not one.began_before, began_before=one.began_before)


def _rest(one: Told) -> str:
    if one.began_before:
        return " It was so before the deployment, which is not blamed."
    return " The deployment is blamed." if one.blames else ""


def _answer(id: Identity, verdict: Verdict, blames: bool) -> Answer:
    baseline = verdict.baseline
    return {
        "id": id,
        "fired_at": _plain(verdict.at_seconds) if blames else None,
        "severity": verdict.severity if blames else None,
        "evidence": {
            "p": baseline.rate,
            "p_n": verdict.null_rate,
            "phi": baseline.dispersion,
            "N": _plain(verdict.events),
            "E": _plain(verdict.bad),
            "M": verdict.evidence if math.isfinite(verdict.evidence) else None,
        },
    }


def _plain(number: float) -> float | int:
    """A whole number as one."""
    return int(number) if number.is_integer() else number
