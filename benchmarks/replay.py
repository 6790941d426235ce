"""How do the plans compare with what people did, and is the right commit named? Replays the corpus of human reverts.

The corpus lies beside the project and is not part of it. Each case becomes commits of one repository; one batch process
answers for all. Beside each figure stands the floor: what plain `git revert` gives. Exit 1 where a figure that is asked
for is missed, 2 without a corpus.
"""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from _calibration import Stated, brier, reliability

from gitops_rollback.adapters.git.door import Git
from gitops_rollback.adapters.git.reversal import Reverser
from gitops_rollback.core.closure.finding import of_kustomization
from gitops_rollback.core.closure.tree import Tree
from gitops_rollback.core.commit import Commit, FileChange
from gitops_rollback.core.ranking import Ranking, rank
from gitops_rollback.sandbox.corpus import FOLDERS, Case, ask, load

CORPUS = Path(__file__).resolve().parents[2] / "shared" / "corpus"
MARKER = re.compile(r"^(<{7}|>{7})( |$)", re.MULTILINE)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
TIMED = 40  # cases whose time is taken

Answer = Mapping[str, object]
Row = tuple[object, ...]


@dataclass(frozen=True)
class Replay:
    """One corpus file with the product's answers, and what a second revert on each result gave."""

    git_dir: Path
    pairs: Sequence[tuple[Case, Answer]]
    again: Counter[object]

    @classmethod
    def of(cls, file: str, folder: Path) -> Replay:
        git_dir = folder / f"{file}.git"
        cases = load(CORPUS, file, git_dir)
        answers = ask(git_dir, [{"at": case.shas[2], "revert": case.shas[1]} for case in cases], sys.executable)
        clean = [(case, one) for case, one in zip(cases, answers, strict=True) if one["outcome"] == "clean"]
        again = ask(git_dir, [{"at": one["commit"], "revert": case.shas[1]} for case, one in clean], sys.executable)
        pairs = list(zip(cases, answers, strict=True))
        return cls(git_dir, pairs, Counter(one["outcome"] for one in again))

    def markers(self) -> int:
        """How many results hold conflict markers that their state did not hold."""
        return sum(self._marked(case, one) for case, one in self.pairs if one["outcome"] == "clean")

    def _marked(self, case: Case, answer: Answer) -> bool:
        paths = answer["paths"]
        assert isinstance(paths, list)
        texts = [self._text(f"{answer['tree']}:{path}") for path in paths]
        return any(MARKER.search(text) for text in texts) and not any(
            MARKER.search(text) for versions in case.files.values() for text in versions.values() if text
        )

    def _text(self, name: str) -> str:
        done = subprocess.run(["git", f"--git-dir={self.git_dir}", "cat-file", "blob", name], capture_output=True)
        return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else ""


def human(replay: Replay) -> Iterator[Row]:
    """Per repository and in total: cases, plain git clean and equal, the ladder's clean, equal, different, left."""
    for name, pairs in _by_folder(replay.pairs):
        plain = sum(case.fields["plain"] != "conflict" for case, _ in pairs)
        plain_equal = sum(bool(case.fields["plain_equal"]) for case, _ in pairs)
        done = [(case, one) for case, one in pairs if one["outcome"] in ("clean", "empty")]
        equal = sum(one["tree"] == case.trees[3] for case, one in done)
        n = len(pairs)
        yield (
            name,
            n,
            _share(plain, n),
            _share(plain_equal, n),
            _share(len(done), n),
            _share(equal, n),
            len(done) - equal,
            n - len(done),
        )


def conflicts(replay: Replay) -> Iterator[Row]:
    """Each revert on which plain git stops: which, what became of it here, and whether that is the person's tree."""
    for case, one in replay.pairs:
        if _conflicts(case):
            became = f"rung {one['rung']}" if one["outcome"] == "clean" else str(one["message"])
            yield case.name, became, "yes" if one["tree"] == case.trees[3] else "no"


def sampled(replay: Replay) -> Iterator[Row]:
    """Per class of plain git's conflicts: how many, solved by line or key, by target state, empty, and left."""
    classes = sorted({str(case.fields.get("conflict_class")) for case, _ in replay.pairs if _conflicts(case)})
    for name in (*classes, "all conflicts"):
        chosen = [
            one
            for case, one in replay.pairs
            if _conflicts(case) and name in (str(case.fields.get("conflict_class")), "all conflicts")
        ]
        rungs = Counter(one["rung"] if one["outcome"] == "clean" else one["outcome"] for one in chosen)
        yield name, len(chosen), rungs[3], rungs[4], rungs["empty"], rungs["conflict"] + rungs["refused"]


