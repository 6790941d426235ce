"""Where the settings name a command, generated files are made anew from their sources; else a person is asked."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from render_world import OUT, UNDONE, Tool, clashing, files, rendered
from small_history import Entry, History

from gitops_rollback.adapters.git.door import Git
from gitops_rollback.adapters.git.reversal import reverse
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.plan import PlanOutcome
from gitops_rollback.core.rendering import Render

CLEAN, EMPTY, CONFLICT = PlanOutcome.CLEAN, PlanOutcome.EMPTY, PlanOutcome.CONFLICT


@pytest.fixture(params=["sha1", "sha256"])
def history(tmp_path: Path, request: pytest.FixtureRequest) -> History:
    return History(tmp_path / "config.git", request.param)


@pytest.fixture
def tool(tmp_path: Path) -> Tool:
    return Tool(tmp_path, History(tmp_path / "one.git"))


def test_a_clash_in_a_generated_file_is_made_anew_from_the_sources(history: History, tmp_path: Path) -> None:
    _, bad, head = clashing(history)
    assert reverse(Git(history.git_dir), head, [bad]).outcome is CONFLICT
    tool = Tool(tmp_path, history)
    reversal = tool.undo(head, bad)
    assert (reversal.outcome, reversal.gate_reason, reversal.rung) == (CLEAN, None, 2)
    assert history.content(reversal.tree) == files(a="1", b="2")
    assert reversal.paths == (OUT, "values/a.txt")
    (made,) = reversal.rendered
    assert (made.command, made.paths) == (tool.render.name, (OUT,))
    assert f"Rendered anew by `{tool.render.name}`: {OUT}." in reversal.message
    assert tool.runs == ["2 2", "1 2"]  # first the head, as it is


def test_what_merely_comes_back_is_still_the_first_rung(tool: Tool) -> None:
    before, bad, head = tool.history.line(files(a="1"), files(a="2"), {"other": "1\n"})
    reversal = tool.undo(head, bad)
    assert (reversal.outcome, reversal.rung) == (CLEAN, 1)
    assert tool.history.content(reversal.tree) == {**tool.history.content(before), "other": "1\n"}


def test_what_would_come_back_stale_is_made_of_what_stands_there_now(tool: Tool) -> None:
    """The file before the culprit was made of a `b` that was changed since, where it made no difference."""
    tool.says("values = {'a': values['a'], **({'b': values['b']} if values['a'] != 'off' else {})}", "write()")
    off = {"values/a.txt": "off\n", OUT: rendered(a="off")}
    _, bad, head = tool.history.line(files(a="1", b="1"), off, {"values/b.txt": "2\n"})
    reversal = tool.undo(head, bad)
    assert (reversal.outcome, reversal.rung) == (CLEAN, 2)
    assert tool.history.content(reversal.tree)[OUT] == rendered(a="1", b="2")


def test_a_file_that_the_culprit_made_goes_and_one_that_it_took_comes_back(tool: Tool) -> None:
    tool.says(
        "for key, value in values.items():",
        "    pathlib.Path(f'rendered/{key}.yaml').write_text(f'v: {value}\\n')",
    )
    first = {"values/a.txt": "1\n", "rendered/a.yaml": "v: 1\n"}
    bad_files = {"values/a.txt": None, "rendered/a.yaml": None, "values/b.txt": "1\n", "rendered/b.yaml": "v: 1\n"}
    later = {"values/c.txt": "1\n", "rendered/c.yaml": "v: 1\n"}
    _, bad, head = tool.history.line(first, bad_files, later)
    assert tool.history.content(tool.undo(head, bad).tree) == {**first, **later}


def test_commit_and_the_rendering_that_followed_go_back_together(tool: Tool) -> None:
    first = files(a="1", b="1")
    _, bad, bot, head = tool.history.line(first, {"values/a.txt": "2\n"}, files(a="2", b="1"), files(a="2", b="2"))
    reversal = tool.undo(head, bot, bad)
    assert (reversal.outcome, reversal.explained) == (CLEAN, ())
    assert tool.history.content(reversal.tree) == files(a="1", b="2")


def test_a_commit_that_only_rendered_is_left_to_a_person(tool: Tool) -> None:
    _, _, bot = tool.history.line(files(a="1"), {"values/a.txt": "2\n"}, files(a="2"))
    reversal = tool.undo(bot, bot)
    assert (reversal.outcome, reversal.gate_reason) == (CONFLICT, Reason.REVERT_CONFLICT)
    (one,) = reversal.explained
    assert one.path == OUT
    assert "changed nothing but what" in one.why
    assert tool.runs == []


def test_where_the_sources_clash_nothing_is_run(tool: Tool) -> None:
    _, bad, head = tool.history.line(files(a="1"), files(a="2"), files(a="3"))
    reversal = tool.undo(head, bad)
    assert (reversal.outcome, [one.path for one in reversal.explained]) == (CONFLICT, ["values/a.txt"])
    assert tool.runs == []


def test_a_commit_to_other_files_runs_nothing(tool: Tool) -> None:
    _, bad = tool.history.line(files(a="1"), {"other": "1\n"})
    assert tool.undo(bad, bad).outcome is CLEAN
    assert tool.runs == []


def test_what_is_undone_already_is_done_only_if_it_was_rendered_too(tool: Tool) -> None:
    _, bad, back = tool.history.line(files(a="1", b="1"), files(a="2", b="1"), files(a="1", b="1"))
    assert tool.undo(back, bad).outcome is EMPTY
    stale = tool.history.commit({"values/a.txt": "1\n"}, [bad])
    reversal = tool.undo(stale, bad)
    assert (reversal.outcome, reversal.explained[0].path) == (CONFLICT, OUT)


def test_the_same_question_runs_nothing_again(tool: Tool) -> None:
    _, bad, head = clashing(tool.history)
    with tool.reverser() as reverser:
        assert reverser.reverse(head, [bad]) == reverser.reverse(head, [bad])
    assert len(tool.runs) == 2


REFUSED = {
    "another version of the tool": ("values['z'] = '1'; write()", f"does not make {OUT} as committed in"),
    "one that does nothing": ("", f"does not make {OUT} as committed in"),
    "one that makes more": ("write(); pathlib.Path('rendered/x').write_text('')", "does not make rendered/x as"),
    "one that fails": (f"sys.exit('no such\\nchart: shop' if {UNDONE} else write())", "exit code 1: no such / chart"),
    "one that is killed": (f"import os; {UNDONE} and os.abort(); write()", "was ended by signal 6"),
    "a source changed": (f"write(); {UNDONE} and pathlib.Path('values/b.txt').write_text('9')", "changed values/b.txt"),
    "a file beside": (f"write(); {UNDONE} and pathlib.Path('new.txt').write_text('9')", "changed new.txt, which it is"),
    "a mode": (f"write(); {UNDONE} and pathlib.Path('values/b.txt').chmod(0o755)", "changed values/b.txt"),
    "a source removed": (f"write(); {UNDONE} and pathlib.Path('values/b.txt').unlink()", "removed values/b.txt"),
    "a git folder": (f"write(); {UNDONE} and pathlib.Path('.git').write_text('')", "changed .git"),
    "a marker": (f"write(); {UNDONE} and out.write_text('<<<<<<< ours\\n')", "it holds conflict markers"),
    "no YAML": (f"write(); {UNDONE} and out.write_text('a: [')", f"{OUT} is not YAML"),
    "a key twice": (f"write(); {UNDONE} and out.write_text('a: 1\\na: 1\\n')", "has the key 0/a twice"),
    "a new file that is no YAML": (f"write(); {UNDONE} and open('rendered/n.yaml', 'w').write('{{')", "is not YAML"),
    "a link": (
        f"write(); {UNDONE} and (out.unlink(), out.symlink_to('/etc/hostname'))",
        f"made {OUT} a symbolic link",
    ),
    "a pipe": (f"import os; write(); {UNDONE} and os.mkfifo('rendered/pipe')", "neither a file nor a link"),
    "a folder that leads out": (
        f"import os; write(); {UNDONE} and (out.unlink(), os.rmdir('rendered'), os.symlink('/etc', 'rendered'))",
        "a symbolic link",
    ),
}


@pytest.mark.parametrize(("line", "words"), REFUSED.values(), ids=REFUSED)
def test_what_may_not_be_taken_is_asked_about(tool: Tool, line: str, words: str) -> None:
    _, bad, head = clashing(tool.history)
    reversal = tool.says(line).undo(head, bad)
    assert (reversal.outcome, reversal.gate_reason, reversal.tree) == (CONFLICT, Reason.GATE_FAILED, None)
    (one,) = reversal.explained
    assert one.path
    assert words in one.why
    assert str(tool.script) in one.why
    assert one.todo


def test_one_that_does_not_end_is_asked_about(tool: Tool) -> None:
    _, bad, head = clashing(tool.history)
    tool.says("import time", "time.sleep(900)", timeout=1)
    (one,) = tool.undo(head, bad).explained
    assert "did not end within 1s" in one.why


def test_a_program_that_is_not_here_is_asked_about(tool: Tool) -> None:
    _, bad, head = clashing(tool.history)
    tool.script.unlink()
    (one,) = tool.undo(head, bad).explained
    assert "exit code 2" in one.why


def test_it_stands_in_the_whole_tree_and_sees_nothing_that_leads_out_of_it(tool: Tool, tmp_path: Path) -> None:
    """Not a link out by itself, nor one that leads out over another link; one that stays inside is there."""
    secret = tmp_path / "secret"
    secret.write_text("canary\n")
    up = "../" * len(tmp_path.parts)
    links = {
        "values/out.txt": Entry("120000", str(secret).encode()),
        "values/up.txt": Entry("120000", f"{up}{secret}".encode()),
        "deep/er/root": Entry("120000", b"../.."),
        "values/over.txt": Entry("120000", b"../deep/er/root/../sneaky"),
        "values/c.txt": Entry("120000", b"a.txt"),
        "charts/sub": Entry("160000", b"1" * 40),
        "run.sh": Entry("100755", b"#!/bin/sh\n"),
    }
    tool.says(
        "import os",
        "assert os.access('run.sh', os.X_OK) and os.listdir('charts/sub') == [] and not os.path.exists('.git')",
        "assert not [name for name in ('out', 'up', 'over') if os.path.lexists(f'values/{name}.txt')]",
        "write()",
    )
    both = {**files(a="1", b="1"), OUT: rendered(a="1", b="1", c="1"), **links}
    bad = {**files(a="2", b="1"), OUT: rendered(a="2", b="1", c="2")}
    head = {**files(a="2", b="2"), OUT: rendered(a="2", b="2", c="2")}
    _, culprit, at = tool.history.line(both, bad, head)
    reversal = tool.undo(at, culprit)
    assert (reversal.outcome, reversal.explained) == (CLEAN, ())
    assert tool.history.content(reversal.tree)[OUT] == rendered(a="1", b="2", c="1")
    assert {"values/out.txt", "values/over.txt"} < tool.history.content(reversal.tree).keys()


def test_it_sees_nothing_of_our_environment(tool: Tool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITOPS_ROLLBACK_GIT_TOKEN", "ARGOCD_AUTH_TOKEN", "GITHUB_TOKEN", "SSH_AUTH_SOCK", "KUBECONFIG"):
        monkeypatch.setenv(name, "canary-7f3a9e")
    _, bad, head = clashing(tool.history)
    seen = tmp_path / "seen"
    tool.says("import json, os", f"open({str(seen)!r}, 'w').write(json.dumps(dict(os.environ)))", "write()")
    assert tool.undo(head, bad).outcome is CLEAN
    text = seen.read_text()
    assert "canary" not in text
    environment = json.loads(text)
    assert environment.keys() <= {"PATH", "HOME", "TMPDIR", "LANG", "PYTHONSAFEPATH", "LC_CTYPE"}
    assert environment["HOME"] != os.environ.get("HOME")
    assert not Path(environment["HOME"]).exists()  # it went with all that was written there


def test_several_commands_work_one_on_the_result_of_the_other(tool: Tool, tmp_path: Path) -> None:
    script = tmp_path / "second.py"
    script.write_text(f"import pathlib; pathlib.Path('last.txt').write_text(pathlib.Path('{OUT}').read_text().upper())")
    second = Render((sys.executable, str(script)), ("last.txt",))
    steps = [
        {**files(**values), "last.txt": rendered(**values).upper()}
        for values in ({"a": "1", "b": "1"}, {"a": "2", "b": "1"}, {"a": "2", "b": "2"})
    ]
    _, bad, head = tool.history.line(*steps)
    with tool.reverser(second) as reverser:
        reversal = reverser.reverse(head, [bad])
    assert tool.history.content(reversal.tree)["last.txt"] == rendered(a="1", b="2").upper()
    assert [made.paths for made in reversal.rendered] == [(OUT,), ("last.txt",)]
