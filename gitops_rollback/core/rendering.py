"""Which files does a command of the operator's make from others, and may that command be configured at all?

What the config repository holds is never run: whoever may push there would run code in the controller. So a program is
named by its full path or found in PATH, and a script for an interpreter by its full path.
Source: git.md 5.5, Generated.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import PurePosixPath

from gitops_rollback.core.paths import matches

DEFAULT_TIMEOUT = timedelta(seconds=60)
NAME_LIMIT = 200  # characters of a command that people are shown
MOST_NAMED = 3
INTERPRETERS = re.compile(r"(ba|da|k|z|a|fi)?sh|python[\d.]*|perl|ruby|node|deno|bun|lua|php")
MAKES = frozenset({"make", "gmake", "bmake"})
MAKEFILE = re.compile(r"-f|--file(=.*)?|--makefile(=.*)?")
HOLDS = "would run what the config repository holds: install the script beside the controller, and give its full path"


@dataclass(frozen=True)
class Render:
    """One command, run at the root of a checkout; all files that the globs `generates` name are made by it alone."""

    command: tuple[str, ...]
    generates: tuple[str, ...]
    timeout: timedelta = DEFAULT_TIMEOUT

    @property
    def name(self) -> str:
        """The command for people."""
        text = shlex.join(self.command)
        return text if len(text) <= NAME_LIMIT else text[: NAME_LIMIT - 4] + " ..."

    def makes(self, path: str) -> bool:
        """True if nobody but the command writes this file."""
        return any(matches(glob, path) for glob in self.generates)


@dataclass(frozen=True)
class Rendered:
    """What a command made anew in a plan: paths that differ from the head, by name."""

    command: str
    paths: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """For people, in commits and plans."""
        more = len(self.paths) - MOST_NAMED
        files = ", ".join(self.paths[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
        return f"Rendered anew by `{self.command}`: {files}.".encode("utf-8", "replace").decode()


def concerned(renders: Iterable[Render], paths: Iterable[str]) -> tuple[Render, ...]:
    """The commands that make one of `paths`, in their order."""
    listed = tuple(paths)
    return tuple(render for render in renders if any(render.makes(path) for path in listed))


def command_fault(command: Sequence[str]) -> str | None:
    """Why the command must not be run; None if nothing is known against it."""
    if not command or not command[0].strip():
        return "must name a program"
    if any("\0" in word for word in command):
        return "must not hold NUL"
    program, words = command[0], command[1:]
    if "/" in program and not program.startswith("/"):
        return HOLDS
    name = PurePosixPath(program).name
    if name in MAKES and not any(MAKEFILE.fullmatch(word) for word in words):
        return f"{HOLDS} (make: -f)"
    if INTERPRETERS.fullmatch(name) and words and not words[0].startswith(("-", "/")):
        return HOLDS
    return None


def glob_fault(glob: str) -> str | None:
    """Why this cannot be what a command generates; None if it can."""
    parts = [part for part in glob.split("/") if part not in ("", ".")]
    if ".." in parts:
        return "must not leave the repository"
    if all(part == "**" for part in parts) or parts == ["*"]:
        return "must not name everything: the sources would be taken for generated, too"
    return None
