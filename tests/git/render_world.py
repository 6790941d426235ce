"""A repository with generated files, and the small real program that makes them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from small_history import Files, History

from gitops_rollback.adapters.git.door import Git
from gitops_rollback.adapters.git.rerendering import Rendering
from gitops_rollback.adapters.git.reversal import Reverser
from gitops_rollback.adapters.rendering import CommandRenderer
from gitops_rollback.core.plan import Reversal
from gitops_rollback.core.rendering import Render

HEAD = "# made by a tool. DO NOT EDIT.\n"
OUT = "rendered/all.yaml"
TOOL = f"""
import pathlib, sys
values = {{path.stem: path.read_text().strip() for path in sorted(pathlib.Path("values").glob("*.txt"))}}
out = pathlib.Path("{OUT}")
with open(sys.argv[1], "a") as runs:
    runs.write(" ".join(values.values()) + "\\n")
def write():
    out.write_text({HEAD!r} + "".join(f"{{key}}: {{value}}\\n" for key, value in values.items()))
"""
UNDONE = 'values["a"] == "1"'  # true in the sources once the bad commit is undone


def rendered(**values: str) -> str:
    """What the tool makes of these."""
    return HEAD + "".join(f"{key}: {value}\n" for key, value in sorted(values.items()))


def files(**values: str) -> dict[str | bytes, str]:
    """The sources and what is made of them."""
    return {**{f"values/{key}.txt": f"{value}\n" for key, value in values.items()}, OUT: rendered(**values)}


def clashing(history: History) -> tuple[str, str, str]:
    """Two sources, set by two commits; both stand in neighbouring lines of the generated file."""
    steps: Sequence[Files] = [files(a="1", b="1"), files(a="2", b="1"), files(a="2", b="2")]
    before, bad, head = history.line(*steps)
    return before, bad, head


class Tool:
    """The program, its runs, and the reversals that use it."""

    def __init__(self, folder: Path, history: History) -> None:
        self.history = history
        self.script = folder / "tool.py"
        self._runs = folder / "runs"
        self._timeout = timedelta(seconds=60)
        self.says("write()")

    def says(self, *lines: str, timeout: float = 60) -> Tool:
        """What it does, once it has read the `values`."""
        self.script.write_text(TOOL + "\n".join(lines) + "\n")
        self._timeout = timedelta(seconds=timeout)
        return self

    @property
    def render(self) -> Render:
        return Render((sys.executable, str(self.script), str(self._runs)), ("rendered/**",), self._timeout)

    @property
    def runs(self) -> list[str]:
        """The values that it was run on, in order."""
        return self._runs.read_text().splitlines() if self._runs.exists() else []

    @contextmanager
    def reverser(self, *more: Render) -> Iterator[Reverser]:
        rendering = Rendering((self.render, *more), CommandRenderer())
        reverser = Reverser(Git(self.history.git_dir), rendering=rendering)
        try:
            yield reverser
        finally:
            reverser.close()

    def undo(self, at: str, *reverts: str, good: str | None = None) -> Reversal:
        with self.reverser() as reverser:
            return reverser.reverse(at, reverts, None, good)
