"""What would each way out of an alarm cost, in full-outage-minutes, and which is the cheapest?

One full-outage-minute is a minute in which every request fails. Times are in minutes. What is decided by it is only
whether an automatic rollback that nothing else forbids is worth it: `Costs.answer`.
Source: detection.md 5.1 and 5.2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from gitops_rollback.core.measurement import Measurement
from gitops_rollback.core.policy import Trigger
from gitops_rollback.core.trigger import Verdict

RATES = ("ratio", "regression")  # whose values are shares of requests that are bad
LATENCY_WEIGHT = 0.3  # of a slow request, against one that fails
LATENCY_WORDS = ("histogram_quantile", "_bucket")
# Of an incident that has one cause outside of all deployments: how often there is one beside an alarm, and the shares
# of others that are red in it, and without it. Conventions that were not measured.
SHARED_BEFOREHAND, RED_IF_SHARED, RED_IF_NOT = 0.02, 0.8, 0.01
MOST_EVIDENCE = 60.0  # as a logarithm; beyond it nothing changes


@dataclass(frozen=True)
class Inputs:
    """What the costs are made of; the defaults are those of the specification.

    `harm` is the rise of the bad rate times the share of traffic. `shared` is the probability of a shared cause.
    `gain` is how much the log evidence may move within one tick; 0 where waiting tells nothing new.
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
    gain: float = 0.0
    tick_minutes: float = 0.25

    @property
    def after_rollback(self) -> float:
        """Minutes until it is well again by a rollback, its failures included."""
        return self.rollback_minutes + self.rollback_fails * self.person_minutes

    @property
    def odds(self) -> float:
        """That the sync is to blame, against that it is not."""
        return self.bad_syncs / (1 - self.bad_syncs) * self.likelihood * (1 - self.shared)

    @property
    def until_paged(self) -> float:
        """Minutes until it is well again by a rollback that a person was paged for."""
        return self.acknowledge_minutes + self.decide_minutes + self.rollback_minutes

    @property
    def pays_from(self) -> float:
        """P*: the probability from which on a rollback pays. Sparing a person an interruption never justifies one."""
        sooner = self.harm * (self.until_paged - self.after_rollback)
        return (self.false_rollback + self.rollback_risk) / max(self.false_rollback + sooner, 1e-9)


@dataclass(frozen=True)
class Costs:
    """`probability` that the sync is to blame, and from which on a rollback pays; from 1 on it never does."""

    probability: float
    pays_from: float
    rollback: float
    page: float
    forward: float
    wait: float  # for one tick, and then the cheapest of what may be done by what is known by then

    @property
    def least(self) -> str:
        """The cheapest way; of equal ones the one that leaves more to people."""
        ways = {"page": self.page, "forward": self.forward, "wait": self.wait, "rollback": self.rollback}
        return min(ways, key=lambda way: ways[way])

    @property
    def answer(self) -> str:
        """What may be done by itself: `rollback`, `wait` one more tick, or `ask` a person."""
        others = min(self.page, self.forward, self.wait)
        if self.pays_from < 1 and self.probability >= self.pays_from and self.rollback <= others:
            return "rollback"
        return "wait" if self.wait < min(self.page, self.forward) else "ask"

    @property
    def sentence(self) -> str:
        """The numbers that decide, for people."""
        pays = (
            f"a rollback pays from {self.pays_from:.2f} on" if self.pays_from < 1 else "no rollback pays at this harm"
        )
        return (
            f"the deployment is to blame with probability {self.probability:.2f}, and {pays}; in full-outage-minutes "
            f"rolling back costs {self.rollback:.2f}, fixing forward {self.forward:.2f}, paging {self.page:.2f}, "
            f"waiting {self.wait:.2f}"
        )


def costs(given: Inputs) -> Costs:
    """Of rolling back, paging, fixing forward, and waiting for one tick."""
    blamed = _probability(given.odds)
    rollback, page, forward = _ways(given, blamed)
    wait = blamed * given.harm * given.tick_minutes + _then(given, blamed)
    return Costs(blamed, given.pays_from, rollback, page, forward, wait)


def _probability(odds: float) -> float:
    return odds / (1 + odds)


def _ways(given: Inputs, blamed: float) -> tuple[float, float, float]:
    rate = blamed * given.harm
    forward = given.fix_minutes + given.deploy_minutes + (1 - given.fix_succeeds) * given.after_rollback
    return (
        rate * given.after_rollback + given.rollback_risk + (1 - blamed) * given.false_rollback,
        rate * given.until_paged + given.interruption,
        rate * forward + given.forward_risk,
    )


