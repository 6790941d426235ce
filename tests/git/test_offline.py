"""`plan` on a local clone: every key always, the same commit always, and nothing but objects written."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from render_world import OUT, Tool, clashing, files
from small_history import PERSON, START, History

from gitops_rollback.cli.main import CONFLICT, OK
from gitops_rollback.cli.offline import run_offline
from gitops_rollback.core.errors import SettingsInvalid

KEYS = ["id", "outcome", "tree", "commit", "rung", "paths", "superseded", "explained", "automatic", "reason", "message"]
Ask = Callable[..., tuple[int, dict[str, object]]]


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / "config.git")


@pytest.fixture
def ask(history: History, capsys: pytest.CaptureFixture[str]) -> Ask:
    """One question in the single form: the exit code and the answer."""

    def run(
        at: str, revert: str, repo: Path | None = None, mainline: int | None = None
    ) -> tuple[int, dict[str, object]]:
        code = run_offline(repo or history.git_dir, None, at, revert, mainline, False, "json")
        return code, json.loads(capsys.readouterr().out)

    return run


def test_a_clean_answer_names_tree_commit_rung_and_paths(history: History, ask: Ask) -> None:
    _, bad, head = history.line({"a": "1\n", "b": "1\n"}, {"a": "2\n"}, {"b": "2\n"})
    code, answer = ask(head, bad)
    commit = answer.pop("commit")
    assert code == 0
    assert answer == {
        "id": None,
        "outcome": "clean",
        "tree": history.git("rev-parse", f"{commit}^{{tree}}"),
        "rung": 1,
        "paths": ["a"],
        "superseded": [],
        "explained": [],
        "automatic": True,
        "reason": None,
        "message": f"Undoing {bad[:12]} at {head[:12]} changes 1 file.",
    }
    assert history.git("rev-parse", f"{commit}^@") == head


def test_an_empty_answer_is_the_tree_of_the_head_without_a_commit(history: History, ask: Ask) -> None:
    _, bad, head = history.line({"a": "1\n"}, {"a": "2\n"}, {"a": "1\n"})
    code, answer = ask(head, bad)
    tree = history.git("rev-parse", f"{head}^{{tree}}")
    assert (code, answer["outcome"], answer["tree"], answer["commit"]) == (0, "empty", tree, None)
    assert (answer["rung"], answer["paths"], answer["automatic"], answer["reason"]) == (
        None,
        [],
        False,
        "AlreadyUndone",
    )


def test_generated_files_are_rendered_if_the_settings_are_named(
    history: History, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tool = Tool(tmp_path, history)
    _, bad, head = clashing(history)
    config = tmp_path / "settings.yaml"
    command = {"command": list(tool.render.command), "generates": ["rendered/**"], "timeout": "50s"}
    other = {"url": "https://git.example.com/shop/other.git"}
    ours = {"url": "https://git.example.com/shop/config.git", "render": [command]}
    config.write_text(json.dumps({"repositories": [ours]}))
    assert run_offline(history.git_dir, None, head, bad, None, False, "json") == CONFLICT
    capsys.readouterr()
    assert run_offline(history.git_dir, None, head, bad, None, False, "json", None, str(config)) == OK
    answer = json.loads(capsys.readouterr().out)
    assert history.content(answer["tree"]) == files(a="1", b="2")
    assert answer["rendered"] == [{"command": tool.render.name, "paths": [OUT]}]
    assert f"Rendered anew by `{tool.render.name}`: {OUT}." in history.git("log", "-1", "--format=%B", answer["commit"])
    config.write_text(json.dumps({"repositories": [other, ours]}))
    with pytest.raises(SettingsInvalid, match="none of their repositories"):
        run_offline(history.git_dir, None, head, bad, None, False, "json", None, str(config))
    history.git("config", "remote.origin.url", "git@git.example.com:shop/config.git")
    assert run_offline(history.git_dir, None, head, bad, None, False, "json", None, str(config)) == OK


def test_a_conflict_names_no_tree_and_explains_each_path(history: History, ask: Ask) -> None:
    _, bad, head = history.line({"a": "1\n"}, {"a": "2\n"}, {"a": "3\n"})
    code, answer = ask(head, bad)
    assert (code, answer["outcome"], answer["tree"], answer["commit"]) == (5, "conflict", None, None)
    assert (answer["rung"], answer["paths"], answer["reason"]) == (None, [], "RevertConflict")
    (entry,) = answer["explained"]
    assert (entry["path"], entry["key"], entry["commit"]) == ("a", None, head)
    assert entry["why"]
    assert entry["todo"]


def test_a_guarded_path_is_clean_with_a_commit_but_not_automatic(history: History, ask: Ask) -> None:
    _, bad = history.line({"Jenkinsfile": "a\n"}, {"Jenkinsfile": "b\n"})
    code, answer = ask(bad, bad)
    assert (code, answer["outcome"], answer["automatic"], answer["reason"]) == (0, "clean", False, "ProtectedPath")
    assert answer["commit"]


def test_a_plan_that_takes_back_what_others_set_since_is_a_persons(history: History, ask: Ask) -> None:
    _, bad, head = history.line(*({"a.yaml": f"tag: {tag}\n"} for tag in (1, 2, 3)))
    code, answer = ask(head, bad)
    assert (code, answer["outcome"], answer["rung"], answer["superseded"]) == (0, "clean", 4, [head])
    assert (answer["automatic"], answer["reason"]) == (False, "Supersedes")


def test_a_commit_beside_the_history_is_never_automatic(history: History, ask: Ask) -> None:
    root = history.commit({"a": "1\n"})
    bad, head = history.commit({"a": "2\n"}, [root]), history.commit({"a": "2\n", "b": "1\n"}, [root])
    _, answer = ask(head, bad)
    assert (answer["outcome"], answer["automatic"], answer["reason"]) == ("clean", False, "NotOnFirstParent")


@pytest.mark.parametrize("build", ["clean", "empty", "conflict", "refused", "no repository"])
def test_every_answer_has_every_key_in_the_same_order(history: History, ask: Ask, build: str, tmp_path: Path) -> None:
    last = {"clean": {"b": "1\n"}, "empty": {"a": "1\n"}, "conflict": {"a": "3\n"}}.get(build, {})
    _, bad, head = history.line({"a": "1\n"}, {"a": "2\n"}, last)
    _, answer = ask(head, "f" * 40 if build == "refused" else bad, tmp_path if build == "no repository" else None)
    assert list(answer) == KEYS
    assert answer["outcome"] == (build if build in ("clean", "empty", "conflict") else "refused")
    assert isinstance(answer["message"], str)
    assert answer["message"].endswith(".")


def test_the_commit_repeats_and_is_one_second_younger_than_the_head(history: History, ask: Ask) -> None:
    root = history.commit({"a": "1\n"})
    bad = history.commit({"a": "2\n"}, [root], message='Raise "a"\n\nBecause.\n')
    head = history.commit({"b": "1\n"}, [bad], seconds=START + 1000)
    commit = ask(head, bad)[1]["commit"]
    assert ask(head[:9], bad[:9])[1]["commit"] == commit
    raw = history.git("cat-file", "commit", commit).split("\n")
    stamp = f"gitops-rollback <gitops-rollback@localhost> {START + 1001} +0000"
    assert raw[2:4] == [f"author {stamp}", f"committer {stamp}"]
    assert raw[5:] == ['Revert "Raise "a""', "", f"This reverts commit {bad}.", "", "Rollback-Rung: 1"]
    history.git("fsck", "--strict")


def test_the_commit_of_a_merge_says_against_which_parent(history: History, ask: Ask) -> None:
    root = history.commit({"a": "1\n"})
    main, side = history.commit({"b": "1\n"}, [root]), history.commit({"a": "2\n"}, [root])
    merge = history.commit({"a": "2\n"}, [main, side], message="Merge side")
    for mainline, parent in ((None, main), (1, main), (2, side)):
        _, answer = ask(merge, merge, mainline=mainline)
        message = history.git("show", "-s", "--format=%B", answer["commit"])
        assert message.split("\n") == [
            'Revert "Merge side"',
            "",
            f"This reverts commit {merge}.",
            f"Reversing changes made to {parent}.",
            "",
            "Rollback-Rung: 1",
        ]


@pytest.mark.parametrize("message", [b"caf\xe9 is up", b"", b"\n\nlate subject\n", b"x" * 5000, b"tab\there"])
def test_a_subject_in_any_bytes_gives_a_commit_that_git_reads(history: History, ask: Ask, message: bytes) -> None:
    root = history.commit({"a": "1\n"})
    bad = history.commit({"a": "2\n"}, [root], message=message)
    commit = ask(bad, bad)[1]["commit"]
    assert f"This reverts commit {bad}." in history.git("show", "-s", "--format=%B", commit)
    history.git("fsck", "--strict")


@pytest.mark.parametrize("encoding", ["latin-1", "utf-7", "unicode_escape", "no-such-thing"])
def test_a_message_in_a_declared_encoding_never_stops_us(history: History, ask: Ask, encoding: str) -> None:
    root = history.commit({"a": "1\n"})
    tree = history.git("rev-parse", f"{history.commit({'a': '2'}, [root])}^{{tree}}")
    person = f"{PERSON.decode()} {START} +0000"
    head = f"tree {tree}\nparent {root}\nauthor {person}\ncommitter {person}\nencoding {encoding}\n\n".encode()
    bad = history.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=head + b"caf\xe9 +2AA- \\ud800\0x\n")
    commit = ask(bad, bad)[1]["commit"]
    assert ("café" if encoding == "latin-1" else "caf") in history.git("show", "-s", "--format=%s", commit)
    assert "\0" not in history.git("cat-file", "commit", str(commit))
    history.git("fsck")


def test_the_attributes_of_a_work_tree_have_no_say(history: History, tmp_path: Path, ask: Ask) -> None:
    steps = [{"a": "1\n", ".gitattributes": "* merge=union\n"}, {"a": "2\n"}, {"a": "3\n"}]
    _, bad, head = history.line(*steps)
    history.git("update-ref", "refs/heads/main", head)
    history.git("symbolic-ref", "HEAD", "refs/heads/main")
    clone, _ = _worktree(history, tmp_path)
    assert clone is not None
    assert (clone / ".gitattributes").exists()
    assert ask(head, bad, repo=clone)[1]["outcome"] == "conflict"


def test_a_path_that_is_not_utf_8_comes_out_as_ascii_and_can_be_told_again(
    history: History, capsys: pytest.CaptureFixture[str]
) -> None:
    _, bad = history.line({b"caf\xe9": "1\n"}, {b"caf\xe9": "2\n"})
    assert run_offline(history.git_dir, None, bad, bad, None, False, "json") == 0
    out = capsys.readouterr().out
    assert out.isascii()
    assert json.loads(out)["paths"][0].encode("utf-8", "surrogateescape") == b"caf\xe9"
    assert run_offline(history.git_dir, None, bad, bad, None, False, "table") == 0
    assert "changes caf\\udce9" in capsys.readouterr().out


def _bare(history: History, folder: Path) -> tuple[Path | None, Path | None]:
    return history.git_dir, None


def _worktree(history: History, folder: Path) -> tuple[Path | None, Path | None]:
    subprocess.run(["git", "clone", "-q", str(history.git_dir), str(folder / "clone")], check=True)
    return folder / "clone", None


def _linked(history: History, folder: Path) -> tuple[Path | None, Path | None]:
    clone, _ = _worktree(history, folder)
    subprocess.run(["git", "-C", str(clone), "worktree", "add", "-q", str(folder / "linked")], check=True)
    return folder / "linked", None


def _git_dir(history: History, folder: Path) -> tuple[Path | None, Path | None]:
    clone, _ = _worktree(history, folder)
    assert clone is not None
    return None, clone / ".git"


@pytest.mark.parametrize("place", [_bare, _worktree, _linked, _git_dir], ids=lambda place: place.__name__.strip("_"))
def test_no_ref_configuration_lock_index_or_file_is_touched(
    history: History,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    place: Callable[[History, Path], tuple[Path | None, Path | None]],
) -> None:
    _, bad, other, head = history.line({"a": "1\n2\n3\n"}, {"a": "x\n2\n3\n"}, {"b": "1\n"}, {"a": "x\n2\ny\n"})
    history.git("update-ref", "refs/heads/main", head)
    history.git("symbolic-ref", "HEAD", "refs/heads/main")
    repo, git_dir = place(history, tmp_path)
    before = _everything(tmp_path)
    for at, revert in ((head, bad), (head, other), (head, head), (bad, bad), (head, "f" * 40)):
        run_offline(repo, git_dir, at, revert, None, False, "json")
    outcomes = [json.loads(line)["outcome"] for line in capsys.readouterr().out.splitlines()]
    assert outcomes == ["clean", "clean", "clean", "clean", "refused"]
    assert _everything(tmp_path) == before


def _everything(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file outside object stores, with its time and content, and every directory's name."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes()) if path.is_file() else (0, b"")
        for path in folder.rglob("*")
        if "objects" not in path.parts
    }


def test_the_objects_land_in_the_clones_own_store(history: History, tmp_path: Path, ask: Ask) -> None:
    _, bad = history.line({"a": "1\n"}, {"a": "2\n"})
    history.git("update-ref", "refs/heads/main", bad)
    clone, _ = _worktree(history, tmp_path)
    commit = ask(bad, bad, repo=clone)[1]["commit"]
    subprocess.run(["git", "-C", str(clone), "cat-file", "-e", str(commit)], check=True)
    with pytest.raises(subprocess.CalledProcessError):
        history.git("cat-file", "-e", str(commit))


def test_a_shallow_clone_without_the_parent_says_what_to_fetch(history: History, tmp_path: Path, ask: Ask) -> None:
    _, bad, head = history.line({"a": "1\n"}, {"a": "2\n"}, {"b": "1\n"})
    history.git("update-ref", "refs/heads/main", head)
    for depth, outcome, words in ((2, "refused", "fetch more history"), (3, "clean", "Undoing")):
        clone = tmp_path / f"depth-{depth}"
        command = ["git", "clone", "-q", f"--depth={depth}", "--branch=main", f"file://{history.git_dir}", str(clone)]
        subprocess.run(command, check=True)
        _, answer = ask(head, bad, repo=clone)
        assert answer["outcome"] == outcome
        assert words in str(answer["message"])


def test_a_blobless_clone_without_its_remote_undoes_what_needs_no_content_and_refuses_the_rest(
    history: History, tmp_path: Path, ask: Ask
) -> None:
    _, bad, merged = history.line({"a": "1\n2\n3\n"}, {"a": "x\n2\n3\n"}, {"a": "x\n2\ny\n"})
    untouched = history.commit({"b": "1\n"}, [bad])
    for name, sha in (("main", merged), ("other", untouched)):
        history.git("update-ref", f"refs/heads/{name}", sha)
    history.git("config", "uploadpack.allowFilter", "true")
    clone = tmp_path / "partial.git"
    url = f"file://{history.git_dir}"
    subprocess.run(["git", "clone", "-q", "--bare", "--filter=blob:none", url, str(clone)], check=True)
    history.git_dir.rename(tmp_path / "gone.git")
    assert ask(untouched, bad, repo=clone)[1]["outcome"] == "clean"
    code, answer = ask(merged, bad, repo=clone)
    assert (code, answer["outcome"], answer["reason"]) == (4, "refused", "RepositoryUnavailable")
    assert list(answer) == KEYS


def test_a_repository_with_sha_256_is_answered_in_its_own_ids(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    history = History(tmp_path / "sha256.git", "sha256")
    _, bad = history.line({"a": "1\n"}, {"a": "2\n"})
    assert run_offline(history.git_dir, None, bad[:10], bad, None, False, "json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert [len(answer[key]) for key in ("tree", "commit")] == [64, 64]
    history.git("fsck", "--strict")


@pytest.mark.parametrize("kind", ["missing", "empty folder", "empty repository", "file"])
def test_nothing_to_read_is_refused(history: History, tmp_path: Path, ask: Ask, kind: str) -> None:
    place = tmp_path / "place"
    if kind == "empty folder":
        place.mkdir()
    if kind == "file":
        place.write_text("x")
    code, answer = ask("f" * 40, "f" * 40, repo=history.git_dir if kind == "empty repository" else place)
    assert (code, answer["outcome"], answer["automatic"]) == (4, "refused", False)


def test_a_corrupt_object_is_refused_and_not_guessed_around(history: History, ask: Ask) -> None:
    root = history.commit({"a": "1\n"})
    tree = history.git("rev-parse", f"{root}^{{tree}}")
    raw = f"tree {tree}\nparent {root}\nauthor {PERSON.decode()} 1 +0000\ncommitter {PERSON.decode()} 1 +0000\n\nx\n"
    bad = history.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=raw.encode())
    loose = history.git_dir / "objects" / bad[:2] / bad[2:]
    loose.chmod(0o644)
    loose.write_bytes(b"garbage")
    code, answer = ask(bad, bad)
    assert (code, answer["outcome"]) == (4, "refused")


def test_the_answer_for_people_shows_what_changes_and_how_to_look(
    history: History, capsys: pytest.CaptureFixture[str]
) -> None:
    _, bad, head = history.line({"a": "1\n", ".gitignore": "x\n"}, {"a": "2\n", ".gitignore": "y\n"}, {"b": "1\n"})
    run_offline(history.git_dir, None, head, bad, None, False, "table")
    said = capsys.readouterr().out
    assert "changes a" in said
    assert "by a person only (ProtectedPath)" in said
    assert ".gitignore: it steers git or the forge." in said
    assert "git show " in said


@pytest.mark.parametrize(
    ("at", "revert", "mainline", "batch"),
    [(None, "f" * 40, None, False), ("f" * 40, None, None, False), ("f" * 40, None, None, True), (None, None, 2, True)],
)
def test_a_wrong_combination_of_options_is_a_usage_error(
    history: History, at: str | None, revert: str | None, mainline: int | None, batch: bool
) -> None:
    assert run_offline(history.git_dir, None, at, revert, mainline, batch, "json") == 2
