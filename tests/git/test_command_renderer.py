"""A configured command is run as it is, sees nothing of ours, and leaves no process behind."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from gitops_rollback.adapters.rendering import LAST_CHARACTERS, CommandRenderer
from gitops_rollback.core.errors import RepositoryUnavailable

MINUTE = timedelta(minutes=1)
LEAVES_A_CHILD = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(900)"])
open("child", "w").write(str(child.pid))
os.rename("child", "pid")
"""


@pytest.fixture
def renderer() -> CommandRenderer:
    return CommandRenderer()


def python(text: str) -> tuple[str, ...]:
    return (sys.executable, "-c", text)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    waiting = threading.Event()
    while not condition():
        assert time.monotonic() < deadline
        waiting.wait(0.02)


def is_gone(pid: int) -> bool:
    """Also as a zombie that nobody has reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_each_word_arrives_as_it_is_and_no_shell_reads_it(renderer: CommandRenderer, tmp_path: Path) -> None:
    words = ("$(touch pwned)", "; touch pwned", "a b", "*")
    command = (*python("import sys; open('words', 'w').write('\\0'.join(sys.argv[1:]))"), *words)
    assert renderer.run(command, tmp_path, tmp_path, MINUTE) == ""
    assert tuple((tmp_path / "words").read_text().split("\0")) == words
    assert not (tmp_path / "pwned").exists()


def test_the_last_lines_of_its_complaint_are_told_without_what_a_terminal_would_do(
    renderer: CommandRenderer, tmp_path: Path
) -> None:
    text = "import sys; sys.stderr.write('x' * 200000 + '\\n\\n\\033[31mno chart\\033[0m\\r\\nshop\\n'); sys.exit(7)"
    said = renderer.run(python(text), tmp_path, tmp_path, MINUTE)
    assert said.startswith("ended with exit code 7: ")
    assert said.endswith("no chart / shop")
    assert len(said) < LAST_CHARACTERS + 50


def test_what_it_left_running_ends_with_it(renderer: CommandRenderer, tmp_path: Path) -> None:
    """Though that child holds its stderr open."""
    assert renderer.run(python(LEAVES_A_CHILD), tmp_path, tmp_path, MINUTE) == ""
    child = int((tmp_path / "pid").read_text())
    until(lambda: is_gone(child))


def test_one_that_closed_its_stderr_is_waited_for(renderer: CommandRenderer, tmp_path: Path) -> None:
    text = "import os, time; os.close(2); time.sleep(0.3); open('done', 'w').close()"
    assert renderer.run(python(text), tmp_path, tmp_path, MINUTE) == ""
    assert (tmp_path / "done").exists()


def test_one_that_takes_too_long_is_ended(renderer: CommandRenderer, tmp_path: Path) -> None:
    said = renderer.run(python("import time; time.sleep(900)"), tmp_path, tmp_path, timedelta(seconds=1))
    assert said == "did not end within 1s"


def test_when_we_stop_it_ends_with_all_its_children_and_that_is_no_answer(
    renderer: CommandRenderer, tmp_path: Path
) -> None:
    caught: list[RepositoryUnavailable] = []

    def run() -> None:
        try:
            renderer.run(python(LEAVES_A_CHILD + "time.sleep(900)"), tmp_path, tmp_path, timedelta(minutes=10))
        except RepositoryUnavailable as error:
            caught.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    until(lambda: (tmp_path / "pid").exists())
    renderer.close()
    thread.join(60)
    assert not thread.is_alive()
    assert [error.subject for error in caught] == [sys.executable]
    child = int((tmp_path / "pid").read_text())
    until(lambda: is_gone(child))
    with pytest.raises(RepositoryUnavailable):
        renderer.run(python(""), tmp_path, tmp_path, MINUTE)


def test_no_program_is_looked_up_where_it_is_run(
    renderer: CommandRenderer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is a checkout, and an empty or relative part of PATH means it."""
    (tmp_path / "bin").mkdir()
    for place in (tmp_path / "render", tmp_path / "bin" / "render"):
        place.write_text("#!/bin/sh\ntouch ran\n")
        place.chmod(0o755)
    monkeypatch.setenv("PATH", f".:bin::{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    assert renderer.run(("render",), tmp_path, tmp_path, MINUTE) == "is not installed here: no such program in PATH"
    assert not (tmp_path / "ran").exists()


def test_what_lies_beside_it_is_not_imported(renderer: CommandRenderer, tmp_path: Path) -> None:
    (tmp_path / "colorsys.py").write_text("open('ran', 'w').close()")
    assert renderer.run(python("import colorsys"), tmp_path, tmp_path, MINUTE) == ""
    assert not (tmp_path / "ran").exists()


def test_a_program_that_is_none_is_told(renderer: CommandRenderer, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no program")
    (tmp_path / "text").chmod(0o755)
    assert renderer.run((str(tmp_path / "missing"),), tmp_path, tmp_path, MINUTE) == "is not installed here"
    assert renderer.run((str(tmp_path / "text"),), tmp_path, tmp_path, MINUTE).startswith("cannot be started (")
