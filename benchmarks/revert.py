"""What does one revert with its commit cost, against the three bare git processes that it cannot do without?

And the ranking of a long range, against the one `git log --raw` that it cannot do without.

A repository of 20,000 files and 50,000 commits is built once by fast-import and kept under the temporary folder. Both
sides run in turn, in the same process and on the same commit, so that a busy machine slows both; medians are compared.
"""

from __future__ import annotations

import itertools
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from gitops_rollback.adapters.git.commits import CommitWriter
from gitops_rollback.adapters.git.door import Git
from gitops_rollback.adapters.git.reversal import Reverser
from gitops_rollback.app.offline_suspects import OfflineSuspects, Question
from gitops_rollback.core.plan import PlanOutcome, revert_message

FILES, COMMITS, ROUNDS = 20_000, 50_000, 60
ASKED = 1.6
RANGE, RANK_ROUNDS, RANK_ASKED = 1_000, 15, 2.0
PERSON = "A Developer <developer@example.com>"
START = 1_500_000_000


def build(git_dir: Path) -> None:
    """A bare repository whose commits after the first each change one file's image and replicas."""
    subprocess.run(["git", "init", "-q", "--bare", "--initial-branch=main", str(git_dir)], check=True)
    command = ["git", f"--git-dir={git_dir}", "fast-import", "--quiet"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        for piece in _stream():
            process.stdin.write(piece)
    if process.returncode != 0:
        raise SystemExit("fast-import failed")


def _stream() -> Iterator[bytes]:
    for number in range(COMMITS):
        yield f"commit refs/heads/main\ncommitter {PERSON} {START + 60 * number} +0000\ndata 6\nBump.\n".encode()
        for file in range(FILES) if number == 0 else ((number * 7919) % FILES,):
            text = f"kind: App\nname: app-{file}\nreplicas: {number % 5}\nimage: app:{number}\n".encode()
            path = f"apps/team-{file % 40}/app-{file // 40 % 25}/env-{file // 1000}/values-{file}.yaml"
            yield b"M 100644 inline %s\ndata %d\n%s\n" % (path.encode(), len(text), text)


def kept_repository() -> Path:
    """The repository of an earlier run, or a new one; a half-built one is never left under this name."""
    kept = Path(tempfile.gettempdir()) / f"gitops-rollback-bench-{os.getuid()}-{FILES}-{COMMITS}.git"
    if not kept.is_dir():
        fresh = Path(tempfile.mkdtemp(prefix="gitops-rollback-bench-")) / "bare.git"
        build(fresh)
        shutil.move(fresh, kept)
        fresh.parent.rmdir()
    return kept


def by_hand(git_dir: Path, head: str, parent_tree: str) -> str:
    """The floor: commit-tree, merge-tree, commit-tree, as a script would call them."""
    theirs = _call(git_dir, "commit-tree", parent_tree, "-p", head, "-m", "theirs")
    tree = _call(git_dir, "merge-tree", "--write-tree", "-z", "--name-only", head, theirs).split("\0")[0]
    _call(git_dir, "commit-tree", tree, "-p", head, "-m", "Revert")
    return tree


def _call(git_dir: Path, *arguments: str) -> str:
    name, mail = PERSON[:-1].split(" <")
    person = {
        f"GIT_{role}_{key}": value
        for role in ("AUTHOR", "COMMITTER")
        for key, value in (("NAME", name), ("EMAIL", mail))
    }
    command = ["git", f"--git-dir={git_dir}", *arguments]
    done = subprocess.run(command, env={**os.environ, **person}, check=True, stdout=subprocess.PIPE)
    return done.stdout.decode().strip()


def by_us(reverser: Reverser, commit: Callable[[str, str], str], head: str) -> str:
    """The same through the product's code, gates and explanations included."""
    reversal = reverser.reverse(head, [head])
    if reversal.outcome is not PlanOutcome.CLEAN or reversal.tree is None:
        raise SystemExit(f"not clean: {reversal.message}")
    commit(reversal.tree, head)
    return reversal.tree


def measure(git_dir: Path) -> tuple[list[float], list[float], list[float]]:
    """Milliseconds of each round: three bare processes, an offline plan, the controller's way (commit-tree)."""
    git = Git(git_dir)
    reverser = Reverser(git)
    writer = CommitWriter(git, reverser.reader, PERSON)
    date = datetime.now(UTC)
    heads = git.text("rev-list", "--first-parent", f"--max-count={ROUNDS + 2}", "refs/heads/main").split()
    sides: tuple[list[float], list[float], list[float]] = ([], [], [])
    ways: tuple[Callable[[str, str], str], ...] = (
        lambda head, parent: by_hand(git_dir, head, parent),
        lambda head, _: by_us(reverser, partial(_offline, reverser, int(date.timestamp())), head),
        lambda head, _: by_us(
            reverser, lambda tree, on: writer.commit(tree, (on,), revert_message("", on), date), head
        ),
    )
    for number, (head, before) in enumerate(itertools.pairwise(heads)):
        parent = git.text("rev-parse", "--verify", f"{before}^{{tree}}")
        trees = set()
        for side, way in zip(sides, ways, strict=True):
            start = time.perf_counter()
            trees.add(way(head, parent))
            side.append((time.perf_counter() - start) * 1000)
        if len(trees) != 1:
            raise SystemExit(f"the trees differ: {trees}")
        if number == 0:  # the first round starts the kept processes
            for side in sides:
                side.clear()
    reverser.close()
    return sides


def measure_ranking(git_dir: Path) -> tuple[list[float], list[float], list[float]]:
    """Milliseconds of each round: the bare log of a range, its ranking by paths, and by what an application renders.

    Each round is a process of its own for git, and for us the whole answer, as a batch gives it.
    """
    at, since = (_call(git_dir, "rev-parse", f"refs/heads/main~{back}") for back in (0, RANGE))
    folder = "apps/team-1"
    source = {"repoURL": "https://git.example/config.git", "path": folder, "directory": {"recurse": True}}
    application = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "spec": {"source": source}}
    questions = (
        Question(at, since, paths=(f"{folder}/**",)),
        Question(at, since, application={**application, "metadata": {"name": "x"}}),
    )
    sides: tuple[list[float], list[float], list[float]] = ([], [], [])
    finder = OfflineSuspects(git_dir)
    for number in range(RANK_ROUNDS + 1):
        acts = [partial(_bare_log, git_dir, since, at), *(partial(_ranked, finder, one) for one in questions)]
        for side, act in zip(sides, acts, strict=True):
            start = time.perf_counter()
            act()
            if number:  # the first round starts the kept processes
                side.append((time.perf_counter() - start) * 1000)
    finder.close()
    return sides


