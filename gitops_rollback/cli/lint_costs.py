"""What `lint --cost` says: how often each policy asks its metric store, and which of its queries read too much."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gitops_rollback.adapters.policies.loading import PolicyFile, load_policies
from gitops_rollback.adapters.policies.rules_asking import asking_faults
from gitops_rollback.app.asking_costs import Cost, cost_of
from gitops_rollback.app.settings import MetricServer
from gitops_rollback.cli.lint_files import WORKING_COPY
from gitops_rollback.core.duration import format_duration
from gitops_rollback.core.faults import Fault

MOST_A_MINUTE = int(MetricServer.model_fields["max_queries_per_minute"].default)


@dataclass(frozen=True)
class Asking:
    """Of all policies that could be read. `faults` are warnings, each at its query."""

    costs: tuple[Cost, ...]
    faults: tuple[Fault, ...]

    @property
    def lines(self) -> Iterator[str]:
        """For people."""
        for cost in self.costs:
            every = f"each {format_duration(cost.interval)}, for {format_duration(cost.window)} after a sync"
            yield f"{cost.path}: {cost.policy}, {_count(cost.targets, 'target')}, {every}"
            yield f"  one under watch    {_count(cost.alone, 'query')} a look, {cost.a_minute(cost.alone):.0f} a minute"
            if cost.targets > 1:
                most = f"{_count(cost.together, 'query')} a look, {cost.a_minute(cost.together):.0f} a minute"
                yield f"  all under watch    {most}"
            if cost.patterns:
                yield f"  {_count(cost.patterns, 'target')} with a selector: counted as one application each"
            if cost.apart:
                yield f"  asked for each application by itself: {', '.join(cost.apart)}"
            if cost.a_minute(cost.together) > MOST_A_MINUTE:
                yield f"  more than the {MOST_A_MINUTE} a minute of `maxQueriesPerMinute`: the newest syncs come first"

    @property
    def documents(self) -> list[dict[str, object]]:
        """For machines."""
        return [
            {
                "policy": cost.policy,
                "path": cost.path,
                "targets": cost.targets,
                "queriesForOne": cost.alone,
                "queriesForAll": cost.together,
                "perMinute": round(cost.a_minute(cost.together), 1),
                "apart": list(cost.apart),
            }
            for cost in self.costs
        ]


def asking_of(files: Sequence[PolicyFile]) -> Asking:
    """What the policies among `files` ask."""
    policies = load_policies(list(files), WORKING_COPY).policies
    known = {policy.path for policy in policies}
    texts = [(file.path, file.text) for file in files if file.path in known and file.text is not None]
    faults = tuple(fault for path, text in texts for fault in asking_faults(text, path))
    return Asking(tuple(cost_of(policy) for policy in policies), faults)


def _count(number: int, word: str) -> str:
    many = f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"
    return f"{number} {word if number == 1 else many}"
