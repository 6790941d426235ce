"""Pictures as SVG, made here so that they are there without JavaScript: the timeline, and the curve of a trigger.

Only shapes and numbers: every word of a stranger goes through `escape`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Any

WIDTH, LANE, LEFT, TOP = 960, 46, 170, 26
CHART_LEFT, CHART_RIGHT, CHART_BOTTOM = 58, 18, 28
STEPS = (60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)  # seconds between two times of an axis
Place = Callable[[float], float]  # from a time or a value to where it stands in the picture


@dataclass(frozen=True)
class Frame:
    """How large a picture is, where its lines begin, how many times fit below it, and how broad a letter is."""

    width: int
    height: int
    top: int = 18
    ticks: int = 8
    letter: float = 7.0
    rows: int = 3  # of names of markers


WIDE = Frame(960, 290, 48)
NARROW = Frame(420, 315, 76, 4, 9.0, 4)  # for a phone: all of the curve, without moving it


def timeline_svg(timeline: Mapping[str, Any]) -> str:
    """Lanes with syncs as dots, and each rollback as an arc from the bad sync back to what it restored."""
    since, until = _seconds(timeline["since"]), _seconds(timeline["until"])
    lanes = {one["application"]: number for number, one in enumerate(timeline["lanes"])}
    height = TOP + LANE * max(1, len(lanes)) + 30

    def x(at: float) -> float:
        return LEFT + (WIDTH - LEFT - 16) * min(1.0, max(0.0, (at - since) / max(1.0, until - since)))

    def y(name: str) -> float:
        return TOP + LANE * lanes[name] + LANE * 0.68

    parts = [_axis(since, until, x, Frame(WIDTH, height))]
    for one in timeline["lanes"]:
        line = y(one["application"])
        parts.append(f'<line class="lane" x1="{LEFT}" x2="{WIDTH - 16}" y1="{line:.1f}" y2="{line:.1f}"/>')
        name = escape(_cut(one["name"], 22))
        parts.append(f'<text class="lane-name" x="{LEFT - 12}" y="{line + 4:.1f}">{name}</text>')
        # Where only the newest part is in sight.
        parts.append(
            f'<text class="lane-name here" aria-hidden="true" x="{WIDTH - 16}" y="{line + 19:.1f}">{name}</text>'
        )
    for one in timeline["rollbacks"]:
        parts.append(_arc(one, timeline["syncs"], x, y(one["application"])))
    bad = {(one["application"], one["bad"]) for one in timeline["rollbacks"]}
    for one in timeline["syncs"]:
        kind = "bad" if (one["application"], one["revision"]) in bad else "good"
        title = f"{one['at']} sync {one['revision'][:7]}"
        parts.append(_dot(x(_seconds(one["at"])), y(one["application"]), kind, title))
    label = f"Timeline of the last hours: {len(timeline['syncs'])} syncs, {len(timeline['rollbacks'])} rollbacks"
    return _svg(label, WIDTH, height, parts, "group")  # it holds links


def _arc(one: Mapping[str, Any], syncs: Sequence[Mapping[str, Any]], x: Place, line: float) -> str:
    deployed, decided = one["deployed"] or one["decided"], one["synced"] or one["decided"]
    if not deployed or not decided:
        return ""
    restored = [s for s in syncs if s["application"] == one["application"] and s["revision"] == one["restores"]]
    back = x(_seconds(restored[-1]["at"])) if restored else max(LEFT, x(_seconds(deployed)) - 60)
    start = x(_seconds(decided))
    top = line - LANE * 0.9
    title = f"{one['decided'] or ''} rollback {one['id']}: {one['state']}"
    path = f"M{start:.1f} {line - 6:.1f} C{start:.1f} {top:.1f} {back:.1f} {top:.1f} {back:.1f} {line - 6:.1f}"
    return (
        f'<a href="/r/{escape(one["id"])}" aria-label="{escape(title)}"><path class="arc {escape(one["state"])}" '
        f'd="{path}" marker-end="url(#head)"><title>{escape(title)}</title></path>'
        f"{_dot(x(_seconds(deployed)), line, 'bad', 'bad sync ' + one['bad'][:7])}"
        f"{_dot(start, line, 'back', title)}{_dot(back, line, 'good', 'restored ' + one['restores'][:7])}</a>"
    )


def _dot(x: float, y: float, kind: str, title: str) -> str:
    return f'<circle class="dot {kind}" cx="{x:.1f}" cy="{y:.1f}" r="5"><title>{escape(title)}</title></circle>'


def metric_svg(chart: Mapping[str, Any], narrow: bool = False) -> str:
    """The curve with its threshold, the delay before which it is not trusted, and the markers; a gap stays a gap."""
    frame = NARROW if narrow else WIDE
    points = [(float(at), value) for at, value in chart["points"]]
    known = [value for _, value in points if value is not None and math.isfinite(value)]
    if not known:
        return ""
    first, last = points[0][0], max(points[-1][0], points[0][0] + 1)
    limit: float | None = chart["threshold"]
    top: float = max([*known, *([limit] if limit is not None else [])]) * 1.15 or 1.0
    low = float(min(0.0, *known))

    def x(at: float) -> float:
        return CHART_LEFT + (frame.width - CHART_LEFT - CHART_RIGHT) * (at - first) / (last - first)

    def y(value: float) -> float:
        return frame.top + (frame.height - frame.top - CHART_BOTTOM) * (1 - (value - low) / (top - low))

    foot, right_end = frame.height - CHART_BOTTOM, frame.width - CHART_RIGHT
    parts = [_axis(first, last, x, frame)]
    for part in range(5):
        value = low + (top - low) * part / 4
        parts.append(f'<text class="tick" x="{CHART_LEFT - 8}" y="{y(value) + 4:.1f}">{_number(value, chart)}</text>')
    if chart["delayUntil"] and (begin := _marker(chart, "sync")):
        left, right = x(begin), min(x(_seconds(chart["delayUntil"])), right_end)
        size = f'width="{max(0.0, right - left):.1f}" height="{foot - frame.top}"'
        parts.append(f'<rect class="delay" x="{left:.1f}" y="{frame.top}" {size}/>')
    if limit is not None:
        line = f'x1="{CHART_LEFT}" x2="{right_end}" y1="{y(limit):.1f}" y2="{y(limit):.1f}"'
        place = f'x="{CHART_LEFT + 6}" y="{y(limit) - 6:.1f}"'  # on the left nothing has gone wrong yet
        words = f'<text class="limit-name" {place}>limit {_number(limit, chart)}</text>'
        here = f'<text class="limit-name here" aria-hidden="true" x="{right_end}" y="{y(limit) - 6:.1f}">'
        parts.append(f'<line class="limit" {line}/>{words}{here}limit {_number(limit, chart)}</text>')
    parts += [f'<polyline class="curve" points="{run}"/>' for run in _runs(points, x, y)]
    parts += _marks([(x(_seconds(one["at"])), str(one["name"])) for one in chart["markers"]], frame, foot)
    return _svg(f"{chart['trigger']} over time, with its limit", frame.width, frame.height, parts)


def _marks(markers: Sequence[tuple[float, str]], frame: Frame, foot: int) -> list[str]:
    """A line for each, with its name in the first row that has room for it."""
    parts, ends = [], [0.0] * frame.rows
    for at, name in markers:
        words = name.removeprefix("step ") if frame.letter > WIDE.letter else name
        length = len(words) * frame.letter + 4
        turned = at + length > frame.width
        begin = at - length if turned else at
        row = next((number for number, end in enumerate(ends) if end <= begin), ends.index(min(ends)))
        ends[row] = begin + length + 5
        top, anchor = 13 + (frame.top - 9) // frame.rows * row, "end" if turned else "start"
        line = f'x1="{at:.1f}" x2="{at:.1f}" y1="{top}" y2="{foot}"'
        parts.append(f'<line class="mark {escape(name.split()[0])}" {line}/>')
        place = f'text-anchor="{anchor}" x="{at + (-4 if turned else 4):.1f}" y="{top}"'
        parts.append(f'<text class="mark-name" {place}>{escape(words)}</text>')
    return parts


def _runs(points: Sequence[tuple[float, Any]], x: Place, y: Place) -> list[str]:
    runs: list[list[str]] = [[]]
    for at, value in points:
        if value is None or not math.isfinite(value):
            runs.append([])
        else:
            runs[-1].append(f"{x(at):.1f},{y(value):.1f}")
    return [" ".join(run) for run in runs if run]


def _marker(chart: Mapping[str, Any], name: str) -> float:
    return next((_seconds(one["at"]) for one in chart["markers"] if one["name"] == name), 0.0)


def _number(value: float, chart: Mapping[str, Any]) -> str:
    return f"{value * 100:.2g} %" if chart["ratio"] else f"{value:.3g}"


def _axis(first: float, last: float, x: Place, frame: Frame) -> str:
    """Lines at round times."""
    step = next((one for one in STEPS if (last - first) / one <= frame.ticks), STEPS[-1])
    parts = []
    for number in range(math.ceil(first / step), math.floor(last / step) + 1):
        at = x(number * step)
        anchor = "end" if at > frame.width - 30 else "middle"
        parts.append(f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{frame.top}" y2="{frame.height - 22}"/>')
        place = f'text-anchor="{anchor}" x="{at:.1f}" y="{frame.height - 6}"'
        parts.append(f'<text class="time" {place}>{_clock(number * step)}</text>')
    return "".join(parts)


def _clock(at: float) -> str:
    seconds = int(at) % 86400
    return f"{seconds // 3600:02}:{seconds % 3600 // 60:02}"


def _svg(label: str, width: int, height: int, parts: Sequence[str], role: str = "img") -> str:
    head = (
        '<defs><marker id="head" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path class="head" d="M0 0 L8 4 L0 8 z"/></marker></defs>'
    )
    return (
        f'<svg role="{role}" aria-label="{escape(label)}" viewBox="0 0 {width} {height}">{head}{"".join(parts)}</svg>'
    )


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
