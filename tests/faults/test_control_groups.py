"""Are the limits real, and is the right tree of groups found?"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from control_groups import control_group, trees

FIRST = """\
31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 /docker/1f /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
39 31 0:36 / /sys/fs/cgroup/pids rw,relatime shared:9 - cgroup cgroup rw,pids
"""
FIRST_GROUPS = "9:memory:/docker/1f\n8:pids:/user.slice/user-0.slice\n4:cpu,cpuacct:/\n1:name=systemd:/\n"


def test_each_controller_of_the_first_version_has_its_own_tree() -> None:
    found = {name: tree for tree in trees(FIRST, FIRST_GROUPS) for name in tree.controllers}

    assert set(found) == {"cpu", "cpuacct", "memory", "pids"}
    assert found["pids"].own == Path("/sys/fs/cgroup/pids/user.slice/user-0.slice")
    assert found["memory"].own == Path("/sys/fs/cgroup/memory"), "a container sees its own group as the top"
    assert not any(tree.unified for tree in found.values())


@pytest.mark.parametrize(
    ("root", "group", "below"),
    [("/", "/", ""), ("/", "/system.slice/ci.service", "system.slice/ci.service"), ("/../../outer", "/", "")],
)
def test_one_tree_of_the_second_version_has_all(tmp_path: Path, root: str, group: str, below: str) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids\n")
    mounts = f"40 30 0:26 {root} {tmp_path} rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"

    (tree,) = trees(mounts, f"0::{group}\n")

    assert tree.unified
    assert tree.controllers == {"cpu", "memory", "pids"}
    assert tree.own == tmp_path / below


TRIES = """
import os, resource
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
try:
    os.fork()
except BlockingIOError as error:
    print(error.strerror)
"""


def test_who_is_in_a_group_cannot_have_more_than_it_allows() -> None:
    with control_group("pids") as group:
        group.limit_tasks(1)
        command = [*group.launcher(files=32), sys.executable, "-c", TRIES]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.stdout.splitlines() == ["32 32", "Resource temporarily unavailable"]
        assert group.tasks_refused() == 1
        folder = group.folders["pids"]
    assert not folder.exists()
