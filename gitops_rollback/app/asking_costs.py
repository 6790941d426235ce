"""How often does a policy ask its metric store? An estimate from the policy alone, for the busiest moment.

Only an application with a sync under watch is asked about; the most there can be is all of them at once.
Source: safety.md, Cost; detection.md section 7.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from gitops_rollback.app.queries import Question
from gitops_rollback.core.policy import Policy, Trigger
from gitops_rollback.core.query import VARIABLES, variables_of
from gitops_rollback.core.query_language import language_of
from gitops_rollback.core.target import Target

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Cost:
    """Of one policy. `alone`: queries of one look at one application; `together`: of one look at all its targets.

    `apart` are the triggers that are asked for each application by itself, since one query cannot answer for several.
    `patterns`: how many of the targets stand for several applications; each counts as one.
    """

    policy: str
    path: str
    targets: int
    patterns: int
    interval: timedelta
    window: timedelta
    alone: int
    together: int
    apart: tuple[str, ...]

    def a_minute(self, queries: int) -> float:
        """As many queries a minute, at so many a look."""
        return queries * (MINUTE / self.interval)


def cost_of(policy: Policy) -> Cost:
    """What the triggers of `policy` cost; verification asks the same queries or fewer."""
    asked = [one for one in policy.triggers if one.is_measured]
    filled = [[_question(trigger, target) for target in policy.targets] for trigger in asked]
    alone = {expression for several in filled for one in several[:1] for expression in one.expressions}
    apart: set[str] = set()
    sent: set[str] = set()
    for trigger, several in zip(asked, filled, strict=True):
        for number, template in enumerate(several[0].templates if several else ()):
            own = {one.expressions[number] for one in several if len(one.expressions) > number}
            if len(own) > 1 and language_of(template).group(template) is not None:
                sent.add(template)
            else:
                sent |= own
                apart |= {trigger.name} if len(own) > 1 else set()
    return Cost(
        policy=policy.name,
        path=policy.path,
        targets=len(policy.targets),
        patterns=sum(target.selector is not None for target in policy.targets),
        interval=policy.timing.interval,
        window=policy.timing.window,
        alone=len(alone),
        together=len(sent),
        apart=tuple(sorted(apart)),
    )


def _question(trigger: Trigger, target: Target) -> Question:
    """Filled with what the policy says; what only an engine knows gets a word in its place."""
    return Question.of(trigger, {**{name: f"any_{name}" for name in VARIABLES}, **variables_of(target)})
