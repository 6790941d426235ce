"""Can the images that come back still be had?

A revert to an image that a registry has thrown away leaves the application with Pods that never start. What the plan
newly names is looked up, and not what runs already. Without a registry in the settings nothing is looked up, and the
answer says so. Source: reliability.md, row 15b; safety.md, Guards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from gitops_rollback.core.errors import Reason
from gitops_rollback.core.guards.facts import ChangedFile, GuardFacts, LiveObject, allow, answer, ask
from gitops_rollback.core.images import UNKNOWN_NAME, Found, Image, Presence, images_of, parse_image
from gitops_rollback.core.manifest import MANIFESTS
from gitops_rollback.core.plan import GuardAnswer
from gitops_rollback.core.policy import GuardResult

GUARD = "image"
REMEDY = "push the image again or fix forward; if the nodes have it, approve the plan"
LOOK = "look whether the image is there, then approve the plan; mend what the registry's settings say"
SHOWN = 3


def judge_images(facts: GuardFacts) -> GuardAnswer:
    """Hold a plan that brings back an image which is gone; an `image` rule may deny it. Who cannot see asks."""
    if not facts.asks_registries:
        return _not_evaluated("the settings name no registry, so no image is looked up")
    if facts.images is None:
        return ask(GUARD, Reason.IMAGE_UNKNOWN, "which images come back cannot be seen", LOOK)
    missing = [one for one in facts.images if one.found is Found.MISSING]
    if missing:
        strict = any(rule.type == GUARD and rule.result is GuardResult.DENY for rule in facts.policy.guards)
        result = GuardResult.DENY if strict else GuardResult.ASK
        return answer(GUARD, result, Reason.IMAGE_MISSING, f"gone: {_told(missing)}", _remedy(missing))
    unknown = [one for one in facts.images if one.found in (Found.UNKNOWN, Found.NO_ANSWER)]
    if unknown:
        return ask(GUARD, Reason.IMAGE_UNKNOWN, f"not known to be there: {_told(unknown)}", LOOK)
    unasked = [one for one in facts.images if one.found is Found.NOT_ASKED]
    if unasked:
        return _not_evaluated(f"not looked up: {_told(unasked)}")
    names = ", ".join(str(one.image) for one in facts.images[:SHOWN])
    return allow(GUARD, f"there: {names}" if names else "no image comes back that does not run now")


def coming_back(files: Sequence[ChangedFile], live: Sequence[LiveObject] | None) -> tuple[Image, ...] | None:
    """The images that the result of a plan names, its base does not, and nothing runs; None if one cannot be read.

    A tag whose image is named by a chart is one of the image that runs with the tag that the base has. Where none
    does, the image keeps UNKNOWN_NAME.
    """
    running = frozenset(image for one in live or () for image in _running(one.live))
    found: set[Image] = set()
    for changed in files:
        if not changed.path.endswith(MANIFESTS):
            continue
        before = () if changed.before is None else images_of(changed.before)
        after = () if changed.after is None else images_of(changed.after)
        if changed.unread or after is None:
            return None
        left = frozenset(before or ())
        for image in after:
            if image not in left:
                found.update(_named(image, left, running))
    return tuple(sorted(found - running))


def _named(image: Image, left: frozenset[Image], running: frozenset[Image]) -> Iterator[Image]:
    if image.name != UNKNOWN_NAME:
        yield image
        return
    tags = {one.version for one in left if one.name == UNKNOWN_NAME}
    names = {one.name for one in running if one.version in tags}
    yield from (Image(name, image.version) for name in names or {UNKNOWN_NAME})


def _running(document: Mapping[str, object]) -> Iterator[Image]:
    stack: list[object] = [document]
    while stack:
        value = stack.pop()
        if isinstance(value, Mapping):
            reference = value.get("image")
            if isinstance(reference, str):
                yield parse_image(reference)
            stack.extend(value.values())
        elif isinstance(value, (list, tuple)):
            stack.extend(value)


def _told(found: Sequence[Presence]) -> str:
    words = [f"{one.image}" + (f" ({one.message})" if one.message else "") for one in found[:SHOWN]]
    return "; ".join(words) + (f" and {len(found) - SHOWN} more" if len(found) > SHOWN else "")


def _remedy(missing: Sequence[Presence]) -> str:
    """The exact commands where mirrors have them all; what else is there where they have not."""
    if all(one.copies for one in missing):
        commands = "; ".join(f"`crane copy {one.copies[0]} {one.image}`" for one in missing[:SHOWN])
        return f"copy it back from the mirror that has it: {commands}; then approve the plan"
    older = [f"{one.image.name}:{version}" for one in missing[:SHOWN] for version in one.older]
    return f"{REMEDY}; earlier versions that are there: {', '.join(older)}" if older else REMEDY


def _not_evaluated(message: str) -> GuardAnswer:
    return GuardAnswer(GUARD, GuardResult.NOT_EVALUATED, None, message)
