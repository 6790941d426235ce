"""`gitops-rollback watch`: what the controller would see now, again and again: triggers, suspects, and how far it is.

It looks by itself, with the caller's rights, and writes nothing; so it works without a controller, too.
Source: product.md section 2, live view.
"""

from __future__ import annotations

import math
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import click
from rich.console import Console
from rich.live import Live
from rich.text import Text

from gitops_rollback.app.board import Picture, Place
from gitops_rollback.app.showing import Document, Row, matching, past_of, rows
from gitops_rollback.app.showing_application import application_document
from gitops_rollback.cli.access import duration_option, settings_of
from gitops_rollback.cli.asking import Asked, opened_requests
from gitops_rollback.cli.output import coloured, say, shown
from gitops_rollback.core.duration import format_duration
from gitops_rollback.core.errors import TransientError
from gitops_rollback.core.headline import mappings, spans
from gitops_rollback.core.rollback import RollbackRecord

INTERVAL = timedelta(seconds=15)
SHORTEST_SECONDS = 0.2
MOST_SHOWN = 20  # applications on one screen; what needs a look first stands first
MOST_SUSPECTS = 3
WIDTH = 40  # values in a sparkline
BLOCKS = "▁▂▃▄▅▆▇█"
COLOURS = {"rolling back": "cyan", "waits": "yellow", "firing": "red", "unwell": "red", "watching": "green"}

Key = tuple[str, str]  # application and trigger


@dataclass
class History:
    """The values that were seen since the start, by application and trigger; None where there was none."""

    values: dict[Key, deque[float | None]] = field(default_factory=dict)

    def note(self, documents: Sequence[Document]) -> None:
        """What is gone is forgotten, so that it never grows."""
        seen = {
            (str(one["application"]), str(each["trigger"])): each["value"]
            for one in documents
            for each in _triggers(one)
        }
        self.values = {key: self.values.get(key, deque(maxlen=WIDTH)) for key in seen}
        for key, value in seen.items():
            self.values[key].append(float(value) if isinstance(value, int | float) else None)


def carry_out(
    application: str,
    repo: tuple[str, ...],
    branch: str | None,
    config: str | None,
    timeout: str,
    cluster: Mapping[str, object],
) -> None:
    patience = duration_option(timeout, "--timeout") if timeout else None
    with opened_requests(settings_of(repo, branch, config, cluster)) as asked, suppress(KeyboardInterrupt):
        screens = _screens(asked, application, patience)
        if sys.stdout.isatty():
            _on_a_terminal(screens)
        else:
            _plainly(screens)


def _screens(asked: Sequence[Asked], word: str, patience: timedelta | None) -> Iterator[list[tuple[Row, Document]]]:
    """One look after the other; what cannot be read now is said, and tried again."""
    clock = asked[0].requests.clock
    end = time.monotonic() + clock.real_seconds(patience) if patience is not None else math.inf
    while True:
        with _told_on_stderr():
            pictures = [_picture(one, clock.now()) for one in asked]
            found = matching(rows(pictures, clock.now()), word, "")
            by_name = {picture.name: picture for picture in pictures}
            past = past_of(pictures)
            yield [(row, application_document(by_name[row.repository], row, past)) for row in found]
        if (left := end - time.monotonic()) <= 0:
            return
        time.sleep(min(left, max(SHORTEST_SECONDS, clock.real_seconds(INTERVAL))))


def _picture(one: Asked, now: datetime) -> Picture:
    reconciler = one.requests.reconciler
    tick = reconciler.read_only(now)
    return Picture(one.requests.repo.name, Place(one.requests.repo, reconciler), tick.view, tick)


@contextmanager
def _told_on_stderr() -> Iterator[None]:
    """A repository or engine that does not answer now is no end of watching."""
    try:
        yield
    except TransientError as error:
        say(f"{error.subject}: {error.message}; trying again")


def _on_a_terminal(screens: Iterator[list[tuple[Row, Document]]]) -> None:
    history, console = History(), Console(no_color=not coloured())
    with Live(Text("looking ..."), console=console, auto_refresh=False) as live:
        for found in screens:
            history.note([document for _, document in found])
            live.update(Text("\n").join(screen(found, history)), refresh=True)


def _plainly(screens: Iterator[list[tuple[Row, Document]]]) -> None:
    last: set[str] = set()
    for found in screens:
        lines = [shown(f"{row.watched.name} {row.state} {row.message}".rstrip()) for row, _ in found]
        for line in lines:
            if line not in last:
                click.echo(line)
        last = set(lines)


def screen(found: Sequence[tuple[Row, Document]], history: History) -> list[Text]:
    """The lines of one screen: each application, its triggers, and how far its rollback is."""
    lines: list[Text] = []
    for row, document in found[:MOST_SHOWN]:
        head = Text(shown(f"{document['name']}  "), style="bold")
        head.append(row.state, style=COLOURS.get(row.state, "default")).append(shown(f"  {row.message}"))
        lines += [head, *(Text(shown(f"  {line}")) for line in _details(row, document, history))]
    if len(found) > MOST_SHOWN:
        lines.append(Text(f"and {len(found) - MOST_SHOWN} more; name one: gitops-rollback watch APP"))
    return lines or [Text("No application is watched here; gitops-rollback doctor says why.")]


def _details(row: Row, document: Document, history: History) -> Iterator[str]:
    for one in _triggers(document):
        line = sparkline(history.values.get((row.watched.name, str(one["trigger"])), ()), one["threshold"])
        yield f"{one['trigger']}  {line}  {_amount(one['value'])} of {_amount(one['threshold'])}  {one['phase']}"
    if row.record is not None:
        yield phase_bar(row.record)
        blamed = row.record.evidence.get("suspects")
        yield from (f"suspect {one}" for one in (blamed if isinstance(blamed, list) else [])[:MOST_SUSPECTS])
    would = document["would"]
    suspects = mappings(would.get("suspects")) if isinstance(would, Mapping) else ()
    for suspect in list(suspects)[:MOST_SUSPECTS]:
        yield f"suspect {str(suspect['commit'])[:12]} {suspect['subject']}"


def sparkline(values: Sequence[float | None] | deque[float | None], threshold: object) -> str:
    """The values as blocks against the threshold, which is half the height; a blank where there was none."""
    limit = threshold if isinstance(threshold, int | float) and math.isfinite(threshold) else 0.0
    known = [value for value in values if value is not None and math.isfinite(value)]
    top = max([2 * limit, *known], default=0.0) or 1.0
    return "".join(_block(value, top) for value in values)


def _block(value: float | None, top: float) -> str:
    if value is None or not math.isfinite(value):
        return " "
    return BLOCKS[min(len(BLOCKS) - 1, max(0, int(value / top * len(BLOCKS))))]


def phase_bar(record: RollbackRecord) -> str:
    """Which parts of a rollback are done and how long each took; the one under way has dots behind it."""
    parts = []
    for span in spans(record):
        lasted = format_duration(span.lasted) if span.lasted is not None else "..." if span.begin else ""
        parts.append(f"{span.name} {lasted}".rstrip())
    return f"{record.id[:12]}  {' > '.join(parts)}"


def _triggers(document: Document) -> Sequence[Mapping[str, object]]:
    return list(mappings(document["triggers"]))


def _amount(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, int | float) else "no data"
