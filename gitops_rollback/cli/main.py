"""The command line: which verbs there are, and what each kind of failure means as an exit code.

The table below holds the summaries, so that `--help` of the group imports click and nothing of ours. How a verb is
called is declared in `gitops_rollback.cli.verbs.<verb>`, as a click command named `command`. What carries it out,
`gitops_rollback.cli.<verb>`, is imported when it runs, so that a verb's own `--help` and each press of Tab are quick.
Source: interfaces.md, Verbs; product.md section 3, Exit codes.
"""

from __future__ import annotations

import importlib
import os
import platform
import signal
import sys
import traceback
from collections.abc import Sequence
from types import TracebackType

import click
from click.shell_completion import CompletionItem

from gitops_rollback import __version__
from gitops_rollback.core.errors import Reason, RollbackError, SettingsInvalid, TransientError

VERBS = {
    "run": "The controller: watch, decide, roll back, verify.",
    "init": "Look at a repository, and write a first policy that only watches.",
    "demo": "A story in the sandbox, told live and checked at the end.",
    "simulate": "The controller in simulated worlds, every promise checked at each step.",
    "suspects": "Which commits can be to blame, and how likely each is.",
    "plan": "What would be done, and why; writes nothing.",
    "detect": "Whether a deployment made things worse, by counts from anywhere.",
    "preflight": "Whether a rollback would be automatic, would ask, or is not possible.",
    "rollback": "Roll an application back, on a person's word.",
    "request": "Ask for a rollback by a pull request.",
    "approve": "Say yes to a rollback that waits for a person.",
    "reject": "Say no to a rollback that waits for a person.",
    "abort": "Stop a rollback between two steps.",
    "pause": "Stop acting, for one application or for all.",
    "hold": "Let acting wait for a person's fix, for minutes.",
    "resume": "End a pause.",
    "silence": "Stop the messages about one application, never what is decided.",
    "release": "Let an image automation write again what a rollback holds.",
    "get": "List applications, policies or rollbacks.",
    "watch": "What is seen now, again and again: triggers, suspects, and how far a rollback is.",
    "verify": "What the checks of a rollback say now.",
    "status": "The state and outcome of one rollback.",
    "history": "What was done, and when.",
    "handover": "What the next shift must know.",
    "runbook": "The standing runbook of an application, as Markdown.",
    "audit": "Whether journal and branch tell the same story.",
    "journal": "Make the records of a lost journal again.",
    "backtest": "What would have been done in the past, beside what people did.",
    "report": "What an observing controller would have done, beside what people did.",
    "explain": "Why it was done, or was not: every fact and guard.",
    "drill": "Break an application on purpose, and see it found, taken back and verified.",
    "heartbeat": "A real commit by the way of a rollback, timed.",
    "doctor": "Whether a rollback would work now, and what is missing.",
    "notify-test": "Whether messages arrive where they are wanted.",
    "lint": "Check policy files; all faults at once.",
    "schema": "The JSON Schema of a policy.",
    "config": "The settings in force, and where they came from.",
    "completion": "Let Tab complete verbs and options in bash, zsh or fish.",
    "version": "The version, and that of Python.",
}

OK, NO, USAGE, BUG, REFUSED, CONFLICT, TIMEOUT, WAITING, INTERRUPTED = 0, 1, 2, 3, 4, 5, 6, 7, 130
EXIT_CODES = {
    OK: "yes, done",
    NO: "the answer is no: differences, faults that `lint` found, not verified",
    USAGE: "usage, or the settings cannot be used",
    BUG: "a bug of ours; the lines say what to report",
    REFUSED: "refused by a guard, a policy, a pause or a rule of the branch",
    CONFLICT: "it cannot be reverted cleanly",
    TIMEOUT: "a remote did not answer in time; trying again may work",
    WAITING: "it waits for a person",
    INTERRUPTED: "Ctrl-C",
}

ENVIRONMENT_PREFIX = "GITOPS_ROLLBACK"
PROGRAM = "gitops-rollback"

_REFUSED = frozenset(
    {Reason.PAUSED, Reason.PAUSE_UNREADABLE, Reason.BRANCH_PROTECTED, Reason.JOURNAL_LOST, Reason.JOURNAL_REWOUND}
    | {Reason.JOURNAL_NEWER, Reason.JOURNAL_UNWRITABLE, Reason.BRANCH_REWRITTEN, Reason.WINDOW_CLOSED, Reason.DRILL}
)


