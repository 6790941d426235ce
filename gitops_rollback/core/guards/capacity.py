"""Would the sync take away capacity that is in use now?

Compares what would be applied with what runs: replicas of a workload that something else scales, a scaler's limits,
requests, disruption budgets, weights. Source: safety.md, Capacity; Kubernetes resource quantities.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from gitops_rollback.core.errors import Reason
from gitops_rollback.core.guards.facts import GuardFacts, LiveObject, allow, answer, ask
from gitops_rollback.core.manifest import ManifestObject, view
from gitops_rollback.core.manifest_text import Value
from gitops_rollback.core.plan import GuardAnswer
from gitops_rollback.core.policy import GuardResult

GUARD = "capacity"
REMEDY = "raise the number in git or let the scaler own it, then approve the plan"
SHOWN = 4
FALLS = " would go from "
WEIGHT_FALLS = f".weight{FALLS}"
WORKLOADS = frozenset({"Deployment", "StatefulSet", "ReplicaSet", "Rollout"})

_FLOORS = frozenset({"minReplicas", "maxReplicas", "minReplicaCount", "maxReplicaCount", "minAvailable", "weight"})
_REPLICAS = frozenset({"replicas", "replicaCount", "count"})
_QUANTITY = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi|%)?")
_UNITS: Mapping[str, Decimal] = {
    "m": Decimal("0.001"),
    "k": Decimal(10) ** 3,
    "M": Decimal(10) ** 6,
    "G": Decimal(10) ** 9,
    "T": Decimal(10) ** 12,
    "P": Decimal(10) ** 15,
    "Ki": Decimal(2) ** 10,
    "Mi": Decimal(2) ** 20,
    "Gi": Decimal(2) ** 30,
    "Ti": Decimal(2) ** 40,
    "Pi": Decimal(2) ** 50,
    "%": Decimal(1),
}


def judge_capacity(facts: GuardFacts) -> GuardAnswer:
    """Ask where the plan would apply less than what runs now, with the numbers; a `capacity` rule may deny."""
    strict = any(rule.type == GUARD and rule.result is GuardResult.DENY for rule in facts.policy.guards)
    if facts.files is None or facts.live is None:
        return ask(GUARD, Reason.CAPACITY, "what runs now, or what would be applied, cannot be seen", REMEDY)
    lower = list(dict.fromkeys(_lower(facts, facts.live)))
    if not lower:
        return allow(GUARD, "nothing would be smaller than what runs now")
    more = f" and {len(lower) - SHOWN} more" if len(lower) > SHOWN else ""
    result = GuardResult.DENY if strict else GuardResult.ASK
    return answer(GUARD, result, Reason.CAPACITY, "; ".join(lower[:SHOWN]) + more, REMEDY)


def quantity(value: object) -> Decimal | None:
    """A Kubernetes quantity or a number as one number; None if it is neither."""
    if isinstance(value, bool):
        return None
    match = _QUANTITY.fullmatch(str(value).strip())
    return None if match is None else Decimal(match["number"]) * _UNITS.get(match["unit"] or "", Decimal(1))


def _lower(facts: GuardFacts, live: Sequence[LiveObject]) -> Iterator[str]:
    before, after, plain = _planned(facts)
    scaled = _scaled_workloads(live)
    running: dict[object, list[Mapping[str, object]]] = {}
    for one in live:
        running.setdefault(_at(one.live, "metadata", "name"), []).append(one.live)
    named: dict[str, list[ManifestObject]] = {}
    for found in after:
        named.setdefault(found.name, []).append(found)
    for one in live:
        planned = _match(one, named)
        document: Mapping[str, object] = planned.document if planned is not None else one.desired
        if document and one.live:
            found_lower = _lower_object(document, one.live, scaled, facts.keeps_replicas)
            yield from _unless_shifted(found_lower, planned.path if planned is not None else "", facts)
    for old, new in zip(before, after, strict=False):
        if not any(is_object(old, document) for document in running.get(old.name, ())):
            found_lower = (f"{new.label} {line}" for line in _lower_numbers(new.document, old.document, False))
            yield from _unless_shifted(found_lower, new.path, facts)
    for path, left, right in plain:
        yield from (f"{path}: {line}" for line in _lower_numbers(right, left, bool(scaled)))


def _unless_shifted(lines: Iterator[str], path: str, facts: GuardFacts) -> Iterator[str]:
    """A weight that the policy's own strategy takes down, step by step, is meant to fall."""
    return (line for line in lines if path not in facts.shifted or WEIGHT_FALLS not in line)


