"""A held image: the mark that an automation writes by is taken off with the revert, and put back when it may be.

Nothing is landed again by itself: a hold ends when the policy selects a newer version than the held one, or by a
person's word. After 24 hours a person is asked; it never lapses.
Source: safety.md, After the rollback; design.md, promises 8 and 9.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from gitops_rollback.core.image_marks import marks, part_of, policy_of, unmarked
from gitops_rollback.core.image_updater import allowing
from gitops_rollback.core.images import satisfies
from gitops_rollback.core.manifest_fields import FieldFault
from gitops_rollback.core.manifest_presence import value_at
from gitops_rollback.core.rollback import HOLDS, RollbackOutcome, RollbackRecord

ASK, HOLD = "ask", "hold"  # what a policy says of an automation that would write the image back
LASTS = timedelta(hours=24)
_TEXTS = ("path", "field", "comment", "held", "kept")
_UPDATER = ("by", "source")


@dataclass(frozen=True)
class ImageHold:
    """One mark that was taken off. `held` is the value that was taken back, `kept` what stands there instead.

    `by` names an updater that has no marks: then `field` is what says which tags it may take, `comment` what stood
    there (see `stood`), `held` and `kept` are whole images, and `source` is the file that names them.
    """

    path: str
    field: str
    comment: str
    held: str
    kept: str
    by: str = ""
    source: str = ""

    @property
    def policy(self) -> str:
        return self.by or policy_of(self.comment)[0]

    @property
    def allows(self) -> str:
        """What an updater without marks is allowed."""
        return allowing(part_of(self.kept, "tag"))

    @property
    def stood(self) -> str | None:
        """What it was allowed before; None where nothing said so."""
        found = json.loads(self.comment)
        return found if isinstance(found, str) else None

    def selected(self, selects: Mapping[str, str]) -> str:
        """What would be written there now; "" if that is not known. `selects` has the image of each policy."""
        if self.by:
            return selects.get(self.source, "")
        policy, part = policy_of(self.comment)
        return part_of(selects.get(policy, ""), part)

    def words(self) -> str:
        """For people, in one line."""
        return f"{self.held} by {self.policy} in {self.path}"


class Standing(StrEnum):
    """How a hold is in a tree."""

    HELD = "held"
    LIFTED = "lifted"  # the mark is back, or its file is gone
    GONE = "gone"  # the field is not there any more, or cannot be read


class Due(StrEnum):
    """What a look at a rollback's holds asks for."""

    KEEP = "keep"
    RELEASE = "release"
    ASK = "ask"
    OVER = "over"


@dataclass(frozen=True)
class HoldAnswer:
    due: Due
    message: str = ""


def hold_documents(holds: Sequence[ImageHold]) -> list[dict[str, str]]:
    """As they stand in a record's evidence."""
    return [{name: getattr(hold, name) for name in (*_TEXTS, *(_UPDATER if hold.by else ()))} for hold in holds]


def holds_of(record: RollbackRecord) -> tuple[ImageHold, ...]:
    """The holds of a rollback; what the journal holds otherwise is none, since whoever may push may have written it."""
    listed = record.evidence.get(HOLDS)
    found = [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list | tuple) else []
    every = (*_TEXTS, *_UPDATER)
    texts = [{name: text for name in every if isinstance(text := one.get(name), str)} for one in found]
    holds = (ImageHold(**one) for one in texts if one.keys() >= set(_TEXTS))
    return tuple(hold for hold in holds if hold.policy and (not hold.by or _is_json(hold.comment)))


def standing(hold: ImageHold, content: bytes | None) -> Standing:
    """How it is in this content of its file; None: there is no such file, and whoever removed it has taken over."""
    if content is None:
        return Standing.LIFTED
    if hold.by:
        return _allowed(hold, content)
    found = marks(content)
    if found is not None and any(one.field == hold.field and one.policy == hold.policy for one in found):
        return Standing.LIFTED
    return Standing.HELD if unmarked(content, hold.field) is not None else Standing.GONE


def _allowed(hold: ImageHold, content: bytes) -> Standing:
    """Whoever has set the field since has taken over."""
    try:
        found = value_at(content, hold.field)
    except FieldFault:
        return Standing.GONE
    return Standing.HELD if found == (hold.allows,) else Standing.LIFTED


def _is_json(text: str) -> bool:
    try:
        return json.loads(text) is None or isinstance(json.loads(text), str)
    except ValueError:
        return False


def judge_hold(
    record: RollbackRecord, standings: Mapping[ImageHold, Standing], selects: Mapping[str, str], now: datetime
) -> HoldAnswer:
    """May the marks be put back now, must they stay off, or must a person say?"""
    held = [hold for hold, how in standings.items() if how is Standing.HELD]
    gone = [hold for hold, how in standings.items() if how is Standing.GONE]
    if record.open:
        return HoldAnswer(Due.KEEP, "the rollback is not verified yet")
    if not held and not gone:
        return HoldAnswer(Due.OVER, "the mark is back, or its file is gone")
    if gone:
        return HoldAnswer(Due.ASK, f"{gone[0].path} has no {gone[0].field} any more, so its mark cannot be put back")
    if record.outcome is RollbackOutcome.VERIFIED:
        found = _by_version(held, selects)
        if found.due is not Due.KEEP:
            return found
    began = held_since(record, now)
    if now - began < LASTS:
        return HoldAnswer(Due.KEEP)
    return HoldAnswer(Due.ASK, f"held since {began:%F %H:%M} UTC: {'; '.join(hold.words() for hold in held)}")


def held_since(record: RollbackRecord, now: datetime) -> datetime:
    """When its holds began; `now` where the record does not say."""
    return record.times.get("pushed") or record.times.get("decided") or now


def _by_version(held: Sequence[ImageHold], selects: Mapping[str, str]) -> HoldAnswer:
    """By the policies alone: all must have moved on, and to something newer."""
    now = {hold: hold.selected(selects) for hold in held}
    if any(not value or value == hold.held for hold, value in now.items()):
        return HoldAnswer(Due.KEEP)
    words = "; ".join(f"{hold.policy} selects {value} now, {hold.held} is held" for hold, value in now.items())
    newer = {policy: [_newer(value, one.held) for one, value in now.items() if one.policy == policy]
             for policy in {hold.policy for hold in held}}  # fmt: skip
    if any(False in answers or True not in answers for answers in newer.values()):
        return HoldAnswer(Due.ASK, f"{words}: whether that is newer cannot be told")
    return HoldAnswer(Due.RELEASE, words)


def _newer(value: str, held: str) -> bool | None:
    """None where the two are no versions that can be compared."""
    (new, newer), (old, older) = _version(value), _version(held)
    return satisfies(newer, f">{older}") if new == old else None


def _version(value: str) -> tuple[str, str]:
    """(image, tag) of what a mark's field holds; ("", value) where that is no whole image."""
    tag = part_of(value, "tag")
    return (part_of(value, "name"), tag) if tag else ("", value)