class ReaderLeft(Exception):
    """Whoever read our stdout (`| head`) is gone: no failure, and no answer either."""


class Verbs(click.Group):
    """A group that knows its verbs by name and loads one when it runs."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as exc:
            # Click would leave with 1, which here means that the answer is no.
            raise ReaderLeft from exc

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), *VERBS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return super().get_command(ctx, cmd_name)
        module = importlib.import_module(f"gitops_rollback.cli.verbs.{cmd_name.replace('-', '_')}")
        command = module.command
        if not isinstance(command, click.Command):
            raise TypeError(f"gitops_rollback.cli.verbs.{cmd_name} has no command")
        # Without this click puts the verb's name into the variable: GITOPS_ROLLBACK_RUN_REPO.
        command.context_settings = {"auto_envvar_prefix": ENVIRONMENT_PREFIX, **command.context_settings}
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl([(name, VERBS[name]) for name in self.list_commands(ctx)])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """From the table: each press of Tab would else load the modules of all verbs."""
        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        return [CompletionItem(verb, help=summary) for verb, summary in VERBS.items() if verb.startswith(incomplete)]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            raise click.UsageError(f"There is no verb {args[0]!r}.{_nearest(args[0])}", ctx)
        return super().resolve_command(ctx, args)


def _nearest(word: str) -> str:
    near = [verb for verb in VERBS if verb.startswith(word[:3])]
    return f" Did you mean {' or '.join(near)}?" if near and word else ""


@click.command(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, "--version", message="%(prog)s %(version)s")
def cli() -> None:
    """Finds the commit behind a failing sync, reverts it in the config repository, and verifies that it helped.

    \b
    Examples:
      gitops-rollback run --repo https://git.example.com/acme/config.git
      gitops-rollback get applications
      gitops-rollback explain rb-428a78d5
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one verb and leave with its exit code: a verb's own by `ctx.exit(code)`, else as the table says.

    SIGTERM ends a verb as Ctrl-C does, so that it puts away what it made; `run` has an ending of its own.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(outcome_of(list(sys.argv[1:] if arguments is None else arguments)))


def outcome_of(arguments: list[str]) -> int:
    """The exit code of a command line; a failure is told on stderr in plain words."""
    try:
        result = cli.main(arguments, prog_name=PROGRAM, standalone_mode=False)
    except click.ClickException as exc:
        exc.show()
        return USAGE
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        return INTERRUPTED
    except RollbackError as exc:
        click.echo(f"{exc.subject}: {exc.message}", err=True)
        return code_of(exc)
    except ReaderLeft:
        # Python would complain again when it flushes stdout at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return OK
    except Exception as exc:
        told = report(exc, arguments)
        click.echo(told, err=True)
        _keep(told, exc, arguments)
        return BUG
    return result if isinstance(result, int) else OK


def code_of(error: RollbackError) -> int:
    """The exit code that an error means: 2 settings, 6 a remote did not answer, 4 refused, 3 our own fault."""
    if isinstance(error, SettingsInvalid):
        return USAGE
    if error.reason in _REFUSED:
        return REFUSED
    if error.reason is Reason.REVERT_CONFLICT:
        return CONFLICT
    if isinstance(error, TransientError):
        return TIMEOUT
    if error.reason is Reason.INTERNAL_ERROR:
        return BUG
    return USAGE


def report(exc: BaseException, arguments: Sequence[str]) -> str:
    """What to paste into a bug report: versions, the verb, our own frames. No values: one of them may be a secret."""
    verb = next((word for word in arguments if word in VERBS), "")
    lines = [
        "This is a bug in gitops-rollback. Please report it with these lines; they hold no values of yours:",
        f"  gitops-rollback {__version__}, Python {platform.python_version()}, {platform.platform(terse=True)}",
        f"  verb: {verb or 'none'}",
        f"  error: {type(exc).__name__}",
    ]
    return "\n".join(lines + [f"  {frame}" for frame in _frames(exc.__traceback__)])


def _keep(told: str, exc: BaseException, arguments: Sequence[str]) -> None:
    from gitops_rollback.cli.crash import keep  # seldom needed, and each start would pay for it

    path = keep(told, exc, arguments, os.environ)
    if path is not None:
        click.echo(f"More of it, without values too, is in {path}", err=True)


def _frames(trace: TracebackType | None) -> list[str]:
    found = traceback.extract_tb(trace)[-12:]
    return [f"{os.path.basename(frame.filename)}:{frame.lineno} in {frame.name}" for frame in found]
