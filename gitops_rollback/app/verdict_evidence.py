"""What a record and the journal's lines keep of one trigger: what it measured, against what, and since when.

Source: detection.md 2.7, and section 4 for what a trigger that compares with before weighs.
"""

from __future__ import annotations

import math

from gitops_rollback.core.journal import format_time
from gitops_rollback.core.measurement import Measurement, OldVersion
from gitops_rollback.core.trigger import Verdict


def verdict_evidence(verdict: Verdict) -> dict[str, object]:
    """As JSON. `counts` stands there for triggers that compare with before, once they have a value."""
    measured = verdict.measurement
    return {
        "trigger": verdict.trigger,
        "severity": verdict.severity.value,
        "phase": verdict.state.phase.value,
        "since": format_time(verdict.state.since) if verdict.state.since else None,
        "value": measured.value if measured else None,
        "threshold": verdict.threshold,
        "query": measured.query if measured else "",
        "baseline": verdict.baseline.level.value,
        "baselineValue": verdict.baseline.value,
        "reason": verdict.reason.value if verdict.reason else None,
        "message": verdict.message,
        **(_counts(measured) if measured else {}),
    }


def _counts(measured: Measurement) -> dict[str, object]:
    found = measured.compared
    if found is None:
        return {}
    counts = {
        "bad": measured.numerator,
        "of": measured.denominator,
        "normalUpTo": found.normal,
        "plainLimit": found.limit,
        "evidence": found.evidence if math.isfinite(found.evidence) else None,
        "needed": found.needed,
        "dispersion": found.dispersion,
        **({"oldVersion": _old_version(found.beside)} if found.beside else {}),
    }
    return {"counts": counts}


def _old_version(found: OldVersion) -> dict[str, object]:
    return {
        "bad": found.bad,
        "of": found.of,
        "evidence": found.evidence if math.isfinite(found.evidence) else None,
        "needed": found.needed,
    }
