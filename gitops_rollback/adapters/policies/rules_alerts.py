"""Can an alert that a trigger names be told apart from those of other applications?"""

from __future__ import annotations

from collections.abc import Iterator

from gitops_rollback.adapters.policies.rules_shape import Found
from gitops_rollback.adapters.policies.view import View
from gitops_rollback.core.alerts import NAME
from gitops_rollback.core.faults import shown
from gitops_rollback.core.query import VARIABLE, VARIABLES


def alert_faults(spec: View) -> Iterator[Found]:
    """What is wrong with the labels by which triggers of `spec` find their alert."""
    several = len(spec.at("targets").items) > 1
    for trigger in spec.at("triggers").items:
        labels = trigger.at("alert", "labels")
        if not labels.keys:
            continue
        if not labels.at(NAME).text:
            yield labels.mark, f"`labels` have no `{NAME}`", f"add `{NAME}: ` with the name of the alert's rule"
        used = [(key, match) for key in labels.keys for match in VARIABLE.finditer(labels.at(key).text or "")]
        for key, match in used:
            if (match["braced"] or match["bare"]) not in VARIABLES:
                fix = "known are " + ", ".join(f"${name}" for name in VARIABLES)
                yield labels.at(key).mark, f"unknown variable {shown(match.group())}", fix
        if several and not used:
            fix = "add the label that says whose it is, such as `service: $SERVICE`"
            yield labels.mark, "this alert would be every target's", fix
