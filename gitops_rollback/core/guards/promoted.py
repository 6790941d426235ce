"""Does a controller of its own take the revert through steps again, and for how long at least?

While a canary is in progress, Argo Rollouts and Flagger protect the traffic, and go back to the stable version at once.
After a promotion the revert is a release like any other, unless it lies within the Rollout's `rollbackWindow`. It is
told, never a reason to ask: the revert is right either way, and how quick it is nobody can change by then.
Source: argo-rollouts docs (canary steps, rollbackWindow, blueGreen.autoPromotionEnabled, rollback to the stable
version), api/v1alpha1 `DurationSeconds`; flagger docs (skipAnalysis, interval, stepWeight, iterations).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from gitops_rollback.core.duration import format_duration, parse_duration
from gitops_rollback.core.guards.facts import GuardFacts, LiveObject, allow
from gitops_rollback.core.how_many import how_many
from gitops_rollback.core.images import ImageChange, image_changes
from gitops_rollback.core.new_pods import WorkloadFacts
from gitops_rollback.core.plan import GuardAnswer
from gitops_rollback.core.rollback_window import within_window

GUARD = "promoted"
WINDOW = "set `spec.rollbackWindow.revisions` before it is needed"
UNSEEN = "takes it through steps again cannot be seen"
SKIPPED = "promotes without analysis: the revert says so, and the commit after it takes that back"
SKIP = "`rolling.skipAnalysis` of a strategy lets a rollback skip that"


@dataclass(frozen=True)
class Replay:
    """What a revert goes through: `least` of known waits, and whether it also waits for `person`s or unknown time."""

    steps: int
    least: timedelta
    person: bool = False
    unknown: bool = False

    @property
    def words(self) -> str:
        after = (" and a person's promotion" if self.person else "") + (" and analyses" if self.unknown else "")
        return f"{how_many(self.steps, 'step')} again, at least {format_duration(self.least)}{after}"


def judge_promoted(facts: GuardFacts) -> GuardAnswer:
    """Allow, with the steps that a controller will replay and their time; more than the sync's patience is said."""
    if facts.live is None:
        return allow(GUARD, "whether a controller takes it through steps again cannot be seen")
    told = [*_told(facts), *_unseen(facts)]
    return allow(GUARD, "; ".join(told) or "no controller takes it through steps of its own")


def _told(facts: GuardFacts) -> Iterator[str]:
    patience = facts.policy.delivery.sync_timeout
    for one in facts.live or ():
        kind, name = str(one.live.get("kind")), str(_at(one.live, "metadata", "name"))
        replay, how = _of_rollout(one, facts) if kind == "Rollout" else (None, "")
        if kind == "Canary":
            replay, how = _of_canary(one) if name != facts.skipped else (None, SKIPPED)
        if replay is None:
            yield from (f"{kind} {name} {how}",) if how else ()
            continue
        late = f", longer than syncTimeout {format_duration(patience)}" if replay.least > patience else ""
        yield f"{kind} {name} takes it through {replay.words}{late}; {how}"


def _unseen(facts: GuardFacts) -> Iterator[str]:
    """What the engine lists and does not show: to say nothing of it would say that it does nothing."""
    shown = {(one.live.get("kind"), _at(one.live, "metadata", "name")) for one in facts.live or ()}
    for kind, name in facts.owners:
        if (kind, name) in shown:
            continue
        skipped = kind == "Canary" and name == facts.skipped
        yield f"{kind} {name} {SKIPPED}" if skipped else f"whether {kind} {name} {UNSEEN}"


def _of_rollout(one: LiveObject, facts: GuardFacts) -> tuple[Replay | None, str]:
    spec, status = _mapping(one.desired or one.live, "spec"), _mapping(one.live, "status")
    if not spec:
        return None, ""
    stable, current = status.get("stableRS"), status.get("currentPodHash")
    if stable and current and stable != current:
        return None, "is in progress: it goes back to its stable version at once"
    replay, how = _by_steps(spec)
    revisions = _at(spec, "rollbackWindow", "revisions")
    if replay is None or not isinstance(revisions, int) or revisions < 1:
        return replay, how
    within = within_window(_facts_of(one, facts), _image_changes(facts), revisions)
    if within.yes:
        return None, f"replays none of its {how_many(replay.steps, 'step')}: within rollbackWindow, {within.why}"
    if within.yes is None:
        return replay, f"none of them if that version is one of its last {revisions} (rollbackWindow), but {within.why}"
    return replay, f"it is not within rollbackWindow: {within.why}"


