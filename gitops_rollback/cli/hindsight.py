"""The table of `backtest` and `report`: a row for each incident, a line for each application, and the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import click

from gitops_rollback.app.backtesting import Backtest
from gitops_rollback.app.confirming import CONFIRMED, write
from gitops_rollback.cli.access import Source, duration_option
from gitops_rollback.cli.output import print_document, print_table, say, shown
from gitops_rollback.core.clearance import clearance, comparing
from gitops_rollback.core.duration import format_duration
from gitops_rollback.core.heartbeat import Outcome, newest_beat
from gitops_rollback.core.hindsight import (
    LEAST_SYNCS,
    Kind,
    Row,
    Suggestion,
    Verdict,
    in_total,
    is_clean,
    judge,
    watched_syncs,
    well_tested,
)
from gitops_rollback.core.journal import format_time

NO_HEARTBEAT = "no heartbeat has reached the engine yet (gitops-rollback heartbeat)"
LONGEST = timedelta(days=3650)


@dataclass(frozen=True)
class Hindsight:
    """All that is printed, of all repositories."""

    rows: tuple[Row, ...]
    verdicts: tuple[Verdict, ...]
    suggestions: tuple[tuple[str, Suggestion], ...] = ()  # by policy
    left_out: tuple[str, ...] = ()

    @property
    def ready(self) -> bool:
        """Every application may act by itself, and there is one."""
        return bool(self.verdicts) and all(one.ready for one in self.verdicts)


def together(tests: Sequence[tuple[Source, Backtest]]) -> Hindsight:
    """All repositories as one table, in order of time."""
    table = sorted((row for _, test in tests for row in test.rows), key=lambda row: (row.at, row.application))
    verdicts = [
        judge(past, test.rows, _confirmed(source), _heartbeat_missing(source))
        for source, test in tests
        for past in test.pasts
    ]
    left_out = tuple(text for _, test in tests for text in test.left_out)
    suggestions = tuple(one for _, test in tests for one in test.suggestions)
    return Hindsight(tuple(table), tuple(verdicts), suggestions, left_out)


def record_clean(tests: Sequence[tuple[Source, Backtest]], by: str, now: datetime) -> None:
    """A line of the journal for each application whose past was clean. Raises: what a push raises."""
    for source, test in tests:
        heartbeat, confirmed = _heartbeat_missing(source), _confirmed(source)
        entries = []
        for one, past in zip(test.tested, test.pasts, strict=True):
            if not is_clean(judge(past, test.rows, confirmed, heartbeat), heartbeat):
                continue
            named = comparing(one.policy)
            judged = well_tested(past, named)
            for name in [name for name in named if name not in judged]:
                seen = watched_syncs(past.decisions, name)
                say(f"not recorded for {_short(one.name)}: {name} has judged {seen} of {LEAST_SYNCS} syncs")
            line = clearance(one.name, one.policy, judged, by, now)
            entries += [line] if line is not None else []
        if entries:
            write(source.opened, entries, now)
        for entry in entries:
            say(f"recorded for {_short(entry.application)}: {entry.message}")
        if not entries:
            say(f"{source.repo.name}: no application with a regression trigger was clean, so nothing is recorded")


def _heartbeat_missing(source: Source) -> str:
    beat = newest_beat(source.journal.decisions)
    return "" if beat is not None and beat.outcome is Outcome.SEEN else NO_HEARTBEAT


def _confirmed(source: Source) -> frozenset[str]:
    return frozenset(str(one.details.get("id")) for one in source.journal.decisions if one.action == CONFIRMED)


def period(text: str) -> timedelta:
    """The time of `--since`. Raises: click.BadParameter."""
    found = duration_option(text, "--since")
    if not timedelta(0) < found <= LONGEST:
        raise click.BadParameter("must be more than nothing, and ten years at most", param_hint="--since")
    return found


def print_hindsight(found: Hindsight, output: str) -> None:
    """The table on stdout, remarks on stderr; one document with all of it for `json` and `yaml`."""
    if output != "table":
        print_document(document(found), output)
        return
    for text in found.left_out:
        say(f"not tested: {text}")
    print_table(
        ("", "application", "when", "sooner by", "same tree", "people, or the metric", "id", "the controller"),
        [_cells(row) for row in found.rows],
        "no incident: nothing fired, and people reverted nothing",
    )
    click.echo("")
    print_table(("application", "days", "syncs", *Kind, "blind"), _counted(found.verdicts), "no application")
    for policy, one in found.suggestions:
        click.echo(shown(f"{policy}: {one.trigger}: {one.because}"))
    for verdict in found.verdicts:
        click.echo(shown(sentence(verdict)))


def sentence(verdict: Verdict) -> str:
    """The last line about an application."""
    name = _short(verdict.application)
    if verdict.ready:
        return f"✔ {name} is ready for auto_rollback"
    return f"✖ {name} is not ready for auto_rollback: {'; '.join(verdict.missing)}"


def document(found: Hindsight) -> dict[str, object]:
    """The same for machines; all keys always there."""
    return {
        "rows": [
            {
                "kind": row.kind.value,
                "application": row.application,
                "id": row.id,
                "at": format_time(row.at),
                "revision": row.revision,
                "reason": row.reason,
                "ours": row.ours,
                "theirs": row.theirs,
                "sameTree": row.same_tree,
                "soonerBySeconds": None if row.sooner is None else row.sooner.total_seconds(),
            }
            for row in found.rows
        ],
        "applications": [
            {
                "application": one.application,
                "days": round(one.days, 2),
                "syncs": one.syncs,
                "counts": {kind.value: one.counts[kind] for kind in Kind},
                "blind": one.blind,
                "ready": one.ready,
                "missing": list(one.missing),
            }
            for one in found.verdicts
        ],
        "total": {kind.value: count for kind, count in in_total(found.verdicts).items()},
        "thresholds": [
            {"policy": policy, "trigger": one.trigger, "threshold": one.threshold, "because": one.because}
            for policy, one in found.suggestions
        ],
        "leftOut": list(found.left_out),
        "ready": found.ready,
    }


def _cells(row: Row) -> tuple[str, ...]:
    same = {None: "", True: "yes", False: "no"}[row.same_tree]
    sooner = "" if row.sooner is None else format_duration(row.sooner)
    at = f"{row.at:%Y-%m-%d %H:%M}Z"
    return row.kind, _short(row.application), at, sooner, same, row.theirs, row.id, row.ours


def _short(application: str) -> str:
    """`namespace/name` of a full name."""
    return "/".join(application.split("/")[-2:])


def _counted(verdicts: Sequence[Verdict]) -> list[tuple[str, ...]]:
    lines = [
        (
            _short(one.application),
            f"{one.days:.0f}",
            str(one.syncs),
            *(str(one.counts[kind]) for kind in Kind),
            str(one.blind),
        )
        for one in verdicts
    ]
    if len(lines) > 1:
        total = in_total(verdicts)
        syncs, blind = sum(one.syncs for one in verdicts), sum(one.blind for one in verdicts)
        lines.append(("total", "", str(syncs), *(str(total[kind]) for kind in Kind), str(blind)))
    return lines
