"""What does a comment of a pull request ask us to do, in its writer's own plain words?

A command is a line that begins with `/rollback`, without indentation. What is quoted, code, or hidden from readers is
not the writer's word: a quoted command was somebody else's, one in a code block is an example. Anything that is
doubtful is no command. One comment holds one command.
Source: contracts/forges.md, section 8; CommonMark 0.31 (block quotes with lazy lines, fences, code spans, HTML).
"""

from __future__ import annotations

import difflib
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from gitops_rollback.core.commit import is_sha
from gitops_rollback.core.duration import parse_duration
from gitops_rollback.core.message import for_people
from gitops_rollback.core.press import CheckPress
from gitops_rollback.core.pull_request import Comment, StatusButton

WORD = "/rollback"
LONGEST_BODY = 65_536  # characters: GitHub's own limit; a longer comment is not looked into
LONGEST_PAUSE = timedelta(days=30)

_COMMAND = re.compile(rf"{WORD}(?:[ \t]+(.*))?", re.ASCII)
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
_QUOTE = re.compile(r" {0,3}>")
_TICKS = re.compile(r"(\\*)(`+)")
_HIDDEN = re.compile(
    r"<!--.*?(?:-->|\Z)"
    r"|<(pre|code|blockquote|samp|kbd|script|style|textarea)\b[^>]{0,1000}>.*?(?:</\1\s*>|\Z)",
    re.DOTALL | re.IGNORECASE,
)


class Verb(StrEnum):
    PLAN = "plan"
    APPROVE = "approve"
    REJECT = "reject"
    STOP = "stop"
    PAUSE = "pause"
    TO = "to"
    RETRY = "retry"
    HELP = "help"


USAGE = {
    Verb.PLAN: ("plan", "make the plan anew, and show it"),
    Verb.APPROVE: ("approve SHA", "carry out the plan that was seen at this head of the pull request"),
    Verb.REJECT: ("reject [why]", "say no to it, for this deployment"),
    Verb.STOP: ("stop [why]", "stop acting for the application, without an end"),
    Verb.PAUSE: ("pause 2h [why]", "stop acting for the application for a while"),
    Verb.TO: ("to SHA", "plan the way back to this commit instead"),
    Verb.RETRY: ("retry", "try again what failed"),
    Verb.HELP: ("help", "show this"),
}
BUTTONS = {  # the commands that a forge may show as a button; a press is the same word
    Verb.APPROVE: StatusButton("approve", "Approve", "carry out the plan as it is shown"),
    Verb.REJECT: StatusButton("reject", "Reject", "say no to it, for this deployment"),
    Verb.PLAN: StatusButton("plan", "Plan anew", "make the plan anew, and show it"),
    Verb.RETRY: StatusButton("retry", "Try again", "try again what failed"),
}
BARE = frozenset({Verb.PLAN, Verb.RETRY, Verb.HELP})  # nothing may stand behind them


@dataclass(frozen=True)
class Command:
    """One command. `sha`: the head that was seen (approve), or where to go (to); `lasts`: how long a pause is."""

    verb: Verb
    sha: str = ""
    lasts: timedelta | None = None
    why: str = ""


@dataclass(frozen=True)
class NotUnderstood:
    """It was meant for us, and is not carried out. `message`: why, and what to write; safe to show."""

    message: str


def command_of(comment: Comment) -> Command | NotUnderstood | None:
    """What the comment asks for; None if it asks for nothing. A machine's comment never does."""
    if comment.by_bot or WORD not in comment.body:
        return None
    if len(comment.body) > LONGEST_BODY:
        return NotUnderstood("The comment is too long to be looked into for a command; write a short one.")
    lines = tuple(_commands(comment.body))
    if not lines:
        return None
    if comment.edited:
        return NotUnderstood(
            "An edited comment is no command, since nobody knows who read which words; write a new one."
        )
    if len(lines) > 1:
        return NotUnderstood(f"The comment holds {len(lines)} commands; write one comment for each.")
    return _understood(lines[0])


def pressed_command(press: CheckPress) -> Command | None:
    """What the button stands for, about the head that it was shown at; None for one that is not ours."""
    if press.by_bot or press.button not in [one.identifier for one in BUTTONS.values()]:
        return None
    verb = Verb(press.button)
    return Command(verb, sha=press.head if verb is Verb.APPROVE else "")


def help_lines() -> tuple[str, ...]:
    """Every command with its meaning, a line of Markdown each."""
    return tuple(f"- `{WORD} {form}`: {meaning}" for form, meaning in USAGE.values())


