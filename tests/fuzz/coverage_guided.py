"""Fuzz one reader for long, steered by coverage: `python3 tests/fuzz/coverage_guided.py --runs 1000000 policy`.

Needs atheris (`pip install atheris`, beside the product, in any environment). Each input may take one second of CPU and
64 MiB of memory. Ends at the first input that breaks a promise; it is left in `--artifacts`, and goes into
`test_worst_inputs.py` when it is mended. `all` runs the targets one after the other, each in a process of its own.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
MOST_SECONDS = 1.0
MOST_KIB = 64 << 10
LONGEST_INPUT = 4096
RSS_MIB = 1024


def main() -> int:
    arguments = parsed()
    targets = known() if arguments.target == "all" else [arguments.target]
    if len(targets) == 1:
        return run(targets[0], arguments)
    failed = []
    for name in targets:
        words = ["--runs", str(arguments.runs), "--seconds", str(arguments.seconds)]
        words += ["--artifacts", str(arguments.artifacts), "--corpus", arguments.corpus, name]
        if subprocess.run([sys.executable, __file__, *words], check=False).returncode:
            failed.append(name)
    print(f"failed: {', '.join(failed) or 'none'}", flush=True)
    return 1 if failed else 0


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", choices=["all", *known()])
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=int, default=0, help="end after this time, 0: only by --runs")
    parser.add_argument("--artifacts", type=Path, default=Path(tempfile.gettempdir()) / "gitops-rollback-fuzz")
    parser.add_argument("--corpus", default="", help="a folder that keeps what was found interesting")
    return parser.parse_args()


def known() -> list[str]:
    """The names of the targets, without importing them: they must be imported under instrumentation."""
    lines = (HERE / "targets.py").read_text().split("CHECKS:", 1)[1].splitlines()[1:]
    return [line.split('"')[1] for line in lines if line.strip().startswith('"')]


def run(name: str, arguments: argparse.Namespace) -> int:
    import atheris

    sys.path[:0] = [str(HERE), str(HERE.parent / "core"), str(HERE.parents[1])]
    with atheris.instrument_imports(include=["gitops_rollback"]):
        from seeds import SEEDS, TOKENS
        from targets import CHECKS
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        corpus, words = Path(arguments.corpus or folder) / name, Path(folder) / "words"
        corpus.mkdir(parents=True, exist_ok=True)
        arguments.artifacts.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(SEEDS[name]):
            (corpus / f"seed-{number}").write_bytes(seed)
        words.write_text("".join(f'"{spelt(token)}"\n' for token in TOKENS[name]))
        longest = max(LONGEST_INPUT, 2 * max(len(seed) for seed in SEEDS[name]))
        options = [f"-runs={arguments.runs}", f"-max_total_time={arguments.seconds}", f"-rss_limit_mb={RSS_MIB}"]
        options += [f"-max_len={longest}", f"-dict={words}", f"-artifact_prefix={arguments.artifacts}/{name}-"]
        atheris.Setup([sys.argv[0], *options, "-timeout=60", "-verbosity=1", str(corpus)], bounded(CHECKS[name]))
        atheris.Fuzz()
    return 0


def bounded(check: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """The check, within its time and memory; the first inputs only warm up caches."""
    warm = 0

    def once(data: bytes) -> None:
        nonlocal warm
        memory, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.thread_time()
        check(data)
        taken = time.thread_time() - started
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory
        warm += 1
        assert warm < 100 or taken < MOST_SECONDS, f"took {taken:.1f} s of CPU"
        assert warm < 100 or grown < MOST_KIB, f"took {grown >> 10} MiB"

    return once


def spelt(token: str) -> str:
    """As libFuzzer's dictionaries want it."""
    return "".join(f"\\x{byte:02x}" for byte in token.encode("utf-8", "surrogatepass"))


if __name__ == "__main__":
    sys.exit(main())