def left(replays: Sequence[Replay]) -> Iterator[Row]:
    """Why the conflicts that are left are left."""
    why = Counter(
        str(one["explained"][0]["why"])
        for replay in replays
        for _, one in replay.pairs
        if one["outcome"] == "conflict" and isinstance(one["explained"], list)
    )
    yield from ((count, reason) for reason, count in why.most_common())


def ranges() -> Iterator[Row]:
    """Who is named first and among three, in the application's folder: newest first, ours, and ours with the onset."""
    found = [json.loads(line) for folder in FOLDERS for line in _lines(folder, "ranges.jsonl")]
    for name, chosen in (*((f, [r for r in found if r["repo"] == f]) for f in FOLDERS), ("all", found)):
        newest, ours, onset = ([_named(r, how) for r in chosen] for how in (_newest, _ranked, _ranked_onset))
        n = len(chosen)
        yield name, n, *(_share(sum(place < k for place in side), n) for side in (newest, ours, onset) for k in (1, 3))


def closures() -> Row:
    """In how many views of a repository the culprit lies in the closure of the victim's root."""
    views = [json.loads(path.read_text()) for path in sorted(CORPUS.glob("*/trees/*.json"))]
    holds = sum(any(path in _closure(view) for path in view["culprit_paths"]) for view in views)
    return len(views), holds


def _closure(view: Mapping[str, Any]) -> Collection[str]:
    """The files that the victim's root renders from, as the product finds them in this view of a repository."""
    files: dict[str, str] = view["files"]
    others = [one if isinstance(one, str) else one["path"] for one in view["other_paths"]]
    tree = Tree({**dict.fromkeys(others, ""), **{path: path for path in files}}, partial(_content, files))
    return of_kustomization([tree], view["victim_root"]).why


def victims() -> Iterator[Row]:
    """The same for a victim that is not taken from the culprit: all that its root renders from, wherever it lies.

    Only ranges whose repository can be seen. The onset in the corpus is made up.
    """
    seen = [(one, _closure(json.loads(path.read_text()))) for one, path in _viewed()]
    for name in (*dict.fromkeys(str(one["repo"]) for one, _ in seen), "all"):
        chosen = [pair for pair in seen if name in (pair[0]["repo"], "all")]
        places = [[_place(one, closure, how) for one, closure in chosen] for how in (_newest_in, _rank_in, _onset_in)]
        n = len(chosen)
        yield name, n, *(_share(sum(place < k for place in side), n) for side in places for k in (1, 3))


def calibrations() -> Iterator[tuple[str, Sequence[Stated]]]:
    """What the ranking says of each commit that may have done it: in folder and closure, without and with the onset."""
    folder = [json.loads(line) for name in FOLDERS for line in _lines(name, "ranges.jsonl")]
    seen = [(one, _closure(json.loads(path.read_text()))) for one, path in _viewed()]
    for title, onset in (("without an onset", None), ("with the onset", _onset)):
        rankings = [(one, _ranking(one, onset(one) if onset else None)) for one in folder]
        yield f"in the application's folder, {title}", _stated(rankings)
    for title, onset in (("without an onset", None), ("with the onset", _onset)):
        rankings = [(one, _ranking_in(one, closure, onset(one) if onset else None)) for one, closure in seen]
        yield f"in all that the victim renders from, {title}", _stated(rankings)


def _stated(rankings: Sequence[tuple[Mapping[str, Any], Ranking]]) -> Sequence[Stated]:
    """Without what came after the onset: nothing is stated of it."""
    return [
        (suspect.probability, suspect.commit.sha == one["culprit"])
        for one, ranking in rankings
        for suspect in ranking.suspects
        if suspect.probability > 0
    ]