def _understood(line: str) -> Command | NotUnderstood:
    words = line.split()
    if not words:
        return Command(Verb.HELP)
    if words[0] not in list(Verb):
        near = difflib.get_close_matches(words[0][:40], list(Verb), n=1)
        hint = f"did you mean `{WORD} {near[0]}`?" if near else f"known are {', '.join(Verb)}"
        return NotUnderstood(f"`{_shown(words[0])}` is no command; {hint}")
    verb, behind = Verb(words[0]), words[1:]
    if verb in BARE and behind:
        return NotUnderstood(f"Nothing may stand behind `{WORD} {verb}`.")
    if verb in (Verb.APPROVE, Verb.TO):
        return _with_sha(verb, behind)
    if verb is Verb.PAUSE:
        return _pause(behind)
    return Command(verb, why=" ".join(behind))


def _with_sha(verb: Verb, behind: list[str]) -> Command | NotUnderstood:
    sha, why = (behind[0], " ".join(behind[1:])) if behind else ("", "")
    if not is_sha(sha):
        # A short one can be made to fit another commit by whoever may push.
        what = "the head that you saw" if verb is Verb.APPROVE else "the commit to go back to"
        return NotUnderstood(f"Name {what} by its full SHA: `{WORD} {USAGE[verb][0]}`.")
    if verb is Verb.TO and why:
        return NotUnderstood(f"Nothing may stand behind `{WORD} to SHA`.")
    return Command(verb, sha=sha, why=why)


def _pause(behind: list[str]) -> Command | NotUnderstood:
    try:
        lasts = parse_duration(behind[0] if behind else "")
    except (ValueError, OverflowError):
        return NotUnderstood(f"Say how long: `{WORD} pause 2h`.")
    if not timedelta(0) < lasts <= LONGEST_PAUSE:
        return NotUnderstood(f"A pause lasts up to {LONGEST_PAUSE.days} days; for longer: `{WORD} stop`.")
    return Command(Verb.PAUSE, lasts=lasts, why=" ".join(behind[1:]))


def _shown(word: str) -> str:
    return for_people(word, 40).replace("`", "'")


def _commands(body: str) -> Iterator[str]:
    """What stands behind the word in each line that is a command."""
    text = body.replace("\r\n", "\n").replace("\r", "\n")
    hidden = [match.span() for match in _HIDDEN.finditer(_without_code(text))]
    for start, line in _own_lines(text):
        match = _COMMAND.fullmatch(line.rstrip())
        if match is not None and not any(first <= start < end for first, end in hidden):
            yield match[1] or ""


def _without_code(text: str) -> str:
    """The text with what is code blanked: a `<!--` in there hides nothing."""
    cut = [" "] * len(text)
    for start, paragraph in _paragraphs(text):
        cut[start : start + len(paragraph)] = paragraph
        for first, end in _spans(paragraph):
            cut[start + first : start + end] = " " * (end - first)
    return "".join(cut)


def _own_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines, with their offsets, that are neither quoted nor code."""
    for start, paragraph in _paragraphs(text):
        spans = _spans(paragraph)
        at = 0
        for line in paragraph.split("\n"):
            if _QUOTE.match(line):
                break  # what follows without a blank line is still the quotation
            if not any(first < at < end for first, end in spans):
                yield start + at, line
            at += len(line) + 1


def _paragraphs(text: str) -> Iterator[tuple[int, str]]:
    """Runs of lines between blank ones and outside of fences, with their offsets."""
    fence, begun, at, lines = "", 0, 0, list[str]()
    for line in text.split("\n"):
        opening = _FENCE.match(line)
        if fence:
            if opening and opening[1].startswith(fence) and not opening[2].strip():
                fence = ""
        elif opening and not (opening[1].startswith("`") and "`" in opening[2]):
            fence = opening[1]
        if fence or opening or not line.strip():
            if lines:
                yield begun, "\n".join(lines)
            lines = []
        else:
            begun = at if not lines else begun
            lines.append(line)
        at += len(line) + 1
    if lines:
        yield begun, "\n".join(lines)


def _spans(paragraph: str) -> list[tuple[int, int]]:
    """Where code spans begin and end: a run of backticks and the next run of the same length."""
    runs = [match.span(2) for match in _TICKS.finditer(paragraph)]
    escaped = [len(match[1]) % 2 for match in _TICKS.finditer(paragraph)]
    places: dict[int, deque[int]] = {}
    for index, (start, end) in enumerate(runs):
        places.setdefault(end - start, deque()).append(index)
    found: list[tuple[int, int]] = []
    index = 0
    while index < len(runs):
        start, end = runs[index]
        start += escaped[index]
        same = places.get(end - start, deque())
        while same and same[0] <= index:
            same.popleft()
        if same:
            found.append((start, runs[same[0]][1]))
            index = same[0]
        index += 1
    return found
