"""A verdict as one sentence for people: rate before and now, how many of how many, and what would have been normal.

What fires is said as a plain threshold, too: the level that the last four ticks exceed.
"""

from __future__ import annotations

import math

from gitops_rollback.core.regression.detector import Verdict

WORDS = {"errors": "failed", "slow": "were slow", "gauge": "were too high"}
NOUNS = {"gauge": "samples"}


def sentence(verdict: Verdict) -> str:
    """What `verdict` says, with its numbers."""
    kind = verdict.baseline.kind.name
    nouns, did = NOUNS.get(kind, "requests"), WORDS[kind]
    if not verdict.observed:
        return "No data in this tick: it says nothing."
    rate = verdict.rate
    if rate is None:
        return f"No {nouns} in the last four ticks: nothing can be told."
    of_new = " of the new version" if verdict.beside else ""
    seen = f"{_number(verdict.bad)} of the last {_number(verdict.events)} {nouns}{of_new} {did} ({_percent(rate)})"
    seen = f"{seen}, {_before(verdict)}{_beside(verdict)}"
    weighed = f"evidence {_evidence(verdict.evidence)} of the {verdict.needed:.1f} that it takes"
    if verdict.severity is None:
        return f"{seen}; {_normal(verdict)}; {weighed}."
    than = "than the old version" if verdict.only_beside else "since the deployment"
    said = f"{seen}; {_normal(verdict)}; {weighed}: worse {than}, severity {verdict.severity}"
    return f"{said}; a plain limit of {_percent(verdict.level)} on these says the same."


def _normal(verdict: Verdict) -> str:
    normal = f"up to {_number(verdict.events * verdict.null_rate)} ({_percent(verdict.null_rate)}) would be normal"
    if verdict.only_beside:
        return f"{normal} beside that"
    if verdict.null_rate > verdict.baseline.null_rate:
        return f"{normal} while its neighbours are in trouble too"
    return normal


def _beside(verdict: Verdict) -> str:
    """What the old version did at the same time, and how far that alone tells the two apart."""
    beside = verdict.beside
    if beside is None:
        return ""
    if not beside.events:
        return ", and no requests of the old version beside it"
    counted = f"{_number(beside.bad)} of {_number(beside.events)} of the old version beside it"
    if verdict.only_beside:
        return f", {counted}"
    return f", {counted} (evidence {_evidence(beside.evidence)} of {beside.needed:.1f} that it is worse than that)"


def _before(verdict: Verdict) -> str:
    baseline = verdict.baseline
    if not baseline.is_known:
        return f"{_number(baseline.events)} before are too few to know a rate, so that only levels are judged"
    return f"{_percent(baseline.rate)} before"


def _percent(rate: float) -> str:
    return f"{100 * rate:.3g}%"


def _number(count: float) -> str:
    return f"{count:.0f}" if count == round(count) or count >= 100 else f"{count:.1f}"


def _evidence(evidence: float) -> str:
    return f"{evidence:.1f}" if math.isfinite(evidence) else "none"
