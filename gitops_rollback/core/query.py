"""A metric query as text: what do its variables stand for, how far does it look back, can it look back less?

`$SERVICE` and its siblings are filled wherever they stand, escaped for that place, so that a name is always data: it
matches itself and nothing else. Only tokens are looked at here; whether a query is valid PromQL is the parser's word.
Source: prometheus `promql/parser/lex.go` and `util/strutil/quote.go` (v2.45): three kinds of string literal, Go's
escapes in the quoted two and none in backticks; label regexes are RE2 and fully anchored.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from gitops_rollback.core.errors import QueryInvalid
from gitops_rollback.core.policy import Target

VARIABLES = ("SERVICE", "NAMESPACE", "APPLICATION", "REVISION", "PROJECT", "CLUSTER")
LONGEST_QUERY = 10_000  # characters
MOST_VARIABLES = 100  # of one query

TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<comment>\#[^\n]*)
    |(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`)
    |(?P<variable>\$\{[A-Za-z_]\w*\}|\$[A-Za-z_]\w*)
    |(?P<word>[A-Za-z_:][\w:]*)
    |(?P<number>\d[\w.]*)
    |(?P<operator>=~|!~|==|!=|>=|<=|.)""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)
VARIABLE = re.compile(r"\$(?:\{(?P<braced>[A-Za-z_]\w*)\}|(?P<bare>[A-Za-z_]\w*))", re.ASCII)
BARE_VALUE = re.compile(r"[A-Za-z0-9_:]+", re.ASCII)
DURATION = re.compile(r"(?:\d{1,12}(?:ms|[ywdhms]))+", re.ASCII)
DURATION_PART = re.compile(r"(\d+)(ms|[ywdhms])", re.ASCII)
SECONDS = re.compile(r"\d{1,12}", re.ASCII)
MILLISECONDS = {
    "y": 365 * 86_400_000,
    "w": 7 * 86_400_000,
    "d": 86_400_000,
    "h": 3_600_000,
    "m": 60_000,
    "s": 1_000,
    "ms": 1,
}
LONGEST_RANGE = timedelta(days=100 * 365)
REGEX_OPERATORS = ("=~", "!~")
REGEX_SPECIAL = re.compile(r"[\\.+*?()|\[\]{}^$]")
CHARACTER_CLASS = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]?")
WILDCARD = re.compile(r"(?:(?<!\\)\.|\\+[SDW])[*+]")
REPETITION = re.compile(r"\{\d*,?\d*\}")
# None of these can stand in a Kubernetes name, so a wildcard beyond one cannot reach into a longer name.
NAME_ENDS = re.compile(r"[:/@,=_ |]")


@dataclass(frozen=True)
class Token:
    kind: str
    text: str
    start: int


@dataclass(frozen=True)
class RangeSelector:
    """What stands between one pair of square brackets, and where."""

    start: int  # of the text between the brackets
    end: int
    length: timedelta
    subquery: bool


def render(template: str, variables: Mapping[str, str]) -> str:
    """`template` with every `$NAME` and `${NAME}` filled from `variables`, each escaped for where it stands.

    In a string literal the value is escaped for that kind of literal, in one matched by `=~` or `!~` for RE2 before
    that. Outside of literals only letters, digits, `_` and `:` may come in. Comments stay as they are.
    Raises: QueryInvalid for an unknown variable, one without a value here, or a place where no escape is safe.
    """
    if template.count("$") > MOST_VARIABLES:
        raise QueryInvalid("query", f"more than {MOST_VARIABLES} variables or `$`")
    parts: list[str] = []
    operator = ""
    for token in tokens(template):
        if token.kind == "variable":
            parts.append(_bare(value_of(token.text, variables), token.text))
        elif token.kind == "string":
            parts.append(_fill_string(token.text, operator in REGEX_OPERATORS, variables))
        else:
            parts.append(token.text)
        if token.kind not in ("space", "comment"):
            operator = token.text
    return "".join(parts)


def variables_of(
    target: Target, namespace: str = "", revision: str = "", project: str = "", cluster: str = ""
) -> dict[str, str]:
    """What the variables stand for at `target`; one without a value is left out, so that using it is an error.

    `namespace` is where the workloads live by the engine's word; the policy's own `workload` goes before it.
    """
    values = {
        "SERVICE": target.name,
        "NAMESPACE": target.workload.namespace if target.workload else namespace,
        "APPLICATION": target.application.name,
        "REVISION": revision,
        "PROJECT": project,
        "CLUSTER": cluster,
    }
    return {name: value for name, value in values.items() if value}


def used_variables(template: str) -> frozenset[str]:
    """The names of all variables that `template` mentions outside comments, known or not."""
    found: set[str] = set()
    for token in tokens(template):
        if token.kind in ("variable", "string"):
            found.update(_name(match) for match in VARIABLE.finditer(token.text))
    return frozenset(found)


def stranger_selectors(template: str) -> tuple[str, ...]:
    """The regex literals of `template` in which a wildcard touches a variable's name, so that other names match too.

    `pod=~"$SERVICE.*"` also selects the Pods of `api-gateway` for `api`; `image=~".*/$SERVICE:.*"` does not, since
    no name holds a colon.
    """
    found: list[str] = []
    operator = ""
    for token in tokens(template):
        if token.kind == "string" and operator in REGEX_OPERATORS and _selects_strangers(token.text[1:-1]):
            found.append(token.text)
        if token.kind not in ("space", "comment"):
            operator = token.text
    return tuple(found)


def ranges(expression: str) -> tuple[timedelta, ...]:
    """The length of each range selector and subquery, in the order of the text; () if it looks at one instant only.

    Raises: QueryInvalid if what stands in square brackets is no duration.
    """
    return tuple(selector.length for selector in _range_selectors(expression))


def look_back(expression: str) -> timedelta:
    """At most how far before its evaluation time `expression` reads: ranges, subqueries and offsets together.

    Never too little: nested ranges are added up even where they stand side by side. 0 for an instant query.
    Raises: QueryInvalid for a range that is no duration, or a fixed time (`@ 1609746000`), which no length describes.
    """
    if _fixed_time(expression):
        raise QueryInvalid("query", "a fixed time (`@`) does not move with the sync")
    selectors = _range_selectors(expression)
    plain = max((selector.length for selector in selectors if not selector.subquery), default=timedelta(0))
    nested = sum((selector.length for selector in selectors if selector.subquery), timedelta(0))
    return plain + nested + sum(_offsets(expression), timedelta(0))


def cut_ranges(expression: str, longest: timedelta) -> str | None:
    """`expression` with each range longer than `longest` shortened to it; itself if none is longer.

    None if that cannot be done safely: a subquery, an offset or a fixed time decides what is read, or `longest` is
    not positive. Who gets None waits for `look_back` instead.
    """
    try:
        selectors = _range_selectors(expression)
        shifted = bool(_offsets(expression)) or _fixed_time(expression)
    except QueryInvalid:
        return None
    if longest < timedelta(milliseconds=1) or shifted or any(selector.subquery for selector in selectors):
        return None
    text = expression
    for selector in reversed(selectors):
        if selector.length > longest:
            text = text[: selector.start] + format_duration(longest) + text[selector.end :]
    return text


def format_duration(length: timedelta) -> str:
    """`length` as PromQL writes it, in whole seconds where it is some, else in milliseconds rounded down."""
    milliseconds = length // timedelta(milliseconds=1)
    return f"{milliseconds}ms" if milliseconds % 1000 else f"{milliseconds // 1000}s"


def tokens(text: str) -> Iterator[Token]:
    """The tokens of a query, all characters covered. Raises: QueryInvalid for a string that is not closed."""
    for match in TOKEN.finditer(text):
        kind = match.lastgroup or ""
        if kind == "operator" and match.group() in "\"'`":
            raise QueryInvalid("query", f"the string that starts at character {match.start() + 1} is not closed")
        yield Token(kind, match.group(), match.start())


def _name(match: re.Match[str]) -> str:
    return match["braced"] or match["bare"]


def value_of(written: str, variables: Mapping[str, str]) -> str:
    """What the variable `written` as `$NAME` or `${NAME}` stands for. Raises: QueryInvalid if it has no value."""
    name = written.strip("${}")
    if name in variables:
        return variables[name]
    known = ", ".join(f"${known}" for known in VARIABLES)
    if name in VARIABLES:
        raise QueryInvalid("query", f"${name} has no value here")
    raise QueryInvalid("query", f"unknown variable ${name[:40]}; known are {known}")


def _bare(value: str, written: str) -> str:
    if not BARE_VALUE.fullmatch(value):
        raise QueryInvalid("query", f"the value of {written} cannot stand outside quotes: put it into a string")
    return value


def _fill_string(literal: str, regex: bool, variables: Mapping[str, str]) -> str:
    quote, body = literal[0], literal[1:-1]
    parts: list[str] = []
    end = 0
    for match in VARIABLE.finditer(body):
        before = body[: match.start()]
        if before.endswith("\\"):
            raise QueryInvalid("query", f"{match.group()} must not follow a backslash")
        if regex and _inside_class(before):
            raise QueryInvalid("query", f"{match.group()} must not stand inside a character class")
        value = value_of(match.group(), variables)
        value = REGEX_SPECIAL.sub(r"\\\g<0>", value) if regex else value
        parts += [body[end : match.start()], _escape(value, quote)]
        end = match.end()
    return quote + "".join(parts) + body[end:] + quote


def _inside_class(before: str) -> bool:
    """True if a character class is still open at the end of `before`, the written text of a regex."""
    rest = re.sub(r"\\+.", "", CHARACTER_CLASS.sub(lambda match: "" if _closed(match.group()) else "[", before))
    return "[" in rest


def _closed(character_class: str) -> bool:
    return len(character_class) > 2 and character_class.endswith("]")


def in_string(value: str) -> str:
    """`value` as it stands between double quotes."""
    return _escape(value, '"')


def _escape(value: str, quote: str) -> str:
    if quote == "`":
        if "`" in value or "\r" in value:
            raise QueryInvalid("query", "a value with a backtick cannot stand in backticks")
        return value
    escaped = value.replace("\\", "\\\\").replace(quote, "\\" + quote)
    if escaped.isprintable():
        return escaped
    return "".join(char if char.isprintable() else f"\\U{ord(char):08x}" for char in escaped)


def _selects_strangers(body: str) -> bool:
    """True if, next to a variable and not parted from it by a character that no name holds, any text may stand."""
    plain = CHARACTER_CLASS.sub(lambda match: "." if _holds_hyphen(match.group()) else "x", body)
    plain = REPETITION.sub("+", plain)
    for match in VARIABLE.finditer(plain):
        behind = NAME_ENDS.split(plain[match.end() :], maxsplit=1)[0]
        before = NAME_ENDS.split(plain[: match.start()])[-1]
        if WILDCARD.search(behind) or WILDCARD.search(before):
            return True
    return False


def _holds_hyphen(character_class: str) -> bool:
    """True if a class takes the hyphen that parts the words of a name."""
    inner = character_class.strip("[]")
    return character_class.startswith("[^") or inner.startswith("-") or inner.endswith(("-", "\\-"))


def _range_selectors(expression: str) -> tuple[RangeSelector, ...]:
    found: list[RangeSelector] = []
    start: int | None = None
    for token in tokens(expression):
        if token.kind != "operator":
            continue
        if token.text == "[":
            start = token.start + 1
        elif token.text == "]" and start is not None:
            found.append(_range_selector(expression, start, token.start))
            start = None
    return tuple(found)


def _range_selector(expression: str, start: int, end: int) -> RangeSelector:
    written, colon, step = expression[start:end].partition(":")
    length = _duration(written.strip())
    if length is None or (step.strip() and _duration(step.strip()) is None):
        raise QueryInvalid("query", f"[{expression[start:end][:40]}] is no range that can be measured")
    return RangeSelector(start, end, length, bool(colon))


def _duration(text: str) -> timedelta | None:
    """A PromQL duration, or bare seconds; None for anything else, or for more than a century."""
    if SECONDS.fullmatch(text):
        milliseconds = int(text) * 1_000
    elif DURATION.fullmatch(text):
        parts: list[tuple[str, str]] = DURATION_PART.findall(text)
        milliseconds = sum(int(number) * MILLISECONDS[unit] for number, unit in parts)
    else:
        return None
    within = milliseconds <= LONGEST_RANGE // timedelta(milliseconds=1)
    return timedelta(milliseconds=milliseconds) if within else None


def _offsets(expression: str) -> tuple[timedelta, ...]:
    """Each `offset` that looks back; one that looks forward counts as 0. Raises: QueryInvalid."""
    significant = [token for token in tokens(expression) if token.kind not in ("space", "comment")]
    found: list[timedelta] = []
    for index, token in enumerate(significant[:-1]):
        if token.kind != "word" or token.text.lower() != "offset":
            continue
        written = [following.text for following in significant[index + 1 : index + 3]]
        forward = written[0] == "-"
        length = _duration(written[-1] if forward else written[0])
        if length is None:
            raise QueryInvalid("query", f"offset {' '.join(written)[:40]} is no duration")
        found.append(timedelta(0) if forward else length)
    return tuple(found)


def _fixed_time(expression: str) -> bool:
    significant = [token for token in tokens(expression) if token.kind not in ("space", "comment")]
    pairs = itertools.pairwise(significant)
    return any(token.text == "@" and following.text not in ("start", "end") for token, following in pairs)
