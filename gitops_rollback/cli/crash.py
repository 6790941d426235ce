"""The file that a bug of ours leaves: everything that helps to find it, and no value of the user's.

Neither messages of errors nor arguments nor variables are in it, since each may hold a secret: places in the code,
names of options and versions are.
"""

from __future__ import annotations

import os
import platform
import subprocess
import tempfile
import traceback
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

KEPT = 10  # files; the oldest go first
LONGEST_CHAIN = 8  # errors that led to each other
PACKAGES = ("click", "gitpython", "httpx", "lightkube", "pydantic", "pyyaml", "requests")


def keep(report: str, exc: BaseException, arguments: Sequence[str], environ: Mapping[str, str]) -> Path | None:
    """Write the file and return where it lies; None where no folder can be written."""
    text = "\n".join([report, "", *_details(exc, arguments, environ)]) + "\n"
    for folder in _folders(environ):
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            path = folder / f"crash-{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}.txt"
            path.write_text(text)
            _drop_old(folder)
        except OSError:
            continue
        return path
    return None


def crash_reports(environ: Mapping[str, str]) -> list[Path]:
    """Those that were kept, the newest last; of the first folder that holds any."""
    for folder in _folders(environ):
        found = sorted(folder.glob("crash-*.txt"))
        if found:
            return found
    return []


def _folders(environ: Mapping[str, str]) -> Iterator[Path]:
    for name in ("GITOPS_ROLLBACK_STATE_DIR", "XDG_STATE_HOME"):
        if environ.get(name):
            yield Path(environ[name]) / "gitops-rollback"
    if environ.get("HOME"):
        yield Path(environ["HOME"]) / ".local" / "state" / "gitops-rollback"
    yield Path(tempfile.gettempdir()) / "gitops-rollback"


def _drop_old(folder: Path) -> None:
    for path in sorted(folder.glob("crash-*.txt"))[:-KEPT]:
        path.unlink(missing_ok=True)


def _details(exc: BaseException, arguments: Sequence[str], environ: Mapping[str, str]) -> Iterator[str]:
    yield f"options: {' '.join(word.partition('=')[0] for word in arguments if word.startswith('-')) or 'none'}"
    ours = sorted(name for name in environ if name.startswith("GITOPS_ROLLBACK_"))
    yield f"variables that are set: {' '.join(ours) or 'none'}"
    yield f"system: {platform.platform()}, {git_version()}"
    yield f"packages: {' '.join(package_versions())}"
    for one in _chain(exc):
        yield f"\n{type(one).__module__}.{type(one).__qualname__}, at:"
        for frame in traceback.extract_tb(one.__traceback__):
            yield f"  {_place(frame.filename)}:{frame.lineno} in {frame.name}: {frame.line}"


def _chain(exc: BaseException) -> list[BaseException]:
    found = [exc]
    while len(found) < LONGEST_CHAIN and (cause := found[-1].__cause__ or found[-1].__context__) is not None:
        found.append(cause)
    return found


def _place(file: str) -> str:
    """The path from the package on: where it is installed is nobody's business."""
    return "/".join(Path(file).parts[-3:])


def package_versions() -> list[str]:
    """Each package that matters, with its version."""
    return [_version(name) for name in PACKAGES]


def _version(package: str) -> str:
    try:
        return f"{package}={metadata.version(package)}"
    except metadata.PackageNotFoundError:
        return f"{package}=missing"


def git_version() -> str:
    """What git says of itself."""
    try:
        done = subprocess.run(["git", "--version"], capture_output=True, text=True, check=True, timeout=5)
    except (OSError, subprocess.SubprocessError):
        return "no git"
    return done.stdout.strip()
