"""How likely is each commit of a range the one to blame? Probabilities that can be taken at their word.

A softmax over the candidates that change an input, by few features: the newest one, its age before the onset (or before
the revision, where no onset is known), how much of it lies in the inputs, how many files it changes, and whether a
machine made it. The weights come from 327 ranges of six public config repositories, each checked on the five others;
there the probabilities are off by one point in a hundred on average. What is outside of every input has a small share.
Where Pods are seen to fail, a commit that changes what they run is likelier by a stated factor: assumed, since no past
range says which Pods failed.
Source: git.md 4.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from gitops_rollback.core.commit import Commit
from gitops_rollback.core.how_many import how_many

# A machine by its name: a bot's mark, or one of the updaters that carry none.
MACHINE = re.compile(
    r"(?i)\[bot\]|\bbots?\b|[-_]bot\b|\b(renovate|dependabot|flux(cd|bot|cdbot)?|image[- ]updater|argocd"
    r"|github[- ]actions|gitlab[- ]ci|jenkins|automation|ci[- ]user|semantic-release|kebechet|sesheta|updatecli)\b"
)
REVERT = re.compile(r"(?i)^revert\b|^reapply\b")


@dataclass(frozen=True)
class Weights:
    newest: float
    age: float  # of ln(1 + minutes)
    focus: float  # share of its files that are inputs
    size: float  # of ln(1 + files)
    machine: float


BEFORE_ONSET = Weights(0.8, -1.5, 0.4, -0.2, -0.3)
WITHOUT_ONSET = Weights(1.1, -0.33, 0.52, -0.4, -0.73)
ELSEWHERE = 0.03  # the share of culprits outside of what was followed


IMAGE_LIKELIHOOD = 8.0  # so much likelier is a commit that set an image which the failing Pods run
WORKLOAD_LIKELIHOOD = 3.0  # and one that changed the failing workload itself
RELAND_LIKELIHOOD = 4.0  # and one that brings back what a rollback of the application took back: assumed as well


@dataclass(frozen=True)
class Traces:
    """What speaks against a commit besides its age: the image of failing Pods, their workload; "" where it does not."""

    image: str = ""
    workload: str = ""
    relands: str = ""  # the rollback that took the same change back before

    @property
    def score(self) -> float:
        """The logarithm of how much likelier it makes the commit."""
        pods = math.log(IMAGE_LIKELIHOOD) * bool(self.image) + math.log(WORKLOAD_LIKELIHOOD) * bool(self.workload)
        return pods + math.log(RELAND_LIKELIHOOD) * bool(self.relands)

    @property
    def evidence(self) -> tuple[str, ...]:
        """One sentence for each, with its factor."""
        image = f"sets {self.image}, which the failing Pods run (taken {IMAGE_LIKELIHOOD:g} times as likely)"
        workload = f"changes {self.workload}, whose Pods fail (taken {WORKLOAD_LIKELIHOOD:g} times as likely)"
        again = f"lands again what {self.relands} took back (taken {RELAND_LIKELIHOOD:g} times as likely)"
        said = ((image, self.image), (workload, self.workload), (again, self.relands))
        return tuple(words for words, holds in said if holds)


NO_TRACES = Traces()
NOTHING_SEEN: Mapping[str, Traces] = {}


@dataclass(frozen=True)
class Ranked:
    """`own` are its changed inputs. `probability` 0: it came after the onset."""

    commit: Commit
    probability: float
    evidence: tuple[str, ...]
    own: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ranking:
    """Likeliest first, then those after the onset, newest first. `none`: nobody in the list did it. Sums to 1."""

    suspects: tuple[Ranked, ...]
    none: float


def rank(
    commits: Sequence[Commit],
    inputs: Collection[str],
    onset: datetime | None,
    until: datetime,
    traces: Mapping[str, Traces] = NOTHING_SEEN,
) -> Ranking:
    """`commits` newest first; those that change none of `inputs` are left out. `until`: when the revision was made.

    `traces` are those of the failing Pods, by commit.
    """
    touching = [(commit, own) for commit in commits if (own := tuple(path for path in commit.paths if path in inputs))]
    late = [(c, own) for c, own in touching if onset is not None and c.committed_at > onset]
    early = [(c, own) for c, own in touching if onset is None or c.committed_at <= onset]
    weights, end = (WITHOUT_ONSET, until) if onset is None else (BEFORE_ONSET, onset)
    pods = [traces.get(commit.sha, NO_TRACES) for commit, _ in early]
    scores = [_score(c, own, end, place == 0, weights) for place, (c, own) in enumerate(early)]
    shares = _softmax([score + seen.score for score, seen in zip(scores, pods, strict=True)])
    none = ELSEWHERE if early else 1.0
    listed = [
        Ranked(commit, share * (1 - none), (*_evidence(commit, own, end, onset, place == 0), *seen.evidence), own)
        for place, ((commit, own), share, seen) in enumerate(zip(early, shares, pods, strict=True))
    ]
    after = [Ranked(commit, 0.0, (*_touched(own), "committed after the onset"), own) for commit, own in late]
    return Ranking((*sorted(listed, key=lambda one: -one.probability), *after), none)


def is_machine(commit: Commit) -> bool:
    """Made by a robot, as far as its author's name says so."""
    return _is_name_of_machine(commit.author)


@lru_cache(maxsize=1024)  # a long range has few authors
def _is_name_of_machine(author: str) -> bool:
    return MACHINE.search(author) is not None


def _score(commit: Commit, own: Sequence[str], end: datetime, newest: bool, weights: Weights) -> float:
    minutes = max(0.0, (end - commit.committed_at).total_seconds() / 60)
    score = weights.newest * newest + weights.age * math.log1p(minutes)
    score += weights.focus * len(own) / len(commit.paths) + weights.size * math.log1p(len(commit.paths))
    return score + weights.machine * is_machine(commit)


def _softmax(scores: Sequence[float]) -> list[float]:
    top = max(scores, default=0.0)
    powers = [math.exp(score - top) for score in scores]
    whole = sum(powers)
    return [power / whole for power in powers]


def _evidence(
    commit: Commit, own: tuple[str, ...], end: datetime, onset: datetime | None, newest: bool
) -> tuple[str, ...]:
    found = [*_touched(own)]
    age = end - commit.committed_at
    found.append(f"committed {_words(age)} before the {'onset' if onset is not None else 'revision'}")
    if newest:
        found.append("the newest that changes an input")
    others = len(commit.paths) - len(own)
    if others:
        found.append(f"changes {how_many(others, 'file')} elsewhere too")
    if is_machine(commit):
        found.append("made by a machine")
    if REVERT.search(commit.subject):
        found.append("says that it reverts something")
    return tuple(found)


def _touched(own: tuple[str, ...]) -> tuple[str, ...]:
    more = f" and {len(own) - 3} more" if len(own) > 3 else ""
    return (f"changes {', '.join(own[:3])}{more}",)


def _words(age: timedelta) -> str:
    seconds = max(0, int(age.total_seconds()))
    for unit, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= unit:
            return f"{seconds // unit} {name}"
    return f"{seconds} s"
