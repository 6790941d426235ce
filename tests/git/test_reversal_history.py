"""Undoing merges, several commits, commits beside the line, and commits that are named in odd ways."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest
from small_history import History

from gitops_rollback.adapters.git import conflicts, ladder, untangling
from gitops_rollback.adapters.git.door import Git
from gitops_rollback.adapters.git.objects import ObjectReader
from gitops_rollback.adapters.git.reversal import Reverser, reverse
from gitops_rollback.adapters.git.writer import ObjectWriter
from gitops_rollback.core.errors import Reason, RepositoryUnavailable
from gitops_rollback.core.plan import PlanOutcome, Reversal

CLEAN = PlanOutcome.CLEAN


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / "config.git")


def undo(history: History, at: str, *reverts: str, mainline: int | None = None) -> Reversal:
    return reverse(Git(history.git_dir), at, reverts, mainline)


def _merge(history: History) -> tuple[str, str]:
    """(the mainline before, the merge of a side that changed `a`; the mainline changed `b`)"""
    root = history.commit({"a": "1\n", "b": "1\n"})
    side = history.commit({"a": "2\n"}, [root])
    main = history.commit({"b": "2\n"}, [root])
    return main, history.commit({"a": "2\n"}, [main, side])


def test_a_merge_is_undone_against_its_first_parent(history: History) -> None:
    _, merge = _merge(history)
    head = history.commit({"c": "1\n"}, [merge])
    reversal = undo(history, head, merge)
    assert reversal.gate_reason is None
    assert history.content(reversal.tree) == {"a": "1\n", "b": "2\n", "c": "1\n"}


def test_a_merge_is_undone_against_the_parent_that_a_person_names(history: History) -> None:
    _, merge = _merge(history)
    assert history.content(undo(history, merge, merge, mainline=2).tree) == {"a": "2\n", "b": "1\n"}


def test_an_octopus_is_undone_once_its_parent_is_named(history: History) -> None:
    root = history.commit({"a": "1\n"})
    sides = [history.commit({name: "1\n"}, [root]) for name in ("x", "y")]
    octopus = history.commit({"x": "1\n", "y": "1\n"}, [root, *sides])
    assert undo(history, octopus, octopus).outcome is PlanOutcome.REFUSED
    assert history.content(undo(history, octopus, octopus, mainline=1).tree) == {"a": "1\n"}
    assert history.content(undo(history, octopus, octopus, mainline=2).tree) == {"a": "1\n", "x": "1\n"}
    assert undo(history, octopus, octopus, mainline=4).gate_reason is Reason.NO_SUCH_PARENT


def test_a_merge_that_brought_nothing_in_is_already_undone(history: History) -> None:
    root = history.commit({"a": "1\n"})
    side, main = history.commit({"a": "2\n"}, [root]), history.commit({"a": "2\n"}, [root])
    merge = history.commit({}, [main, side])
    assert undo(history, merge, merge).outcome is PlanOutcome.EMPTY


def test_several_commits_are_undone_each_on_the_result_of_the_one_before(history: History) -> None:
    root, first, second, third = history.line({"a": "1\n", "b": "1\n"}, {"a": "2\n"}, {"b": "2\n"}, {"a": "3\n"})
    reversal = undo(history, third, third, first)
    assert history.content(reversal.tree) == {"a": "1\n", "b": "2\n"}
    assert (reversal.reverts, reversal.paths, reversal.rung) == ((third, first), ("a",), 1)
    assert undo(history, third, first, third).outcome is PlanOutcome.CONFLICT, "oldest first meets the later change"
    assert undo(history, third, third, second, first).tree == history.git("rev-parse", f"{root}^{{tree}}")


def test_the_rung_of_several_commits_is_that_of_the_hardest(history: History) -> None:
    steps = [{"a": "1\n2\n3\n", "b": "1\n"}, {"b": "2\n"}, {"a": "x\n2\n3\n"}, {"a": "x\n2\ny\n"}]
    _, easy, hard, head = history.line(*steps)
    assert [undo(history, head, *order).rung for order in ((hard, easy), (easy, hard), (easy,))] == [2, 2, 1]


def test_of_several_commits_one_that_is_undone_already_is_no_obstacle(history: History) -> None:
    _, bad, _, head = history.line({"a": "1\n", "b": "1\n"}, {"a": "2\n"}, {"a": "1\n"}, {"b": "2\n"})
    assert history.content(undo(history, head, head, bad).tree) == {"a": "1\n", "b": "1\n"}


def test_of_several_commits_one_in_conflict_spoils_the_whole(history: History) -> None:
    _, bad, _, head = history.line({"a": "1\n", "b": "1\n"}, {"a": "2\n"}, {"a": "3\n"}, {"b": "2\n"})
    reversal = undo(history, head, head, bad)
    assert (reversal.outcome, reversal.tree) == (PlanOutcome.CONFLICT, None)
    assert bad[:12] in reversal.message


def test_a_revert_of_a_revert_lands_the_change_again(history: History) -> None:
    _, _, revert = history.line({"a": "1\n"}, {"a": "2\n"}, {"a": "1\n"})
    assert history.content(undo(history, revert, revert).tree) == {"a": "2\n"}


def test_a_commit_beside_the_line_is_merged_the_same_way_but_not_by_itself(history: History) -> None:
    root = history.commit({"a": "1\n", "b": "1\n"})
    elsewhere = history.commit({"a": "2\n"}, [root])
    same_change = history.commit({"a": "2\n", "b": "2\n"}, [root])
    reversal = undo(history, same_change, elsewhere)
    assert (reversal.outcome, reversal.gate_reason) == (PlanOutcome.CLEAN, Reason.NOT_FIRST_PARENT)
    assert history.content(reversal.tree) == {"a": "1\n", "b": "2\n"}
    assert [entry.commit for entry in reversal.explained] == [elsewhere]


def test_an_unrelated_history_is_no_different_from_any_other_stranger(history: History) -> None:
    _, bad = history.line({"a": "1\n"}, {"a": "2\n"})
    _, head = history.line({"a": "2\n"}, {"z": "1\n"})
    reversal = undo(history, head, bad)
    assert (history.content(reversal.tree), reversal.gate_reason) == ({"a": "1\n", "z": "1\n"}, Reason.NOT_FIRST_PARENT)


def test_a_far_ancestor_is_found_without_reading_each_commit(history: History) -> None:
    _, bad = history.line({"a": "1\n", "b": "1\n"}, {"a": "2\n"})
    stream = b"reset refs/heads/far\nfrom %s\n" % bad.encode() + b"".join(
        b"commit refs/heads/far\ncommitter a <a@b> 1700001%03d +0000\ndata 0\n\nM 100644 inline b\ndata 2\n%d\n"
        % (n, n % 7)
        for n in range(200)
    )
    history.git("fast-import", "--quiet", stdin=stream)
    reversal = undo(history, history.git("rev-parse", "far"), bad)
    assert (reversal.outcome, reversal.gate_reason) == (PlanOutcome.CLEAN, None)


def test_a_short_sha_means_the_commit_and_never_a_branch_of_that_name(history: History) -> None:
    _, bad, head = history.line({"a": "1\n"}, {"a": "2\n"}, {"b": "1\n"})
    for short in (bad[:7], bad[:12], bad.upper()):
        history.git("update-ref", f"refs/heads/{short.lower()}", head)
        history.git("update-ref", f"refs/tags/{short.lower()}", head)
        assert undo(history, head[:10], short).reverts == (bad,)


def test_a_tag_object_means_the_commit_that_it_tags(history: History) -> None:
    _, bad = history.line({"a": "1\n"}, {"a": "2\n"})
    history.git("tag", "-a", "-m", "Release", "v1", bad)
    assert undo(history, bad, history.git("rev-parse", "refs/tags/v1")).reverts == (bad,)


def test_a_replaced_commit_is_undone_as_it_really_is(history: History) -> None:
    _, bad, head = history.line({"a": "1\n"}, {"a": "2\n"}, {"b": "1\n"})
    history.git("replace", bad, history.commit({"a": "other\n"}))
    assert history.content(undo(history, head, bad).tree) == {"a": "1\n", "b": "1\n"}


def test_the_clones_own_merge_settings_have_no_say(history: History) -> None:
    moved = [{"o/a": "1\n" * 9}, {"o/a": "1\n" * 8 + "2\n"}, {"o/a": None, "n/a": "1\n" * 8 + "2\n"}]
    _, bad, head = history.line(*moved)
    _, bad_again, head_again = history.line({"a": "1\n"}, {"a": "2\n"}, {"a": "3\n"})
    for setting in ("merge.renames=false", "diff.renames=false", "merge.default=union", "diff.noprefix=true"):
        history.git("config", *setting.split("="))
    (history.git_dir / "attributes").write_text("* merge=union\n")
    history.git("config", "core.attributesFile", str(history.git_dir / "attributes"))
    assert history.content(undo(history, head, bad).tree) == {"n/a": "1\n" * 9}
    assert undo(history, head_again, bad_again).outcome is PlanOutcome.CONFLICT


@pytest.mark.parametrize("words", ["Fix the outage", "Revert"])
def test_who_undid_it_is_found_by_content_whatever_the_message_says(history: History, words: str) -> None:
    _, bad = history.line({"a": "1\n", "b": "1\n"}, {"a": "2\n", "b": "2\n"})
    undoer = history.commit({"a": "1\n", "b": "1\n", "c": "1\n"}, [bad], message=words)
    head = history.commit({"c": f"This reverts commit {bad}.\n"}, [undoer], message="Quote")
    reversal = undo(history, head, bad)
    assert (reversal.outcome, [entry.commit for entry in reversal.explained]) == (PlanOutcome.EMPTY, [undoer])


def test_who_undid_it_is_found_by_words_where_the_content_differs(history: History) -> None:
    _, bad = history.line({"a": "1\n", "b": "1\n"}, {"a": "2\n", "b": "2\n"})
    half = history.commit({"a": "1\n"}, [bad], message="Half")
    other = history.commit({"b": "1\n"}, [half], message=f"Rest\n\nThis reverts commit {bad}.\n")
    assert [entry.commit for entry in undo(history, other, bad).explained] == [other]
    silent = history.commit({"b": "1\n"}, [half], message="Rest")
    assert undo(history, silent, bad).explained == ()


def test_a_change_that_never_arrived_is_not_called_undone(history: History) -> None:
    root = history.commit({"a": "1\n"})
    bad, head = history.commit({"a": "2\n"}, [root]), history.commit({"b": "1\n"}, [root])
    reversal = undo(history, head, bad)
    assert (reversal.outcome, reversal.explained) == (PlanOutcome.EMPTY, ())
    assert "was never in" in reversal.message


def test_the_commit_named_in_a_conflict_is_the_newest_that_touched_the_path(history: History) -> None:
    steps = [{"a": "1\n", "b": "1\n"}, {"a": "2\n"}, {"a": "3\n"}, {"a": "4\n"}, {"b": "2\n"}]
    _, bad, _, newest, head = history.line(*steps)
    assert [entry.commit for entry in undo(history, head, bad).explained] == [newest]


@pytest.mark.parametrize("name", ["apps/a.yaml", "a b/:(glob)*.yaml", "\u00e4\n.yaml"])
def test_who_set_a_key_since_is_found_behind_any_number_of_others(
    history: History, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for module in (conflicts, ladder, untangling):
        monkeypatch.setattr(module, "LATER_LIMIT", 3)
    _, bad, again, *_, head = history.line(
        *({name: f"tag: {tag}\n"} for tag in (1, 2, 3)), *({"other": f"{n}\n"} for n in range(6))
    )
    reversal = undo(history, head, bad)
    assert (reversal.outcome, reversal.rung, reversal.superseded) == (CLEAN, 4, (again,))
    assert history.content(reversal.tree) == {name: "tag: 1\n", "other": "5\n"}


def test_a_later_merge_is_named_as_the_mainline_knows_it(history: History) -> None:
    _, bad = history.line({"a": "1\n"}, {"a": "2\n"})
    side = history.commit({"a": "3\n"}, [bad])
    merge = history.commit({"a": "3\n"}, [bad, side])
    assert [entry.commit for entry in undo(history, merge, bad).explained] == [merge]


def test_a_commit_of_200_applications_is_undone_whole(history: History) -> None:
    before = {f"apps/{n}/values.yaml": f"image: app:{n}\n" for n in range(200)}
    _, bad, head = history.line(before, dict.fromkeys(before, "image: bad\n"), {"z": "1\n"})
    reversal = undo(history, head, bad)
    assert (len(reversal.paths), reversal.rung) == (200, 1)
    assert history.content(reversal.tree) == {**before, "z": "1\n"}


@pytest.mark.parametrize("seconds", [1, 4_294_967_296, 99_999_999_999])
def test_a_time_that_no_calendar_holds_hinders_nobody(history: History, seconds: int) -> None:
    root = history.commit({"a": "1\n"}, seconds=seconds)
    bad = history.commit({"a": "2\n"}, [root], seconds=seconds)
    assert history.content(undo(history, bad, bad).tree) == {"a": "1\n"}


def test_a_head_that_was_dated_before_its_own_parent_is_fine(history: History) -> None:
    root = history.commit({"a": "1\n"}, seconds=2_000_000_000)
    bad = history.commit({"a": "2\n"}, [root], seconds=1_900_000_000)
    head = history.commit({"b": "1\n"}, [bad], seconds=1_000_000_000)
    assert undo(history, head, bad).gate_reason is None


def test_a_repository_with_sha_256_works_alike(tmp_path: Path) -> None:
    history = History(tmp_path / "sha256.git", "sha256")
    _, bad, head = history.line({"d/a": "1\n", "b": "1\n"}, {"d/a": "2\n"}, {"b": "2\n"})
    for name in (bad, bad[:8], bad[:40]):
        reversal = undo(history, head, name)
        assert history.content(reversal.tree) == {"d/a": "1\n", "b": "2\n"}
    assert len(bad) == len(str(reversal.tree)) == 64


def test_a_reader_that_was_given_stays_open(history: History) -> None:
    _, bad = history.line({"a": "1\n"}, {"a": "2\n"})
    git = Git(history.git_dir)
    reader = ObjectReader(git)
    reverse(git, bad, [bad], reader=reader)
    process = reader._process
    reverse(git, bad, [bad], reader=reader)
    assert process is not None
    assert reader._process is process
    reader.close()


def test_no_process_is_left_behind(history: History) -> None:
    _, bad = history.line({"a": "1\n"}, {"a": "2\n"})
    reverser = Reverser(Git(history.git_dir))
    reverser.reverse(bad, [bad])
    children = [reverser.reader._process, reverser.writer._process]
    reverser.close()
    assert [child is not None and child.returncode is not None for child in children] == [True, True]


def test_a_killed_writing_process_is_started_again(history: History) -> None:
    _, bad, head = history.line({"a": "1\n"}, {"a": "2\n"}, {"b": "1\n"})
    reverser = Reverser(Git(history.git_dir))
    expected = reverser.reverse(head, [bad]).tree
    for kept in (reverser.writer._process, reverser.reader._process):
        assert kept is not None
        kept.kill()
        kept.wait()
        assert reverser.reverse(head, [bad]).tree == expected
    reverser.close()


def test_a_commit_that_git_would_not_take_is_an_error_and_the_next_one_works(history: History) -> None:
    sha = history.commit({"a": "1\n"})
    tree = history.git("rev-parse", f"{sha}^{{tree}}")
    reverser = Reverser(Git(history.git_dir))
    with pytest.raises(RepositoryUnavailable, match="cannot be written"):
        reverser.writer.commit("no tree", [sha], "Message\n", 1, "A <a@example.com>")
    written = reverser.writer.commit(tree, [sha], "Message\n", 1_700_000_000, "A <a@example.com>")
    reverser.close()
    env = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in IDENTITY.items()}
    command = ["git", f"--git-dir={history.git_dir}", "commit-tree", tree, "-p", sha, "-m", "Message"]
    done = subprocess.run(command, env={"PATH": "/usr/bin:/bin", **env}, capture_output=True, check=True)
    assert done.stdout.decode().strip() == written


def test_an_answer_that_comes_too_late_is_never_taken_for_the_next_one(history: History) -> None:
    sha = history.commit({"a": "1\n"})
    tree = history.git("rev-parse", f"{sha}^{{tree}}")
    writer = ObjectWriter(Git(history.git_dir))
    writer.commit(tree, [sha], "Before\n", 1, "A <a@example.com>")
    assert writer._process is not None
    writer._process.send_signal(signal.SIGSTOP)
    writer._deadline = 0.1
    with pytest.raises(RepositoryUnavailable, match="no answer"):
        writer.commit(tree, [sha], "First\n", 1, "A <a@example.com>")
    writer._deadline = 30.0
    second = writer.commit(tree, [sha], "Second\n", 1, "A <a@example.com>")
    writer.close()
    assert history.git("show", "-s", "--format=%s", second) == "Second"


IDENTITY = {"NAME": "A", "EMAIL": "a@example.com", "DATE": "1700000000 +0000"}


def test_a_missing_file_content_is_an_error_and_never_a_result(history: History) -> None:
    _, bad, head = history.line({"a": "1\n2\n3\n"}, {"a": "x\n2\n3\n"}, {"a": "x\n2\ny\n"})
    _unpack(history)
    blob = history.git("rev-parse", f"{head}:a")
    (history.git_dir / "objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(RepositoryUnavailable):
        undo(history, head, bad)


def _unpack(history: History) -> None:
    """Each object as a file of its own."""
    for pack in [*(history.git_dir / "objects" / "pack").glob("*.pack")]:
        content = pack.read_bytes()
        for part in pack.parent.glob(f"{pack.stem}.*"):
            part.unlink()
        history.git("unpack-objects", "-q", stdin=content)
