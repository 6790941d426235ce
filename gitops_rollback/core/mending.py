"""What of a file's faults has one answer, and the file's text with that answer in it; all else stays as it is written.

A misspelt key, a value with one right spelling, the missing marker. What could be meant in two ways is a person's.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator

import yaml

from gitops_rollback.core.faults import Fault
from gitops_rollback.core.written import SKIP_MARKER, UTF8_MARK

UNKNOWN_KEY = re.compile(r"unknown key `(?P<written>[^`]+)`")
KNOWN_KEY = re.compile(r"did you mean `(?P<word>[^`]+)`\?")
ONE_VALUE = re.compile(r"write `(?P<word>[^`]+)`")
ALIKE = 0.85  # from here on a key is a slip of the pen, and no other word
PLAIN = re.compile(r"[A-Za-z0-9][\w./-]*")  # needs no quotes wherever it stands
FIRST_LINE = f"# {SKIP_MARKER}\n"


def is_mendable(fault: Fault) -> bool:
    """Whether the fault says the one thing that mends it."""
    return _wants_marker(fault) or _word(fault) is not None


def mended(data: bytes, faults: Iterable[Fault]) -> bytes:
    """The file with what mends those of `faults` that have one answer; itself where there is none."""
    mark, text = (UTF8_MARK, data[len(UTF8_MARK) :]) if data.startswith(UTF8_MARK) else (b"", data)
    wanted = list(faults)
    try:
        words = text.decode()
        for start, end, word in sorted(_splices(words, wanted), reverse=True):
            words = words[:start] + word + words[end:]
    except (UnicodeDecodeError, yaml.YAMLError, ValueError):
        return data
    first = FIRST_LINE if any(_wants_marker(one) for one in wanted) else ""
    return mark + (first + words).encode()


def _wants_marker(fault: Fault) -> bool:
    return SKIP_MARKER in fault.fix and (fault.line, fault.col) == (1, 1)


def _word(fault: Fault) -> str | None:
    """The one word to write at its place."""
    unknown, found = UNKNOWN_KEY.fullmatch(fault.message), KNOWN_KEY.fullmatch(fault.fix)
    if unknown is not None and found is not None:
        return found["word"] if _is_slip(unknown["written"], found["word"]) else None
    value = ONE_VALUE.fullmatch(fault.fix)
    return value["word"] if value is not None and PLAIN.fullmatch(value["word"]) else None


def _is_slip(written: str, meant: str) -> bool:
    first, second = (word.replace("_", "").replace("-", "").lower() for word in (written, meant))
    return difflib.SequenceMatcher(None, first, second).ratio() >= ALIKE


def _splices(text: str, faults: list[Fault]) -> Iterator[tuple[int, int, str]]:
    """Start, end and new text of each scalar that a fault stands at."""
    at = {(fault.line, fault.col): word for fault in faults if (word := _word(fault)) is not None}
    for token in yaml.scan(text, Loader=yaml.SafeLoader) if at else ():
        place = token.start_mark.line + 1, token.start_mark.column + 1
        if isinstance(token, yaml.ScalarToken) and place in at:
            yield token.start_mark.index, token.end_mark.index, at[place]