def unseen() -> tuple[int, str, str]:
    """Of all kustomize and Flux ranges, seen or not: n, and how often the newest of the corpus's own closure did it.

    Of most of them the corpus gives that place alone (counted from 1), and no files to find a closure in.
    """
    found = [json.loads(line) for folder in FOLDERS for line in _lines(folder, "ranges.jsonl")]
    places = [one["culprit_rank_in_closure"] for one in found if one.get("culprit_rank_in_closure")]
    first, three = (sum(place <= k for place in places) for k in (1, 3))
    return len(places), _share(first, len(places)), _share(three, len(places))


def _viewed() -> Iterator[tuple[Mapping[str, Any], Path]]:
    """Each range of a kustomize or Flux repository with a view of it."""
    for folder in FOLDERS:
        for line in _lines(folder, "ranges.jsonl"):
            one = json.loads(line)
            path = CORPUS / folder / "trees" / f"{one['id']}.json"
            if one.get("victim_root") and path.exists():
                yield one, path


def _place(one: Mapping[str, Any], closure: Collection[str], how: Callable[..., list[str]]) -> int:
    names = how(one, closure)
    return names.index(str(one["culprit"])) if one["culprit"] in names else 1000


def _newest_in(one: Mapping[str, Any], closure: Collection[str]) -> list[str]:
    return [str(each["id"]) for each in one["candidates"] if any(path in closure for path in each["paths"])]


def _rank_in(one: Mapping[str, Any], closure: Collection[str], onset: datetime | None = None) -> list[str]:
    return _names(_ranking_in(one, closure, onset))


def _ranking_in(one: Mapping[str, Any], closure: Collection[str], onset: datetime | None) -> Ranking:
    return rank([_full_commit(each) for each in one["candidates"]], closure, onset, NOW)


def _onset_in(one: Mapping[str, Any], closure: Collection[str]) -> list[str]:
    return _rank_in(one, closure, _onset(one))


def _full_commit(candidate: Mapping[str, Any]) -> Commit:
    """As `_commit`, with the names of its files; those that the corpus left out are named after nothing."""
    paths = [*candidate["paths"], *(f"//{number}" for number in range(candidate["n_paths"] - len(candidate["paths"])))]
    return replace(_commit(candidate), changes=tuple(_change(path) for path in paths))


def _change(path: str) -> FileChange:
    return FileChange(path, "100644", "100644", "a" * 40, "b" * 40)


def _content(files: Mapping[str, str], path: str) -> bytes | None:
    return files[path].encode() if path else None


def ratio(replay: Replay) -> float:
    """The median time of one plan, against the three bare git processes that a merge in the object database takes."""
    cases = [case for case, _ in replay.pairs][:TIMED]
    reverser = Reverser(Git(replay.git_dir))
    ours, bare = [], []
    for case in cases:
        ours.append(_timed(partial(reverser.reverse, case.shas[2], [case.shas[1]])))
        bare.append(_timed(partial(_plumbing, replay.git_dir, case)))
    reverser.close()
    return statistics.median(ours) / statistics.median(bare)


def _plumbing(git_dir: Path, case: Case) -> None:
    def git(*words: str) -> str:
        command = ["git", f"--git-dir={git_dir}", "-c", "user.name=x", "-c", "user.email=x@x", *words]
        return subprocess.run(command, capture_output=True, text=True).stdout.split("\n")[0]

    theirs = git("commit-tree", case.trees[0], "-p", case.shas[1], "-m", "x")
    tree = git("merge-tree", "--write-tree", case.shas[2], theirs)
    git("commit-tree", tree, "-p", case.shas[2], "-m", "x")


def _timed(act: Callable[[], object]) -> float:
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def _by_folder(pairs: Sequence[tuple[Case, Answer]]) -> Iterator[tuple[str, Sequence[tuple[Case, Answer]]]]:
    for folder in FOLDERS:
        yield folder, [(case, one) for case, one in pairs if case.folder == folder]
    yield "all", pairs


def _conflicts(case: Case) -> bool:
    return case.fields["plain"] == "conflict"


def _lines(folder: str, file: str) -> list[str]:
    return (CORPUS / folder / file).read_text("utf-8").splitlines()


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"


def _named(one: Mapping[str, object], how: Callable[[Mapping[str, object]], list[str]]) -> int:
    """The culprit's place, from 0; far away where it is not named."""
    names = how(one)
    return names.index(str(one["culprit"])) if one["culprit"] in names else 1000


