"""Files that steer traffic in a simulated world: weights, an active slot, flags; and which files they let through.

Read here by patterns of their own, so that the oracles do not rest on the product's way to read a field.
"""

from __future__ import annotations

import re
from random import Random

from gitops_rollback.sandbox.simulation.files import config, deployment
from gitops_rollback.sandbox.simulation.migrating import (
    LIST,
    SERVER,
    first_server,
    migration_rules,
    moved,
    serves,
    without_moved,
)
from gitops_rollback.sandbox.simulation.objects import Objects

WEIGHTS, SLOTS, FLAGS, MIGRATION = "weights", "slots", "flags", "migration"
BLUE, GREEN_SLOT = "blue", "green"
ON, OFF = "on", "off"
FLAG, OTHER_FLAG = "new", "other"  # the one that policies name, and a neighbour in the same file
STEERING = {  # the files that a strategy edits
    WEIGHTS: ("route.yaml",), SLOTS: ("service.yaml",), FLAGS: ("flags.yaml",), MIGRATION: (SERVER, LIST),
}  # fmt: skip

_ROUTE = """apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: {name}
spec:
  hosts: [{name}]
  http:
    - route:
        - destination: {{host: {name}, subset: stable}}
          weight: {stable}
        - destination: {{host: {name}, subset: canary}}
          weight: {canary}  # raised by hand
"""
_SERVICE = """apiVersion: v1
kind: Service
metadata:
  name: {name}
spec:
  selector: {{app: {name}, slot: {slot}}}
  ports: [{{port: 80}}]
"""
_FLAGS = """apiVersion: v1
kind: ConfigMap
metadata:
  name: {name}-flags
data:
  flags.json: |
    {{
      "flags": {{
        "new": {{"state": "ENABLED", "defaultVariant": "{new}", "variants": {{"on": true, "off": false}}}},
        "other": {{"state": "ENABLED", "defaultVariant": "{other}", "variants": {{"on": true, "off": false}}}}
      }}
    }}
"""
_CANARY_RULES = """
  strategies:
    - name: weights{match}
      type: canary
      canary:
        file: apps/{name}/route.yaml
        field: spec.http[0].route[1].weight
        complement: spec.http[0].route[0].weight
        mode: {mode}{steps}
        pause: {pause}s
        onCheckFailed: {failed}
        stable: [strain]"""
_SLOT_RULES = """
  strategies:
    - name: slot
      match: {{fields: [{{file: apps/{name}/service.yaml, field: spec.selector.slot}}]}}
      type: blue-green
      blueGreen: {{restore: previous-value, workload: {{kind: Deployment, namespace: shop, name: {name}-$SLOT}}}}"""
_FLAG_FIELD = 'data["flags.json"] -> flags.new.defaultVariant'
_FLAG_RULES = """
  strategies:
    - name: flag
      match: {{{match}}}
      type: feature-flag
      featureFlag: {{file: apps/{name}/flags.yaml, field: '{field}', to: "off"}}"""
_WEIGHT = re.compile(rb"weight: (\d+)")
_SLOT = re.compile(rb"slot: (\w+)")
_VARIANT = re.compile(rb'"(\w+)": \{"state": "ENABLED", "defaultVariant": "(\w+)"')


def first_traffic(kind: str, name: str, total: int) -> dict[str, bytes]:
    """The files of an application that steers its traffic in this way: all of it goes to what has always run."""
    folder = f"apps/{name}"
    if kind == MIGRATION:
        return first_server(name)
    if kind == WEIGHTS:
        return {f"{folder}/route.yaml": route(name, 0, total), f"{folder}/canary.yaml": deployment(name, "1.0")}
    if kind == SLOTS:
        slots = {f"{folder}/{slot}.yaml": deployment(f"{name}-{slot}", "1.0") for slot in (BLUE, GREEN_SLOT)}
        return {f"{folder}/service.yaml": service(name, BLUE), **slots}
    return {f"{folder}/flags.yaml": flags(name, OFF, OFF), f"{folder}/feature.yaml": config(f"{name}-feature", "1")}


