"""Promise 9, second part: no image automation writes back what a rollback took away; nor is it held for ever."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from gitops_rollback.core.errors import Reason
from gitops_rollback.sandbox.simulation.events import Event, Released, Rollback
from gitops_rollback.sandbox.simulation.files import PolicyText, is_marked, without_marks, words_of
from gitops_rollback.sandbox.simulation.flux.images import Images, ordered
from gitops_rollback.sandbox.simulation.flux.repository import AUTOMATION
from gitops_rollback.sandbox.simulation.holds import Hold
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.remote import MAIN, Accepted
from gitops_rollback.sandbox.simulation.world import World

CONTROLLER, OPERATOR = "controller", "operator"
LATELY = 90.0  # seconds: a watch that lags, and a tick that was slowed down
SOON = timedelta(minutes=10)  # within it a hold ends that nothing needs any more


def check(world: World, event: Event) -> Iterator[str]:
    """By what stands in the files, what the policies select, and who said so."""
    if world.images is None:
        return
    if isinstance(event, Rollback):
        yield from _fights(world, event)
        yield from _would_be_written_back(world, world.images, event)
        yield from _unasked(world, event)
    elif isinstance(event, Released):
        yield from _only_marks(world, event)
        yield from _too_early(world, world.images, event)
    elif isinstance(event, Accepted) and event.ref == MAIN and event.who == AUTOMATION:
        yield from _written(world, event)


def _fights(world: World, event: Rollback) -> Iterator[str]:
    """Once for each image, whoever brings it again."""
    taken = {path: words for path, words in _taken(world, event).items() if path.endswith("deployment.yaml")}
    for earlier in world.rollbacks[: world.rollbacks.index(event)]:
        before = _taken(world, earlier)
        for path, words in taken.items():
            for tag in sorted(words & before.get(path, frozenset())):
                yield f"{event.commit.sha[:8]} takes {tag} out of {path}, as {earlier.commit.sha[:8]} did"


def _taken(world: World, event: Rollback) -> dict[str, frozenset[str]]:
    """What words it takes out of which file."""
    return {
        one.path: words_of(_text(world, one.old_blob)) - words_of(_text(world, one.new_blob))
        for one in event.commit.changes
    }


def _would_be_written_back(world: World, images: Images, event: Rollback) -> Iterator[str]:
    """Where a value still bears its mark the policy must select what is put back, or nobody write."""
    for path, tags in _taken(world, event).items():
        name, after = path.split("/")[1], world.objects.text(event.commit.sha, path) or b""
        if name not in images.selected or not tags or not is_marked(after):
            continue
        if path in world.holds.paths(event):
            yield f"{event.commit.sha[:8]} says that it holds {path}, whose mark is still there"
        selected = images.selected_within(name, event.at, LATELY)
        if not selected & words_of(after) and images.writes_since(name, event.at, LATELY):
            words = ", ".join(sorted(selected))
            yield f"an automation would write {words} over what {event.commit.sha[:8]} puts back in {path}"


def _unasked(world: World, event: Rollback) -> Iterator[str]:
    """A mark is taken off by itself only where a policy from before the culprit, and the head's, let that be."""
    oldest = world.objects.commits[event.reverts[-1]] if event.reverts else None
    if not world.holds.paths(event) or oldest is None:
        return
    before = (world.policy_at(at, event.speaker) for at in (oldest.parents[0], event.restores))
    now = world.policy_at(event.commit.parents[0], event.speaker)
    if not any(_lets(one) for one in before) or (now is not None and not _lets(now)):
        yield f"{event.commit.sha[:8]} holds an image, and the policy of {event.speaker} says that a person is asked"


def _lets(policy: PolicyText | None) -> bool:
    return policy is not None and policy.automation == "hold"


def _only_marks(world: World, event: Released) -> Iterator[str]:
    for change in event.commit.changes:
        before, after = (_text(world, blob) for blob in (change.old_blob, change.new_blob))
        if _code(before) != _code(after) or not is_marked(after):
            yield f"{event.commit.sha[:8]} ends a hold, and changes more in {change.path} than a mark"


def _code(text: bytes) -> list[bytes]:
    """The file without what stands behind the values of its lines."""
    return [line.partition(b" #")[0].rstrip() for line in without_marks(text).split(b"\n")]


def _too_early(world: World, images: Images, event: Released) -> Iterator[str]:
    """By a person's word, or once each policy selects something newer; and never while the rollback is under way."""
    record = world.records.get(event.rollback)
    if record is None or record["phase"] != "Done":
        yield f"{event.commit.sha[:8]} ends the holds of {event.rollback}, which is under way"
    holds = [one for one in world.holds.all if one.identity == event.rollback]
    if not holds:
        yield f"{event.commit.sha[:8]} ends a hold that nobody began"
    if event.by != CONTROLLER:
        if event.by != OPERATOR or not world.said & set(event.applications):
            yield f"{event.commit.sha[:8]} ends a hold in the name of {event.by}, who said nothing"
        return
    for hold in holds:
        policy = world.policy_at(event.commit.parents[0], hold.name)
        if policy is not None and not (_lets(policy) and not policy.suspend):
            yield f"{event.commit.sha[:8]} ends the hold of {hold.path}, which its policy leaves to a person"
        if not any(_is_newer(hold, tag) for tag in images.selected_within(hold.name, event.at, LATELY)):
            yield f"{event.commit.sha[:8]} ends the hold of {hold.path}, though nothing newer is selected"


def _is_newer(hold: Hold, tag: str) -> bool:
    return all(ordered(tag) > ordered(one) for one in hold.tags)


def _written(world: World, event: Accepted) -> Iterator[str]:
    """An automation's commit, while holds stand."""
    for hold in world.holds.standing():
        words = words_of(world.objects.text(event.new, hold.path) or b"")
        before = words_of(world.objects.text(event.old, hold.path) or b"") if event.old else frozenset()
        for tag in sorted(words & hold.tags - before):
            yield f"{tag} is written into {hold.path} again, which {hold.identity} holds"


def at_end(world: World) -> Iterator[str]:
    """What was held until something newer comes is not held any more, unless a person must say."""
    if world.images is None or world.refusing or world.forced:
        return
    for hold in world.holds.standing():
        record, since = world.records.get(hold.identity), _newer_since(world.images, hold)
        policy = world.policy_at(world.head, hold.name)
        if record is None or record["outcome"] != "verified" or since is None or _told_of(world, hold):
            continue
        if policy is not None and _lets(policy) and not policy.suspend and world.now - since > SOON:
            tags = ", ".join(hold.tags)
            yield f"{hold.path} is held, though something newer than {tags} is there since {since:%H:%M:%S}"


def _told_of(world: World, hold: Hold) -> bool:
    """People know that it cannot end by itself: its place is not there any more, say."""
    told = (one.message for one in world.messages if one.message.reason == Reason.IMAGE_AUTOMATION.value)
    return any(message.page and (hold.identity in message.text or hold.path in message.text) for message in told)


def _newer_since(images: Images, hold: Hold) -> datetime | None:
    """Since when its policy selects something newer without a pause; None while it does not."""
    found: datetime | None = None
    for since, tag in reversed(images.selected[hold.name]):
        if not _is_newer(hold, tag):
            break
        found = since
    return found


def _text(world: World, blob: str | None) -> bytes:
    return world.objects.blobs[blob] if blob else b""


PROMISE = Promise("9", "what an image automation would write back is held, or a person is asked", check, at_end)
