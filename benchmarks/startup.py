"""What does it cost to ask: `--help`, `version`, and `lint` of a hundred policies, against a Python that does nothing?

CPU seconds of whole processes, each command and the floor in turn; the least of each counts, which a busy machine
changes little. `version` and `--help` may take 150 ms, `lint` a second. Ends with 1 where one takes longer than
that, as a share of the floor.
"""

from __future__ import annotations

import itertools
import re
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
POLICIES = 100
ROUNDS = 12
FLOOR = ("-c", "pass")
# What each may take, in seconds, on a machine whose Python begins and ends in FLOOR_SECONDS.
MAY_TAKE = {"--help": 0.15, "version": 0.15, "lint": 1.0}
FLOOR_SECONDS = 0.015


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        write_policies(Path(folder))
        module = ("-m", "gitops_rollback")
        commands = {name: (*module, name) for name in ("--help", "version")} | {"lint": (*module, "lint", folder)}
        fastest = dict.fromkeys(("floor", *commands), float("inf"))
        for _ in range(ROUNDS):
            for name, words in {"floor": FLOOR, **commands}.items():
                fastest[name] = min(fastest[name], seconds(words))
    print(f"  {'':<42}{'seconds':>10}{'ratio':>9}{'may be':>9}")
    print(f"  {'floor: python -c pass':<42}{fastest['floor']:>10.3f}{1:>9.1f}")
    missed = 0
    for name in commands:
        ratio, most = fastest[name] / fastest["floor"], MAY_TAKE[name] / FLOOR_SECONDS
        what = f"lint, {POLICIES} policies" if name == "lint" else name
        print(f"  {what:<42}{fastest[name]:>10.3f}{ratio:>9.1f}{most:>9.1f}")
        missed += ratio > most
    return 1 if missed else 0


def write_policies(folder: Path) -> None:
    """The examples, small and large, in turn under other names."""
    examples = itertools.cycle(file.read_text() for file in sorted((ROOT / "policies").glob("*.yaml")))
    below = folder / ".gitops-rollback" / "policies"
    below.mkdir(parents=True)
    for number, text in zip(range(POLICIES), examples, strict=False):
        (below / f"{number}.yaml").write_text(re.sub(r"\bname: ([a-z-]+)-(prod|api)", rf"name: \1-{number}-\2", text))


def seconds(words: tuple[str, ...]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    quiet = subprocess.DEVNULL
    done = subprocess.run([sys.executable, *words], check=False, cwd=ROOT, stdout=quiet, stderr=quiet)
    if done.returncode > 1:  # 1 is an answer of lint
        raise SystemExit(f"{words} ended with {done.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    sys.exit(main())