def _own(one: Mapping[str, object]) -> list[Mapping[str, object]]:
    candidates = one["candidates"]
    assert isinstance(candidates, list)
    return [candidate for candidate in candidates if candidate["n_paths_in_app_dir"]]


def _newest(one: Mapping[str, object]) -> list[str]:
    return [str(candidate["id"]) for candidate in _own(one)]


def _ranked(one: Mapping[str, object]) -> list[str]:
    return _names(_ranking(one, None))


def _ranked_onset(one: Mapping[str, object]) -> list[str]:
    return _names(_ranking(one, _onset(one)))


def _onset(one: Mapping[str, object]) -> datetime:
    seconds = one["onset_seconds_before_state"]
    assert isinstance(seconds, int)
    return NOW - timedelta(seconds=seconds)


def _ranking(one: Mapping[str, object], onset: datetime | None) -> Ranking:
    return rank([_commit(candidate) for candidate in _own(one)], {"in"}, onset, NOW)


def _commit(candidate: Mapping[str, object]) -> Commit:
    """As much of a commit as the corpus tells: how many files it changes, how many of them here, and when."""
    own, whole, seconds = (candidate[key] for key in ("n_paths_in_app_dir", "n_paths", "seconds_before_state"))
    assert isinstance(own, int)
    assert isinstance(whole, int)
    assert isinstance(seconds, int)
    names = ["in"] * own + ["out"] * (whole - own)
    changes = tuple(_change(name) for name in names)
    author = "updater[bot] <x@x>" if candidate["bot"] else "A Developer <x@x>"
    return Commit(str(candidate["id"]), (), "", author, author, NOW - timedelta(seconds=seconds), "", changes)


def _names(ranking: Ranking) -> list[str]:
    return [one.commit.sha for one in ranking.suspects if one.probability > 0]


def _table(title: str, head: Sequence[str], rows: Iterator[Row]) -> list[Row]:
    print(f"\n### {title}\n\n| {' | '.join(head)} |\n|{'---|' * len(head)}")
    kept = list(rows)
    for row in kept:
        print(f"| {' | '.join(str(cell) for cell in row)} |")
    return kept


def _print_calibrations() -> None:
    head = ("stated", "commits", "stated on average", "did it", "culprits", "standard error")
    for title, stated in calibrations():
        _table(f"Stated and true: {title}", head, reliability(stated))
        score, base = brier(stated)
        print(f"\nBrier score {score:.4f}; {base:.4f} for the base rate alone ({1 - score / base:.0%} better).")


def main() -> int:
    if not any(CORPUS.glob("*/cases.jsonl")):
        print(f"no corpus at {CORPUS}: it is not part of the project", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        cases, drawn = (Replay.of(file, Path(folder)) for file in ("cases.jsonl", "sampled.jsonl"))
        head: Sequence[str] = ("repository", "n", "git: clean", "git: equal", "clean", "equal", "different", "left")
        whole = _table("Reverts that people made", head, human(cases))[-1]
        head = ("case", "here", "equal to the person's")
        _table("Where plain git stops at a person's revert", head, conflicts(cases))
        head = ("conflict of plain git", "n", "by line or key", "target state", "undone already", "left")
        _table("Commits drawn by chance, conflicts only", head, sampled(drawn))
        _table("What is left, and why", ("n", "why"), left((cases, drawn)))
        markers = cases.markers() + drawn.markers()
        twice = cases.again["clean"] + drawn.again["clean"]
        print(f"\nConflict markers in a result: {markers}. Second reverts that changed something: {twice}.")
        print(f"One plan takes {ratio(cases):.2f} times what the bare plumbing takes (asked: at most 3).")
    head = (
        "repository",
        "n",
        *(f"{side}: {k}" for side in ("newest", "ranked", "with onset") for k in ("first", "in three")),
    )
    _table("Who is to blame, in the application's folder", head, ranges())
    _table("Who is to blame, in all that the victim renders from", head, victims())
    count, first, three = unseen()
    print(f"\nIn the corpus's own closure the newest commit is to blame in {first} of {count} ranges, and one of")
    print(f"the newest three in {three}; only those of the table can be seen as files.")
    views, holds = closures()
    print(f"\nThe closure of the victim's root holds the culprit in {holds} of {views} views (asked: all).")
    _print_calibrations()
    missed = markers or twice or holds != views or float(str(whole[5]).split()[0]) < 96
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
