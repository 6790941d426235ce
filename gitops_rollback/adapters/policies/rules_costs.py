"""Are a policy's costs numbers that can be, and is there anything for them to decide?"""

from __future__ import annotations

from collections.abc import Iterator

from gitops_rollback.adapters.policies.rules_shape import Found
from gitops_rollback.adapters.policies.view import View

SHARES = ("share", "fixSucceeds")
AMOUNTS = ("forwardRisk", "falseRollback", "interruption")


def cost_faults(spec: View) -> Iterator[Found]:
    """What is wrong with the costs of `spec`."""
    costs = spec.at("costs")
    for key in SHARES:
        value = costs.at(key).number
        if value is not None and not 0 <= value <= 1:
            yield costs.at(key).mark, f"`{key}` is not a share", "write 0.6 for 60 %"
    for key in AMOUNTS:
        value = costs.at(key).number
        if value is not None and value < 0:
            yield costs.at(key).mark, f"`{key}` is below 0", "write full-outage-minutes, 0 or more"


def cost_warnings(spec: View) -> Iterator[Found]:
    """What is allowed, and changes nothing."""
    severities = [trigger.at("severity").text for trigger in spec.at("triggers").items]
    if spec.at("decision").text == "cost" and "auto_rollback" not in severities:
        fix = "costs only hold back what a trigger of severity auto_rollback would do"
        yield spec.key_mark("decision"), "`decision: cost` has nothing to decide", fix
