"""Is the command line quick to help, the same with flags and variables, and honest about each kind of failure?"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from config_world import Answer

from gitops_rollback import __version__
from gitops_rollback.cli import main
from gitops_rollback.cli.crash import keep
from gitops_rollback.cli.main import VERBS, code_of, outcome_of
from gitops_rollback.core.errors import (
    BranchRewritten,
    CredentialsRejected,
    EngineUnavailable,
    JournalBroken,
    Reason,
    RepositoryUnavailable,
    RollbackError,
    SettingsInvalid,
    StalledError,
)

CANARY = "canary-7f3a9e"

Verb = Callable[[click.Command], None]


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Verb:
    """Put a command in place of the verb `version`; what a bug leaves lies in `tmp_path`."""
    monkeypatch.setenv("GITOPS_ROLLBACK_STATE_DIR", str(tmp_path))

    def put(command: click.Command) -> None:
        module = types.ModuleType("gitops_rollback.cli.verbs.version")
        module.command = command
        monkeypatch.setitem(sys.modules, "gitops_rollback.cli.verbs.version", module)

    return put


def failing(error: BaseException) -> click.Command:
    @click.command
    def command() -> None:
        raise error

    return command


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
        timeout=60,
    )


def test_help_imports_nothing_but_click_and_names() -> None:
    done = python(
        "import sys\n"
        "from gitops_rollback.cli.main import outcome_of\n"
        "code = outcome_of(['--help'])\n"
        "ours = sorted(name for name in sys.modules if name.startswith('gitops_rollback.'))\n"
        "heavy = sorted({'pydantic', 'yaml', 'httpx', 'requests', 'git', 'structlog'} & set(sys.modules))\n"
        "print('LOADED', code, ours, heavy)\n"
    )
    assert done.returncode == 0, done.stderr
    loaded = done.stdout.splitlines()[-1]
    ours = [f"gitops_rollback.{name}" for name in ("cli", "cli.main", "core", "core.errors")]
    assert loaded == f"LOADED 0 {ours} []"


def test_the_help_of_no_verb_loads_what_carries_it_out() -> None:
    done = python(
        "import sys\n"
        "from gitops_rollback.cli.main import VERBS, outcome_of\n"
        "codes = {outcome_of([verb, '--help']) for verb in VERBS}\n"
        "light = ('gitops_rollback.cli.verbs', 'gitops_rollback.core', 'gitops_rollback.sandbox.kinds')\n"
        "light += ('gitops_rollback.cli.main', 'gitops_rollback.cli.flags', 'gitops_rollback.cli.output')\n"
        "packages = {'gitops_rollback.cli', 'gitops_rollback.sandbox'}\n"
        "ours = {name for name in sys.modules if name.startswith('gitops_rollback.')} - packages\n"
        "heavy = sorted(name for name in ours if not name.startswith(light))\n"
        "heavy += sorted({'pydantic', 'httpx', 'requests', 'git', 'structlog', 'rich', 'jinja2'} & set(sys.modules))\n"
        "print('LOADED', codes, heavy)\n"
    )
    assert done.stdout.splitlines()[-1] == "LOADED {0} []", done.stderr


def test_lint_loads_nothing_that_talks_to_anybody() -> None:
    done = python(
        "import sys\n"
        "from gitops_rollback.cli.main import outcome_of\n"
        "code = outcome_of(['lint', 'policies'])\n"
        "heavy = sorted({'httpx', 'requests', 'git', 'lightkube', 'structlog'} & set(sys.modules))\n"
        "print('LOADED', code, heavy)\n"
    )
    assert done.stdout.splitlines()[-1] == "LOADED 0 []", done.stderr


def test_help_lists_every_verb(cli: Callable[..., Answer]) -> None:
    answer = cli("--help")
    assert answer.code == 0
    assert all(f"\n  {name}" in answer.out for name in VERBS)


@pytest.mark.parametrize("name", ["get", "status", "history", "explain", "pause", "resume", "version"])
def test_each_verb_explains_itself_with_examples(cli: Callable[..., Answer], name: str) -> None:
    answer = cli(name, "--help")
    assert answer.code == 0
    assert f"gitops-rollback {name}" in answer.out
    assert "Examples:" in answer.out


def test_the_module_runs_like_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gitops_rollback", "version", "-o", "json"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert json.loads(done.stdout)["version"] == __version__


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["version"], 0),
        (["--version"], 0),
        (["get", "--help"], 0),
        ([], 2),
        (["versoin"], 2),
        (["version", "--nonsense"], 2),
        (["version", "-o", "pdf"], 2),
        (["status"], 2),
        (["get", "everything"], 2),
    ],
)
def test_a_wrong_command_line_is_two(cli: Callable[..., Answer], arguments: list[str], code: int) -> None:
    answer = cli(*arguments)
    assert answer.code == code
    if code and arguments:
        assert "Error:" in answer.err
        assert answer.out == ""


def test_a_misspelt_verb_is_told_its_neighbour(cli: Callable[..., Answer]) -> None:
    assert "Did you mean history?" in cli("histroy").err


def test_a_flag_is_a_variable_without_the_verbs_name(monkeypatch: pytest.MonkeyPatch, verb: Verb) -> None:
    seen: list[object] = []

    @click.command
    @click.option("--foo-bar")
    def command(foo_bar: str | None) -> None:
        seen.append(foo_bar)

    verb(command)
    monkeypatch.setenv("GITOPS_ROLLBACK_VERSION_FOO_BAR", "wrong")
    outcome_of(["version"])
    monkeypatch.setenv("GITOPS_ROLLBACK_FOO_BAR", "right")
    outcome_of(["version"])
    outcome_of(["version", "--foo-bar", "flag"])
    assert seen == [None, "right", "flag"]


@pytest.mark.parametrize("name", ["get", "status", "history", "explain", "pause", "resume", "version"])
def test_every_verb_takes_its_flags_from_plain_variables(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    command = main.cli.get_command(click.Context(main.cli), name)
    assert command is not None
    assert command.context_settings["auto_envvar_prefix"] == "GITOPS_ROLLBACK"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SettingsInvalid("settings", "bad"), 2),
        (RepositoryUnavailable("r", "silent"), 6),
        (EngineUnavailable("e", "silent"), 6),
        (CredentialsRejected("r", "no"), 2),
        (JournalBroken("j", "lost"), 4),
        (JournalBroken("j", "newer", Reason.JOURNAL_NEWER), 4),
        (BranchRewritten("r", "gone"), 4),
        (StalledError("r", "no", Reason.BRANCH_PROTECTED), 4),
        (StalledError("r", "conflict", Reason.REVERT_CONFLICT), 5),
        (StalledError("r", "odd"), 3),
        (RollbackError("r", "odd"), 3),
    ],
)
def test_each_kind_of_failure_has_its_exit_code(error: RollbackError, code: int) -> None:
    assert code_of(error) == code


def test_a_known_failure_is_one_plain_sentence(cli: Callable[..., Answer], verb: Verb) -> None:
    verb(failing(RepositoryUnavailable("acme/config", "did not answer in 60 s")))
    answer = cli("version")
    assert (answer.code, answer.out, answer.err) == (6, "", "acme/config: did not answer in 60 s\n")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()], ids=["ctrl-c", "abort"])
def test_ctrl_c_is_130(cli: Callable[..., Answer], verb: Verb, error: BaseException) -> None:
    verb(failing(error))
    assert cli("version").code == 130


def test_our_own_bug_makes_a_report_without_a_single_value(
    cli: Callable[..., Answer], verb: Verb, tmp_path: Path
) -> None:
    @click.command
    @click.option("--token")
    def command(token: str) -> None:
        try:
            raise KeyError(token)
        except KeyError as error:
            raise RuntimeError(f"cannot use {token} at https://u:{token}@h.example/?q={token}") from error

    verb(command)
    answer = cli("version", "--token", CANARY)
    assert answer.code == 3
    assert "RuntimeError" in answer.err
    assert __version__ in answer.err
    assert "test_main.py:" in answer.err
    assert CANARY not in answer.err + answer.out
    (kept,) = (tmp_path / "gitops-rollback").iterdir()
    assert str(kept) in answer.err
    told = kept.read_text()
    assert [part in told for part in ("--token", "RuntimeError", "KeyError", "test_main.py:", "click=")] == [True] * 5
    assert CANARY not in told


def test_only_the_newest_reports_are_kept(tmp_path: Path) -> None:
    folder = tmp_path / "gitops-rollback"
    folder.mkdir()
    for number in range(20):
        (folder / f"crash-20200101T0000{number:02}-1.txt").write_text("old")
    environ = {"GITOPS_ROLLBACK_STATE_DIR": str(tmp_path)}
    path = keep("a report", ValueError("x"), [], environ)
    assert path is not None
    assert (len(list(folder.iterdir())), path in folder.iterdir()) == (10, True)


def test_a_reader_that_left_is_no_failure() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as closed:
        command = [sys.executable, "-m", "gitops_rollback", "version"]
        done = subprocess.run(command, stdout=closed, stderr=subprocess.PIPE, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")


def test_settings_faults_are_two_with_every_fault(cli: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITOPS_ROLLBACK_BIND", "nowhere")
    monkeypatch.setenv("GITOPS_ROLLBACK_BUDGET_CONTROLLER", "lots")
    answer = cli("get", "--repo", "http://git.example.com/a/b")
    assert answer.code == 2
    assert [part in answer.err for part in ("GITOPS_ROLLBACK_BIND", "GITOPS_ROLLBACK_BUDGET_CONTROLLER", "--repo")] == [
        True
    ] * 3


def test_no_repository_is_said_in_one_sentence(cli: Callable[..., Answer]) -> None:
    answer = cli("get")
    assert (answer.code, answer.err) == (2, "settings: no repository: give --repo URL, or set GITOPS_ROLLBACK_REPO\n")


def test_a_forge_is_refused_where_the_story_has_none(cli: Callable[..., Answer]) -> None:
    answer = cli("demo", "--story", "push-race", "--forge", "github")
    assert (answer.code, "is told without a forge" in answer.err) == (2, True)


def test_a_story_without_pages_does_not_pretend_to_serve_them(cli: Callable[..., Answer]) -> None:
    answer = cli("demo", "--story", "my-last-quarter", "--serve")
    assert (answer.code, "has no pages" in answer.err) == (2, True)
