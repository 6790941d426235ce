"""Files that go back as a whole to the last good state, where no key of them can be set, on real repositories."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from small_history import Entry, Files, History

from gitops_rollback.adapters.git.door import Git
from gitops_rollback.adapters.git.reversal import reverse
from gitops_rollback.core.plan import PlanOutcome, Reversal

CLEAN, EMPTY, CONFLICT = PlanOutcome.CLEAN, PlanOutcome.EMPTY, PlanOutcome.CONFLICT


def undo(history: History, at: str, *reverts: str, good: str | None = None) -> Reversal:
    return reverse(Git(history.git_dir), at, reverts, None, good)


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / "config.git")


def template(tag: str) -> str:
    return f"{{{{ if .on }}}}\nimage: app:{tag}\n{{{{ end }}}}\n"


def anchored(tag: str) -> str:
    return f"tag: &tag {tag}\nsame: *tag\n"


REST: Files = {"rest.yaml": "a: 1\n"}
# What stood there when all was well, what the culprit did, what happens later, and what has to stand there.
WHOLE_CASES: dict[str, tuple[Files, Files, list[Files], dict[str, str]]] = {
    "a template, set again": (
        {"t.tpl": template("1")},
        {"t.tpl": template("2")},
        [{"t.tpl": template("3")}, {"t.tpl": template("4")}],
        {"t.tpl": template("1")},
    ),
    "a manifest that cannot be edited through its anchor": (
        {"a.yaml": anchored("1")},
        {"a.yaml": anchored("2")},
        [{"a.yaml": anchored("3")}],
        {"a.yaml": anchored("1")},
    ),
    "a plain list of settings": (
        {"e.env": "TAG=1\n"},
        {"e.env": "TAG=2\n"},
        [{"e.env": "TAG=3\n"}],
        {"e.env": "TAG=1\n"},
    ),
    "a file that the commit brought, edited since": (
        {},
        {"new.yaml": "a: 1\n"},
        [{"new.yaml": "a: 2\n"}],
        {},
    ),
    "a file that was removed since": ({"a.env": "1\n"}, {"a.env": "2\n"}, [{"a.env": None}], {"a.env": "1\n"}),
    "a file that the commit removed, and that came again since": (
        {"a.env": "1\n"},
        {"a.env": None},
        [{"a.env": "9\n"}],
        {"a.env": "1\n"},
    ),
    "one as a whole, one by key, one by git": (
        {"e.env": "T=1\n", "k.yaml": "t: 1\nb: 1\n", "g.yaml": "a: 1\nb: 1\nc: 1\n"},
        {"e.env": "T=2\n", "k.yaml": "t: 2\nb: 1\n", "g.yaml": "a: 2\nb: 1\nc: 1\n"},
        [{"e.env": "T=3\n", "k.yaml": "t: 3\nb: 3\n", "g.yaml": "a: 2\nb: 1\nc: 3\n"}],
        {"e.env": "T=1\n", "k.yaml": "t: 1\nb: 3\n", "g.yaml": "a: 1\nb: 1\nc: 3\n"},
    ),
}


@pytest.mark.parametrize(("good", "culprit", "later", "result"), WHOLE_CASES.values(), ids=[*WHOLE_CASES])
def test_a_file_goes_back_as_a_whole_and_every_later_commit_is_named(
    history: History, good: Files, culprit: Files, later: list[Files], result: dict[str, str]
) -> None:
    first, bad, *after = history.line({**REST, **good}, culprit, *later, {"rest.yaml": "a: 2\n"})
    reversal = undo(history, after[-1], bad, good=first)
    assert (reversal.outcome, reversal.rung, reversal.gate_reason) == (CLEAN, 4, None), reversal.explained
    assert history.content(reversal.tree) == {"rest.yaml": "a: 2\n", **result}
    assert reversal.superseded == tuple(reversed(after[:-1]))
    assert reversal.whole
    assert [one.path for one in reversal.explained] == [*reversal.whole]
    assert all(first[:12] in one.why and one.commit == after[-2] for one in reversal.explained)
    done = history.commit({path: result.get(str(path)) for path in {**good, **culprit}}, [after[-1]])
    assert undo(history, done, bad, good=first).outcome is EMPTY


@pytest.mark.parametrize("name", WHOLE_CASES)
def test_without_a_last_good_state_no_file_goes_back_as_a_whole(history: History, name: str) -> None:
    good, culprit, later, _ = WHOLE_CASES[name]
    _, bad, *_, head = history.line({**REST, **good}, culprit, *later)
    assert undo(history, head, bad).outcome is CONFLICT


Four = tuple[Files, Files, Files, Files]


def four(build: Callable[[str], str | bytes | Entry], path: str) -> Four:
    """The same file when all was well and before the culprit, another one after it, and another one later."""
    return ({path: build("1")}, {path: build("1")}, {path: build("2")}, {path: build("3")})


LEFT_CASES: dict[str, Four] = {
    "a binary file": four(lambda n: b"\0" + n.encode(), "a"),
    "an encrypted file": four(lambda n: f"a: {n}\nsops:\n    mac: ENC[AES256_GCM,data:{n}]\n", "s"),
    "a lock file": four(lambda n: f"{n}\n", "x.lock"),
    "a submodule": four(lambda n: Entry("160000", n.encode() * 40), "sub"),
    "a link": four(lambda n: Entry("120000", n.encode()), "link"),
    "a file that the commit only changed, and that is younger than the last good state": (
        {"rest.yaml": "a: 2\n"},
        {"a.env": "1\n"},
        {"a.env": "2\n"},
        {"a.env": "3\n"},
    ),
}


@pytest.mark.parametrize(("good", "parent", "culprit", "later"), LEFT_CASES.values(), ids=[*LEFT_CASES])
def test_what_may_not_go_back_as_a_whole_is_left_to_a_person(
    history: History, good: Files, parent: Files, culprit: Files, later: Files
) -> None:
    first, _, bad, head = history.line({**REST, **good}, parent, culprit, later)
    reversal = undo(history, head, bad, good=first)
    assert (reversal.outcome, reversal.tree) == (CONFLICT, None)
    assert [one.commit for one in reversal.explained] == [head]


def test_a_file_of_a_moved_directory_is_left_to_a_person(history: History) -> None:
    good, bad, head = history.line(
        {"old/a.env": "1\n2\n3\n4\n", **REST},
        {"old/a.env": "1\n2\n3\nx\n"},
        {"old/a.env": None, "new/a.env": "1\n2\n3\ny\n"},
    )
    assert undo(history, head, bad, good=good).outcome is CONFLICT


def test_a_story_with_a_gap_is_left_to_a_person(history: History) -> None:
    """The last good state came in by a merge, and the mainline never held its file."""
    root = history.commit({"a.env": "1\n", **REST})
    side = history.commit({"a.env": "0\n"}, [root])
    main = history.commit({"rest.yaml": "a: 2\n"}, [root])
    merge = history.commit({}, [main, side])
    bad = history.commit({"a.env": "2\n"}, [merge])
    head = history.commit({"a.env": "3\n"}, [bad])
    assert undo(history, head, bad, good=side).outcome is CONFLICT
    assert history.content(undo(history, head, bad, good=merge).tree)["a.env"] == "1\n"


def test_a_file_that_comes_back_is_executable_again(history: History) -> None:
    good, bad, head = history.line(
        {"run.sh": Entry("100755", b"1\n"), **REST}, {"run.sh": Entry("100755", b"2\n")}, {"run.sh": None}
    )
    (change,) = undo(history, head, bad, good=good).changes
    assert (change.path, change.new_mode) == ("run.sh", "100755")


def test_two_commits_of_one_file_go_back_in_one_piece(history: History) -> None:
    good, first, second, later = history.line(*({"e.env": f"TAG={n}\n", **REST} for n in "1234"))
    reversal = undo(history, later, second, first, good=good)
    assert history.content(reversal.tree) == {"e.env": "TAG=1\n", **REST}
    assert (reversal.superseded, reversal.whole) == ((later,), ("e.env",))
