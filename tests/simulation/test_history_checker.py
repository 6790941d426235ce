"""Does the judge from outside see each kind of broken history, and nothing in a sound one? All with real git."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gitops_rollback.sandbox.people import People
from gitops_rollback.sandbox.simulation.wire.gitlog import keep_reflogs, run_git
from gitops_rollback.sandbox.simulation.wire.history import Known, check_history

OURS = "gitops-rollback <gitops-rollback@example.com>"
START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
JOURNAL = "gitops-rollback-journal"
WEB, API = "apps/web.yaml", "apps/api.yaml"
ID = "rb-0123456789abcdef"


class Past:
    """A repository in which one bad commit was reverted by us as it should be."""

    def __init__(self, bare: Path) -> None:
        run_git(bare.parent, "init", "-q", "--bare", "-b", "main", str(bare))
        keep_reflogs(bare)
        self.bare, self.minutes = bare, 0
        self.people, self.memory = People(bare), People(bare, JOURNAL)
        for branch in ("main", JOURNAL):
            text = f"commit refs/heads/{branch}\ncommitter {OURS} 1700000000 +0000\ndata 5\nFirst\n"
            run_git(bare, "fast-import", "--quiet", content=text.encode())
        self.good = self.put("Start", {WEB: "v1\n", API: "v1\n"})
        self.bad = self.put("Ship web", {WEB: "v2\n"})
        self.ours = self.revert(self.bad, {WEB: "v1\n"})

    def put(self, message: str, files: Mapping[str, str | None], author: str = "A Person <a@shop.example>") -> str:
        self.minutes += 1
        return self.people.push(message, files, START + timedelta(minutes=self.minutes), author)

    def revert(self, sha: str, files: Mapping[str, str | None], identity: str = ID) -> str:
        trailers = {"Id": identity, "Application": "web", "Reverts": sha, "Restores": self.good, "Bad-Revision": sha}
        block = "\n".join(f"Rollback-{key}: {value}" for key, value in trailers.items())
        return self.put(f"Revert\n\nThis reverts commit {sha}.\n\n{block}\n", files, OURS)

    def write(self, path: str, text: str | None) -> None:
        self.minutes += 1
        self.memory.push("Record", {path: text}, START + timedelta(minutes=self.minutes), OURS)

    def record(self, identity: str = ID, **more: Any) -> None:
        step = {"n": 1, "of": 1, "commit": self.ours, "blobs": {}, "pushedAt": "2026-01-05T09:00:00Z"}
        document = {"id": identity, "applications": ["web"], "phase": "Done", "outcome": "verified", "steps": [step]}
        self.write(f"records/{identity}.json", json.dumps(document | more))

    def force(self, sha: str, branch: str = "main") -> None:
        run_git(self.bare, "update-ref", f"refs/heads/{branch}", sha)


@pytest.fixture
def past(tmp_path: Path) -> Past:
    return Past(tmp_path / "shop.git")


def test_a_sound_history_has_nothing_to_complain_about(past: Past) -> None:
    past.write("decisions/2026-01/05/web.jsonl", '{"a": 1}\n')
    past.write("decisions/2026-01/05/web.jsonl", '{"a": 1}\n{"a": 2}\n')
    past.record(phase="Syncing", outcome=None)
    past.record()
    known = Known(bad={past.bad}, secrets={"canary"}, texts={"the log": "all is well"})
    assert check_history(past.bare, known) == ()


def _rewind(past: Past) -> None:
    past.record()
    past.force(past.bad)


def _drop_and_go_on(past: Past) -> None:
    past.record()
    past.force(past.good)
    past.put("Elsewhere", {API: "v9\n"})


def _stranger(past: Past) -> None:
    past.record()
    past.put("Ship web 3", {WEB: "v3\n"})
    past.revert(past.people.head(), {WEB: "v2\n", API: "v0\n"}, "rb-2")


def _not_the_inverse(past: Past) -> None:
    past.record()
    past.revert(past.put("Ship web 3", {WEB: "v3\n"}), {WEB: "v0\n"}, "rb-2")


def _twice(past: Past) -> None:
    past.record()
    past.put("Ship it again", {WEB: "v2\n"})
    past.revert(past.bad, {WEB: "v1\n"})


def _own(past: Past) -> None:
    past.record()
    past.revert(past.ours, {WEB: "v2\n"}, "rb-2")


def _no_record(past: Past) -> None:
    past.record(steps=[])


def _never_pushed(past: Past) -> None:
    past.record()
    past.record("rb-2", steps=[{"commit": "f" * 40, "pushedAt": "2026-01-05T09:00:00Z"}])


def _backwards(past: Past) -> None:
    past.record()
    past.record(phase="Syncing", outcome=None)


def _other_end(past: Past) -> None:
    past.record()
    past.record(outcome="failed")


def _lines_changed(past: Past) -> None:
    past.record()
    past.write("decisions/2026-01/05/web.jsonl", '{"a": 1}\n')
    past.write("decisions/2026-01/05/web.jsonl", '{"a": 2}\n')


def _removed(past: Past) -> None:
    past.record()
    past.write(f"records/{ID}.json", None)


def _secret(past: Past) -> None:
    past.record(message="the token is canary")


def _before_the_range(past: Past) -> None:
    past.record()
    past.revert(past.good, {WEB: None, API: None}, "rb-2")


@pytest.mark.parametrize(
    ("spoil", "promise"),
    [
        (_rewind, "(1) refs/heads/main went from"),
        (_drop_and_go_on, "(2) "),
        (_stranger, "changes apps/api.yaml, which no commit that it reverts changed"),
        (_not_the_inverse, "leaves apps/web.yaml at"),
        (_twice, "(7) "),
        (_own, "(8) "),
        (_no_record, "has no record in the journal"),
        (_never_pushed, "says that ffffffffffff was pushed"),
        (_backwards, "went back from Done to Syncing"),
        (_other_end, "ended verified and then failed"),
        (_lines_changed, "changes lines of decisions/2026-01/05/web.jsonl"),
        (_removed, f"removes records/{ID}.json"),
        (_secret, "(18) "),
        (_before_the_range, "(6) "),
    ],
)
def test_each_broken_history_is_seen(past: Past, spoil: Callable[[Past], None], promise: str) -> None:
    spoil(past)
    found = check_history(past.bare, Known(secrets={"canary"}))
    assert [text for text in found if promise in text], found


def test_a_commit_that_did_no_harm_is_missed_by_no_one(past: Past) -> None:
    past.record()
    assert [text for text in check_history(past.bare, Known(bad=set())) if "(11)" in text]


def test_what_is_under_way_is_not_judged_as_if_it_had_ended(past: Past) -> None:
    past.record(phase="Syncing", outcome=None)
    known = Known()
    assert [text for text in check_history(past.bare, known) if "still Syncing" in text]
    assert check_history(past.bare, replace(known, settled=False)) == ()


def test_a_later_change_beside_the_reverted_lines_is_kept(past: Past) -> None:
    lines = [f"line {number}\n" for number in range(12)]
    past.record()
    past.put("Write", {API: "".join(lines)})
    bad = past.put("Change the first", {API: "".join(["bad\n", *lines[1:]])})
    past.put("Change the last", {API: "".join(["bad\n", *lines[1:-1], "new\n"])})
    past.ours = past.revert(bad, {API: "".join([*lines[:-1], "new\n"])}, "rb-2")
    past.record("rb-2")
    assert check_history(past.bare) == ()