def _bare_log(git_dir: Path, since: str, at: str) -> None:
    command = ["git", f"--git-dir={git_dir}", "log", "--raw", "--first-parent", "-z", "--no-abbrev", f"{since}..{at}"]
    found = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    if found.count(b"commit ") < RANGE:
        raise SystemExit("the floor is not a floor: it read less than the whole range")


def _ranked(finder: OfflineSuspects, question: Question) -> None:
    answer = finder.answer(question)
    if not answer.get("suspects"):
        raise SystemExit(f"nobody is ranked: {answer}")


def _offline(reverser: Reverser, seconds: int, tree: str, head: str) -> str:
    return reverser.writer.commit(tree, [head], revert_message("", head), seconds, PERSON)


def main() -> int:
    """Print the table; 1 if a ratio is above what is asked for."""
    kept = kept_repository()
    with tempfile.TemporaryDirectory(prefix="gitops-rollback-bench-run-") as folder:
        fresh = Path(folder) / "run.git"  # so that no object is there already from an earlier run
        subprocess.run(["git", "clone", "-q", "--bare", "--shared", str(kept), str(fresh)], check=True)
        bare, offline, controller = (statistics.median(side) for side in measure(fresh))
        log, by_paths, by_closure = (min(side) for side in measure_ranking(fresh))
    print(f"One revert and its commit, {FILES:,} files, {COMMITS:,} commits, median of {ROUNDS}:")
    print("| way | three bare git processes, ms | ours, ms | ratio | asked |")
    print("|---|---|---|---|---|")
    for way, own in (("plan --batch", offline), ("controller", controller)):
        print(f"| {way} | {bare:.1f} | {own:.1f} | {own / bare:.2f} | <= {ASKED} |")
    print(f"The ranking of {RANGE:,} commits, best of {RANK_ROUNDS}:")
    print("| candidates | bare git log --raw, ms | ours, ms | ratio | asked |")
    print("|---|---|---|---|---|")
    for way, own in (("by paths", by_paths), ("by an application, its closure included", by_closure)):
        print(f"| {way} | {log:.1f} | {own:.1f} | {own / log:.2f} | <= {RANK_ASKED:g} |")
    return 0 if max(offline, controller) / bare <= ASKED and max(by_paths, by_closure) / log <= RANK_ASKED else 1


if __name__ == "__main__":
    sys.exit(main())
