"""Can one query answer for many applications? A PromQL template as one that groups by the names it selects.

`sum(rate(x{service="$SERVICE"}[2m]))` becomes `sum by (service) (rate(x{service=~"a|b"}[2m]))`: each application's part
of the answer is then what it would have been answered alone, labels included. That holds where each selector names the
application by whole labels, and nothing drops, makes or joins labels on the way; all other templates are asked for each
application by itself.
Source: prometheus `promql/parser` (v2.45) and docs/querying/operators.md (aggregation, vector matching); label regexes
are fully anchored.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from gitops_rollback.core.errors import QueryInvalid
from gitops_rollback.core.measurement import Answer, Outcome, Series
from gitops_rollback.core.query import REGEX_OPERATORS, REGEX_SPECIAL, VARIABLE, Token, in_string, tokens

Key = tuple[str, ...]  # an application's values of `Grouping.variables`

AGGREGATIONS = frozenset({"sum", "avg", "min", "max", "count", "group", "stddev", "stdvar"})
OVER_TIME = ("avg", "min", "max", "sum", "count", "last", "present", "stddev", "stdvar", "quantile")
# Each gives a series for each one of its one vector, with the labels of that.
KEEPING = frozenset(
    {"rate", "irate", "increase", "delta", "idelta", "deriv", "predict_linear", "resets", "changes", "timestamp"}
    | {f"{name}_over_time" for name in OVER_TIME}
    | {"abs", "ceil", "floor", "round", "sqrt", "exp", "ln", "log2", "log10", "sgn", "clamp", "clamp_min", "clamp_max"}
    | {"histogram_quantile", "histogram_count", "histogram_sum", "histogram_avg"}
)
NUMBERS = frozenset({"inf", "nan"})
SCALARS = frozenset({"time", "pi"})
SIGNS = ("+", "-")
OPERATORS = frozenset({"+", "-", "*", "/", "%", "^", "==", "!=", ">", "<", ">=", "<=", "and", "or", "unless"})
MATCHING = frozenset({"on", "ignoring", "group_left", "group_right"})
DEEPEST = 50  # of brackets in brackets

Shape = frozenset[str] | None  # of a vector: labels that it has by the grouping alone; None is a number


class _Apart(Exception):
    """The template cannot be grouped."""


@dataclass(frozen=True)
class Grouping:
    """A template that many applications share. `text` and `holes` alternate: a hole is the label that is selected by.

    `added` are the labels that an answer has by the grouping alone.
    """

    labels: tuple[str, ...]
    variables: tuple[str, ...]
    added: frozenset[str]
    text: tuple[str, ...]
    holes: tuple[str, ...]

    def key(self, variables: Mapping[str, str]) -> Key | None:
        """An application's own values, in the order of `labels`; None if one of them is missing."""
        values = tuple([variables.get(name, "") for name in self.variables])
        return values if all(values) else None

    def expression(self, keys: Iterable[Key]) -> str:
        """The query that answers for all of `keys`, and perhaps for some more."""
        by_label = zip(self.labels, zip(*keys, strict=True), strict=True)
        chosen = {
            label: "|".join(REGEX_SPECIAL.sub(r"\\\g<0>", one) for one in sorted(set(v))) for label, v in by_label
        }
        return self._filled({label: f'{label}=~"{in_string(names)}"' for label, names in chosen.items()})

    def everything(self) -> str:
        """The query that answers for whatever has the labels."""
        return self._filled({label: f'{label}!=""' for label in self.labels})

    def parts(self, answer: Answer) -> dict[Key, tuple[Series, ...]] | None:
        """The series of each application, as it alone would have been answered; None if the answer is not grouped."""
        if answer.outcome is not Outcome.VALUE or answer.kind not in ("vector", "matrix"):
            return None
        found: dict[Key, list[Series]] = {}
        for series in answer.series:
            labels = dict(series.labels)
            key = tuple([labels.get(label, "") for label in self.labels])
            if not all(key):
                return None
            if self.added:
                series = Series(tuple([pair for pair in series.labels if pair[0] not in self.added]), series.samples)
            found.setdefault(key, []).append(series)
        return {key: tuple(several) for key, several in found.items()}

    def _filled(self, selectors: Mapping[str, str]) -> str:
        holes = [selectors[label] for label in self.holes]
        return "".join(itertools.chain.from_iterable(itertools.zip_longest(self.text, holes, fillvalue="")))


def grouping_of(template: str) -> Grouping | None:
    """How `template` is grouped; None if it cannot be."""
    try:
        significant = [token for token in tokens(template) if token.kind not in ("space", "comment")]
        reader = _Reader(significant)
        shape = reader.expression()
        reader.end()
    except (_Apart, QueryInvalid):
        return None
    if shape is None or not reader.named:
        return None
    labels = tuple(sorted(reader.named))
    text, holes, position = [""], [], 0
    for edit in sorted(reader.edits, key=lambda edit: edit.start):
        text[-1] += template[position : edit.start]
        position = edit.end
        if edit.label:
            holes.append(edit.label)
            text.append("")
        else:
            text[-1] += edit.text
    text[-1] += template[position:]
    return Grouping(labels, tuple(reader.named[label] for label in labels), shape, tuple(text), tuple(holes))


@dataclass(frozen=True)
class _Edit:
    """What stands from `start` to `end` becomes `text`, or a hole for the selector of a `label`."""

    start: int
    end: int
    text: str = ""
    label: str = ""


