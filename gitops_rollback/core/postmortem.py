"""A draft of the post-mortem of one rollback, from its record and its decisions, as Markdown.

It holds what is known, with times and values; what only people know is left open and marked.
Source: product.md section 8, Copy postmortem; safety.md, After the rollback.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from gitops_rollback.core.duration import format_duration
from gitops_rollback.core.how_many import how_many
from gitops_rollback.core.journal import DecisionEntry
from gitops_rollback.core.message import for_people
from gitops_rollback.core.rollback import RollbackRecord

STEPS = {
    "deployed": "the bad revision was deployed",
    "fired": "a trigger fired",
    "decided": "it was decided what to do",
    "pushed": "the revert was pushed",
    "synced": "the engine had applied it",
    "verified": "every check had held",
}
SPANS = (
    ("time to detect", "deployed", "fired"),
    ("time to decide", "fired", "decided"),
    ("time to restore", "deployed", "verified"),
)
OPEN = "_to be written by a person_"
MOST_LINES = 50
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#|~])")


def postmortem(record: RollbackRecord, decisions: Sequence[DecisionEntry]) -> Iterator[str]:
    """The draft, a line each."""
    names = ", ".join("/".join(name.split("/")[-2:]) for name in record.applications)
    state = record.outcome.value if record.outcome else record.phase.value
    yield f"# Post-mortem (draft): {_text(names)}"
    yield ""
    yield f"{_text(record.reason)}: {_text(record.message, 1000)}"
    yield ""
    yield "| | |"
    yield "|---|---|"
    yield from (f"| {name} | {value} |" for name, value in _facts(record, state))
    yield from _section("Impact", [*_measured(record), f"who noticed, and what it meant for them: {OPEN}"])
    yield from _section("Timeline (UTC)", _timeline(record, decisions))
    yield from _section("What was blamed, and why", _blamed(record))
    yield from _section("What was done", _done(record))
    yield from _section("What went well", [OPEN])
    yield from _section("What went badly", [OPEN])
    yield from _section("What is to be done so that it does not happen again", [f"{OPEN} (who, until when)"])


def _facts(record: RollbackRecord, state: str) -> Iterator[tuple[str, str]]:
    yield "rollback", f"`{record.id}`, {state}"
    yield "repository", _text(record.repository)
    yield "bad revision", f"`{record.bad_revision}`"
    yield "restored", f"`{record.restores}`"
    yield "policy in force", _text(record.policy)
    yield "asked for by", _text(record.requested_by)
    for name, start, end in SPANS:
        if start in record.times and end in record.times:
            yield name, format_duration(record.times[end] - record.times[start])


def _section(title: str, lines: Iterable[str]) -> Iterator[str]:
    yield ""
    yield f"## {title}"
    yield ""
    found = list(lines)
    yield from (f"- {line}" for line in found[:MOST_LINES] or ["nothing is known"])
    if len(found) > MOST_LINES:
        yield f"- and {len(found) - MOST_LINES} more: gitops-rollback explain"


def _measured(record: RollbackRecord) -> Iterator[str]:
    for verdict in _mappings(record.evidence.get("verdicts")):
        if verdict.get("trigger") in record.triggers:
            value, limit, before = (_number(verdict.get(key)) for key in ("value", "threshold", "baselineValue"))
            yield f"{_text(str(verdict.get('trigger')))}: {value} (limit {limit}, before the sync {before})"
    for check in _mappings(record.evidence.get("checks")):
        said = _number(check.get("value")) if check.get("value") is not None else _text(str(check.get("message", "")))
        yield f"afterwards {_text(str(check.get('name')))}: {said}"


def _timeline(record: RollbackRecord, decisions: Sequence[DecisionEntry]) -> Iterator[str]:
    told: list[tuple[datetime, str]] = [(at, STEPS[name]) for name, at in record.times.items() if name in STEPS]
    told += [(one.at, f"{one.action} {one.reason}: {_text(one.message)}") for one in decisions]
    for at, words in sorted(told):
        yield f"{at:%F %T} {words}"


def _blamed(record: RollbackRecord) -> Iterator[str]:
    yield from (f"`{sha}`" for sha in record.reverts)
    suspects = record.evidence.get("suspects")
    yield from (_text(str(one), 400) for one in suspects) if isinstance(suspects, list | tuple) else ()
    certainty = record.evidence.get("certainty")
    if isinstance(certainty, Mapping):
        yield _text(", ".join(f"{key} {value}" for key, value in certainty.items()), 400)


def _done(record: RollbackRecord) -> Iterator[str]:
    for step in record.steps:
        if step.commit:
            pushed = f", pushed {step.pushed_at:%F %T}" if step.pushed_at else ""
            yield f"commit `{step.commit}` ({how_many(len(step.blobs), 'file')}){pushed}"
    for guard in record.guards:
        if guard.get("result") not in ("allow", "not-evaluated", "not evaluated"):
            yield f"guard {_text(guard.get('guard', ''))}: {guard.get('result', '')}: {_text(guard.get('message', ''))}"


def _number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) else "not measured"


def _mappings(value: object) -> tuple[Mapping[str, object], ...]:
    return tuple(one for one in value if isinstance(one, Mapping)) if isinstance(value, list | tuple) else ()


def _text(foreign: str, limit: int = 200) -> str:
    """A stranger's words that Markdown shows as they are."""
    return _MARKDOWN.sub(r"\\\1", for_people(foreign, limit))
