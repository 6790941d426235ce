"""What a written scalar means: one spelling each for durations, numbers and booleans, everything else refused.

A limit that two readers understand differently is a rollback that one of them did not expect, so `1:30`, `0777`,
`12_000`, `no` and `"5%"` are errors with the spelling that was probably meant.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

from gitops_rollback.core.faults import shown
from gitops_rollback.core.written import Written

DURATION = re.compile(r"(?:(\d{1,9})h)?(?:(\d{1,9})m(?!s))?(?:(\d{1,9})s)?(?:(\d{1,9})ms)?", re.ASCII)
LONGEST_DURATION = timedelta(days=90)
NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,17})(?:\.\d{1,17})?(?:[eE][-+]?\d{1,2})?", re.ASCII)
COUNT = re.compile(r"0|[1-9]\d{0,8}", re.ASCII)
LONGEST_TEXT = 10_000


class Misspelt(ValueError):
    """A scalar that has no one meaning; `fix` says how to write it."""

    def __init__(self, message: str, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix


def read_duration(written: Written) -> timedelta:
    """A duration as Go writes it, hours to milliseconds: `15s`, `2m`, `1h30m`; `0` too. Raises: Misspelt."""
    text = written.text
    if text == "0":
        return timedelta(0)
    match = DURATION.fullmatch(text)
    if not text or match is None:
        raise Misspelt(f"{shown(text)} is not a duration", _duration_fix(text))
    hours, minutes, seconds, milliseconds = (int(part or 0) for part in match.groups())
    total = ((hours * 60 + minutes) * 60 + seconds) * 1000 + milliseconds
    if total > LONGEST_DURATION // timedelta(milliseconds=1):
        raise Misspelt(f"{shown(text)} is longer than 90 days", "write a shorter duration")
    return timedelta(milliseconds=total)


def _duration_fix(text: str) -> str:
    plain = text.strip()
    if re.fullmatch(r"\d{1,9}", plain, re.ASCII):
        number = int(plain)
        return f"add a unit: `{number}s` or `{number}m`"
    if re.fullmatch(r"\d{1,4}:\d{2}", plain, re.ASCII):
        first, second = plain.split(":")
        return f"write `{int(first)}m{int(second)}s` or `{int(first)}h{int(second)}m`"
    if re.fullmatch(r"\d{1,4}d", plain, re.ASCII):
        return f"write `{int(plain[:-1]) * 24}h`"
    if DURATION.fullmatch(plain.lower()) and plain:
        return f"write `{plain.lower()}`"
    return "write it like 15s, 2m or 1h30m"


def read_number(written: Written) -> float:
    """A finite decimal number, unquoted. Raises: Misspelt."""
    text = written.text
    if not NUMBER.fullmatch(text) or not written.plain:
        raise Misspelt(f"{shown(text)} is not a plain number", _number_fix(written))
    return float(text)


def _number_fix(written: Written) -> str:
    text = written.text
    if not written.plain and NUMBER.fullmatch(text):
        return "remove the quotes"
    if re.fullmatch(r"[\d.]{1,9}\s*%", text, re.ASCII):
        return "write a share of 1: 5% is 0.05"
    if re.fullmatch(r"\.\d{1,9}", text, re.ASCII):
        return f"write `0{text}`"
    if re.fullmatch(r"\d[\d_]{0,18}", text, re.ASCII) and "_" in text:
        return f"write `{text.replace('_', '')}`"
    return "write it like 0.05 or 12000"


def read_count(written: Written) -> int:
    """A whole number from 0 to 999,999,999, unquoted. Raises: Misspelt."""
    if not COUNT.fullmatch(written.text) or not written.plain:
        raise Misspelt(f"{shown(written.text)} is not a whole number", "write it like 3, without quotes")
    return int(written.text)


def read_flag(written: Written) -> bool:
    """`true` or `false`, unquoted. Raises: Misspelt."""
    if not written.plain or written.text not in ("true", "false"):
        raise Misspelt(f"{shown(written.text)} is not a boolean", "write true or false, without quotes")
    return written.text == "true"


def read_text(written: Written) -> str:
    """Any text that is not empty. Raises: Misspelt."""
    if not written.text.strip():
        raise Misspelt("is empty", "give it a value, or remove the key")
    if len(written.text) > LONGEST_TEXT:
        raise Misspelt(f"has {len(written.text)} characters, more than {LONGEST_TEXT}", "shorten it")
    return written.text


def read_scalar(written: Written) -> str | float | bool:
    """A boolean, a number, or else the text: for a field of somebody else's file. Raises: Misspelt."""
    for read in (read_flag, read_number):
        try:
            return read(written)
        except Misspelt:
            continue
    return read_text(written)


