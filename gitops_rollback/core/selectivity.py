"""Does a PromQL query read more of the metric store than one application's series? By its text alone.

Source: prometheus `promql/parser` (v2.45): a vector selector is a name, label matchers in braces, or both.
"""

from __future__ import annotations

from collections.abc import Sequence

from gitops_rollback.core.query import Token, tokens

LABEL_LISTS = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
OPERATORS = frozenset({"and", "or", "unless", "offset", "bool", "atan2", "inf", "nan", "start", "end"})
ANYTHING = ("", ".*", ".+")
NAME = "__name__"


def whole_metrics(template: str) -> tuple[str, ...]:
    """The names of the metrics of which `template` reads every series, since no label narrows them; in its order.

    A matcher that only excludes narrows nothing. What is no PromQL gives what its words look like.
    """
    significant = [token for token in tokens(template) if token.kind not in ("space", "comment")]
    found: list[str] = []
    at = 0
    while at < len(significant):
        word = significant[at].text if significant[at].kind == "word" else ""
        after = significant[at + 1].text if at + 1 < len(significant) else ""
        if word.lower() in LABEL_LISTS and after == "(":
            at = _behind(significant, at + 1, ")")
        elif significant[at].text == "[":
            at = _behind(significant, at, "]")
        elif (word and after == "{") or significant[at].text == "{":
            begin = at + bool(word)
            end = _behind(significant, begin, "}")
            if not _narrows(significant[begin + 1 : end - 1]):
                found.append(word or "{}")
            at = end
        else:
            aggregates = after == "(" or after.lower() in ("by", "without")
            if word and not aggregates and word.lower() not in OPERATORS:
                found.append(word)
            at += 1
    return tuple(dict.fromkeys(found))


def _behind(significant: Sequence[Token], at: int, closing: str) -> int:
    while at < len(significant) and significant[at].text != closing:
        at += 1
    return at + 1


def _narrows(matchers: Sequence[Token]) -> bool:
    """Whether one of them keeps all but some values out."""
    for label, operator, value in zip(matchers, matchers[1:], matchers[2:], strict=False):
        named = label.kind == "word" and value.kind == "string" and label.text != NAME
        if named and operator.text in ("=", "=~") and value.text[1:-1] not in ANYTHING:
            return True
    return False
