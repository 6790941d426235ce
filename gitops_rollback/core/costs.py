"""What would each way out of an alarm cost, in full-outage-minutes? Told beside a decision; it decides nothing.

One full-outage-minute is a minute in which every request fails. Times are in minutes.
Source: detection.md 5.1 and 5.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from gitops_rollback.core.decision import Decision
from gitops_rollback.core.policy import Policy
from gitops_rollback.core.trigger import Verdict

RATES = ("ratio", "regression")  # whose values are shares of requests that fail
DEFAULT, MEASURED = "default", "measured"


@dataclass(frozen=True)
class Inputs:
    """What the costs are made of; the defaults are those of the specification.

    `harm` is the rise of the bad rate times the share of traffic. `shared` is the probability of a shared cause.
    """

    harm: float
    bad_syncs: float = 0.05  # of all, before anything is known
    likelihood: float = 1000.0  # of the evidence if the sync is to blame, against if it is not: 1/alpha where it fires
    shared: float = 0.0
    rollback_minutes: float = 4.0
    rollback_fails: float = 0.03
    person_minutes: float = 25.0  # until a person has mended what a rollback did not
    acknowledge_minutes: float = 5.0
    decide_minutes: float = 10.0
    fix_minutes: float = 45.0
    deploy_minutes: float = 8.0
    fix_succeeds: float = 0.6
    rollback_risk: float = 0.1
    forward_risk: float = 0.1
    false_rollback: float = 0.5
    interruption: float = 0.2

    @property
    def after_rollback(self) -> float:
        """Minutes until it is well again by a rollback, its failures included."""
        return self.rollback_minutes + self.rollback_fails * self.person_minutes


@dataclass(frozen=True)
class Costs:
    """`probability` that the sync is to blame, and from which on a rollback pays; above 1 it never does."""

    probability: float
    pays_from: float
    rollback: float
    page: float
    forward: float

    @property
    def least(self) -> str:
        """The cheapest way; of equal ones the one that leaves more to people."""
        ways = {"page": self.page, "forward": self.forward, "rollback": self.rollback}
        return min(ways, key=lambda way: ways[way])


def costs(given: Inputs) -> Costs:
    """Of rolling back, paging, and fixing forward."""
    odds = given.bad_syncs / (1 - given.bad_syncs) * given.likelihood * (1 - given.shared)
    blamed = odds / (1 + odds)
    rate = blamed * given.harm
    until_paged = given.acknowledge_minutes + given.decide_minutes + given.rollback_minutes
    forward = given.fix_minutes + given.deploy_minutes + (1 - given.fix_succeeds) * given.after_rollback
    sooner = given.harm * (until_paged - given.after_rollback)
    return Costs(
        probability=blamed,
        pays_from=(given.false_rollback + given.rollback_risk) / (given.false_rollback + sooner),
        rollback=rate * given.after_rollback + given.rollback_risk + (1 - blamed) * given.false_rollback,
        page=rate * until_paged + given.interruption,
        forward=rate * forward + given.forward_risk,
    )


def told(decision: Decision, policy: Policy) -> Mapping[str, object] | None:
    """The costs of an alarm with all inputs and where each comes from; None where its harm is not known in requests."""
    if not decision.verdicts:
        return None
    harm = _harm(decision.verdicts[0], policy)
    if harm is None:
        return None
    given = Inputs(harm)
    found = costs(given)
    return {
        "unit": "full-outage-minutes",
        "rollback": round(found.rollback, 2),
        "page": round(found.page, 2),
        "fixForward": round(found.forward, 2),
        "least": found.least,
        "probability": round(found.probability, 3),
        "rollbackPaysFrom": round(found.pays_from, 3),
        "inputs": {
            _camel(name): {"value": round(value, 4), "from": MEASURED if name == "harm" else DEFAULT}
            for name, value in asdict(given).items()
        },
    }


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))


def _harm(verdict: Verdict, policy: Policy) -> float | None:
    """By how much the share of failing requests has risen; without a value from before, all of it counts."""
    kind = next((one.type for one in policy.triggers if one.name == verdict.trigger), "")
    if kind not in RATES or verdict.measurement is None or verdict.measurement.value is None:
        return None
    return max(0.0, verdict.measurement.value - (verdict.baseline.value or 0.0))