def _planned(
    facts: GuardFacts,
) -> tuple[list[ManifestObject], list[ManifestObject], list[tuple[str, Mapping[str, Value], Mapping[str, Value]]]]:
    """Objects on both sides in the same order, and pairs of plain documents with their path."""
    before: list[ManifestObject] = []
    after: list[ManifestObject] = []
    plain: list[tuple[str, Mapping[str, Value], Mapping[str, Value]]] = []
    for changed in facts.files or ():
        left, right = view(changed.path, changed.before), view(changed.path, changed.after)
        if left is None or right is None:
            continue  # the irreversible guard asks for it
        known = {one.key: one for one in reversed(left.objects)}
        for new in right.objects:
            old = known.get(new.key)
            if old is not None:
                before.append(old)
                after.append(new)
        for one, two in zip(left.plain, right.plain, strict=False):
            if isinstance(one, dict) and isinstance(two, dict):
                plain.append((changed.path, one, two))
    return before, after, plain


def _lower_object(
    planned: Mapping[str, object], live: Mapping[str, object], scaled: frozenset[tuple[str, str]], kept: bool
) -> Iterator[str]:
    kind, name = str(live.get("kind", "")), str(_at(live, "metadata", "name") or "")
    label = f"{kind} {name}"
    yield from (f"{label} {line}" for line in _lower_numbers(planned, live, False))
    wanted, running = quantity(_at(planned, "spec", "replicas")), quantity(_at(live, "spec", "replicas"))
    if kind not in WORKLOADS or wanted is None or running is None or kept or (kind, name) not in scaled:
        return
    if wanted < running:
        yield f"{label} would go from {running} replicas, which a scaler chose, to {wanted}"


def _lower_numbers(planned: Mapping[str, object], now: Mapping[str, object], replicas: bool) -> Iterator[str]:
    """Where `planned` holds less than `now`; `replicas` too where a scaler may own them."""
    numbers = dict(_numbers(now, replicas))
    for path, (written, value) in _numbers(planned, replicas):
        current = numbers.get(path)
        if current is None:
            continue
        rises = path[-1] == "maxUnavailable"
        if (value > current[1]) if rises else (value < current[1]):
            yield f"{'.'.join(path)}{FALLS}{current[0]} to {written}"


def _numbers(document: Mapping[str, object], replicas: bool) -> Iterator[tuple[tuple[str, ...], tuple[str, Decimal]]]:
    stack: list[tuple[tuple[str, ...], object]] = [((), document)]
    while stack:
        path, value = stack.pop()
        if isinstance(value, Mapping):
            stack.extend(
                ((*path, str(key)), inner) for key, inner in value.items() if key not in ("status", "metadata")
            )
        elif isinstance(value, (list, tuple)):
            stack.extend(((*path, _element(index, inner)), inner) for index, inner in enumerate(value))
        elif path and _counts(path, replicas):
            found = quantity(value)
            if found is not None:
                yield path, (str(value), found)


def _element(index: int, value: object) -> str:
    name = value.get("name") if isinstance(value, Mapping) else None
    return name if isinstance(name, str) else f"[{index}]"


def _counts(path: tuple[str, ...], replicas: bool) -> bool:
    if path[-1] in _FLOORS or path[-1] == "maxUnavailable":
        return "strategy" not in path and "rollingUpdate" not in path
    return (replicas and path[-1] in _REPLICAS) or ("requests" in path and path[-1] in ("cpu", "memory"))


def _scaled_workloads(live: Sequence[LiveObject]) -> frozenset[tuple[str, str]]:
    """(kind, name) of each workload that a scaler among the application's objects owns."""
    found: set[tuple[str, str]] = set()
    for one in live:
        document = one.live or one.desired
        if document.get("kind") in ("HorizontalPodAutoscaler", "ScaledObject"):
            kind = _at(document, "spec", "scaleTargetRef", "kind") or "Deployment"
            found.add((str(kind), str(_at(document, "spec", "scaleTargetRef", "name") or "")))
    return frozenset(found)


def _match(one: LiveObject, planned: Mapping[str, Sequence[ManifestObject]]) -> ManifestObject | None:
    document = one.live or one.desired
    candidates = planned.get(str(_at(document, "metadata", "name")), ())
    return next((found for found in candidates if is_object(found, document)), None)


def is_object(found: ManifestObject, document: Mapping[str, object]) -> bool:
    """True if a manifest is that object; git often leaves the namespace out."""
    namespace = str(_at(document, "metadata", "namespace") or "")
    return (
        found.kind == document.get("kind")
        and found.name == _at(document, "metadata", "name")
        and found.group == str(document.get("apiVersion", "")).rpartition("/")[0]
        and found.namespace in ("", namespace)
    )


def _at(document: Mapping[str, object], *path: str) -> object:
    found: object = document
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found