def _then(given: Inputs, blamed: float) -> float:
    """What the cheapest permitted way costs on average one tick later, when the evidence has moved by `gain`.

    Up or down, with the chances that leave the probability on average as it is: nobody knows beforehand.
    """
    if given.gain <= 0:
        return _permitted(given, blamed)
    up, down = (_probability(given.odds * math.exp(sign * given.gain)) for sign in (1, -1))
    rises = (blamed - down) / (up - down) if up > down else 0.5
    return rises * _permitted(given, up) + (1 - rises) * _permitted(given, down)


def _permitted(given: Inputs, blamed: float) -> float:
    rollback, page, forward = _ways(given, blamed)
    return min(page, forward, rollback) if blamed >= given.pays_from else min(page, forward)


def likelihood_of(log_evidence: float) -> float:
    """e^M, kept within what can be multiplied."""
    return math.exp(min(max(log_evidence, -MOST_EVIDENCE), MOST_EVIDENCE))


def shared_cause(red: int, quiet: int) -> float:
    """The probability that others which do not have the suspect are red by the same cause as this one.

    `red` of them are, and `quiet` are not. Nobody beside it says nothing.
    """
    if red + quiet == 0:
        return 0.0
    ratio = red * math.log(RED_IF_SHARED / RED_IF_NOT) + quiet * math.log((1 - RED_IF_SHARED) / (1 - RED_IF_NOT))
    odds = SHARED_BEFOREHAND / (1 - SHARED_BEFOREHAND) * likelihood_of(ratio)
    return _probability(odds)


def harm_of(verdict: Verdict, trigger: Trigger | None, share: float) -> tuple[float, str]:
    """(the harm, in full-outage-minutes a minute, and where that comes from). `share` is that of the traffic concerned.

    A share of bad requests counts by how far it has risen; without a value from before, all of it. That of a new
    version which is counted apart counts as far as it exceeds the old one's, by its part of the traffic. What tells no
    share counts as if all its traffic were lost.
    """
    value = verdict.measurement.value if verdict.measurement is not None else None
    before = verdict.baseline.value or 0.0
    if trigger is not None and trigger.type in RATES and value is not None:
        weight = LATENCY_WEIGHT if trigger.counts_slow else 1.0
        usual, part = _beside_old(verdict.measurement, before)
        of_new = " of the new version, by its part of the traffic" if part < 1 else ""
        return weight * max(0.0, value - usual) * part * share, f"measured: the rise of the rate{of_new}"
    if trigger is not None and trigger.burn_rate is not None and value is not None:
        return max(0.0, value - before) * trigger.burn_rate.budget * share, "measured: the rise of the rate"
    if trigger is not None and any(word in trigger.query for word in LATENCY_WORDS):
        return LATENCY_WEIGHT * share, "all its traffic, slow ones weighed less, since the trigger tells no share"
    return share, "all its traffic, since the trigger tells no share"


def _beside_old(measured: Measurement | None, before: float) -> tuple[float, float]:
    """The rate that the old version has, or had before, and the new one's part of the traffic; 1 where nobody knows."""
    old = measured.compared.beside if measured is not None and measured.compared is not None else None
    if old is None or measured is None or not measured.denominator or not old.of:
        return before, 1.0
    return max(before, old.bad / old.of), measured.denominator / (measured.denominator + old.of)


@dataclass(frozen=True)
class Weighed:
    """The costs of one alarm, what they were made of, and where each input that is no default comes from.

    `decides`: the policy says `decision: cost`. Else they are told, and decide nothing.
    """

    inputs: Inputs
    costs: Costs
    sources: Mapping[str, str]
    decides: bool = False
    promised: bool = False  # a person is about to mend it

    @classmethod
    def of(cls, inputs: Inputs, sources: Mapping[str, str], decides: bool = False, promised: bool = False) -> Weighed:
        return cls(inputs, costs(inputs), sources, decides, promised)

    @property
    def answer(self) -> str:
        """That of the costs; where the cheapest way is a fix that comes anyway, nobody has to be asked."""
        found = self.costs.answer
        return "wait" if found == "ask" and self.promised and self.costs.least == "forward" else found

    @property
    def document(self) -> dict[str, object]:
        """As the journal and `explain` have it."""
        found = self.costs
        return {
            "unit": "full-outage-minutes",
            "decides": self.decides,
            "answer": self.answer,
            "rollback": round(found.rollback, 2),
            "page": round(found.page, 2),
            "fixForward": round(found.forward, 2),
            "waitOneTick": round(found.wait, 2),
            "least": found.least,
            "probability": round(found.probability, 3),
            "rollbackPaysFrom": round(found.pays_from, 3),
            "inputs": {
                _camel(name): {"value": round(value, 4), "from": self.sources.get(name, "default")}
                for name, value in asdict(self.inputs).items()
            },
        }


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))
