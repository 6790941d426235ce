"""Weights, slots and flags that were found, as strategies of a first policy: in comments, for a person to review.

Nobody but a person knows which of two weights is the new version's, or what a flag is set to when it is off.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from itertools import groupby

from gitops_rollback.core.faults import visible
from gitops_rollback.core.strategies.finding import Found
from gitops_rollback.core.strategies.planning import BLUE_GREEN, CANARY, ROLLING
from gitops_rollback.core.strategy import CANARY_KIND

MOST = 20  # of one policy
MARK = "  # "
HEAD = (
    "Fields that a rollback could set before it reverts, so that traffic is back sooner. Where you want that, take the",
    "marks away, and look whether each names the side that you mean; `gitops-rollback plan APP` shows the commits.",
)
_NUMBER = re.compile(r"\[\d+\](?=[^\[]*$)")


def strategies_text(found: Sequence[Found]) -> str:
    """Lines for the end of a policy's `spec`; "" where nothing was found."""
    if not found:
        return ""
    lines = [*HEAD, "strategies:", *(line for one in _each(found[:MOST]) for line in one)]
    if len(found) > MOST:
        lines.append(f"  And {len(found) - MOST} more; `gitops-rollback plan APP` names them.")
    return "".join(f"{MARK}{line}\n" for line in lines)


def _each(found: Sequence[Found]) -> Iterator[Sequence[str]]:
    """One for each slot and flag, and one for each list of weights: its last one is taken for the new version's."""
    for number, (key, group) in enumerate(groupby(found, _together), 1):
        fields = list(group)
        kind, last = key[0], fields[-1]
        name = f"  - name: {kind}-{number}{' ' * 8}# {visible(last.owner)}: now {_values(fields)}"
        if kind == CANARY and len(fields) == 2:
            yield name, "    type: canary", f"    canary: {{{_field(last)}, complement: {_quoted(fields[0].field)}}}"
        elif kind == CANARY:
            yield name, "    type: canary", f"    canary: {{{_field(last)}}}"
        elif kind == ROLLING:
            canary = last.field.partition(":")[0].removeprefix(f"{CANARY_KIND}/")
            named = f"canary: {{namespace: {_quoted(last.namespace or 'NAMESPACE')}, name: {_quoted(canary)}}}"
            yield name, "    type: rolling", f"    rolling: {{skipAnalysis: {{file: {_quoted(last.path)}, {named}}}}}"
        elif kind == BLUE_GREEN:
            matched = f"    match: {{fields: [{{{_field(last)}}}]}}"
            yield name, matched, "    type: blue-green", "    blueGreen: {restore: previous-value}"
        else:
            matched = f"    match: {{fields: [{{{_field(last)}}}]}}"
            yield name, matched, "    type: feature-flag", f"    featureFlag: {{{_field(last)}, to: {_opposite(last)}}}"


def _together(one: Found) -> tuple[str, str, str]:
    """Weights of one list belong together; all else stands for itself."""
    return one.type, one.path, _NUMBER.sub("[]", one.field) if one.type == CANARY else one.field


def _field(one: Found) -> str:
    return f"file: {_quoted(one.path)}, field: {_quoted(one.field)}"


def _values(fields: Sequence[Found]) -> str:
    return " and ".join(visible(json.dumps(one.value)) for one in fields)


def _opposite(one: Found) -> str:
    known = {"on": '"off"', "true": '"false"', "enabled": '"disabled"', True: "false"}
    return known.get(one.value, '"off"')


def _quoted(text: str) -> str:
    return "'" + visible(text).replace("'", "''") + "'"
