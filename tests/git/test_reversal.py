"""What comes out of undoing a commit, on real repositories: clean, empty, conflict or refused, and with which files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from small_history import Entry, Files, History

from gitops_rollback.adapters.git.door import Git
from gitops_rollback.adapters.git.reversal import Reverser, reverse
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.plan import PlanOutcome, Reversal

CLEAN, EMPTY, CONFLICT, REFUSED = PlanOutcome.CLEAN, PlanOutcome.EMPTY, PlanOutcome.CONFLICT, PlanOutcome.REFUSED


def app(replicas: int = 3, image: str = "1.4", timeout: int = 5, extra: str = "") -> str:
    """A manifest whose three values lie two lines apart, so that git can tell changes of them apart."""
    return (
        f"replicas: {replicas}\na: 1\nb: 2\nimage: app:{image}\nc: 3\nd: 4\ntimeout: {timeout}\n"
        f"e: 5\nf: 6\ng: 7\nh: 8\n{extra}"
    )


def pointer(digit: str) -> str:
    """What stands in git for a file that is kept by LFS."""
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{digit * 64}\nsize 1\n"


def undo(history: History, at: str, *reverts: str, mainline: int | None = None, good: str | None = None) -> Reversal:
    return reverse(Git(history.git_dir), at, reverts, mainline, good)


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / "config.git")


# base, what the culprit does, what happens later, and: rung and the files of the result.
CLEAN_CASES: dict[str, tuple[Files, Files, Files, int, dict[str, str]]] = {
    "nobody touched the file since": (
        {"a.yaml": app(), "b.yaml": "b: 1\n"},
        {"a.yaml": app(timeout=30)},
        {"b.yaml": "b: 2\n"},
        1,
        {"a.yaml": app(), "b.yaml": "b: 2\n"},
    ),
    "a later change elsewhere in the file stays": (
        {"a.yaml": app()},
        {"a.yaml": app(timeout=30)},
        {"a.yaml": app(timeout=30, replicas=5)},
        2,
        {"a.yaml": app(replicas=5)},
    ),
    "one line between two changes is enough": (
        {"a": "1\n2\n3\n"},
        {"a": "one\n2\n3\n"},
        {"a": "one\n2\nthree\n"},
        2,
        {"a": "1\n2\nthree\n"},
    ),
    "a deleted file comes back": ({"a": "1\n", "b": "1\n"}, {"a": None}, {"b": "2\n"}, 1, {"a": "1\n", "b": "2\n"}),
    "an added file goes away": ({"b": "1\n"}, {"a": "1\n"}, {"b": "2\n"}, 1, {"b": "2\n"}),
    "half was undone already": (
        {"a": "1\n", "b": "1\n"},
        {"a": "2\n", "b": "2\n"},
        {"a": "1\n"},
        2,
        {"a": "1\n", "b": "1\n"},
    ),
    "the file was moved since": (
        {"old/a.yaml": app()},
        {"old/a.yaml": app(timeout=30)},
        {"old/a.yaml": None, "new/a.yaml": app(timeout=30)},
        2,
        {"new/a.yaml": app()},
    ),
    "the commit moved the file, and it was edited there since": (
        {"old/a.yaml": app()},
        {"old/a.yaml": None, "new/a.yaml": app()},
        {"new/a.yaml": app(replicas=5)},
        2,
        {"old/a.yaml": app(replicas=5)},
    ),
    "the commit only moved the file": (
        {"old/a.yaml": app()},
        {"old/a.yaml": None, "new/a.yaml": app()},
        {"b": "1\n"},
        1,
        {"old/a.yaml": app(), "b": "1\n"},
    ),
    "a neighbouring line stays": ({"a": "1\n2\n"}, {"a": "x\n2\n"}, {"a": "x\ny\n"}, 3, {"a": "1\ny\n"}),
    "a neighbouring line of a text that is no UTF-8 stays": (
        {"a.yaml": b"# \xe9\na: 1\nb: 1\n"},
        {"a.yaml": b"# \xe9\na: 2\nb: 1\n"},
        {"a.yaml": b"# \xe9\na: 2\nb: 2\n"},
        3,
        {"a.yaml": "# \udce9\na: 1\nb: 2\n"},
    ),
    "a key in a file whose name has a line feed": (
        {"a\nb.yaml": "a: {b: 1, c: 2}\n"},
        {"a\nb.yaml": "a: {b: 9, c: 2}\n"},
        {"a\nb.yaml": "a: {b: 9, c: 3}\n"},
        3,
        {"a\nb.yaml": "a: {b: 1, c: 3}\n"},
    ),
    "a key stays with its own element though another one comes back between them": (
        {"a.yaml": "l:\n- name: a\n  v: 1\n- name: bad\n- name: c\n"},
        {"a.yaml": "l:\n- name: a\n  v: 1\n- name: c\n"},
        {"a.yaml": "l:\n- name: a\n  v: 1\n  w: 1\n"},
        3,
        {"a.yaml": "l:\n- name: a\n  v: 1\n  w: 1\n- name: bad\n"},
    ),
    "a file that the commit added goes from where it was moved to": (
        {"a/old.yaml": app()},
        {"a/new.yaml": "kind: New\n"},
        {"a/old.yaml": None, "a/new.yaml": None, "b/old.yaml": app(), "b/new.yaml": "kind: New\n"},
        3,
        {"b/old.yaml": app()},
    ),
    "a neighbouring line of a template stays": (
        {"t.yaml": "a: {{ .a }}\nb: {{ .b }}\n"},
        {"t.yaml": "a: bad\nb: {{ .b }}\n"},
        {"t.yaml": "a: bad\nb: later\n"},
        3,
        {"t.yaml": "a: {{ .a }}\nb: later\n"},
    ),
    "an element comes back where another one was added": (
        {"a.yaml": "env:\n- {name: A, value: 1}\n- {name: B, value: 1}\n"},
        {"a.yaml": "env:\n- {name: A, value: 1}\n"},
        {"a.yaml": "env:\n- {name: A, value: 1}\n- {name: C, value: 1}\n"},
        3,
        {"a.yaml": "env:\n- {name: A, value: 1}\n- {name: B, value: 1}\n- {name: C, value: 1}\n"},
    ),
    "one file by key, one by git, one as it was": (
        {"a.yaml": "a: 1\nb: 1\n", "b.yaml": app(), "c/d.yaml": "x: 1\n"},
        {"a.yaml": "a: 2\nb: 1\n", "b.yaml": app(timeout=30), "c/d.yaml": "x: 2\n"},
        {"a.yaml": "a: 2\nb: 2\n", "b.yaml": app(5, timeout=30)},
        3,
        {"a.yaml": "a: 1\nb: 2\n", "b.yaml": app(5), "c/d.yaml": "x: 1\n"},
    ),
    "line endings of Windows stay as they are": (
        {"a.yaml": app().replace("\n", "\r\n")},
        {"a.yaml": app(timeout=30).replace("\n", "\r\n")},
        {"a.yaml": app(timeout=30, replicas=5).replace("\n", "\r\n")},
        2,
        {"a.yaml": app(replicas=5).replace("\n", "\r\n")},
    ),
    "only line endings changed": ({"a": "1\n"}, {"a": "1\r\n"}, {"b": "1\n"}, 1, {"a": "1\n", "b": "1\n"}),
    "a binary file that nobody touched": (
        {"a.bin": b"\0\1\n"},
        {"a.bin": b"\0\2\n"},
        {"b": "1\n"},
        1,
        {"a.bin": "\0\1\n", "b": "1\n"},
    ),
    "an encrypted file that nobody touched": (
        {"s.yaml": "sops:\n    mac: ENC[AES256_GCM,data:one]\n"},
        {"s.yaml": "sops:\n    mac: ENC[AES256_GCM,data:two]\n"},
        {"b": "1\n"},
        1,
        {"s.yaml": "sops:\n    mac: ENC[AES256_GCM,data:one]\n", "b": "1\n"},
    ),
    "a directory took the file's place": (
        {"a": "1\n"},
        {"a": None, "a/b": "1\n"},
        {"c": "1\n"},
        1,
        {"a": "1\n", "c": "1\n"},
    ),
    "a template that never was YAML": (
        {"t.yaml": "{{ if x }}\n" + app()},
        {"t.yaml": "{{ if x }}\n" + app(timeout=30)},
        {"t.yaml": "{{ if x }}\n" + app(timeout=30, replicas=5)},
        2,
        {"t.yaml": "{{ if x }}\n" + app(replicas=5)},
    ),
}


def test_a_plan_that_is_made_anew_is_there_though_git_threw_the_first_away(history: History) -> None:
    root = history.commit({"a.yaml": app()})
    bad = history.commit({"a.yaml": app(timeout=30)}, [root])
    head = history.commit({"a.yaml": app(timeout=30, replicas=5)}, [bad])
    history.git("update-ref", "refs/heads/main", head)
    reverser = Reverser(Git(history.git_dir))
    first = reverser.reverse(head, [bad])
    reverser.reader.close()  # it would go on seeing what it has opened
    history.git("prune", "--expire=now")
    assert reverser.reverse(head, [bad]) == first
    reverser.close()
    assert history.git("show", f"{first.tree}:a.yaml") == app(replicas=5).rstrip("\n")


@pytest.mark.parametrize(("base", "culprit", "later", "rung", "result"), CLEAN_CASES.values(), ids=[*CLEAN_CASES])
def test_a_commit_is_undone_and_everything_later_stays(
    history: History, base: Files, culprit: Files, later: Files, rung: int, result: dict[str, str]
) -> None:
    _, bad, head = history.line(base, culprit, later)
    reversal = undo(history, head, bad)
    assert (reversal.outcome, reversal.gate_reason, reversal.rung) == (CLEAN, None, rung), reversal.explained
    assert history.content(reversal.tree) == result
    assert undo(history, history.commit({}, [head]), bad).tree == reversal.tree
    assert set(reversal.paths) == _differing(history.content(head), result)


def _differing(old: dict[str, str], new: dict[str, str]) -> set[str]:
    return {path for path in old.keys() | new.keys() if old.get(path) != new.get(path)}


@pytest.mark.parametrize("name", CLEAN_CASES)
def test_undoing_twice_changes_nothing_the_second_time(history: History, name: str) -> None:
    base, culprit, later, _, result = CLEAN_CASES[name]
    _, bad, head = history.line(base, culprit, later)
    undone = history.commit({path: result.get(path, None) for path in [*history.content(head), *result]}, [head])
    again = undo(history, undone, bad)
    assert again.outcome is EMPTY
    assert again.tree == history.git("rev-parse", f"{undone}^{{tree}}")
    assert not again.changes


# base, culprit, later, the reason, the path that stands in the way, and a word of why.
CONFLICT_CASES: dict[str, tuple[Files, Files, Files, Reason, str, str]] = {
    "the same line again": (
        {"a": app()},
        {"a": app(image="1.5")},
        {"a": app(image="1.6")},
        Reason.REVERT_CONFLICT,
        "a",
        "changed again",
    ),
    "added, and edited since": ({"b": "1\n"}, {"a": app()}, {"a": app(2)}, Reason.REVERT_CONFLICT, "a", "would lose"),
    "added, and moved and edited since": (
        {"b": "1\n"},
        {"a": app()},
        {"a": None, "c": app(2)},
        Reason.REVERT_CONFLICT,
        "c",
        "",
    ),
    "changed, and removed since": (
        {"a": app()},
        {"a": app(2)},
        {"a": None, "b": "1\n"},
        Reason.REVERT_CONFLICT,
        "a",
        "removed since",
    ),
    "an LFS pointer, changed again": (
        {"a": pointer("1")},
        {"a": pointer("2")},
        {"a": pointer("3")},
        Reason.REVERT_CONFLICT,
        "a",
        "changed again",
    ),
    "a file of git-crypt, changed again": (
        {"a": b"\0GITCRYPT\0\1"},
        {"a": b"\0GITCRYPT\0\2"},
        {"a": b"\0GITCRYPT\0\3"},
        Reason.REVERT_CONFLICT,
        "a",
        "binary",
    ),
    "a binary file, changed again": (
        {"a": b"\0\1"},
        {"a": b"\0\2"},
        {"a": b"\0\3"},
        Reason.REVERT_CONFLICT,
        "a",
        "binary",
    ),
    "a key that was moved elsewhere since would stand there twice": (
        {"a.yaml": app(extra="x: 1\n")},
        {"a.yaml": app()},
        {"a.yaml": "x: 2\n" + app()},
        Reason.GATE_FAILED,
        "a.yaml",
        "the key 0/x twice",
    ),
    "two halves of encrypted versions": (
        {"s.yaml": app() + "sops:\n    mac: ENC[AES256_GCM,data:one]\n"},
        {"s.yaml": app(timeout=30) + "sops:\n    mac: ENC[AES256_GCM,data:one]\n"},
        {"s.yaml": app(5, timeout=30) + "sops:\n    mac: ENC[AES256_GCM,data:one]\n"},
        Reason.GATE_FAILED,
        "s.yaml",
        "encrypted",
    ),
    "lines of two generated lock files": (
        {"x.lock": app()},
        {"x.lock": app(timeout=30)},
        {"x.lock": app(5, timeout=30)},
        Reason.GATE_FAILED,
        "x.lock",
        "generated",
    ),
    "conflict markers that somebody committed": (
        {"a": app()},
        {"a": app(timeout=30)},
        {"a": "<<<<<<< HEAD\n" + app(timeout=30)},
        Reason.GATE_FAILED,
        "a",
        "markers",
    ),
    "conflict markers that the commit removed": (
        {"a": "<<<<<<< HEAD\n1\n"},
        {"a": "1\n"},
        {"b": "1\n"},
        Reason.GATE_FAILED,
        "a",
        "markers",
    ),
    "two kinds of YAML in one file are none": (
        {"a.yaml": "a: 1\n# 1\n# 2\n# 3\nz: 1\n"},
        {"a.yaml": "a: 1\n# 1\n# 2\n# 3\n"},
        {"a.yaml": "- 1\n# 1\n# 2\n# 3\n"},
        Reason.GATE_FAILED,
        "a.yaml",
        "not YAML",
    ),
}


@pytest.mark.parametrize(
    ("base", "culprit", "later", "reason", "path", "why"), CONFLICT_CASES.values(), ids=[*CONFLICT_CASES]
)
def test_what_cannot_be_undone_says_where_and_whose_commit_is_in_the_way(
    history: History, base: Files, culprit: Files, later: Files, reason: Reason, path: str, why: str
) -> None:
    _, bad, head = history.line(base, culprit, later)
    reversal = undo(history, head, bad)
    assert (reversal.outcome, reversal.gate_reason) == (CONFLICT, reason)
    assert (reversal.tree, reversal.rung, reversal.changes) == (None, None, ())
    (explanation,) = reversal.explained
    assert (explanation.path, explanation.key) == (path, None)
    assert explanation.commit == (head if path in later else None)
    assert why in explanation.why
    assert explanation.todo
    assert path in reversal.message


def values(tag: str, replicas: int = 1) -> str:
    return f"replicas: {replicas}\nimage:\n  tag: {tag}\n"


def test_a_key_that_bots_set_again_goes_back_to_before_and_each_of_them_is_named(history: History) -> None:
    bump = [{"v.yaml": values(tag)} for tag in ("1.4", "1.5", "1.6")]
    _, bad, bumped, elsewhere, again = history.line(
        *bump, {"other.yaml": "a: 1\n"}, {"v.yaml": values("1.7", replicas=3)}
    )
    reversal = undo(history, again, bad)
    assert (reversal.outcome, reversal.rung, reversal.gate_reason) == (CLEAN, 4, None)
    assert history.content(reversal.tree) == {"v.yaml": values("1.4", replicas=3), "other.yaml": "a: 1\n"}
    assert reversal.superseded == (again, bumped)
    assert elsewhere not in reversal.superseded
    assert bumped[:12] in reversal.message
    undone = history.commit({"v.yaml": values("1.4", replicas=3)}, [again])
    assert undo(history, undone, bad).outcome is EMPTY


def test_a_key_that_was_set_again_goes_back_to_the_last_good_state_that_is_named(history: History) -> None:
    lines = [{"v.yaml": values(tag)} for tag in ("1.3", "1.4", "1.5", "1.6")]
    good, between, bad, again = history.line(*lines)
    reversal = undo(history, again, bad, good=good)
    assert (reversal.outcome, reversal.rung) == (CLEAN, 4)
    assert history.content(reversal.tree) == {"v.yaml": values("1.3")}
    assert reversal.superseded == (again, between)
    assert history.content(undo(history, again, bad).tree) == {"v.yaml": values("1.4")}


def test_only_keys_that_were_set_again_are_taken_from_the_last_good_state(history: History) -> None:
    good, _, bad, again = history.line(
        {"v.yaml": values("1.3", replicas=1)},
        {"v.yaml": values("1.4", replicas=7)},
        {"v.yaml": values("1.5", replicas=7)},
        {"v.yaml": values("1.6", replicas=7)},
    )
    assert history.content(undo(history, again, bad, good=good).tree) == {"v.yaml": values("1.3", replicas=7)}


def test_a_key_that_the_last_good_state_did_not_have_goes(history: History) -> None:
    keys = ("a: 1\n", "a: 1\nb: 1\n", "a: 1\nb: 2\n", "a: 1\nb: 3\n")
    good, _, bad, again = history.line(*({"v.yaml": text} for text in keys))
    assert history.content(undo(history, again, bad, good=good).tree) == {"v.yaml": "a: 1\n"}


def test_a_file_that_the_last_good_state_did_not_have_is_for_a_person(history: History) -> None:
    good, _, bad, again = history.line(
        {"other.yaml": "a: 1\n"}, *({"v.yaml": values(tag)} for tag in ("1.4", "1.5", "1.6"))
    )
    assert undo(history, again, bad, good=good).outcome is CONFLICT


def test_a_last_good_state_beside_the_culprit_is_not_one(history: History) -> None:
    root, bad, again = history.line(*({"v.yaml": values(tag)} for tag in ("1.4", "1.5", "1.6")))
    beside = history.commit({"v.yaml": values("9")}, [root])
    for good in (beside, again, "f" * 40):
        assert history.content(undo(history, again, bad, good=good).tree) == {"v.yaml": values("1.4")}


def test_commits_that_are_undone_themselves_are_not_superseded(history: History) -> None:
    _, first, second, later = history.line(*({"v.yaml": values(tag)} for tag in ("1.4", "1.5", "1.6", "1.7")))
    reversal = undo(history, later, second, first)
    assert (reversal.outcome, reversal.rung) == (CLEAN, 4)
    assert history.content(reversal.tree) == {"v.yaml": values("1.4")}
    assert reversal.superseded == (later,)


def test_a_clash_that_no_rung_solves_names_each_key_and_who_set_it(history: History) -> None:
    levels = ("a", "b", "c", "&anchored d")
    _, bad, _, head = history.line(*({"v.yaml": f"tag: 1\nlevel: {level}\n"} for level in levels))
    reversal = undo(history, head, bad)
    assert (reversal.outcome, reversal.gate_reason) == (CONFLICT, Reason.REVERT_CONFLICT)
    assert [(one.path, one.key, one.commit) for one in reversal.explained] == [("v.yaml", "level", head)]


PROTECTED: dict[str, tuple[Files, Files]] = {
    "a pipeline of the forge": ({".github/workflows/x.yaml": "a: 1\n"}, {".github/workflows/x.yaml": "a: 2\n"}),
    "a GitLab pipeline": ({".gitlab-ci.yml": "a: 1\n"}, {".gitlab-ci.yml": "a: 2\n"}),
    "a Jenkinsfile": ({"apps/Jenkinsfile": "a\n"}, {"apps/Jenkinsfile": "b\n"}),
    "a CircleCI folder": ({".circleci/config.yml": "a: 1\n"}, {".circleci/config.yml": "a: 2\n"}),
    "owners": ({"docs/CODEOWNERS": "* @a\n"}, {"docs/CODEOWNERS": "* @b\n"}),
    "attributes": ({"apps/.gitattributes": "* text\n"}, {"apps/.gitattributes": "* -text\n"}),
    "a rollback policy": (
        {".gitops-rollback/policies/a.yaml": "a: 1\n"},
        {".gitops-rollback/policies/a.yaml": "a: 2\n"},
    ),
    "the executable bit": ({"run.sh": "x\n"}, {"run.sh": Entry("100755", b"x\n")}),
    "a link that was added": ({"a": "1\n"}, {"link": Entry("120000", b"/etc/passwd")}),
    "a file that became a link": ({"a": "1\n"}, {"a": Entry("120000", b"/etc/passwd")}),
    "a submodule": ({"sub": Entry("160000", b"1" * 40)}, {"sub": Entry("160000", b"2" * 40)}),
}


@pytest.mark.parametrize(("base", "culprit"), PROTECTED.values(), ids=[*PROTECTED])
def test_a_protected_path_is_undone_in_the_tree_but_never_by_itself(
    history: History, base: Files, culprit: Files
) -> None:
    first, bad, head = history.line({**base, "z": "1\n"}, culprit, {"z": "2\n"})
    reversal = undo(history, head, bad)
    assert (reversal.outcome, reversal.gate_reason, reversal.rung) == (CLEAN, Reason.PROTECTED_PATH, 1)
    assert history.content(reversal.tree) == {**history.content(first), "z": "2\n"}
    assert [explanation.path for explanation in reversal.explained] == list(reversal.paths)


def test_a_submodule_that_was_moved_twice_is_left_to_a_person(history: History) -> None:
    pins = [{"sub": Entry("160000", digit * 40)} for digit in (b"1", b"2", b"3")]
    _, bad, head = history.line(*pins)
    reversal = undo(history, head, bad)
    assert reversal.outcome is CONFLICT
    assert reversal.explained[0].path == "sub"


@pytest.mark.parametrize(
    "name",
    [
        b"with\nnewline",
        b'with "quotes"',
        b"-leading",
        b"caf\xe9",
        b"t\tab",
        b"*.yaml",
        b":(top)x",
        b"/".join([b"d" * 200] * 20),
    ],
    ids=["newline", "quotes", "dash", "latin-1", "tab", "star", "magic", "4000-bytes"],
)
@pytest.mark.parametrize("again", [False, True], ids=["untouched", "in-conflict"])
def test_no_name_of_a_file_confuses_us(history: History, name: bytes, again: bool) -> None:
    first, bad, head = history.line({name: "1\n", "z": "1\n"}, {name: "2\n"}, {name: "3\n"} if again else {"z": "2\n"})
    reversal = undo(history, head, bad)
    path = name.decode("utf-8", "surrogateescape")
    if again:
        assert [(entry.path, entry.commit) for entry in reversal.explained] == [(path, head)]
    else:
        assert history.content(reversal.tree)[path] == history.content(first)[path]
        assert reversal.paths == (path,)


def _root(history: History) -> tuple[str, str]:
    root, head = history.line({"a": "1\n"}, {"a": "2\n"})
    return head, root


def _octopus(history: History) -> tuple[str, str]:
    root = history.commit({"a": "1\n"})
    sides = [history.commit({f"side-{number}": "1\n"}, [root]) for number in range(3)]
    merge = history.commit({f"side-{number}": "1\n" for number in range(3)}, sides)
    return merge, merge


def _blob(history: History) -> tuple[str, str]:
    head = history.commit({"a": "1\n"})
    return head, history.git("rev-parse", f"{head}:a")


def _ambiguous(history: History) -> tuple[str, str]:
    """Enough commits that two of them begin with the same four digits."""
    stream = b"".join(
        b"commit refs/heads/many\ncommitter a <a@b> %d +0000\ndata 0\n\n" % (1_700_000_000 + number)
        for number in range(900)
    )
    history.git("fast-import", "--quiet", stdin=stream)
    shas = history.git("rev-list", "many").split()
    prefixes = [sha[:4] for sha in shas]
    return shas[0], next(prefix for prefix in prefixes if prefixes.count(prefix) > 1)


@pytest.mark.parametrize(
    ("build", "reason", "words"),
    [
        pytest.param(_root, Reason.ROOT_COMMIT, "root commit", id="root"),
        pytest.param(_octopus, Reason.OCTOPUS_MERGE, "3 parents", id="octopus"),
        pytest.param(_blob, Reason.UNKNOWN_REVISION, "no such commit", id="a file's id"),
        pytest.param(_ambiguous, Reason.AMBIGUOUS_REVISION, "more digits", id="ambiguous"),
        pytest.param(lambda h: (_root(h)[0], "f" * 40), Reason.UNKNOWN_REVISION, "no such commit", id="unknown"),
        pytest.param(lambda h: (_root(h)[0], "abc"), Reason.UNKNOWN_REVISION, "not a SHA", id="too short"),
        pytest.param(lambda h: (_root(h)[0], "HEAD~1"), Reason.UNKNOWN_REVISION, "not a SHA", id="no SHA"),
        pytest.param(lambda h: (_root(h)[0], "--help"), Reason.UNKNOWN_REVISION, "not a SHA", id="an option"),
        pytest.param(lambda h: ("0" * 40, _root(h)[1]), Reason.UNKNOWN_REVISION, "no such commit", id="unknown head"),
    ],
)
def test_a_refusal_names_its_reason(
    history: History, build: Callable[[History], tuple[str, str]], reason: Reason, words: str
) -> None:
    at, revert = build(history)
    reversal = undo(history, at, revert)
    assert (reversal.outcome, reversal.gate_reason, reversal.tree) == (REFUSED, reason, None)
    assert words in reversal.message


def test_nothing_to_undo_is_refused_and_not_taken_for_done(history: History) -> None:
    assert undo(history, history.commit({"a": "1\n"})).outcome is REFUSED


def test_a_parent_that_a_commit_does_not_have_is_refused(history: History) -> None:
    _, bad = history.line({"a": "1\n"}, {"a": "2\n"})
    assert undo(history, bad, bad, mainline=1).outcome is CLEAN
    for number in (2, 0, -1):
        assert undo(history, bad, bad, mainline=number).gate_reason is Reason.NO_SUCH_PARENT