def nearest(word: str, known: Iterable[str]) -> str:
    """A sentence that names the known word meant, or all of them if none is near."""
    words = sorted(known)
    close = difflib.get_close_matches(word[:LONGEST_TEXT], words, n=1, cutoff=0.6)
    if not close:
        folded = {known_word.replace("_", "").lower(): known_word for known_word in words}
        close = [match for match in [folded.get(word[:100].replace("_", "").replace("-", "").lower())] if match]
    return f"did you mean `{close[0]}`?" if close else "known: " + ", ".join(words)


@dataclass(frozen=True)
class Leaf:
    """Pydantic's view of one kind of scalar: how it is read, and what the JSON Schema says about it."""

    read: Callable[[Written], Any]
    json: tuple[tuple[str, Any], ...]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self._validate)

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return dict(self.json)

    def _validate(self, value: object) -> Any:
        if not isinstance(value, Written):
            kind = "a list" if isinstance(value, list) else "a mapping"
            raise _custom(Misspelt(f"is {kind}, but must be one value"))
        if value.plain and value.text in ("", "~", "null", "Null", "NULL"):
            raise _custom(Misspelt("is empty", "give it a value, or remove the key"))
        try:
            return self.read(value)
        except Misspelt as exc:
            raise _custom(exc) from exc


def _custom(misspelt: Misspelt) -> PydanticCustomError:
    return PydanticCustomError("misspelt", "{message}", {"message": misspelt.message, "fix": misspelt.fix})


def choice(*words: str) -> Leaf:
    """One of `words`, nothing else; a near miss is told which was meant."""

    def read(written: Written) -> str:
        if written.text not in words:
            raise Misspelt(f"{shown(written.text)} is not known here", _choice_fix(written.text, words))
        return written.text

    return Leaf(read, (("enum", words),))


@dataclass(frozen=True)
class OpenLeaf(Leaf):
    """A word that is known here, or one of those that installed packages bring; a schema lists what is there now."""

    brought: Callable[[], Iterable[str]] = frozenset

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        words = dict(self.json)
        return words | {"enum": [*words["enum"], *sorted(self.brought())]}


def choice_or_brought(what: str, brought: Callable[[], frozenset[str]], *words: str) -> Leaf:
    """One of `words`, or the name of a `what` that an installed package brings."""

    def read(written: Written) -> str:
        known = frozenset(words) | brought()
        if written.text not in known:
            message = f"{shown(written.text)} is no {what} that is known or installed here"
            raise Misspelt(
                message, f"{_choice_fix(written.text, tuple(known))}; install the package that brings another"
            )
        return written.text

    return OpenLeaf(read, (("enum", words),), brought)


SYMBOLS = {">": "greater_than", ">=": "greater_than", "<": "less_than", "<=": "less_than"}


def _choice_fix(word: str, words: tuple[str, ...]) -> str:
    meant = SYMBOLS.get(word.strip())
    return f"write `{meant}`" if meant in words else nearest(word, words)


def pattern(regex: str, what: str, fix: str) -> Leaf:
    """A text that `regex` matches as a whole; `what` names it in the message."""
    compiled = re.compile(regex, re.ASCII)

    def read(written: Written) -> str:
        if not compiled.fullmatch(read_text(written)):
            raise Misspelt(f"{shown(written.text)} is not {what}", fix)
        return written.text

    return Leaf(read, (("type", "string"), ("pattern", f"^(?:{regex})$")))


GO_DURATION = r"^(0|(?=.)([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?)$"
DNS_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"

Duration = Annotated[timedelta, Leaf(read_duration, (("type", "string"), ("pattern", GO_DURATION)))]
Number = Annotated[float, Leaf(read_number, (("type", "number"),))]
Count = Annotated[int, Leaf(read_count, (("type", "integer"), ("minimum", 0)))]
Flag = Annotated[bool, Leaf(read_flag, (("type", "boolean"),))]
Text = Annotated[str, Leaf(read_text, (("type", "string"),))]
Scalar = Annotated[str | float | bool, Leaf(read_scalar, ())]
Label = Annotated[
    str,
    pattern(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?", "a name", "use lower-case letters, digits and `-`"),
]
Name = Annotated[
    str,
    pattern(
        rf"(?=.{{1,253}}$){DNS_LABEL}(?:\.{DNS_LABEL})*",
        "a Kubernetes name",
        "use lower-case letters, digits, `-` and `.`; no wildcards",
    ),
]
