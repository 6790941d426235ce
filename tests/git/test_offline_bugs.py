"""What nobody foresaw in one line of a batch is told of that line alone; real processes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from small_history import History

# The verb as it is, with a bug in the reading of objects: it breaks off in the middle of what git answers.
BUGGY = """
import sys
from gitops_rollback.adapters.git.objects import ObjectReader
from gitops_rollback.cli.main import main

honest = ObjectReader._answer

def broken(self, command, sha, limit):
    if sha == sys.argv[1]:
        self._process = self._process or self._start()
        self._process.stdin.write(f"{command} {sha}\\n".encode())
        self._process.stdin.flush()
        raise RuntimeError("a value that is secret")
    return honest(self, command, sha, limit)

ObjectReader._answer = broken
main([sys.argv[2], "--git-dir", sys.argv[3], "--batch"])
"""
LINES = [
    pytest.param(b"\n", None, id="blank"),
    pytest.param(b"not json\n", None, id="not JSON"),
    pytest.param(b"[1]\n", None, id="a list"),
    pytest.param(b'{"since": "abcd"}\n', None, id="without an id"),
    pytest.param(b'{"id": "x"}\n', "x", id="nothing asked"),
    pytest.param(b'{"id": "x", "at": "a\\u0000", "since": "b", "paths": ["a"]}\n', "x", id="NUL in a SHA"),
    pytest.param(b'{"id": "x", "at": "AT", "since": "SINCE", "paths": ["\\u0000"]}\n', "x", id="NUL in a path"),
    pytest.param(b'{"id": "x"\x00}\n', None, id="NUL"),
    pytest.param(b'{"id": "\xff"}\n', None, id="not UTF-8"),
    pytest.param(b'{"id": "\\ud800", "at": "\\ud800", "since": "b", "paths": ["a"]}\n', "\ud800", id="surrogate"),
    pytest.param(b'{"id": "x", "at": "AT", "since": "SINCE", "paths": ["\\ud800"]}\n', "x", id="surrogate in a path"),
    pytest.param(b'{"id": "x", "at": "' + b"f" * 3_000_000 + b'"}\n', None, id="3 MB"),
    pytest.param(b"[" * 60_000 + b"\n", None, id="deep"),
    pytest.param(b'{"id": ' + b"9" * 5_000 + b"}\n", None, id="5,000 digits"),
]


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / "config.git")


def asked(verb: str, id: str, at: str, since: str) -> bytes:
    more = {"revert": at} if verb == "plan" else {"since": since, "paths": ["a"]}
    return json.dumps({"id": id, "at": at, **more}).encode() + b"\n"


@pytest.mark.parametrize("verb", ["plan", "suspects"])
def test_a_bug_in_one_line_leaves_the_others_alone(history: History, verb: str) -> None:
    good, bad = history.line({"a": "1\n"}, {"a": "2\n"})
    poison = history.commit({"b": "1\n"}, [good])
    lines = [asked(verb, "1", bad, good), asked(verb, "2", poison, good), asked(verb, "3", bad, good)]
    command = [sys.executable, "-c", BUGGY, poison, verb, str(history.git_dir)]
    done = subprocess.run(command, input=b"".join(lines), capture_output=True, timeout=60, check=False)
    first, second, third = (json.loads(line) for line in done.stdout.splitlines())
    assert done.returncode == 0
    assert (first["id"], second["id"], third["id"]) == ("1", "2", "3")
    assert {**third, "id": "1"} == first
    assert "RuntimeError" in second["message" if verb == "plan" else "error"]
    if verb == "plan":
        assert (first["outcome"], second["outcome"], second["reason"]) == ("clean", "refused", "InternalError")
    else:
        assert set(second) == {"id", "error"}
        assert first["suspects"]
    assert b"error: RuntimeError" in done.stderr
    assert b"secret" not in done.stdout + done.stderr


@pytest.mark.parametrize(("line", "id"), LINES)
def test_a_bad_line_gets_one_answer_and_the_next_one_its_own(history: History, line: bytes, id: object) -> None:
    good, bad = history.line({"a": "1\n"}, {"a": "2\n"})
    line = line.replace(b'"AT"', f'"{bad}"'.encode()).replace(b'"SINCE"', f'"{good}"'.encode())
    command = [sys.executable, "-m", "gitops_rollback", "suspects", "--git-dir", str(history.git_dir), "--batch"]
    text = line + asked("suspects", "good", bad, good)
    done = subprocess.run(command, input=text, capture_output=True, timeout=60, check=False)
    wrong, right = (json.loads(answer) for answer in done.stdout.splitlines())
    assert (done.returncode, wrong["id"], right["id"]) == (0, id, "good")
    assert wrong.get("error") or not wrong["suspects"]
    assert [one["commit"] for one in right["suspects"]] == [bad]
    assert b"bug" not in done.stderr
