"""A control group for a controller and its children: limits that the kernel keeps, for root as well.

    with control_group("pids", "memory", "cpu") as group:
        live.launcher = group.launcher(files=64)         # whoever is started with it is in the group
        group.limit_tasks(40)

Both versions of control groups: in the first each controller has a tree of its own, in the second one tree has all. A
test is skipped, with the reason, where none of them lets this user make a group.
"""

from __future__ import annotations

import os
import signal
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

NONE = "max"
CPU_PERIOD = 100_000  # microseconds
END_SECONDS = 10.0
ENTER = 'ulimit -n "$1"; shift; while [ "$1" != -- ]; do echo $$ > "$1" || exit 70; shift; done; shift; exec "$@"'


@dataclass(frozen=True)
class Tree:
    """One mounted tree of groups: where this process is in it, and which controllers it has."""

    top: Path
    own: Path
    controllers: frozenset[str]
    unified: bool


@dataclass(frozen=True)
class ControlGroup:
    """`folders`: the group's, by controller; in the second version they are one."""

    folders: dict[str, Path]

    def launcher(self, files: int) -> tuple[str, ...]:
        """What stands before a command so that it runs in the group, with at most so many open files a process."""
        entries = dict.fromkeys(str(folder / "cgroup.procs") for folder in self.folders.values())
        return ("/bin/sh", "-c", ENTER, "limited", str(files), *entries, "--")

    def limit_tasks(self, most: int | None) -> None:
        """Processes and threads together. Fewer than there are: none can be added."""
        (self.folders["pids"] / "pids.max").write_text(NONE if most is None else str(most))

    def tasks_refused(self) -> int:
        """How often a process or thread could not be made."""
        return _counted(self.folders["pids"] / "pids.events", "max")

    def limit_memory(self, most: int | None) -> None:
        """Bytes, what is kept of files included."""
        folder = self.folders["memory"]
        old = folder / "memory.limit_in_bytes"
        if old.exists():
            old.write_text("-1" if most is None else str(most))
        else:
            (folder / "memory.max").write_text(NONE if most is None else str(most))

    def memory(self) -> int:
        """Bytes in use, once what files can be read again from is given back."""
        folder = self.folders["memory"]
        if (folder / "memory.force_empty").exists():
            with suppress(OSError):
                (folder / "memory.force_empty").write_text("0")
            return int((folder / "memory.usage_in_bytes").read_text())
        return int((folder / "memory.current").read_text())

    def killed_for_memory(self) -> int:
        """How many processes the kernel has killed since it had no more for them."""
        folder = self.folders["memory"]
        old = folder / "memory.oom_control"
        return _counted(old if old.exists() else folder / "memory.events", "oom_kill")

    def limit_cpu(self, share: float | None) -> None:
        """Of one core, for all of the group."""
        folder = self.folders["cpu"]
        quota = None if share is None else int(share * CPU_PERIOD)
        old = folder / "cpu.cfs_quota_us"
        if old.exists():
            old.write_text("-1" if quota is None else str(quota))
        else:
            (folder / "cpu.max").write_text(f"{NONE if quota is None else quota} {CPU_PERIOD}")

    def remove(self) -> None:
        """End what still runs in it, and the group."""
        end, idle = time.monotonic() + END_SECONDS, threading.Event()
        for folder in dict.fromkeys(self.folders.values()):
            while not _removed(folder):
                assert time.monotonic() < end, f"{folder} does not get empty"
                idle.wait(0.05)


@contextmanager
def control_group(*controllers: str, wished: str = "") -> Iterator[ControlGroup]:
    """A group without any limit yet, with these controllers and, if it can be had, the `wished` one.

    Skips where there is none to be had.
    """
    group = ControlGroup({})
    try:
        for tree in trees(Path("/proc/self/mountinfo").read_text(), Path("/proc/self/cgroup").read_text()):
            for wanted in ((*controllers, wished), controllers):
                here = [one for one in wanted if one in tree.controllers]
                folder = _made(tree, here) if here else None
                if folder is not None:
                    group.folders.update(dict.fromkeys(here, folder))
                    break
        if missing := set(controllers) - set(group.folders):
            pytest.skip(f"no control group for {', '.join(sorted(missing))} can be made here")
        yield group
    finally:
        group.remove()


def trees(mounts: str, groups: str) -> list[Tree]:
    """From the text of /proc/self/mountinfo and /proc/self/cgroup."""
    paths = {names: path for _, names, path in (line.split(":", 2) for line in groups.splitlines())}
    found = []
    for line in mounts.splitlines():
        words, _, system = line.partition(" - ")
        root, top = words.split()[3:5]
        kind, _, options = system.split(" ", 2)
        if kind == "cgroup2":
            found.append(_tree(Path(top), root, paths.get("", "/"), _words(Path(top) / "cgroup.controllers"), True))
        elif kind == "cgroup":
            here = next((names for names in paths if names and set(names.split(",")) <= set(options.split(","))), None)
            if here is not None:
                found.append(_tree(Path(top), root, paths[here], frozenset(here.split(",")), False))
    return found


def _tree(top: Path, root: str, path: str, controllers: frozenset[str], unified: bool) -> Tree:
    below = os.path.relpath(path, root)
    own = top if below.startswith("..") else top / below
    return Tree(top, own, controllers, unified)


def _made(tree: Tree, controllers: Sequence[str]) -> Path | None:
    """A new folder whose group has these controllers: below our own group, else as near to it as may be."""
    name = f"gitops-rollback-{uuid.uuid4().hex[:12]}"
    for parent in (tree.own, *(one for one in tree.own.parents if one.is_relative_to(tree.top))):
        folder = parent / name
        try:
            if tree.unified:
                _hand_on(parent, controllers)
            folder.mkdir()
            if "invalid" in _words(folder / "cgroup.type"):
                (folder / "cgroup.type").write_text("threaded")
        except OSError:
            with suppress(OSError):
                folder.rmdir()
            continue
        return folder
    return None


def _hand_on(parent: Path, controllers: Sequence[str]) -> None:
    """In the second version a group has the controllers that its parent hands on. Raises: OSError if it may not.

    While processes are in the parent it may hand on only those that know threads (pids, cpu); its children must then
    be threaded.
    """
    for controller in controllers:
        if controller not in _words(parent / "cgroup.subtree_control"):
            (parent / "cgroup.subtree_control").write_text(f"+{controller}")


def _removed(folder: Path) -> bool:
    with suppress(OSError):
        for pid in _words(folder / "cgroup.procs"):
            os.kill(int(pid), signal.SIGKILL)
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _words(file: Path) -> frozenset[str]:
    return frozenset(file.read_text().split()) if file.exists() else frozenset()


def _counted(file: Path, word: str) -> int:
    lines = [line.split() for line in file.read_text().splitlines()]
    return next((int(line[1]) for line in lines if line[0] == word), 0)
