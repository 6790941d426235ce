"""Every target of the Makefile as one plain line: `python3 make.py demo`, `python3 make.py test`.

Imports nothing outside the standard library: it makes `.venv` if it must, installs the project there, and goes on
in it.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
SOAK = ROOT / "benchmarks" / "soak.py"
REPLAY = ROOT / "benchmarks" / "replay.py"
DETECTION = ROOT / "benchmarks" / "detection.py"
LOAD = ROOT / "benchmarks" / "load.py"
STRATEGIES = ROOT / "benchmarks" / "strategies.py"
PAGES = ROOT / "docs" / "pages.py"
STAMP = VENV / ".installed-for"
EXTRAS = ("", "[kubernetes]", "[dev]")  # each holds what those before it hold
OLDEST_PYTHON = 0x030B0000  # 3.11
OLDEST_GIT = (2, 38)

# A file stays together, since its stories share what is costly to start.
SIDE_BY_SIDE = ("--dist", "loadfile", "--no-loadscope-reorder")
# Real processes in scaled time: they wait most of it, and must not be kept waiting.
LIVE = ("tests/e2e", "tests/faults")

STORY_VARIABLES = {"STORY": "--story", "ENGINE": "--engine", "FORGE": "--forge", "SPEED": "--speed"}


def main(arguments: list[str]) -> int:
    """Run one target; `STORY=x` and its siblings may stand as arguments or in the environment."""
    target = next((word for word in arguments if "=" not in word), "help")
    os.environ.update(word.split("=", 1) for word in arguments if "=" in word)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # most targets start many processes of the same code
    known = (demo, docs, test, bench, bench_detection, bench_load, soak, replay, lab, install)
    targets = {"help": show_help} | {target.__name__.replace("_", "-"): target for target in known}
    if target not in targets:
        return stop(f"there is no target {target!r}; targets: {', '.join(targets)}")
    os.chdir(ROOT)
    return targets[target]()


def show_help() -> int:
    print("python3 make.py demo [STORY=bad-release] [SPEED=30] [DEMO=--serve]   a rollback, in the sandbox")
    print("python3 make.py docs                                                 the pages in docs/, told anew")
    print("python3 make.py test                                                 lint, types, all tests")
    print("python3 make.py bench                                                what it costs, as ratios")
    print(
        "python3 make.py bench-detection [JOBS=2] [SEED=1]                    how soon and how surely faults are found"
    )
    print("python3 make.py bench-load [APPLICATIONS=5000]                       what measuring many costs (Prometheus)")
    print("python3 make.py replay                                               plans against what people did (corpus)")
    print("python3 make.py soak [KIND=kills] [MINUTES=60] [JOBS=2] [SEED=7]     new seeds, all promises checked")
    print("python3 make.py lab                                                  on real Flux, Argo CD, Gitea")
    return 0


def demo() -> int:
    """The story in the sandbox. The result is checked against git and the engine, not against our own word."""
    if code := ready(extras="[kubernetes]" if os.environ.get("ENGINE") == "flux" else ""):
        return code
    options = [
        part for name, flag in STORY_VARIABLES.items() if os.environ.get(name) for part in (flag, os.environ[name])
    ]
    return run(PYTHON, "-m", "gitops_rollback", "demo", *options, *os.environ.get("DEMO", "").split())


def docs() -> int:
    """The pages of the first ten minutes and of what people do at a forge, each gone or told for it."""
    return ready(extras="") or run(PYTHON, PAGES)


def test() -> int:
    """Lint and format, which stop it where they fail; then types and all tests."""
    if code := ready(extras="[dev]"):
        return code
    for tool, *rest in (("ruff", "check", "."), ("ruff", "format", "--check", ".")):
        if code := run(PYTHON, "-m", tool, *rest):
            return code
    return all_tests()


def all_tests() -> int:
    """Those that live in scaled time, and beside them types and all other tests in the time that they leave."""
    pytest, cores = (PYTHON, "-m", "pytest", *SIDE_BY_SIDE), os.cpu_count() or 1
    # One more than there are cores: many of them wait for servers of their own.
    others = (*pytest, "-n", str(cores + 1), *without(*LIVE, "tests/lab"))
    with beside(PYTHON, "-m", "mypy") as types, beside(*others) as rest:
        return max(run(*pytest, "-n", str(cores), *LIVE), types(), rest())


def without(*folders: str) -> list[str]:
    """All other tests; those that take longest first, so that none of them is left alone at the end."""
    found = sorted(str(one) for one in Path("tests").iterdir() if one.match("test_*.py") or any(one.glob("test_*.py")))
    return sorted((one for one in found if one not in folders), key=lambda one: one != "tests/simulation")


@contextmanager
def beside(*command: str | Path) -> Iterator[Callable[[], int]]:
    """Start a command at the lowest priority; asked for its code, it is waited for and what it said is printed."""
    patient = ("nice", "-n", "19") if shutil.which("nice") else ()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen([*patient, *(str(part) for part in command)], stdout=said, stderr=subprocess.STDOUT)

        def ended() -> int:
            code = process.wait()
            said.seek(0)
            shutil.copyfileobj(said, sys.stdout.buffer)
            sys.stdout.flush()
            return code

        try:
            yield ended
        finally:
            process.kill()


def bench() -> int:
    """All benchmarks of what it costs; each prints its ratios against a floor of the same run."""
    if code := ready(extras="[dev]"):
        return code
    measured = sorted(set((ROOT / "benchmarks").glob("[!_]*.py")) - {SOAK, REPLAY, DETECTION, LOAD, STRATEGIES})
    return max(run(PYTHON, path) for path in measured)


def bench_detection() -> int:
    """The detector and its rivals on simulated counts; 1 if a target is missed."""
    given = {f"--{name.lower()}": os.environ.get(name, "") for name in ("JOBS", "SEED")}
    options = [part for flag, value in given.items() if value for part in (flag, value)]
    return ready(extras="[dev]") or run(PYTHON, DETECTION, *options)


def bench_load() -> int:
    """Thousands of applications against a real Prometheus; 1 if a limit is broken."""
    return ready(extras="[dev]") or run(PYTHON, LOAD, *os.environ.get("APPLICATIONS", "").split())


def soak() -> int:
    """Seeds that were never played before, of one kind or of all in turn; 1 if a promise broke."""
    if code := ready(extras="[dev]"):
        return code
    given = {f"--{name.lower()}": os.environ.get(name, "") for name in ("MINUTES", "JOBS", "SEED")}
    options = [part for flag, value in given.items() if value for part in (flag, value)]
    return run(PYTHON, SOAK, *os.environ.get("KIND", "").split(), *options)


def replay() -> int:
    """The corpus of human reverts, which lies beside the project: plans and suspects against what people did."""
    return ready(extras="[dev]") or run(PYTHON, REPLAY)


def lab() -> int:
    """Stories on real engines and a real forge, which Go builds from their releases: an hour once, then minutes."""
    tests = ROOT / "tests" / "lab"
    steps = ((tests / "programs.py",), ("-m", "pytest", tests))
    return ready(extras="[dev]") or next((code for step in steps if (code := run(PYTHON, *step))), 0)


def install() -> int:
    return ready(extras="[dev]")


def ready(extras: str) -> int:
    """The virtual environment with the project in it; made anew when `pyproject.toml` changed."""
    if sys.hexversion < OLDEST_PYTHON:
        return stop(f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}: run it with python3.11")
    if code := check_git():
        return code
    project = (ROOT / "pyproject.toml").read_text()
    enough = [f"{one}\n{project}" for one in EXTRAS[EXTRAS.index(extras) :]]
    if PYTHON.exists() and STAMP.exists() and STAMP.read_text() in enough:
        return 0
    if not PYTHON.exists():
        if importlib.util.find_spec("ensurepip") is None:
            return stop("Python's ensurepip is missing: on Debian or Ubuntu, run `apt-get install python3-venv`")
        if code := run(sys.executable, "-m", "venv", VENV):
            return code
    print("installing into .venv ...", file=sys.stderr)
    if code := run(PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-e", f".{extras}"):
        return code
    STAMP.write_text(enough[0])
    return 0


def check_git() -> int:
    if shutil.which("git") is None:
        return stop("git is missing: on Debian or Ubuntu, run `apt-get install git`")
    words = subprocess.run(["git", "--version"], capture_output=True, text=True, check=True).stdout.split()
    version = tuple(int(part) for part in words[2].split(".")[:2])
    if version < OLDEST_GIT:
        return stop(f"git 2.38 or newer is needed, this is {words[2]}: install a newer git")
    return 0


def run(*command: str | Path) -> int:
    return subprocess.run([str(part) for part in command], check=False).returncode


def stop(sentence: str) -> int:
    print(f"make: {sentence}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
