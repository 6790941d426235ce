"""Is a query template valid PromQL, offline, and does it say what its author meant?

Every template is filled with harmless sample values and parsed; what the parser cannot know (does the metric exist?)
only the server can tell. The parser recurses and dies on deep nesting, so size, nesting and the number of operators
are bounded before it sees a text.
Source: promql-parser 0.12 (PromQL of Prometheus 2.45); it takes backtick strings for quoted ones, so those are
rewritten. 5,000 nested parentheses take 5 s, 10,000 end the process (measured).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

import promql_parser

from gitops_rollback.core.errors import QueryInvalid
from gitops_rollback.core.query import (
    LONGEST_QUERY,
    VARIABLES,
    look_back,
    ranges,
    render,
    stranger_selectors,
    tokens,
)

MAX_NESTING = 48
MAX_OPERATORS = 128
MAX_REGEX_WEIGHT = 1_000  # of one query; some 40 ms to compile
WIDE_CLASS = 5  # what a class of Unicode weighs beside one letter, roughly
WIDE = re.compile(r"\\+[wWsSdDpPbB]")
REGEX_ATOM = re.compile(
    r"\\+.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{(?P<least>\d{1,6})(?:,(?P<most>\d{0,6}))?(?P<repeat>\})|.",
    re.DOTALL | re.ASCII,
)
SAMPLE = dict.fromkeys(VARIABLES, "sample")
OPERATORS = frozenset({"+", "-", "*", "/", "%", "^", "==", "!=", ">", "<", ">=", "<="})
OPERATOR_WORDS = frozenset({"and", "or", "unless", "atan2"})
COMPARISONS = frozenset({"==", "!=", ">", "<", ">=", "<="})


@lru_cache(maxsize=256)
def template_errors(template: str) -> tuple[str, ...]:
    """Why `template` can never be asked; () if it can. It is filled with sample values first."""
    if not template.strip():
        return ("the query is empty",)
    if len(template) > LONGEST_QUERY:
        return (f"the query has {len(template)} characters, more than {LONGEST_QUERY}",)
    try:
        return parse_errors(render(template, SAMPLE))
    except QueryInvalid as exc:
        return (exc.message,)


def parse_errors(expression: str) -> tuple[str, ...]:
    """Why the rendered `expression` is no PromQL query with one vector or scalar as its answer; () if it is one."""
    try:
        parsed = parse(expression)
    except QueryInvalid as exc:
        return (exc.message,)
    kind = _plain(parsed)
    if isinstance(kind, promql_parser.StringLiteral):
        return ("the query answers with a string, not with a number",)
    if isinstance(kind, promql_parser.MatrixSelector | promql_parser.SubqueryExpr):
        return ("the query answers with a range of samples; wrap it, as in rate(...)",)
    return ()


def parse(expression: str) -> promql_parser.Expr:
    """The parsed query. Raises: QueryInvalid if it is too long, too deep or not PromQL."""
    if len(expression) > 4 * LONGEST_QUERY:
        raise QueryInvalid("query", f"the query has {len(expression)} characters")
    # Every duration is checked before the parser sees it: it panics on one that overflows.
    ranges(expression)
    look_back(expression)
    if regex_weight(expression) > MAX_REGEX_WEIGHT:
        raise QueryInvalid("query", "its regular expressions are too large")
    nesting = deepest = operators = 0
    for token in tokens(expression):
        nesting += (token.text in "([{") - (token.text in ")]}") if token.kind == "operator" else 0
        deepest = max(deepest, nesting)
        operators += token.text in OPERATORS or token.text.lower() in OPERATOR_WORDS
    if deepest > MAX_NESTING or operators > MAX_OPERATORS:
        raise QueryInvalid("query", f"nested deeper than {MAX_NESTING}, or more than {MAX_OPERATORS} operators")
    try:
        parsed: promql_parser.Expr = promql_parser.parse(_quoted(expression))
    except ValueError as exc:
        raise QueryInvalid("query", f"not PromQL: {str(exc)[:200]}") from exc
    except BaseException as exc:
        # A panic of the parser's Rust side is no `Exception`, and its class cannot be imported.
        if type(exc).__name__ != "PanicException":
            raise
        raise QueryInvalid("query", "not PromQL: the parser cannot read it") from exc
    return parsed


def regex_weight(expression: str) -> int:
    """How much the regular expressions of a query ask of a compiler: its atoms, multiplied by their repetitions."""
    literals = (token.text[1:-1] for token in tokens(expression) if token.kind == "string")
    return sum(_weight(literal) for literal in literals)


def _weight(pattern: str) -> int:
    """Up to the first atom that makes it too much: each that is never closed is looked for to the end."""
    groups = [0]
    atom = whole = 0
    for match in REGEX_ATOM.finditer(pattern):
        text = match.group()
        if text == "(":
            groups.append(0)
            continue
        if text == ")":
            atom = groups.pop() if len(groups) > 1 else 1
        elif match.lastgroup == "repeat":
            atom *= max(int(match["least"]), int(match["most"] or 0)) - 1
        else:
            atom = 1 + WIDE_CLASS * len(WIDE.findall(text))
        groups[-1] += max(atom, 0)
        whole += max(atom, 0) if text != ")" else 0
        if whole > MAX_REGEX_WEIGHT:
            break
    return whole


def selected(expression: str) -> tuple[tuple[str, str, str], ...]:
    """Each label matcher of a rendered query as (label, operator, value), sorted. Raises: QueryInvalid."""
    found: list[tuple[str, str, str]] = []

    def visit(node: promql_parser.Expr) -> bool:
        if isinstance(node, promql_parser.VectorSelector):
            found.extend((matcher.name, str(matcher.op), matcher.value) for matcher in node.matchers.matchers)
        return True

    promql_parser.walk(parse(expression), visit)
    return tuple(sorted(found))


def is_plain_selector(template: str) -> bool:
    """Whether a template without errors asks for series as they are: no function, sum or operator."""
    return isinstance(_plain(parse(render(template, SAMPLE))), promql_parser.VectorSelector)


@lru_cache(maxsize=256)
def template_warnings(template: str) -> tuple[tuple[str, str], ...]:
    """(what looks wrong, what to write instead) for a template without errors."""
    return tuple(_warnings(template))


def _warnings(template: str) -> Iterator[tuple[str, str]]:
    for literal in stranger_selectors(template):
        fix = 'for the Pods of a Deployment write "$SERVICE-[a-z0-9]+-[a-z0-9]{5}"'
        yield f"{literal[:60]} also selects longer names, as api-gateway for api", fix
    try:
        parsed = _plain(parse(render(template, SAMPLE)))
    except QueryInvalid:
        return
    if any(_operator(node) == "-" and _shifted(node.rhs) for node in _binary(parsed)):
        yield "a counter minus its own past is negative after a restart", "use increase()"
    if not isinstance(parsed, promql_parser.BinaryExpr):
        return
    operator = _operator(parsed)
    if operator in COMPARISONS and not (parsed.modifier and parsed.modifier.return_bool):
        yield "a comparison in the query hides its value and cannot tell healthy from no data", "compare by `threshold`"
    elif operator == "/" and _selects(parsed.lhs) and _selects(parsed.rhs):
        yield "a quotient has no value while nothing fails", "write its two halves as `bad` and `total`"


def _binary(expression: promql_parser.Expr) -> tuple[promql_parser.BinaryExpr, ...]:
    found: list[promql_parser.BinaryExpr] = []

    def visit(node: promql_parser.Expr) -> bool:
        if isinstance(node, promql_parser.BinaryExpr):
            found.append(node)
        return True

    promql_parser.walk(expression, visit)
    return tuple(found)


def _plain(expression: promql_parser.Expr) -> promql_parser.Expr:
    while isinstance(expression, promql_parser.ParenExpr):
        expression = expression.expr
    return expression


def _operator(expression: promql_parser.BinaryExpr) -> str:
    return str(expression.op).strip("'\" ")


def _shifted(expression: promql_parser.Expr) -> bool:
    """True if a selector below looks at an earlier time by `offset`."""
    found = False

    def visit(node: promql_parser.Expr) -> bool:
        nonlocal found
        found = found or getattr(node, "offset", None) is not None
        return not found

    promql_parser.walk(expression, visit)
    return found


def _selects(expression: promql_parser.Expr) -> bool:
    """True if a selector stands below."""
    found = False

    def visit(node: promql_parser.Expr) -> bool:
        nonlocal found
        found = found or isinstance(node, promql_parser.VectorSelector | promql_parser.MatrixSelector)
        return not found

    promql_parser.walk(expression, visit)
    return found


def _quoted(expression: str) -> str:
    """`expression` with each backtick string written as a double-quoted one of the same value."""
    parts: list[str] = []
    for token in tokens(expression):
        if token.kind == "string" and token.text.startswith("`"):
            body = token.text[1:-1].replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
            parts.append(f'"{body}"')
        else:
            parts.append(token.text)
    return "".join(parts)
