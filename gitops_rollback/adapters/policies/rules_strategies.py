"""Does each strategy name what it edits, in a way that can be found, and do its weights only fall?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

from gitops_rollback.adapters.policies.rules_shape import Found
from gitops_rollback.adapters.policies.unbuilt import trigger_type
from gitops_rollback.adapters.policies.view import View
from gitops_rollback.core.faults import shown
from gitops_rollback.core.image_holds import HOLD
from gitops_rollback.core.infrastructure import TERRAFORM_KIND
from gitops_rollback.core.manifest_fields import FieldFault, place_of
from gitops_rollback.core.policy import LIMITED
from gitops_rollback.core.provision import MANIFESTS
from gitops_rollback.core.strategies.migration import SEQUENCE
from gitops_rollback.core.strategies.planning import (
    BLUE_GREEN,
    CANARY,
    FEATURE_FLAG,
    INFRASTRUCTURE,
    MIGRATION,
    ROLLING,
    STAGED_TYPES,
    WHOLE,
)

PARTS = {
    FEATURE_FLAG: "featureFlag",
    MIGRATION: "migration",
    INFRASTRUCTURE: "infrastructure",
    BLUE_GREEN: "blueGreen",
    CANARY: "canary",
    ROLLING: "rolling",
}
RESTORE = "previous-value"


def strategy_faults(spec: View) -> Iterator[Found]:
    """What is wrong with each strategy's keys, fields and weights."""
    triggers = [trigger.at("name").text for trigger in spec.at("triggers").items]
    for strategy in spec.at("strategies").items:
        kind = strategy.at("type").text or ""
        for word, key in PARTS.items():
            if kind and word != kind and strategy.has(key):
                yield strategy.key_mark(key), f"`{key}` does not belong to type {shown(kind)}", f"write `type: {word}`"
        match = strategy.at("match")
        if match.here and not match.keys:
            yield match.mark, "an empty `match` matches nothing", "remove it to match everything"
        for place in match.at("fields").items:
            yield from _field(place.at("field"))
        if kind in STAGED_TYPES:
            yield from _edited(strategy, kind, strategy.at(PARTS[kind]))
        if kind == CANARY:
            yield from _canary(strategy.at("canary"), triggers)
        if kind == INFRASTRUCTURE:
            yield from _infrastructure(strategy.at("infrastructure"))
        if kind == MIGRATION:
            yield from _migration(strategy.at("migration"), spec.at("triggers").items)
        yield from _field(strategy.at("dataFixup", "field"))
        restore = strategy.at("blueGreen", "restore")
        if restore.text not in (None, RESTORE):
            yield restore.mark, f"`restore` is {shown(restore.text or '')}", f"write `{RESTORE}`, or leave it out"


def updater_faults(spec: View) -> Iterator[Found]:
    """What is said of Argo CD Image Updater can be found, and is asked for."""
    updater = spec.at("imageUpdater")
    yield from _field(updater.at("field"))
    if updater.here and spec.at("onImageAutomation").text != HOLD:
        yield updater.mark, "`imageUpdater` is for images that are held", "write `onImageAutomation: hold` as well"


def _edited(strategy: View, kind: str, part: View) -> Iterator[Found]:
    """The one field that it sets: its own, or the first that it matches."""
    yield from _field(part.at("field"))
    own = [key for key in ("file", "field") if part.has(key)]
    if len(own) == 1:
        yield part.key_mark(own[0]), "`file` and `field` belong together", "write both, or none"
    if kind == FEATURE_FLAG and not part.here:
        fix = "add `featureFlag: {file: ..., field: ..., to: ...}`"
        yield strategy.mark, f"type {shown(kind)} needs `featureFlag`", fix
    if kind != FEATURE_FLAG and not own and not strategy.at("match", "fields").items:
        fix = f"add `{PARTS[kind]}: {{file: ..., field: ...}}`"
        yield strategy.mark, f"type {shown(kind)} names no field to set", fix