def rules(kind: str, name: str, random: Random) -> str:
    """What a policy says of it, as one of the ways in which people may write that."""
    if kind == MIGRATION:
        return migration_rules(name, random)
    if kind == SLOTS:
        return _SLOT_RULES.format(name=name)
    if kind == FLAGS:
        by_field = f"fields: [{{file: apps/{name}/flags.yaml, field: '{_FLAG_FIELD}'}}]"
        match = random.choice((by_field, f'paths: ["apps/{name}/flags.yaml"]'))
        return _FLAG_RULES.format(name=name, match=match, field=_FLAG_FIELD)
    own = f'\n      match: {{paths: ["apps/{name}/route.yaml", "apps/{name}/canary.yaml"]}}'
    mode = random.choice((*["steps"] * 6, "jump", "auto"))
    steps = (
        random.choice(("", "", "\n        steps: [60, 30, 0]", "\n        steps: [80, 70, 60, 0]"))
        if mode == "steps"
        else ""
    )
    return _CANARY_RULES.format(
        name=name, match=random.choice(("", own)), mode=mode, steps=steps, pause=random.choice((15, 30, 60)),
        failed=random.choice(("jump-to-last", "jump-to-last", "hold", "page")),
    )  # fmt: skip


def route(name: str, canary: int, total: int = 100) -> bytes:
    """How much of the traffic goes to the canary; the stable version has the rest of the total."""
    return _ROUTE.format(name=name, canary=canary, stable=total - canary).encode()


def service(name: str, slot: str) -> bytes:
    """Which slot has the traffic."""
    return _SERVICE.format(name=name, slot=slot).encode()


def flags(name: str, new: str, other: str) -> bytes:
    """Which way two flags stand."""
    return _FLAGS.format(name=name, new=new, other=other).encode()


def weights_of(text: bytes) -> tuple[int, int]:
    """(stable, canary) as a route has them."""
    stable, canary = (int(found) for found in _WEIGHT.findall(text))
    return stable, canary


def stable_share(objects: Objects, application: str, treeish: str) -> float:
    """The share of the traffic that goes to what has always run."""
    text = objects.text(treeish, f"apps/{application}/route.yaml")
    stable, canary = weights_of(text) if text is not None else (1, 0)
    return stable / (stable + canary) if stable + canary else 1.0


def slot_of(text: bytes) -> str:
    """The active slot of a service."""
    found = _SLOT.search(text)
    return found[1].decode() if found else ""


def flags_of(text: bytes) -> dict[str, str]:
    """The variant of each flag."""
    return {name.decode(): variant.decode() for name, variant in _VARIANT.findall(text)}


def steering(kind: str, application: str) -> tuple[str, ...]:
    """The files of an application that a strategy of this kind edits."""
    return tuple(f"apps/{application}/{file}" for file in STEERING[kind])


def steered(kind: str, path: str, text: bytes) -> tuple[object, ...]:
    """The values that a strategy of this kind may set, and nothing else of the file."""
    if kind == MIGRATION:
        return moved(path.rpartition("/")[2], text)
    if kind == WEIGHTS:
        return weights_of(text)
    return (slot_of(text),) if kind == SLOTS else (flags_of(text).get(FLAG),)


def without_steering(kind: str, path: str, text: bytes) -> bytes:
    """The rest of the file."""
    if kind == MIGRATION:
        return without_moved(path.rpartition("/")[2], text)
    if kind == WEIGHTS:
        return _WEIGHT.sub(b"weight:", text)
    if kind == SLOTS:
        return _SLOT.sub(b"slot:", text)
    return re.sub(rb'("new": \{"state": "ENABLED", "defaultVariant": )"\w+"', rb"\1", text)


def is_served(objects: Objects, treeish: str, path: str) -> bool:
    """True if what this file says reaches anybody: not a canary without weight, an idle slot, what a flag hides."""
    folder, _, file = path.rpartition("/")
    if not is_run(objects, treeish, path):
        return False
    if file == "canary.yaml":
        text = objects.text(treeish, f"{folder}/route.yaml")
        return text is None or weights_of(text)[1] > 0
    if file in (f"{BLUE}.yaml", f"{GREEN_SLOT}.yaml"):
        text = objects.text(treeish, f"{folder}/service.yaml")
        return text is None or slot_of(text) == file.removesuffix(".yaml")
    if file == "feature.yaml":
        text = objects.text(treeish, f"{folder}/flags.yaml")
        return text is None or flags_of(text).get(FLAG) == ON
    return True


def is_run(objects: Objects, treeish: str, path: str) -> bool:
    """True if the cluster has a Pod of what this file says: where traffic was stopped it has none."""
    parts = path.split("/")
    return parts[-1] != SERVER or serves(objects, parts[1], treeish) > 0
