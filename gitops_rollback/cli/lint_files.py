"""Reads policy and request files as they lie on disk, tells their faults, and mends what has one answer."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from gitops_rollback.adapters.policies.loading import PolicyFile, load_policies
from gitops_rollback.adapters.requests.reader import is_request, load_request
from gitops_rollback.cli.output import say
from gitops_rollback.core.faults import Fault
from gitops_rollback.core.mending import is_mendable, mended
from gitops_rollback.core.request import REQUESTS
from gitops_rollback.core.sourceignore import LINE, SOURCE_IGNORE
from gitops_rollback.core.written import MAX_BYTES

GROUP = b"gitops-rollback"
SETTINGS = "gitops-rollback.yaml"
_SAYS = re.compile(rb"^(apiVersion|kind): *[\"']?([\w./-]+)", re.MULTILINE)
OURS = (Path(".gitops-rollback", "policies"), Path(REQUESTS))
WORKING_COPY = "working-copy"
MOST_ROUNDS = 4
TWICE = "stands twice"  # the right word was there already: which of both counts is a person's to say


def faults_of(files: Sequence[PolicyFile]) -> tuple[tuple[Fault, ...], int]:
    """All faults of these files, and how many of them are requests."""
    requests = [file for file in files if _is_request(file)]
    policies = load_policies([file for file in files if file not in requests], WORKING_COPY)
    return (*policies.faults, *(fault for file in requests for fault in load_request(file).faults)), len(requests)


def _is_request(file: PolicyFile) -> bool:
    below = f"/{REQUESTS}/" in f"/{file.path}"
    return below or (file.text is not None and is_request(file.text, file.path))


def fix_files(read: Sequence[Path], paths: Sequence[Path]) -> None:
    """Mend each of `read` in its place, and a clone among `paths` whose files Flux would take; say what was done."""
    for path in read:
        _fix(path)
    for path in paths:
        for fault in taken_by_flux(path):
            place = Path(fault.path)
            before = place.read_bytes() if place.exists() else b""
            place.write_bytes(before + (b"" if before.endswith(b"\n") or not before else b"\n") + LINE.encode())
            say(f"fixed {fault.path}: {fault.message}")


def _fix(path: Path) -> None:
    """What was hidden behind a fault comes out with the next round, and may have one answer, too."""
    for _ in range(MOST_ROUNDS):
        file = file_at(path)
        faults, _ = faults_of([file])
        wanted = [fault for fault in faults if is_mendable(fault)]
        if file.text is None or not wanted:
            return
        text = mended(file.text, wanted)
        left, _ = faults_of([PolicyFile(file.path, file.mode, text)])
        known, still = {fault.message for fault in faults}, {fault.message for fault in left}
        done = [fault for fault in wanted if fault.message not in still]
        if not done or any(TWICE in message for message in still - known):
            return
        path.write_bytes(text)
        for fault in done:
            say(f"fixed {fault}")


def is_of_others(path: Path) -> bool:
    """Whether a file below a plain folder says itself that it is no policy and no request: a Deployment, for example.

    One with a misspelt kind or version alone, or with neither, is ours to judge.
    """
    if path.is_symlink() or not path.is_file():
        return False
    if path.name == SETTINGS:
        return True
    try:
        with path.open("rb") as file:
            said = _SAYS.findall(file.read(MAX_BYTES))
    except OSError:
        return False
    ours = any(value.startswith(GROUP) or b"Rollback" in value for _, value in said)
    return {key for key, _ in said} == {b"apiVersion", b"kind"} and not ours


def is_clone(path: Path) -> bool:
    return (path / ".git").exists()


def taken_by_flux(path: Path) -> Iterator[Fault]:
    """A warning where Flux would apply our files; a clone alone shows that."""
    if not is_clone(path) or not any((path / own).is_dir() for own in OURS):
        return
    from gitops_rollback.app.beginning import unignored  # brings all of git, which mere files do not need

    name = unignored(path)
    if name:
        message = f"Flux's Kustomization {name} takes every file of the repository, and would try to apply ours"
        place = (path / SOURCE_IGNORE).as_posix()
        yield Fault(place, 1, 1, message, f"add the line `{LINE.strip()}`", "warning")


def file_at(path: Path) -> PolicyFile:
    """The file as git would have it. One that was named on the command line is read whatever its name is."""
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode):
            return PolicyFile(path.as_posix(), "120000" if stat.S_ISLNK(status.st_mode) else "040000", b"")
        mode = "100755" if status.st_mode & stat.S_IXUSR else "100644"
        if status.st_size > MAX_BYTES:
            return PolicyFile(path.as_posix(), mode, None)
        with path.open("rb") as file:
            return PolicyFile(path.as_posix(), mode, file.read(MAX_BYTES + 1))
    except OSError as exc:
        raise click.UsageError(f"{path}: {exc.strerror or type(exc).__name__}") from exc
