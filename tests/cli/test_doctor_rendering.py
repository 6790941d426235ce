"""`doctor` tries the commands that make generated files, on the head as it is."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from config_world import Answer, World

Cli = Callable[..., Answer]
TOOL = """
import pathlib, sys
pathlib.Path("out.txt").write_text(pathlib.Path("in.txt").read_text().upper() + "".join(sys.argv[1:]))
"""


@pytest.fixture
def findings(world: World, cli: Cli, tmp_path: Path) -> Callable[..., list[dict[str, object]]]:
    """What it says of one command: the script with these options, or another program."""
    world.commit({"in.txt": b"a\n", "out.txt": b"A\n"})
    (tmp_path / "tool.py").write_text(TOOL)

    def run(*command: str) -> list[dict[str, object]]:
        own = not command or command[0].startswith("-")
        words = [sys.executable, str(tmp_path / "tool.py"), *command] if own else [*command]
        config = tmp_path / "settings.yaml"
        render = [{"command": words, "generates": ["out.txt"]}]
        config.write_text(json.dumps({"repositories": [{"url": world.url, "render": render}]}))
        found = json.loads(cli("doctor", "--config", str(config), "-o", "json").out)
        return [one for one in found if one["part"].startswith("render of ")]

    return run


def test_a_command_that_makes_what_is_committed_is_well(findings: Callable[..., list[dict[str, object]]]) -> None:
    (one,) = findings()
    assert (one["well"], one["remedy"]) == (True, "")
    assert "tool.py` makes what is committed in " in str(one["message"])


@pytest.mark.parametrize(
    ("words", "said"),
    {
        "another version": (("-2",), "does not make out.txt as committed in "),
        "not there": (("no-such-tool",), "is not installed here: no such program in PATH"),
    }.values(),
    ids=["another version", "not there"],
)
def test_one_that_does_not_is_told_with_what_helps(
    findings: Callable[..., list[dict[str, object]]], words: tuple[str, ...], said: str
) -> None:
    (one,) = findings(*words)
    assert not one["well"]
    assert said in str(one["message"])
    assert "install that version of the tool" in str(one["remedy"])
