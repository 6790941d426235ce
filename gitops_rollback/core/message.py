"""What the revert commit says, for git, for tools and for people; and how foreign text is made harmless.

Source: product.md section 10, Revert commit; git-revert(1) for the first lines; git-interpret-trailers(1) for the last
paragraph; reliability.md, A19.
"""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gitops_rollback.core.commit import Commit
from gitops_rollback.core.image_holds import ImageHold

UPSTREAM_TRAILER = "Rollback-Upstream"  # the branch that the writer of ours reads, on the commit there
SUBJECT_COLUMNS = 72
BODY_COLUMNS = 72
BODY_LINES = 6
PEOPLE_CHARACTERS = 200
DRILL_TRAILER = "Rollback-Drill"
READ_CHARACTERS = 4000  # more of a foreign line is never looked at

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])|\x9b[0-?]*[ -/]*[@-~]")
_MENTION = re.compile(r"(?<![\w.])@(?=\w)")
_SLACK = re.compile(r"<(?=[!@#]|https?:|mailto:)")
_REVERTED = re.compile(r'Revert "((?!Revert ").*)"(?: and \d+ more)?')  # git calls undoing this a Reapply, since 2.43
_LINK = re.compile(r"\]\((?=\S)")
_BREAKS = frozenset({"\n", "\r", "\t", "\x0b", "\x0c", "\x85", "\u2028", "\u2029"})


@dataclass(frozen=True)
class RevertText:
    """What goes into the message of one revert commit. `reverts` newest first, `why` whole sentences.

    `restores` and `bad_revision` are full revisions; `policy` is the label of the policy in force. `reapplies`: what it
    reverts is a rollback of ours, whose own words it may so trust.
    """

    rollback_id: str
    reverts: Sequence[Commit]
    why: Sequence[str]
    applications: Sequence[str]
    policy: str
    triggers: Sequence[str]
    restores: str
    bad_revision: str
    rung: int | None = None
    edits: Sequence[str] = ()  # whole sentences: fields that go on instead of back, files that are rendered anew
    step: str = "1/1"
    requested_by: str = "controller"
    subject_prefix: str = ""
    holds: Sequence[ImageHold] = ()
    reapplies: bool = False
    drill: str = ""  # the id of the drill whose bad commit it takes back
    upstream: str = ""  # the branch that the writer of ours reads, for the commit there


@dataclass(frozen=True)
class StepText:
    """What a step that is no revert does: `title` for its subject, `name` of what it is done for, `n` of `of`."""

    name: str
    title: str
    n: int
    of: int


@dataclass(frozen=True)
class ReleaseText:
    """What goes into the message of the commit that puts the marks of a rollback's holds back."""

    rollback_id: str
    applications: Sequence[str]
    holds: Sequence[ImageHold]
    why: str
    requested_by: str = "controller"


@dataclass(frozen=True)
class HeartbeatText:
    """What goes into the message of a commit that only proves that we can land one. `identity`: see `core.heartbeat`.

    It has no `Rollback-Id`: it is no rollback.
    """

    identity: str
    application: str
    policy: str
    requested_by: str = "controller"


@dataclass(frozen=True)
class DrillText:
    """What goes into the message of a commit that breaks something on purpose, or takes that back by itself.

    `what` and `why` are whole sentences. It has no `Rollback-Id`: neither of them is a rollback of ours.
    """

    identity: str
    application: str
    title: str
    what: Sequence[str]
    requested_by: str
    reverts: str = ""


def drill_message(text: DrillText) -> str:
    """The whole message; ends with a line break."""
    subject = _cut_columns(_harmless(text.title), SUBJECT_COLUMNS)
    trailers = [(DRILL_TRAILER, text.identity), ("Rollback-Application", text.application)]
    trailers.append(("Rollback-Requested-By", text.requested_by))
    block = "\n".join(f"{key}: {_value(value)}" for key, value in trailers)
    reverted = f"This reverts commit {text.reverts}.\n\n" if text.reverts else ""
    return f"{subject}\n\n{reverted}{_wrapped(text.what)}\n\n{block}\n"


def heartbeat_message(text: HeartbeatText) -> str:
    """The whole message; ends with a line break."""
    why = f"It changes no application: it shows that a rollback of {text.application} could land, and how fast."
    trailers = [("Rollback-Heartbeat", text.identity), ("Rollback-Application", text.application)]
    trailers += [("Rollback-Policy", text.policy), ("Rollback-Requested-By", text.requested_by)]
    block = "\n".join(f"{key}: {_value(value)}" for key, value in trailers)
    return f"Heartbeat of gitops-rollback\n\n{_wrapped((why,))}\n\n{block}\n"


def release_message(text: ReleaseText) -> str:
    """The whole message of the commit that ends a hold; ends with a line break."""
    policies = ", ".join(dict.fromkeys(_harmless(hold.policy) for hold in text.holds))
    trailers = [("Rollback-Id", text.rollback_id)]
    trailers += [("Rollback-Application", application) for application in text.applications]
    trailers += [("Rollback-Releases", _held(hold)) for hold in text.holds]
    trailers.append(("Rollback-Requested-By", text.requested_by))
    block = "\n".join(f"{key}: {_value(value)}" for key, value in trailers)
    subject = _cut_columns(f"Let image policies write again: {policies}", SUBJECT_COLUMNS)
    return f"{subject}\n\n{_wrapped((text.why,))}\n\n{block}\n"


