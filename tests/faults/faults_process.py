"""The process is killed, asked to end in the middle of a push, or its git fails under it."""

from __future__ import annotations

import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from live_world import MINUTE, NO_POLLS, POLICY_PATH, patient_policy
from scene import Scene, scene

from gitops_rollback.sandbox.git_server import Operation

STORY_SECONDS = 200.0  # of world time, from the release to verified
GRACE_SECONDS = 30.0
SHIM = """#!/bin/sh
if [ -f {folder}/signal ]; then kill -"$(cat {folder}/signal)" $$; fi
exec {git} "$@"
"""


def killed(folder: Path, seed: int) -> tuple[str, ...]:
    """F35: SIGKILL at any moments; it goes on where it was."""
    with scene(folder, seed, timing=NO_POLLS) as it:
        moments = sorted(it.dice.uniform(0, STORY_SECONDS) for _ in range(3))
        it.live.fail()
        began = it.live.now()
        for moment in moments:
            due = began + timedelta(seconds=moment)
            it.until(lambda due=due: it.live.now() >= due, "the moment of the next kill")
            it.live.kill_controller()
            it.live.start_controller()
        it.verified()
        it.check(not list((folder / "state").glob("clones/*/**/*.lock")), "a lock of a killed git is left")
    return tuple(it.broken)


def asked_to_end(folder: Path, seed: int) -> tuple[str, ...]:
    """F36: SIGTERM while a push is under way, and again: it ends within its grace, and the next one knows."""
    patient = patient_policy(more="  delivery: {syncTimeout: 1h}\n")
    with scene(folder, seed, timing=NO_POLLS, policies={POLICY_PATH: patient}) as it:
        landed = it.dice.random() < 0.5
        it.live.fail()
        it.pending()
        it.live.world.git.hang(Operation.PUSH, after=landed)
        pushes = _pushes(it)
        it.until(lambda: _pushes(it) > pushes, "a push is under way")
        process = it.live.controller
        assert process is not None
        it.live.controller = None
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGTERM)
        if it.dice.random() < 0.5:
            threading.Timer(2.0, it.live.world.git.release).start()
        code = process.wait(GRACE_SECONDS + 5)
        took = time.monotonic() - began
        it.check(took <= GRACE_SECONDS, f"it took {took:.0f} s to end")
        it.check(code == 0, f"it ended with {code}")
        it.live.world.git.release()
        it.live.start_controller()
        it.verified()
    return tuple(it.broken)


def _pushes(it: Scene) -> int:
    return sum(one.operation is Operation.PUSH for one in tuple(it.live.world.git.requests))


def without_git(folder: Path, seed: int) -> tuple[str, ...]:
    """F41: git is gone, ends by a signal, or is killed: a clear error, nothing done, and on once it is back."""
    shims = folder / "bin"
    shims.mkdir(parents=True)
    real = shutil.which("git")
    with scene(folder, seed, timing=NO_POLLS, controller=False) as it:
        shim = shims / "git"
        shim.write_text(SHIM.format(folder=shims, git=real))
        shim.chmod(0o755)
        (shims / "env").symlink_to(shutil.which("env") or "/usr/bin/env")
        (shims / "sh").symlink_to("/bin/sh")
        (shims / "cat").symlink_to("/bin/cat")
        it.live.start_controller(PATH=str(shims))
        it.live.fail()
        it.pending()
        faults: list[Callable[[Scene, Path], None]] = [_missing, _ends_by_signal, _killed_now_and_then]
        it.dice.shuffle(faults)
        for fault in faults:
            fault(it, shims)
        it.verified_or_approved()
    return tuple(it.broken)


def _missing(it: Scene, shims: Path) -> None:
    (shims / "git").rename(shims / "away")
    it.until(lambda: any("not installed" in str(line) for line in it.live.pages()), "it pages that git is missing")
    it.nothing_for(MINUTE, "without git")
    it.check(it.live.probe("/readyz")[0] == 503, "it calls itself ready without git")
    (shims / "away").rename(shims / "git")


def _ends_by_signal(it: Scene, shims: Path) -> None:
    it.until(lambda: it.live.probe("/readyz")[0] == 200, "it is ready before git crashes")
    (shims / "signal").write_text(it.dice.choice(("SEGV", "KILL", "TERM", "ABRT")).removeprefix("SIG"))
    it.until(lambda: it.live.probe("/readyz")[0] == 503, "it is not ready while git crashes")
    it.nothing_for(MINUTE, "while git crashed")
    (shims / "signal").unlink()


def _killed_now_and_then(it: Scene, shims: Path) -> None:
    """Some of its children are killed, whatever they are just doing."""
    assert it.live.controller is not None
    end = it.live.now() + 1.5 * MINUTE
    while it.live.now() < end:
        found = subprocess.run(
            ["pgrep", "--parent", str(it.live.controller.pid)], capture_output=True, text=True, check=False
        )
        for child in found.stdout.split():
            if it.dice.random() < 0.5:
                subprocess.run(["kill", "-KILL", child], capture_output=True, check=False)
        it.live.let_pass(timedelta(seconds=it.dice.uniform(2, 12)))


FAULTS = {"F35": killed, "F36": asked_to_end, "F41": without_git}