@dataclass
class _Reader:
    """Reads a query by its grammar, as far as it keeps labels. `named`: which variable each label stands for."""

    tokens: Sequence[Token]
    position: int = 0
    depth: int = 0
    named: dict[str, str] = field(default_factory=dict)
    edits: list[_Edit] = field(default_factory=list)

    def expression(self) -> Shape:
        """Operands between operators. Which binds more does not matter: all vectors must be of one shape."""
        self.depth += 1
        if self.depth > DEEPEST:
            raise _Apart
        shape = self._operand()
        while self._next().lower() in OPERATORS:
            self._take()
            if self._next().lower() == "bool":
                self._take()
            if self._next().lower() in MATCHING:
                raise _Apart
            shape = self._same(shape, self._operand())
        self.depth -= 1
        return shape

    def end(self) -> None:
        if self.position < len(self.tokens):
            raise _Apart

    def _operand(self) -> Shape:
        while self._next() in SIGNS:
            self._take()
        shape = self._primary()
        while self._next() == "[" or self._next().lower() == "offset":
            if self._take().text == "[":
                self._skip_to("]")
                continue
            if self._next() == "-":
                self._take()
            self._expect("number")
        return shape

    def _primary(self) -> Shape:
        if self._next() == "(":
            return self._bracketed()
        if self._next() == "{":
            return self._selector()
        token = self._take()
        if token.kind == "number":
            return None
        if token.kind != "word":
            raise _Apart
        word, following = token.text.lower(), self._next()
        if following == "{":
            return self._selector()
        if word in AGGREGATIONS and (following == "(" or following.lower() in ("by", "without")):
            return self._aggregation(token)
        if following == "(":
            return self._function(word)
        if word in NUMBERS:
            return None
        raise _Apart

    def _bracketed(self) -> Shape:
        self._take("(")
        shape = self.expression()
        self._take(")")
        return shape

    def _function(self, word: str) -> Shape:
        self._take("(")
        if word in SCALARS:
            self._take(")")
            return None
        if word not in KEEPING:
            raise _Apart
        shapes = [self.expression()]
        while self._next() == ",":
            self._take()
            shapes.append(self.expression())
        self._take(")")
        vectors = [shape for shape in shapes if shape is not None]
        if len(vectors) != 1:
            raise _Apart
        return vectors[0]

    def _aggregation(self, name: Token) -> Shape:
        clause = self._clause()
        inner = self._bracketed()
        clause = clause or self._clause()
        if inner is None:
            raise _Apart
        if clause is None:
            end = name.start + len(name.text)
            self.edits.append(_Edit(end, end, f" by ({', '.join(sorted(self.named))}) "))
            return frozenset(self.named)
        word, listed, closing = clause
        if word == "without":
            if set(listed) & set(self.named):
                raise _Apart
            return inner
        missing = sorted(set(self.named) - set(listed))
        if missing:
            self.edits.append(_Edit(closing, closing, (", " if listed else "") + ", ".join(missing)))
        return frozenset(missing) | (inner & frozenset(listed))

    def _clause(self) -> tuple[str, list[str], int] | None:
        """`by` or `without`, its labels, and where they end."""
        word = self._next().lower()
        if word not in ("by", "without"):
            return None
        self._take()
        self._take("(")
        listed: list[str] = []
        while self._next() != ")":
            listed.append(self._expect("word").text)
            if self._next() == ",":
                self._take()
                if self._next() == ")":
                    raise _Apart  # a comma at the end is allowed, and nobody writes it
        return word, listed, self._take(")").start

    def _selector(self) -> Shape:
        self._take("{")
        named: dict[str, str] = {}
        while self._next() != "}":
            self._matcher(named)
            if self._next() == ",":
                self._take()
        self._take("}")
        if not named or (self.named and named != self.named):
            raise _Apart
        self.named = named
        return frozenset()

    def _matcher(self, named: dict[str, str]) -> None:
        label = self._take()
        if label.kind == "string" and self._next() in (",", "}"):
            if VARIABLE.search(label.text):
                raise _Apart
            return
        operator, value = self._take().text, self._expect("string")
        variable = VARIABLE.fullmatch(value.text[1:-1])
        if variable is None and not VARIABLE.search(value.text):
            return
        whole = label.kind == "word" and operator in ("=", REGEX_OPERATORS[0])
        if variable is None or not whole or label.text in (*named, "__name__"):
            raise _Apart
        named[label.text] = variable["braced"] or variable["bare"]
        self.edits.append(_Edit(label.start, value.start + len(value.text), label=label.text))

    def _same(self, one: Shape, other: Shape) -> Shape:
        if one is not None and other is not None and one != other:
            raise _Apart
        return other if one is None else one

    def _skip_to(self, closing: str) -> None:
        while self._next() != closing:
            if self._take().kind in ("variable", "string"):
                raise _Apart
        self._take()

    def _next(self) -> str:
        return self.tokens[self.position].text if self.position < len(self.tokens) else ""

    def _take(self, text: str = "") -> Token:
        if self.position >= len(self.tokens) or (text and self._next() != text):
            raise _Apart
        self.position += 1
        return self.tokens[self.position - 1]

    def _expect(self, kind: str) -> Token:
        token = self._take()
        if token.kind != kind:
            raise _Apart
        return token
