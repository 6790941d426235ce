"""Would another build have decided otherwise? What two controllers decided about the same deployments, side by side.

Compared is what people are told or what is done; waiting and leaving alone depend on the moment of a look.
Source: safety.md, Upgrading.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from gitops_rollback.core.decision import Act
from gitops_rollback.core.journal import DecisionEntry

TELLING = frozenset(act.value for act in Act if act.tells)


@dataclass(frozen=True, order=True)
class Decided:
    """One decision: kind, reason, and the tree of its plan, "" where it had none or did not say."""

    action: str
    reason: str
    tree: str = ""

    def __str__(self) -> str:
        return f"{self.action} {self.reason}{f' {self.tree[:12]}' if self.tree else ''}"


@dataclass(frozen=True)
class Difference:
    """A deployment about which they decided otherwise; () where one decided nothing."""

    application: str
    revision: str
    leader: tuple[Decided, ...]
    shadow: tuple[Decided, ...]


@dataclass(frozen=True)
class Comparison:
    """`same` counts the deployments about which both decided alike."""

    same: int
    differences: tuple[Difference, ...]


def compare(leader: Iterable[DecisionEntry], shadow: Iterable[DecisionEntry], since: datetime) -> Comparison:
    """Both from `since` on, which is when the later of them began to look."""
    theirs, ours = _decided(leader, since), _decided(shadow, since)
    same, differences = 0, []
    for key in sorted(theirs.keys() | ours.keys()):
        one, other = theirs.get(key, ()), ours.get(key, ())
        if _alike(one, other):
            same += 1
        else:
            differences.append(Difference(*key, one, other))
    return Comparison(same, tuple(differences))


def _decided(entries: Iterable[DecisionEntry], since: datetime) -> dict[tuple[str, str], tuple[Decided, ...]]:
    """By application and revision, each decision once, in the order in which they were made."""
    found: dict[tuple[str, str], dict[Decided, None]] = {}
    for entry in sorted(entries, key=lambda entry: entry.at):
        if entry.at >= since and entry.action in TELLING and entry.revision:
            tree = entry.details.get("tree")
            decided = Decided(entry.action, entry.reason, tree if isinstance(tree, str) else "")
            found.setdefault((entry.application, entry.revision), {})[decided] = None
    return {key: tuple(decisions) for key, decisions in found.items()}


def _alike(one: tuple[Decided, ...], other: tuple[Decided, ...]) -> bool:
    """A build that does not write its plan's tree is compared by the rest."""
    return len(one) == len(other) and all(
        (a.action, a.reason) == (b.action, b.reason) and (not a.tree or not b.tree or a.tree == b.tree)
        for a, b in zip(one, other, strict=True)
    )
