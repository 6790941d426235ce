"""Every reader of what others write, as `bytes -> None`: raises if the reader does anything that it does not document.

`CHECKS` is what both ways of fuzzing run: hypothesis in the tests, atheris by `coverage_guided.py`. A target takes any
bytes; where a reader wants several values they are cut out of them. What a reader documents to raise is caught here.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cluster_targets import flux, hook, kubernetes, pods, registry
from people_targets import comment, press, request
from plan_facts import FILE, facts
from refusing import refusal
from tree_targets import chart, closure, images, merge

from gitops_rollback.adapters.engines.argocd_answer import Answer as EngineAnswer
from gitops_rollback.adapters.engines.argocd_stream import EventReader
from gitops_rollback.adapters.engines.argocd_wire import (
    read_application,
    read_applications,
    read_objects,
    read_windows,
)
from gitops_rollback.adapters.git.gates import MergedText, yaml_fault
from gitops_rollback.adapters.git.history import parse_log
from gitops_rollback.adapters.git.revisions import parse_commit
from gitops_rollback.adapters.http import HttpAnswer
from gitops_rollback.adapters.json_node import load
from gitops_rollback.adapters.metrics.answers import Asked, read_answer
from gitops_rollback.adapters.policies.loading import load_policies
from gitops_rollback.adapters.policies.promql import parse_errors, selected, template_errors, template_warnings
from gitops_rollback.adapters.policies.reader import read_policy
from gitops_rollback.app.settings_input import load_settings
from gitops_rollback.core.commit import parse_trailers
from gitops_rollback.core.convergence import blocked_by, converged, failed_fast
from gitops_rollback.core.deployments import deployments, distinct, watched
from gitops_rollback.core.duration import format_duration, parse_duration
from gitops_rollback.core.errors import JournalBroken, QueryInvalid, RollbackError, SettingsInvalid
from gitops_rollback.core.guards.capacity import judge_capacity
from gitops_rollback.core.guards.facts import ChangedFile, OwnFile
from gitops_rollback.core.guards.irreversible import judge_irreversible
from gitops_rollback.core.guards.migrations import judge_migrations
from gitops_rollback.core.images import changed_scalars, image_changes, parse_image, satisfies
from gitops_rollback.core.journal import decode_entries, decode_record, encode_entry, encode_record, newest_entries
from gitops_rollback.core.manifest_text import documents
from gitops_rollback.core.measurement import Outcome, by_instant, ratio, single
from gitops_rollback.core.message import for_people
from gitops_rollback.core.paths import matches
from gitops_rollback.core.policy import GuardResult
from gitops_rollback.core.query import VARIABLES, cut_ranges, render
from gitops_rollback.core.repository_url import same_repository
from gitops_rollback.core.stop import Pause, PauseState, encode_pauses, read_pause, stopped

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SHA = "c" * 40
MOST_FAULTS = 201
STATUSES = (200, 200, 200, 204, 301, 400, 401, 403, 404, 422, 429, 500, 503)
REDUCES = ("one", "any", "all", "max", "min", "sum")
SAMPLE = dict.fromkeys(VARIABLES, "sample")
_SETTINGS = Path(tempfile.gettempdir()) / f"fuzzed-settings-{NOW:%d}.yaml"


def policy(data: bytes) -> None:
    """A policy or faults, each at a place inside the file."""
    read = read_policy(data, "p.yaml", SHA)
    assert (read.policy is None) == bool(read.errors)
    assert len(read.faults) <= MOST_FAULTS
    lines = data.count(b"\n") + data.count(b"\r") + data.count(b"\xc2\x85") + data.count(b"\xe2\x80") + 2
    for fault in read.faults:
        assert 1 <= fault.line <= lines, fault
        assert fault.col >= 1
        assert str(fault).isprintable()
    if read.policy is not None:
        found = load_policies([("p.yaml", "100644", data), ("q.yaml", "100644", data)], SHA)
        left = found.policies[0].targets if found.policies else ()
        assert all(target.selector for target in left)  # each names what the other does


def query(data: bytes) -> None:
    """`template NUL value`: a template that is taken selects by the same labels whatever the value is."""
    template, _, value = data.decode("utf-8", "replace").partition("\0")
    parse_errors(template)
    cut_ranges(template, MINUTE)
    if template_errors(template):
        return
    template_warnings(template)
    try:
        filled = render(template, dict.fromkeys(VARIABLES, value))
    except QueryInvalid:
        return
    harmless, hostile = selected(render(template, SAMPLE)), selected(filled)
    assert sorted((label, op) for label, op, _ in harmless) == sorted((label, op) for label, op, _ in hostile)


def metrics(data: bytes) -> None:
    """A number only where everything is as documented; else no value, and a sentence."""
    status = STATUSES[data[0] % len(STATUSES)] if data else 200
    for instant in (True, False):
        answer = read_answer(Asked("q", NOW, instant), HttpAnswer(status, {}, data[1:]))
        assert answer.outcome is Outcome.VALUE or (answer.detail and not answer.series)
        assert answer.detail.isprintable()
        for reduce in REDUCES:
            measured = single(answer, reduce)
            assert (measured.value is not None) == (measured.outcome is Outcome.VALUE)
            assert measured.value is None or math.isfinite(measured.value)
        assert ratio(answer, answer).outcome is not Outcome.VALUE or answer.outcome is Outcome.VALUE
        for one in by_instant(answer, [NOW, NOW - MINUTE], timedelta(seconds=7)):
            single(one)


def application(data: bytes) -> None:
    """Any JSON is a state that all questions can be asked about; what is malformed has not converged."""
    try:
        value = load(data)
    except ValueError:
        return
    state = read_application(value, "default", NOW)
    str(state.id).encode()
    records = distinct(deployments(state))
    watched(state, NOW, 30 * MINUTE, records=records)
    done, why = converged(state, lambda revision: bool(revision), NOW - MINUTE)
    assert done != bool(why)
    assert not (done and state.malformed)
    blocked_by(state, ["", SHA])
    failed_fast(state, lambda revision: bool(revision), NOW - MINUTE)


def applications(data: bytes) -> None:
    """A list, a diff or windows: each of its kind, or a ValueError."""
    try:
        value = load(data)
    except ValueError:
        return
    for state in read_applications(value, "default", NOW):
        str(state.id).encode()
    read_windows(value)
    try:
        objects = read_objects(value)
    except ValueError:
        return
    assert all(isinstance(one.desired, dict) and isinstance(one.live, dict) for one in objects)


def engine_answer(data: bytes) -> None:
    """Only a 2xx with JSON has a value; anything else is one of our errors, and short."""
    status = STATUSES[data[0] % len(STATUSES)] if data else 200
    kind = "application/json" if len(data) < 2 or data[1] % 4 else "text/html"
    answer = EngineAnswer("Argo CD", status, kind, data[2:], location=data[:40].decode("latin-1"), secret="hunter2")
    answer.says(400, 9, "another operation")
    said = refusal(answer.value, RollbackError)
    assert said or 200 <= status < 300
    assert len(said) < 700
    assert "hunter2" not in said


def stream(data: bytes) -> None:
    """Where the bytes are cut decides nothing."""

    def read(size: int) -> list[object]:
        reader = EventReader(10_000)
        found: list[object] = []
        try:
            for at in range(0, len(data), size):
                found.extend(reader.feed(data[at : at + size]))
        except ValueError as error:
            found.append(str(error))
        return found

    assert read(max(1, len(data))) == read(7)


def message(data: bytes) -> None:
    """Trailers never hold a line break, and no foreign text is more than one harmless line."""
    text = data.decode("utf-8", "surrogateescape")
    for key, values in parse_trailers(text).items():
        assert key.isascii()
        assert all("\n" not in value for value in values)
    shown = for_people(text)
    assert shown.isprintable()
    assert len(shown) <= 200
    shown.encode()


def commit(data: bytes) -> None:
    """A raw commit object is a value, whatever its encoding says; the message can be written out again."""
    raw = parse_commit(SHA, data)
    raw.message.encode()
    assert "\0" not in raw.subject
    assert raw.committed >= 0


def log(data: bytes) -> None:
    """What git prints of one commit whose texts are hostile: they never become another commit or another path."""
    parts = [part.replace(b"\0", b"") for part in data.split(b"\xff", 3)] + [b""] * 4
    fields = [b"H" + SHA.encode(), b"", b"d" * 40, parts[0], parts[1], parts[2][:30], parts[3]]
    change = [b":100644 100644 " + b"a" * 40 + b" " + b"b" * 40 + b" M", parts[3] or b"x"]
    found = list(parse_log(b"\0".join([*fields, *change, b""])))
    assert [one.sha for one in found] == [SHA]
    assert [one.path for one in found[0].changes] == [change[1].decode("utf-8", "surrogateescape")]


def record(data: bytes) -> None:
    """A record comes back as it was written, or is refused in a sentence."""
    if refusal(lambda: decode_record(data), ValueError, JournalBroken):
        return
    found = decode_record(data)
    again = decode_record(encode_record(found))
    assert (again.id, again.phase, again.steps, again.times) == (found.id, found.phase, found.steps, found.times)


def decisions(data: bytes) -> None:
    """What can be read of a torn file is read; what comes out can be written and read again."""
    try:
        entries, damaged = decode_entries(data)
    except JournalBroken:
        return
    assert len(entries) + len(damaged) <= data.count(b"\n") + 1
    again, _ = decode_entries(b"".join(encode_entry(entry) for entry in entries))
    assert [(one.at, one.application, one.reason) for one in again] == [
        (one.at, one.application, one.reason) for one in entries
    ]
    assert len(newest_entries(entries)) <= len(entries)


def pause(data: bytes) -> None:
    """A pause file is read, or it stops everything; what is written again can be read, and stops as much."""
    state = read_pause("branch", data)
    nothing = PauseState("settings")
    stop = stopped("default/Application/argocd/web", NOW, nothing, nothing, state)
    assert stop is not None or not state.unreadable
    held: list[Pause] = [one for one in state.pauses if one.holds(NOW)]
    again = read_pause("branch", encode_pauses(tuple(held)))
    assert not again.unreadable
    assert any(one.application is None for one in again.pauses) == any(one.application is None for one in held)


def settings(data: bytes) -> None:
    """Settings, or all faults at once."""
    _SETTINGS.write_bytes(data)
    refusal(lambda: load_settings({}, {"config": str(_SETTINGS)}), SettingsInvalid)


def words(data: bytes) -> None:
    """Small spellings: durations, repositories, globs, images, versions. Refused with a ValueError, or read."""
    one, _, other = data.decode("utf-8", "replace").partition("\0")
    if not refusal(lambda: parse_duration(one), ValueError):
        assert parse_duration(format_duration(parse_duration(one))) <= parse_duration(one)
    assert same_repository(one, other) == same_repository(other, one)
    matches(one, other)
    assert parse_image(one).version is not None
    satisfies(one, other)


def manifest(data: bytes) -> None:
    """`before NUL after`: each guard that reads files answers, and what cannot be read is never allowed."""
    one, _, other = data.partition(b"\0")
    changed = ChangedFile(FILE, one, other)
    fields = {"files": (changed,), "culprit_files": (changed,), "own_files": (OwnFile(FILE, one),)}
    judged = judge_irreversible(facts(**fields))
    if documents(one) is None or documents(other) is None:
        assert judged.result is GuardResult.ASK
    for answer in (judged, judge_migrations(facts(**fields)), judge_capacity(facts(**fields))):
        assert answer.message
    image_changes(one, other)
    changed_scalars(one, other)
    yaml_fault(MergedText(FILE, other, (one,)))


CHECKS: dict[str, Callable[[bytes], None]] = {
    "policy": policy,
    "query": query,
    "metrics": metrics,
    "application": application,
    "applications": applications,
    "engine-answer": engine_answer,
    "stream": stream,
    "message": message,
    "commit": commit,
    "log": log,
    "record": record,
    "decisions": decisions,
    "pause": pause,
    "settings": settings,
    "manifest": manifest,
    "words": words,
    "flux": flux,
    "kubernetes": kubernetes,
    "pods": pods,
    "hook": hook,
    "registry": registry,
    "closure": closure,
    "chart": chart,
    "merge": merge,
    "images": images,
    "request": request,
    "comment": comment,
    "press": press,
}
