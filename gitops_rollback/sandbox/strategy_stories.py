"""Stories about rollbacks of several commits: weights, slots and flags, each step applied before the next."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import pairwise

from gitops_rollback.sandbox.stories import DEPLOYMENT, NEW_TAG, SERVICE, healthy_again, journal_says, release
from gitops_rollback.sandbox.story_texts import policy
from gitops_rollback.sandbox.telling import Claim, Story, Telling

FOLDER = f"apps/{SERVICE}"
ROUTE, ACTIVE, FLAGS = f"{FOLDER}/route.yaml", f"{FOLDER}/active.yaml", f"{FOLDER}/flags.yaml"
WEIGHT = re.compile(r"weight: (\d+)")

WEIGHTS = f"""\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {SERVICE}, labels: {{app.kubernetes.io/part-of: shop}}}}
spec:
  hosts: [{SERVICE}]
  http:
    - route:
        - destination: {{host: {SERVICE}, subset: stable}}
          weight: 25
        - destination: {{host: {SERVICE}, subset: canary}}
          weight: 75   # raised by hand, release by release
"""
SLOT = f"""\
apiVersion: v1
kind: Service
metadata: {{name: {SERVICE}-active, labels: {{app.kubernetes.io/part-of: shop}}}}
spec:
  selector: {{app.kubernetes.io/name: {SERVICE}, slot: blue}}
  ports: [{{port: 80}}]
"""
SLOT_DEPLOYMENT = f"""\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {SERVICE}-NAME, labels: {{app.kubernetes.io/part-of: shop}}}}
spec:
  replicas: 1
  selector: {{matchLabels: {{app.kubernetes.io/name: {SERVICE}-NAME}}}}
  template:
    metadata: {{labels: {{app.kubernetes.io/name: {SERVICE}-NAME, slot: NAME}}}}
    spec:
      containers:
        - name: {SERVICE}
          image: registry.example/shop/{SERVICE}:1.41.0
"""
FLAG_FILE = f"""\
apiVersion: v1
kind: ConfigMap
metadata: {{name: {SERVICE}-flags, labels: {{app.kubernetes.io/part-of: shop}}}}
data:
  flags.json: |
    {{
      "flags": {{
        "newCheckout": {{"state": "ENABLED", "defaultVariant": "off", "variants": {{"on": true, "off": false}}}}
      }}
    }}
"""
CANARY_RULES = f"""\
  strategies:
    - name: weights
      type: canary
      canary:
        file: {ROUTE}
        field: spec.http[0].route[1].weight
        complement: spec.http[0].route[0].weight
        steps: [50, 25, 10, 0]
        pause: 15s
"""
SLOT_RULES = f"""\
  strategies:
    - name: slot
      match: {{fields: [{{file: {ACTIVE}, field: spec.selector.slot}}]}}
      type: blue-green
      blueGreen: {{workload: {{kind: Deployment, namespace: shop, name: {SERVICE}-$SLOT}}}}
"""
FLAG_RULES = f"""\
  strategies:
    - name: kill-switch
      match: {{paths: ["**/flags.yaml"]}}
      type: feature-flag
      featureFlag: {{file: {FLAGS}, field: 'data["flags.json"] -> flags.newCheckout.defaultVariant', to: "off"}}
