"""`plan --batch`: one line in, one line out, in order, at once, whatever the line holds; real processes."""

from __future__ import annotations

import json
import selectors
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from small_history import History

SCRIPT = (
    "import sys; from pathlib import Path; from gitops_rollback.cli.offline import run_offline; "
    "sys.exit(run_offline(Path(sys.argv[1]), None, None, None, None, True, 'json'))"
)
KEYS = ["id", "outcome", "tree", "commit", "rung", "paths", "superseded", "explained", "automatic", "reason", "message"]


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / "config.git")


def batch(repo: Path, text: bytes) -> tuple[int, list[dict[str, object]]]:
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(repo)], input=text, capture_output=True, timeout=60)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def asked(at: str, revert: str, **more: object) -> bytes:
    return json.dumps({"at": at, "revert": revert, **more}).encode() + b"\n"


def test_each_line_is_answered_in_order(history: History) -> None:
    _, bad, head, undone = history.line({"a": "1\n"}, {"a": "2\n"}, {"b": "1\n"}, {"a": "1\n"})
    lines = [
        asked(head, bad, id="first"),
        asked(undone, bad, id=2),
        asked(head, "f" * 40, id="third", last_good=bad),
        asked(undone, head, id=None, mainline=1),
    ]
    code, answers = batch(history.git_dir, b"".join(lines))
    assert code == 0
    assert [(answer["id"], answer["outcome"]) for answer in answers] == [
        ("first", "clean"),
        (2, "empty"),
        ("third", "refused"),
        (None, "clean"),
    ]
    assert all(list(answer) == KEYS for answer in answers)


def test_a_version_that_goes_on_is_named_in_answer_and_commit(history: History) -> None:
    charts = [{"c/Chart.yaml": f"version: 1.0.{number}\n", "c/values.yaml": f"a: {number}\n"} for number in (0, 1)]
    _, bad = history.line(*(dict(files) for files in charts))
    _, (plain, answer) = batch(history.git_dir, asked(bad, bad) + asked(bad, bad, chart_versions="forward"))
    assert list(plain) == KEYS
    assert answer["edits"] == [{"path": "c/Chart.yaml", "field": "version", "before": "1.0.1", "after": "1.0.2"}]
    assert "from 1.0.1 to 1.0.2" in history.git("log", "-1", "--format=%B", str(answer["commit"]))
    assert history.content(str(answer["commit"])) == {"c/Chart.yaml": "version: 1.0.2\n", "c/values.yaml": "a: 0\n"}


