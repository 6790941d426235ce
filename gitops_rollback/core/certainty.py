"""How sure must it be that the culprit is among the commits that would be undone, and what if it is not?

A limit of the policy beside known ground: it makes nothing automatic that known ground forbids.
Source: safety.md, Suspects and known ground.
"""

from __future__ import annotations

from dataclasses import dataclass

ASK = "ask"
RANGE = "range"


@dataclass(frozen=True)
class Certainty:
    """What the policy asks for; `threshold` 0 asks for nothing. `below` it, `range` undoes all suspects at once."""

    threshold: float = 0.0  # a probability
    below: str = ASK  # or RANGE


@dataclass(frozen=True)
class Weighing:
    """The fewest commits that would do, against the policy: `probability` is that one of them is the culprit."""

    probability: float
    certainty: Certainty

    @classmethod
    def of(cls, probabilities: tuple[float, ...], certainty: Certainty) -> Weighing:
        """Rounded as it is shown, so that nobody reads an equal number and finds another answer."""
        return cls(round(sum(probabilities), 3), certainty)

    @property
    def enough(self) -> bool:
        """Equal is enough."""
        return self.probability >= self.certainty.threshold

    @property
    def sentence(self) -> str:
        """The two numbers, for people."""
        found = f"the culprit is among the fewest commits that would do with probability {self.probability:g}"
        if not self.certainty.threshold:
            return f"{found}; the policy sets no threshold"
        word = "enough for" if self.enough else "below"
        return f"{found}, {word} the policy's threshold of {self.certainty.threshold:g}"

    @property
    def document(self) -> dict[str, object]:
        """As the journal and `plan -o json` have it."""
        certainty = self.certainty
        return {"probability": self.probability, "threshold": certainty.threshold, "below": certainty.below}


def strictest(in_force: Certainty, head: Certainty) -> Certainty:
    """`in_force` with what only restricts in `head`: to ask below a threshold. To undo more is no restriction."""
    if head.below != ASK or not head.threshold:
        return in_force
    return Certainty(max(in_force.threshold, head.threshold), ASK)