def _canary(canary: View, triggers: list[str | None]) -> Iterator[Found]:
    yield from _field(canary.at("complement"))
    if canary.at("complement").text and canary.at("complement").text == canary.at("field").text:
        yield canary.at("complement").mark, "`complement` is the very field that falls", "name the other weight"
    for name in canary.at("stable").items:
        if name.text not in triggers:
            yield name.mark, f"no trigger is called {shown(name.text or '')}", "name a trigger of this policy"
    steps = [(step, step.number) for step in canary.at("steps").items]
    known = [(step, number) for step, number in steps if number is not None]
    for step, number in known:
        if number > WHOLE:
            yield (
                step.mark,
                f"{number:g} is more than {WHOLE} per cent",
                "write the share that is left",
            )
    for (_, before), (step, number) in pairwise(known):
        if number >= before:
            yield (
                step.mark,
                f"the weight would go from {before:g} to {number:g}",
                "let each step be lower",
            )
    if known and known[-1][1] != 0:
        yield known[-1][0].mark, "the last step leaves traffic on the bad version", "let the last step be 0"
    if canary.at("mode").text == "jump" and len(known) > 1:
        yield canary.at("steps").mark, "`mode: jump` has one step alone", "remove `steps`, or write `mode: steps`"


def _infrastructure(rules: View) -> Iterator[Found]:
    """What is to be watched says of which API it is, where it is no object of the Terraform controller."""
    for named in rules.at("objects").items:
        kind = named.at("kind").text
        if kind not in (None, TERRAFORM_KIND) and not named.has("apiVersion"):
            fix = "add its `apiVersion`, such as `database.aws.example.org/v1alpha1`"
            yield named.mark, f"{shown(kind or '')} is no kind of the Terraform controller", fix


def unseen_runs(spec: View) -> Iterator[Found]:
    """A warning where a rule is for files, and nothing that it names shows how the run of code among them goes."""
    for strategy in spec.at("strategies").items:
        globs = [glob.text or "" for glob in strategy.at("match", "paths").items]
        rules = strategy.at(PARTS[INFRASTRUCTURE])
        if strategy.at("type").text != INFRASTRUCTURE or rules.has("objects") or rules.has("status"):
            continue
        if not all(glob.endswith(MANIFESTS) for glob in globs):
            said = f"nothing shows whether the run of code in {shown(globs[0])} is over, so it is never verified"
            yield strategy.at("match", "paths").mark, said, "add `objects: [...]` or `status:` to `infrastructure`"


def _migration(migration: View, triggers: Iterable[View]) -> Iterator[Found]:
    """The one order is kept, and what is measured can be."""
    words = tuple(step.text for step in migration.at("sequence").items)
    if migration.has("sequence") and words != SEQUENCE:
        fix = f"write `[{', '.join(SEQUENCE)}]`, or leave it out"
        yield migration.at("sequence").mark, "`sequence` is not in the one order in which no row is lost", fix
    for part in ("traffic", "reverse"):
        yield from _field(migration.at(part, "field"))
    measured = {trigger.at("name").text: trigger_type(trigger) for trigger in triggers}
    for name in (*migration.at("traffic", "quiet").items, *migration.at("rows").items):
        if name.text not in measured:
            said = f"no trigger is called {shown(name.text or '')}"
            yield name.mark, said, "name a trigger of this policy; `severity: log_only` is enough"
        elif measured[name.text] not in LIMITED:
            said = f"trigger {shown(name.text or '')} is of type {shown(measured[name.text])}, which measures no number"
            yield name.mark, said, "name one of type query"


def _field(field: View) -> Iterator[Found]:
    if not field.text:
        return
    try:
        place_of(field.text)
    except FieldFault as fault:
        yield field.mark, str(fault), 'write it as `spec.http[0].route[1].weight` or `metadata.annotations["a.b/c"]`'