@pytest.mark.parametrize(
    ("line", "id"),
    [
        pytest.param(b"\n", None, id="blank"),
        pytest.param(b"not json\n", None, id="not JSON"),
        pytest.param(b"[]\n", None, id="a list"),
        pytest.param(b"null\n", None, id="null"),
        pytest.param(b'{"id": "x"}\n', "x", id="nothing asked"),
        pytest.param(b'{"id": "x", "at": 1, "revert": "abcd"}\n', "x", id="a number for a SHA"),
        pytest.param(b'{"id": 7, "at": "abcd", "revert": "abcd", "mainline": "1"}\n', 7, id="mainline as text"),
        pytest.param(b'{"id": 7, "at": "abcd", "revert": "abcd", "mainline": true}\n', 7, id="mainline as true"),
        pytest.param(b'{"id": 7, "at": "abcd", "revert": "abcd", "mainline": 0}\n', 7, id="mainline 0"),
        pytest.param(b'{"id": 7, "at": "abcd", "revert": "abcd", "last_good": 1}\n', 7, id="last_good as number"),
        pytest.param(
            b'{"id": 7, "at": "abcd", "revert": "abcd", "chart_versions": "on"}\n', 7, id="no word for charts"
        ),
        pytest.param(b'{"id": {"a": 1}, "at": 1}\n', None, id="an id that is no word"),
        pytest.param(b'{"id": NaN, "at": "abcd", "revert": "abcd"}\n', None, id="NaN"),
        pytest.param(b'{"id": 1e999, "at": 1, "revert": "abcd"}\n', None, id="infinite id"),
        pytest.param(b'{"id": "\\ud800", "at": 1, "revert": "abcd"}\n', "\ud800", id="lone surrogate"),
        pytest.param(b'{"id": "x", "at": "\\ud800", "revert": "abcd"}\n', "x", id="surrogate for a SHA"),
        pytest.param(b'{"id": "x", "at": "abcd\\u0000", "revert": "--help"}\n', "x", id="NUL and an option"),
        pytest.param(b'{"id": "x", "at": "' + b"f" * 5000 + b'", "revert": "abcd"}\n', "x", id="5,000 digits"),
        pytest.param(b"\xff\xfe\n", None, id="not UTF-8"),
        pytest.param(b"[" * 60_000 + b"\n", None, id="deep"),
        pytest.param(b'{"id": ' + b"9" * 5_000 + b"}\n", None, id="5,000 digits of a number"),
        pytest.param(b'{"id": "x", "at": "' + b"f" * 3_000_000 + b'"}\n', None, id="3 MB"),
        pytest.param(b" " * (1 << 20) + b'{"at": "abcd", "revert": "abcd"}\n', None, id="a request behind 1 MiB"),
        pytest.param(b'{"id": "x"', None, id="cut off"),
    ],
)
def test_a_bad_line_is_refused_and_the_next_one_is_answered(history: History, line: bytes, id: object) -> None:
    _, bad = history.line({"a": "1\n"}, {"a": "2\n"})
    good = asked(bad, bad, id="good")
    line = line.replace(b'"abcd"', f'"{bad}"'.encode())  # what is wrong is not the SHA
    code, answers = batch(history.git_dir, good + line if not line.endswith(b"\n") else line + good)
    assert (code, len(answers)) == (0, 2)
    refused = answers[1] if not line.endswith(b"\n") else answers[0]
    assert (refused["outcome"], refused["id"], refused["automatic"]) == ("refused", id, False)
    assert list(refused) == KEYS
    assert {answer["outcome"] for answer in answers} == {"clean", "refused"}


def test_an_empty_input_is_no_error(history: History) -> None:
    history.commit({"a": "1\n"})
    assert batch(history.git_dir, b"") == (0, [])


def test_a_repository_that_cannot_be_read_ends_with_2(tmp_path: Path) -> None:
    assert batch(tmp_path, b"{}\n") == (2, [])


def test_an_input_that_cannot_be_read_ends_with_2(history: History, tmp_path: Path) -> None:
    with Path(tmp_path / "input").open("wb") as only_for_writing:
        command = [sys.executable, "-c", SCRIPT, str(history.git_dir)]
        done = subprocess.run(command, stdin=only_for_writing, capture_output=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"cannot be read" in done.stderr


def test_an_answer_comes_before_the_next_question_is_asked(history: History) -> None:
    _, bad, head = history.line({"a": "1\n"}, {"a": "2\n"}, {"b": "1\n"})
    with _running(history.git_dir) as process:
        for at in (bad, head, bad):
            assert process.stdin is not None
            process.stdin.write(asked(at, bad))
            process.stdin.flush()
            assert json.loads(_line(process))["outcome"] == "clean"


def test_objects_that_arrive_while_it_runs_are_seen(history: History) -> None:
    _, bad = history.line({"a": "1\n"}, {"a": "2\n"})
    with _running(history.git_dir) as process:
        for _ in range(2):
            head = history.commit({"b": "1\n"}, [bad], message="Later")
            assert process.stdin is not None
            process.stdin.write(asked(head, head) + asked("e" * 40, bad))
            process.stdin.flush()
            assert [json.loads(_line(process))["outcome"] for _ in range(2)] == ["clean", "refused"]


@contextmanager
def _running(repo: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", SCRIPT, str(repo)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
        try:
            yield process
            assert process.stdin is not None
            process.stdin.close()
            assert process.wait(timeout=30) == 0
        finally:
            process.kill()


def _line(process: subprocess.Popen[bytes], seconds: float = 30) -> bytes:
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        assert selector.select(seconds), "no answer"
    return process.stdout.readline()