"""


def _add(telling: Telling, files: Mapping[str, str]) -> None:
    """Files that the application renders from now on."""
    people = telling.world.people
    kustomization = people.read(f"{FOLDER}/kustomization.yaml").rstrip()
    listed = "".join(f"\n  - {path.rpartition('/')[2]}" for path in files)
    everything = {**files, f"{FOLDER}/kustomization.yaml": f"{kustomization}{listed}\n"}
    people.push("Prepare the next release", everything, telling.world.clock.now())


def add_weights(telling: Telling) -> None:
    _add(telling, {ROUTE: WEIGHTS})


def add_slots(telling: Telling) -> None:
    slots = {f"{FOLDER}/{name}.yaml": SLOT_DEPLOYMENT.replace("NAME", name) for name in ("blue", "green")}
    _add(telling, {ACTIVE: SLOT, **slots})


def add_flags(telling: Telling) -> None:
    _add(telling, {FLAGS: FLAG_FILE})


def failing_canary(telling: Telling) -> None:
    """A release fails while three quarters of the traffic go to it."""
    telling.world.failing_tags.add(NEW_TAG)
    release(telling)


def failing_slot(telling: Telling) -> None:
    """A release makes the new slot the active one."""
    telling.world.failing_tags.add(NEW_TAG)
    release(telling, more={ACTIVE: telling.world.people.read(ACTIVE).replace("slot: blue", "slot: green")})


def failing_flag(telling: Telling) -> None:
    """A release turns a flag on."""
    telling.world.failing_tags.add(NEW_TAG)
    flags = telling.world.people.read(FLAGS).replace('"defaultVariant": "off"', '"defaultVariant": "on"')
    release(telling, more={FLAGS: flags})


def _weights(telling: Telling) -> list[tuple[int, int]]:
    """(old version, new version) after each commit of the controller, oldest first, and before the first."""
    commits = [telling.bad, *reversed(telling.reverts())]
    found = (WEIGHT.findall(telling.world.people.read(ROUTE, sha)) for sha in commits)
    return [(int(old), int(new)) for old, new in found]


def stepped(telling: Telling, subjects: list[str]) -> list[Claim]:
    """These commits of ours in this order, of one rollback, and then the revert: all is as before."""
    people, ours = telling.world.people, list(reversed(telling.reverts()))
    said = [people.git("log", "-1", "--format=%s", sha) for sha in ours]
    trailers = [people.git("log", "-1", "--format=%(trailers:key=Rollback-Step,valueonly)", sha) for sha in ours]
    names = {people.git("log", "-1", "--format=%(trailers:key=Rollback-Id,valueonly)", sha) for sha in ours}
    last = people.git("log", "-1", "--format=%B", ours[-1]) if ours else ""
    of = len(subjects) + 1
    numbers = [f"{n}/{of}" for n in range(1, of + 1)]
    return [
        Claim(f"{of} commits: {', '.join(subjects)}, and the revert", said[:-1] == [_subject(one) for one in subjects]),
        Claim("they are the steps of one rollback", trailers == numbers and len(names) == 1),
        Claim("the last one names the bad commit", f"This reverts commit {telling.bad}." in last),
        Claim("the old image is back", people.read(DEPLOYMENT) == people.read(DEPLOYMENT, telling.before)),
        *healthy_again(telling),
        *journal_says(telling, "verified"),
    ]


def _subject(step: str) -> str:
    return f"Roll back {SERVICE}: {step}"


def weights_fell(telling: Telling) -> list[Claim]:
    weights = _weights(telling)
    falling = all(later[1] <= sooner[1] for sooner, later in pairwise(weights))
    steps = [f"canary weight {one} -> {other}" for one, other in ((75, 50), (50, 25), (25, 10), (10, 0))]
    return [
        Claim("the bad version's weight never rises, and ends at 0", falling and weights[-1] == (100, 0)),
        Claim("at each commit the weights are 100 together", all(old + new == 100 for old, new in weights)),
        *stepped(telling, steps),
    ]


def slot_switched(telling: Telling) -> list[Claim]:
    return stepped(telling, ["active slot green -> blue"])


def flag_first(telling: Telling) -> list[Claim]:
    people, ours = telling.world.people, telling.reverts()
    first = people.read(FLAGS, ours[-1]) if ours else ""
    alone = Claim("the flag goes back first, and nothing else of its file", first == people.read(FLAGS, telling.before))
    return [alone, *stepped(telling, ["flag flags.newCheckout.defaultVariant on -> off"])]


def _story(
    name: str,
    text: str,
    prepare: Callable[[Telling], None],
    act: Callable[[Telling], None],
    claims: Callable[[Telling], list[Claim]],
    rules: str,
) -> Story:
    return Story(
        name,
        text,
        prepare=prepare,
        act=act,
        ended=lambda telling: telling.is_done("verified"),
        claims=claims,
        policy=policy(rules),
        engines=("argocd",),
    )


STRATEGY_STORIES: tuple[Story, ...] = (
    _story(
        "canary-steps",
        "A canary fails. Its weight goes down in four commits, each applied before the next, and then it is reverted.",
        add_weights, failing_canary, weights_fell, CANARY_RULES,
    ),
    _story(
        "blue-green",
        "A new slot fails. The old one, still there and ready, is active again with one commit; then the revert.",
        add_slots, failing_slot, slot_switched, SLOT_RULES,
    ),
    _story(
        "feature-flag",
        "A release turns a flag on, and fails. The flag is turned off first; then the rest is reverted.",
        add_flags, failing_flag, flag_first, FLAG_RULES,
    ),
)  # fmt: skip