def revert_message(text: RevertText) -> str:
    """The whole message of a revert commit: subject, what it reverts, why, trailers; ends with a line break."""
    paragraphs = [_subject(text), "\n".join(_reverted(text.reverts))]
    held = (f"Not to be written back: {hold.words()}." for hold in text.holds)
    paragraphs += [one for one in (_wrapped((*text.edits, *held)), _wrapped(text.why)) if one]
    paragraphs.append("\n".join(f"{key}: {value}" for key, value in _trailers(text)))
    return "\n\n".join(paragraphs) + "\n"


def step_message(text: RevertText, step: StepText) -> str:
    """The whole message of a commit that sets fields on the way to the revert; ends with a line break."""
    subject = _cut_columns(f"Roll back {_harmless(step.name)}: {_harmless(step.title)}", SUBJECT_COLUMNS)
    prefix = f"{_harmless(text.subject_prefix)} " if text.subject_prefix.strip() else ""
    way = f"Step {step.n} of {step.of}; each is synced and checked before the next."
    trailers = (("Rollback-Step", f"{step.n}/{step.of}") if key == "Rollback-Step" else (key, value)
                for key, value in _trailers(text) if key != "Rollback-Rung")  # fmt: skip
    block = "\n".join(f"{key}: {value}" for key, value in trailers)
    return f"{prefix}{subject}\n\n{_wrapped((*text.why, way))}\n\n{block}\n"


def for_people(foreign: str, limit: int = PEOPLE_CHARACTERS) -> str:
    """Foreign text as one harmless line of at most `limit` characters.

    No control characters, terminal sequences or direction marks; no mention, channel call or link that fires.
    """
    return _cut(_harmless(foreign), limit)


def _subject(text: RevertText) -> str:
    newest = text.reverts[0] if text.reverts else None
    said = _harmless(newest.subject) if newest is not None else ""
    more = f" and {len(text.reverts) - 1} more" if len(text.reverts) > 1 else ""
    prefix = f"{_harmless(text.subject_prefix)} " if text.subject_prefix.strip() else ""
    reverted = _REVERTED.fullmatch(said) if text.reapplies else None
    word, said = ("Reapply", reverted[1]) if reverted else ("Revert", said)
    frame = f'{prefix}{word} ""{more}'
    said = said or (newest.sha[:12] if newest is not None else "")
    return f'{prefix}{word} "{_cut_columns(said, SUBJECT_COLUMNS - _columns(frame))}"{more}'


def _reverted(reverts: Sequence[Commit]) -> Iterator[str]:
    for commit in reverts:
        yield f"This reverts commit {commit.sha}."
        if len(commit.parents) > 1:
            yield f"Reversing changes made to {commit.parents[0]}."


def _wrapped(sentences: Sequence[str]) -> str:
    paragraph = " ".join(one for one in (_harmless(sentence) for sentence in sentences) if one)
    lines = textwrap.wrap(paragraph, BODY_COLUMNS, max_lines=BODY_LINES, placeholder=" ...")
    # A line of dashes ends a message for git-interpret-trailers, a leading # is a comment for an editor.
    return "\n".join(f". {line}" if line.startswith(("---", "#")) else line for line in lines)


def _trailers(text: RevertText) -> Iterator[tuple[str, str]]:
    yield "Rollback-Id", _value(text.rollback_id)
    for application in text.applications:
        yield "Rollback-Application", _value(application)
    yield "Rollback-Policy", _value(text.policy)
    for trigger in text.triggers:
        yield "Rollback-Trigger", _value(trigger)
    for commit in text.reverts:
        yield "Rollback-Reverts", _value(commit.sha)
    yield "Rollback-Restores", _value(text.restores)
    yield "Rollback-Bad-Revision", _value(text.bad_revision)
    for hold in text.holds:
        yield "Rollback-Holds", _held(hold)
    if text.rung is not None:
        yield "Rollback-Rung", str(text.rung)
    yield "Rollback-Step", _value(text.step)
    if text.drill:
        yield DRILL_TRAILER, _value(text.drill)
    if text.upstream:
        yield UPSTREAM_TRAILER, _value(text.upstream)
    yield "Rollback-Requested-By", _value(text.requested_by)


def _held(hold: ImageHold) -> str:
    return f"{hold.policy} {hold.path}"


def _value(foreign: str) -> str:
    """A trailer's value: one line, never empty, so that the block stays a block."""
    return for_people(foreign) or "-"


def _harmless(foreign: str) -> str:
    text = _ESCAPES.sub("", foreign[:READ_CHARACTERS])
    if not text.isprintable():
        text = "".join(" " if char in _BREAKS else char for char in text)
        kept = (char for char in text if not _hidden(char))
        text = "".join("\N{REPLACEMENT CHARACTER}" if _is_surrogate(char) else char for char in kept)
    text = _MENTION.sub("(at)", text)
    text = _SLACK.sub("(", text)
    text = _LINK.sub("] (", text)
    return " ".join(text.split())


def _hidden(char: str) -> bool:
    """Control and format characters: what a terminal obeys, what turns the direction, what has no width."""
    return unicodedata.category(char) in ("Cc", "Cf", "Co", "Cn")


def _is_surrogate(char: str) -> bool:
    return unicodedata.category(char) == "Cs"


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: max(limit - 3, 0)].rstrip() + "..."


def _columns(text: str) -> int:
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def _cut_columns(text: str, limit: int) -> str:
    if _columns(text) <= limit:
        return text
    kept = ""
    for char in text:
        if _columns(kept + char) > limit - 3:
            break
        kept += char
    return kept.rstrip() + "..."