def _by_steps(spec: Mapping[str, object]) -> tuple[Replay | None, str]:
    """What a Rollout goes through for any new version, and what would have made it quicker."""
    blue_green = _at(spec, "strategy", "blueGreen")
    if isinstance(blue_green, Mapping):
        manual = blue_green.get("autoPromotionEnabled") is False
        wait = _duration(blue_green.get("autoPromotionSeconds")) or timedelta(0)
        return (Replay(1, wait, manual), "promote it by hand") if manual or wait else (None, "")
    steps = _at(spec, "strategy", "canary", "steps")
    found = [step for step in steps if isinstance(step, Mapping)] if isinstance(steps, list | tuple) else []
    if not found:
        return None, ""
    pauses = [step["pause"] if isinstance(step["pause"], Mapping) else {} for step in found if "pause" in step]
    waits = [_duration(pause.get("duration")) for pause in pauses if "duration" in pause]
    known = sum((wait for wait in waits if wait is not None), timedelta(0))
    other = None in waits or any("analysis" in step or "experiment" in step for step in found)
    return Replay(len(found), known, len(waits) < len(pauses), other), WINDOW


def _facts_of(one: LiveObject, facts: GuardFacts) -> WorkloadFacts | None:
    named = _at(one.live, "metadata", "namespace"), _at(one.live, "metadata", "name")
    for found in facts.workloads or ():
        metadata = _mapping(found.workload or {}, "metadata")
        if found.workload and found.workload.get("kind") == "Rollout" and named == (
            metadata.get("namespace"), metadata.get("name")
        ):  # fmt: skip
            return found
    return None


def _image_changes(facts: GuardFacts) -> tuple[ImageChange, ...] | None:
    """The images that the plan changes; None where a file cannot be read."""
    found = [image_changes(one.before, one.after) for one in facts.files or () if not one.unread]
    if facts.files is None or None in found or any(one.unread for one in facts.files):
        return None
    return tuple(change for changes in found for change in changes or ())


def _of_canary(one: LiveObject) -> tuple[Replay | None, str]:
    spec, phase = _mapping(one.desired or one.live, "spec"), _at(one.live, "status", "phase")
    if spec.get("skipAnalysis") is True:
        return None, "promotes without analysis (skipAnalysis)"
    if phase in ("Progressing", "Waiting", "WaitingPromotion"):
        return None, "is in progress: its primary serves the version before"
    analysis = _mapping(spec, "analysis")
    interval, steps = _duration(analysis.get("interval")), _rounds(analysis)
    if interval is None or steps is None:
        return None, "analyses it anew, nobody can tell for how long"
    return Replay(steps, interval * steps), SKIP


def _rounds(analysis: Mapping[str, object]) -> int | None:
    iterations, weights = analysis.get("iterations"), analysis.get("stepWeights")
    if isinstance(iterations, int):
        return iterations
    if isinstance(weights, list | tuple):
        return len(weights)
    step, most = analysis.get("stepWeight"), analysis.get("maxWeight", 100)
    return -(-most // step) if isinstance(step, int) and isinstance(most, int) and step > 0 else None


def _duration(value: object) -> timedelta | None:
    """A number is seconds, also as a text."""
    if isinstance(value, int) and not isinstance(value, bool):
        return timedelta(seconds=value)
    if not isinstance(value, str):
        return None
    try:
        return timedelta(seconds=int(value)) if value.isdecimal() else parse_duration(value)
    except ValueError:
        return None


def _mapping(value: Mapping[str, object], key: str) -> Mapping[str, object]:
    found = value.get(key)
    return found if isinstance(found, Mapping) else {}


def _at(value: Mapping[str, object], *keys: str) -> object:
    found: object = value
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found
